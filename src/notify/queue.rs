//! Puts a message into a change, with the entry that says so: it is sent exactly when the change happened.

use crate::{
    domain::{
        ambient::Ambient,
        entry::{Entry, Event},
        id::{OutboxId, TicketId},
        name::TenantId,
        outbox::{Destination, Message, OutboxMessage},
        principal::Actor,
        time::Timestamp,
    },
    store::change::{Change, Write},
};

pub(crate) fn queue(
    ambient: &dyn Ambient,
    now: Timestamp,
    change: &mut Change,
    tenant: &TenantId,
    ticket: Option<TicketId>,
    destination: Destination,
    message: Message,
) {
    let id = OutboxId::new(now, ambient.random());
    let message = OutboxMessage::queued(tenant.clone(), ticket, id, destination, message, now);
    let queued = Event::MessageQueued { message: id, ticket, destination: message.destination.key() };
    change.entries.push(Entry::new(message.tenant.clone(), now, Actor::Engine, queued));
    change.writes.push(Write::Message(Box::new(message)));
}
