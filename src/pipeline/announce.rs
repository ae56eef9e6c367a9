//! What was committed, told to those who work for it: bells for workers, counters for metrics.
//!
//! One listener for the whole process, so that a change costs one wake-up and not one for each idle worker.

use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    count,
    service::{Bells, Service},
};
use crate::domain::{
    entry::{Entry, Event},
    state::TicketState,
};

/// Rings and counts until the store closes or the task is dropped.
pub async fn announce(service: Arc<Service>, mut happenings: Receiver<Arc<Entry>>) {
    loop {
        match happenings.recv().await {
            Ok(entry) => {
                count::entry(&service.metrics, &entry.event);
                ring(&service.bells, &entry.event);
            }
            // Whoever lost some cannot tell for whom they were.
            Err(RecvError::Lagged(_)) => {
                for bell in [&service.bells.tickets, &service.bells.executions, &service.bells.messages] {
                    bell.notify_waiters();
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn ring(bells: &Bells, event: &Event) {
    match event {
        Event::TicketReceived { .. } | Event::TicketMoved { to: TicketState::Received, .. } | Event::TicketUpdated { .. } => {
            bells.tickets.notify_waiters()
        }
        Event::ExecutionCreated { .. } | Event::CancellationRequested { .. } => bells.executions.notify_waiters(),
        // The next message of the same ticket and destination may have waited for this one.
        Event::MessageQueued { .. }
        | Event::MessageDelivered { .. }
        | Event::MessageDead { .. }
        | Event::MessageRedelivered { .. }
        | Event::EndpointEnabled { .. } => bells.messages.notify_waiters(),
        _ => {}
    }
}
