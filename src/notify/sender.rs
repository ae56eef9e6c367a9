//! Delivers one claimed message: the try is committed before it is made, its outcome after.
//!
//! At least once: a crash between sending and recording leaves a message that waits with a try counted, and
//! every target knows how to meet such a message a second time (a mark to look for, or a stable id).
// INVARIANT: of two workers with one message only the one whose try was committed sends.
// INVARIANT: a message whose endpoint is disabled is never given up for that: it waits.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{NotifyError, Senders, Sent, Tried, disabled, schedule};
use crate::{
    domain::{
        ambient::Ambient,
        entry::{Entry, Event},
        outbox::{AttemptOutcome, Destination, OutboxMessage, OutboxState},
        principal::Actor,
    },
    outbound::Limits,
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::{Store, StoreError},
    },
};

/// The Standard Webhooks specification recommends 15 to 30 s.
pub(super) const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 4 * 1024 * 1024 };
/// A receiver may ask for patience, not for oblivion.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);
/// Other messages of the same endpoint may record their failures at the same time; so many lost races in a row are the
/// store's fault.
const RACES: usize = 64;

/// Takes claimed messages to their destinations.
pub struct Sender {
    store: Arc<dyn Store>,
    ambient: Arc<dyn Ambient>,
    pub(super) senders: Arc<Senders>,
}

impl Sender {
    pub fn new(store: Arc<dyn Store>, ambient: Arc<dyn Ambient>, senders: Arc<Senders>) -> Self {
        Self { store, ambient, senders }
    }

    /// One try. Returns the message as committed: delivered, waiting for its next try, or dead. While its help desk
    /// asked for patience, it waits on, and that is no try.
    ///
    /// # Errors
    /// [`NotifyError::TakenOver`] when another worker has it; a store error, after which the message waits and
    /// the next try counts with this one having arrived.
    pub async fn deliver(&self, mut message: OutboxMessage) -> Result<OutboxMessage, NotifyError> {
        let begun = message.attempts;
        let now = self.ambient.now();
        if let Some(until) = self.senders.patience(&message, now) {
            message.next_attempt_at = until;
            self.commit(&message, begun, Change::default()).await?;
            return Ok(message);
        }
        message.begin(now);
        self.commit(&message, begun, Change::default()).await?;

        let started = Instant::now();
        let tried = self.senders.send(&message, begun > 0, now).await;
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(attempt) = message.log.last_mut() {
            attempt.took_ms = Some(took_ms);
            attempt.status = tried.status;
        }
        for _ in 0..RACES {
            match self.settle(&message, &tried).await {
                // Another failure of the same endpoint was recorded first.
                Err(NotifyError::Store(StoreError::Conflict(Conflict::Changed { .. }))) => {}
                other => return other,
            }
        }
        Err(NotifyError::Unsettled(message.id))
    }

    /// Records what became of the try, and what that means for its endpoint.
    async fn settle(&self, begun: &OutboxMessage, tried: &Tried) -> Result<OutboxMessage, NotifyError> {
        let mut message = begun.clone();
        let mut change = Change::default();
        let (id, ticket, destination, attempts) = (message.id, message.ticket, message.destination.key(), message.attempts);
        let dead = |reason: String| Event::MessageDead { message: id, ticket, destination: destination.clone(), attempts, reason };
        let waits = match (&message.destination, &tried.sent) {
            (Destination::Webhook(_), Sent::Delivered) => {
                change.writes.push(Write::EndpointWorks { tenant: message.tenant.clone(), destination: destination.clone() });
                false
            }
            // What could not be tried says nothing of the endpoint.
            (Destination::Webhook(name), Sent::Later { why, .. }) => {
                let (store, ambient) = (&*self.store, &*self.ambient);
                disabled::after_failure(store, ambient, &self.senders, &message.tenant, name, tried, why, &mut change).await?
            }
            _ => false,
        };
        let (outcome, error, event) = match &tried.sent {
            Sent::Delivered => {
                message.state = OutboxState::Delivered;
                let delivered = Event::MessageDelivered { message: id, ticket, destination: destination.clone(), attempts };
                (AttemptOutcome::Delivered, None, Some(delivered))
            }
            Sent::Never { why } => {
                message.state = OutboxState::Dead;
                (AttemptOutcome::Refused, Some(why), Some(dead(why.clone())))
            }
            Sent::Later { why, .. } if waits => {
                message.start_anew(self.ambient.now());
                (AttemptOutcome::Failed, Some(why), None)
            }
            Sent::Later { why, after } => {
                let event = if let Some(wait) = schedule::wait_after(message.round(), id) {
                    let after = after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
                    message.next_attempt_at = self.ambient.now().plus(wait.max(after));
                    None
                } else {
                    message.state = OutboxState::Dead;
                    Some(dead(format!("gave up after {} tries: {why}", message.round())))
                };
                (AttemptOutcome::Failed, Some(why), event)
            }
        };
        message.last_error = error.cloned();
        if let Some(attempt) = message.log.last_mut() {
            attempt.outcome = outcome;
            attempt.error = error.cloned();
        }
        change.entries.splice(0..0, event.map(|event| Entry::new(message.tenant.clone(), self.ambient.now(), Actor::Engine, event)));
        self.commit(&message, attempts, change).await?;
        Ok(message)
    }

    /// Writes the message if it still waits after so many tries.
    async fn commit(&self, message: &OutboxMessage, attempts: u32, mut change: Change) -> Result<(), NotifyError> {
        change.expect.insert(0, Expectation::MessageAttempts { message: message.id, attempts });
        change.writes.push(Write::Message(Box::new(message.clone())));
        match self.store.commit(change).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict(Conflict::Changed { id, .. })) if id == message.id.to_string() => {
                Err(NotifyError::TakenOver(message.id))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
