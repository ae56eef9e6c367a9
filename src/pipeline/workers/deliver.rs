//! Messages in the outbox are sent: write-backs, webhooks, chats and mail.
//!
//! One loop claims as many as there is room for, and each is sent in a task of its own: a receiver that hangs keeps the
//! room of its own destination and nobody else's.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::{
    domain::outbox::{OutboxMessage, OutboxState},
    notify::NotifyError,
    pipeline::{error::Result, service::Service},
};

/// Messages sent at a time, and of these to one destination.
const AT_A_TIME: usize = 128;
const TO_ONE: usize = 16;

/// Sends at most `limit` messages that wait, and waits until all of them were. Returns how many it claimed.
///
/// # Errors
/// The store would not give work. A failed send is recorded on its message.
pub async fn step(service: &Arc<Service>, limit: usize) -> Result<usize> {
    let mut tasks = JoinSet::new();
    let claimed = claim(service, limit, &mut tasks).await?;
    while let Some(ended) = tasks.join_next().await {
        log_panic(ended);
    }
    Ok(claimed)
}

/// Sends until the service stops, then lets what is under way come to its end.
pub(super) async fn run(service: Arc<Service>, mut stopped: watch::Receiver<bool>, poll: Duration) {
    let mut tasks = JoinSet::new();
    while !*stopped.borrow() {
        // Listen before looking, so that a ring between the two is heard.
        let mut rung = pin!(service.bells.messages.notified());
        rung.as_mut().enable();
        match claim(&service, AT_A_TIME - tasks.len(), &mut tasks).await {
            Ok(_) => {}
            Err(error) => tracing::error!(worker = "deliver", %error, "no messages could be claimed; tried again soon"),
        }
        tokio::select! {
            // Room again: the others that ended meanwhile make room too, so that one claim serves them all.
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                log_panic(ended);
                while let Some(ended) = tasks.try_join_next() {
                    log_panic(ended);
                }
            }
            () = &mut rung, if tasks.len() < AT_A_TIME => {}
            () = tokio::time::sleep(poll) => {}
            _ = stopped.changed() => {}
        }
    }
    while let Some(ended) = tasks.join_next().await {
        log_panic(ended);
    }
}

async fn claim(service: &Arc<Service>, limit: usize, tasks: &mut JoinSet<()>) -> Result<usize> {
    if limit == 0 {
        return Ok(0);
    }
    let messages = service.store.claim_messages(service.ambient.now(), service.config.pipeline.lease.get(), limit, TO_ONE).await?;
    let claimed = messages.len();
    for message in messages {
        tasks.spawn(send(Arc::clone(service), message));
    }
    Ok(claimed)
}

async fn send(service: Arc<Service>, message: OutboxMessage) {
    let (id, begun) = (message.id, message.attempts);
    match service.sender.deliver(message).await {
        Ok(sent) => {
            let destination = sent.destination.key();
            let metrics = &service.metrics;
            // None was made while the help desk asked for patience.
            metrics.outbox_attempts.with_label_values(&[&destination]).inc_by(u64::from(sent.attempts - begun));
            match sent.state {
                OutboxState::Delivered => metrics.outbox_deliveries.with_label_values(&[&destination]).inc(),
                OutboxState::Dead => metrics.outbox_dead.with_label_values(&[&destination]).inc(),
                OutboxState::Waiting => {}
            }
            // Its lease is longer than the schedule's first waits, and takes room of its destination's.
            if let Err(error) = service.store.release_message(id).await {
                tracing::warn!(message = %id, %error, "the next try waits until the lease ends");
            }
        }
        // Another worker has it.
        Err(NotifyError::TakenOver(_)) => {}
        Err(error) => tracing::error!(message = %id, %error, "the message was not sent; it is tried again when its lease ends"),
    }
}

fn log_panic(ended: std::result::Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a send panicked; its message comes again when its lease ends");
    }
}
