//! An operator sends a message again that was delivered or given up.
//!
//! It keeps its id: a webhook's receiver drops what it has, and a write-back looks for its mark before it writes.

use crate::{
    domain::{
        entry::{Entry, Event},
        id::OutboxId,
        outbox::{OutboxMessage, OutboxState},
        principal::{Actor, Principal, Role},
    },
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// Puts the message on its way again, with a schedule of tries of its own.
///
/// # Errors
/// Wrong role, not found, still waiting, or somebody else was first.
pub async fn redeliver(service: &Service, caller: &Principal, id: OutboxId) -> Result<OutboxMessage> {
    service.require(caller, Role::Operator)?;
    let found = service.store.message(&caller.tenant, id).await?;
    let mut message = found.ok_or_else(|| ActionError::NotFound { what: "message", id: id.to_string() })?;
    if message.state == OutboxState::Waiting {
        return Err(ActionError::Changed(format!("message `{id}` still waits; its next try is at {}", message.next_attempt_at)));
    }
    let now = service.ambient.now();
    let attempts = message.attempts;
    message.start_anew(now);
    let event = Event::MessageRedelivered { message: id, ticket: message.ticket, destination: message.destination.key(), attempts };
    let change = Change {
        expect: vec![Expectation::MessageSettled { message: id, attempts }],
        writes: vec![Write::Message(Box::new(message.clone()))],
        entries: vec![Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event)],
    };
    service.commit(change).await?;
    Ok(message)
}
