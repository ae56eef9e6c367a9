//! Delivers one claimed message: the try is committed before it is made, its outcome after.
//!
//! At least once: a crash between sending and recording leaves a message that waits with a try counted, and
//! every target knows how to meet such a message a second time (a mark to look for, or a stable id).
// INVARIANT: of two workers with one message only the one whose try was committed sends.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    NotifyError, Sent,
    desks::{HelpDesk, WriteBack},
    pause::Pauses,
    schedule,
    webhook::{Endpoint, SigningKey},
};
use crate::{
    config::Config,
    domain::{
        ambient::Ambient,
        entry::{Entry, Event},
        name::{SourceId, TenantId},
        outbox::{Destination, Message, OutboxMessage, OutboxState},
        principal::Actor,
        time::Timestamp,
    },
    outbound::{Client, Limits},
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::{Store, StoreError},
    },
};

/// The Standard Webhooks specification recommends 15 to 30 s.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 4 * 1024 * 1024 };
/// A receiver may ask for patience, not for oblivion.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// Everything that can be told something, by destination.
pub struct Senders {
    help_desks: BTreeMap<SourceId, HelpDesk>,
    webhooks: BTreeMap<(TenantId, String), Endpoint>,
    pauses: Pauses,
}

impl Senders {
    /// # Errors
    /// A name that is none or is used twice, a URL that is not allowed, or a secret of another form.
    pub fn from_config(config: &Config) -> Result<Self, NotifyError> {
        let mut help_desks = BTreeMap::new();
        for source in &config.sources {
            let Some(write_back) = &source.write_back else { continue };
            let refuse = |why: String| NotifyError::WriteBack { source_name: source.name.clone(), why };
            let name = SourceId::new(&source.name).map_err(|why| refuse(why.to_string()))?;
            let client = Client::new(&write_back.base_url, &write_back.allow_addresses, LIMITS)
                .map_err(|why| NotifyError::Target { name: source.name.clone(), why })?;
            if help_desks.insert(name, HelpDesk::new(client, write_back).map_err(refuse)?).is_some() {
                return Err(refuse("the source's name is used twice".to_owned()));
            }
        }
        let mut webhooks = BTreeMap::new();
        for webhook in &config.webhooks {
            let refuse = |why: String| NotifyError::Webhook { webhook: webhook.name.clone(), why };
            let tenant = TenantId::new(&webhook.tenant).map_err(|why| refuse(why.to_string()))?;
            let key = SigningKey::parse(&webhook.secret).map_err(|why| refuse(why.to_owned()))?;
            let client = Client::new(&webhook.url, &webhook.allow_addresses, LIMITS)
                .map_err(|why| NotifyError::Target { name: webhook.name.clone(), why })?;
            if webhooks.insert((tenant, webhook.name.clone()), Endpoint { client, key, events: webhook.events.clone() }).is_some() {
                return Err(refuse("the name is used twice".to_owned()));
            }
        }
        Ok(Self { help_desks, webhooks, pauses: Pauses::default() })
    }

    /// True when results can go back to this source.
    pub fn writes_back_to(&self, source: &SourceId) -> bool {
        self.help_desks.contains_key(source)
    }

    /// Who of the tenant wants to be told of events of this type, in the order of names.
    pub fn listeners(&self, tenant: &TenantId, event_type: &str) -> Vec<Destination> {
        self.webhooks
            .iter()
            .filter(|((of, _), endpoint)| of == tenant && endpoint.wants(event_type))
            .map(|((_, name), _)| Destination::Webhook(name.clone()))
            .collect()
    }

    /// Sends once; `again` when an earlier try may have arrived.
    async fn send(&self, message: &OutboxMessage, again: bool, now: Timestamp) -> Sent {
        let gone = || Sent::Never { why: format!("`{}` is not configured", message.destination.key()) };
        match (&message.destination, &message.message) {
            (
                Destination::HelpDesk(source),
                Message::WriteBack { external_id, comment, priority, category, assignment_group, resolved, tags },
            ) => {
                let Some(desk) = self.help_desks.get(source) else { return gone() };
                let write_back = WriteBack {
                    id: message.id,
                    external_id,
                    comment,
                    priority: *priority,
                    category: category.as_deref(),
                    assignment_group: assignment_group.as_deref(),
                    resolved: *resolved,
                    tags,
                };
                let sent = desk.send(&write_back, again).await;
                if let Sent::Later { after: Some(after), .. } = &sent {
                    self.pauses.begin(&message.destination, now.plus((*after).min(LONGEST_RETRY_AFTER)));
                }
                sent
            }
            (Destination::Webhook(name), Message::Event { event_type, data }) => {
                let Some(endpoint) = self.webhooks.get(&(message.tenant.clone(), name.clone())) else { return gone() };
                endpoint.send(message, event_type, data, now).await
            }
            _ => Sent::Never { why: "the message is of a kind that its destination does not take".to_owned() },
        }
    }
}

/// Takes claimed messages to their destinations.
pub struct Sender {
    store: Arc<dyn Store>,
    ambient: Arc<dyn Ambient>,
    senders: Arc<Senders>,
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
        if let Some(until) = self.senders.pauses.until(&message.destination, message.id, now) {
            message.next_attempt_at = until;
            self.commit(&message, begun, None).await?;
            return Ok(message);
        }
        message.attempts += 1;
        // The time of the next try stays: a crash in the middle says nothing of the receiver, so it is tried again as
        // soon as it can be claimed, reading before writing. Only an answer puts it back by the schedule.
        self.commit(&message, begun, None).await?;

        let sent = self.senders.send(&message, begun > 0, now).await;

        let (id, ticket, destination, attempts) = (message.id, message.ticket, message.destination.key(), message.attempts);
        let dead = |reason: String| Event::MessageDead { message: id, ticket, destination: destination.clone(), attempts, reason };
        let event = match sent {
            Sent::Delivered => {
                message.state = OutboxState::Delivered;
                message.last_error = None;
                Some(Event::MessageDelivered { message: id, ticket, destination: destination.clone(), attempts })
            }
            Sent::Never { why } => {
                message.state = OutboxState::Dead;
                message.last_error = Some(why.clone());
                Some(dead(why))
            }
            Sent::Later { why, after } => {
                message.last_error = Some(why.clone());
                if let Some(wait) = schedule::wait_after(attempts, id) {
                    let after = after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
                    message.next_attempt_at = self.ambient.now().plus(wait.max(after));
                    None
                } else {
                    message.state = OutboxState::Dead;
                    Some(dead(format!("gave up after {attempts} tries: {why}")))
                }
            }
        };
        self.commit(&message, attempts, event).await?;
        Ok(message)
    }

    async fn commit(&self, message: &OutboxMessage, attempts: u32, event: Option<Event>) -> Result<(), NotifyError> {
        let change = Change {
            expect: vec![Expectation::MessageAttempts { message: message.id, attempts }],
            writes: vec![Write::Message(Box::new(message.clone()))],
            entries: event.into_iter().map(|event| Entry::new(message.tenant.clone(), self.ambient.now(), Actor::Engine, event)).collect(),
        };
        match self.store.commit(change).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict(Conflict::Changed { .. })) => Err(NotifyError::TakenOver(message.id)),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
