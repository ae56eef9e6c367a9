//! Messages put into the change that they speak of, so that they are sent exactly when it happened.

use super::{say, service::Service};
use crate::{
    domain::{
        entry::{Entry, Event},
        id::{OutboxId, TicketId},
        name::TenantId,
        outbox::{Destination, Message},
        principal::Actor,
        ticket::Ticket,
        time::Timestamp,
    },
    store::change::{Change, Write},
};

/// What a message is about, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About<'a> {
    Ticket(&'a Ticket),
    /// No ticket, like a runbook's demotion.
    Nothing(&'a TenantId),
}

impl About<'_> {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Ticket(ticket) => &ticket.tenant,
            Self::Nothing(tenant) => tenant,
        }
    }

    fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::Ticket(ticket) => Some(ticket.id),
            Self::Nothing(_) => None,
        }
    }
}

/// Queues a comment for the ticket's help desk, where results can go back to it.
pub(crate) fn help_desk(service: &Service, ticket: &Ticket, now: Timestamp, change: &mut Change, comment: impl FnOnce() -> Message) {
    if service.senders.writes_back_to(&ticket.source) {
        queue(service, About::Ticket(ticket), now, change, Destination::HelpDesk(ticket.source.clone()), comment());
    }
}

/// Queues an event for every webhook of the tenant that wants its type.
pub(crate) fn listeners(service: &Service, about: About<'_>, now: Timestamp, change: &mut Change, event: Message) {
    let Message::Event { event_type, .. } = &event else { return };
    for destination in service.senders.listeners(about.tenant(), event_type) {
        queue(service, about, now, change, destination, event.clone());
    }
}

fn queue(service: &Service, about: About<'_>, now: Timestamp, change: &mut Change, destination: Destination, message: Message) {
    let id = OutboxId::new(now, service.ambient.random());
    let message = say::queued(about.tenant().clone(), about.ticket(), id, destination, message, now);
    let queued = Event::MessageQueued { message: message.id, ticket: message.ticket, destination: message.destination.key() };
    change.entries.push(Entry::new(message.tenant.clone(), now, Actor::Engine, queued));
    change.writes.push(Write::Message(Box::new(message)));
}
