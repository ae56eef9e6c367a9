//! Messages in the outbox are sent: write-backs to help desks and outgoing webhooks.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::{
    domain::outbox::OutboxState,
    notify::NotifyError,
    pipeline::{error::Result, service::Service},
};

/// Sends at most `limit` messages that wait. Returns how many it claimed.
///
/// # Errors
/// The store would not give work. A failed send is recorded on its message.
pub async fn step(service: &Arc<Service>, limit: usize) -> Result<usize> {
    let messages = service.store.claim_messages(service.ambient.now(), service.config.pipeline.lease.get(), limit).await?;
    let claimed = messages.len();
    let mut tasks = JoinSet::new();
    for message in messages {
        let service = Arc::clone(service);
        tasks.spawn(async move {
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
                        // Its lease is longer than the schedule's first waits.
                        OutboxState::Waiting => {
                            if let Err(error) = service.store.release_message(id).await {
                                tracing::warn!(message = %id, %error, "the next try waits until the lease ends");
                            }
                        }
                    }
                }
                // Another worker has it.
                Err(NotifyError::TakenOver(_)) => {}
                Err(error) => tracing::error!(message = %id, %error, "the message was not sent; it is tried again when its lease ends"),
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(claimed)
}
