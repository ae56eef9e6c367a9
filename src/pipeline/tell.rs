//! Messages put into the change that they speak of, so that they are sent exactly when it happened.

use super::{events, notices, say, service::Service};
use crate::{
    domain::{
        execution::Execution,
        id::TicketId,
        name::TenantId,
        outbox::{Destination, Message},
        recommendation::Recommendation,
        ticket::Ticket,
        time::Timestamp,
    },
    notify,
    store::change::Change,
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

/// Everything that a decision makes others hear of: help desk, webhooks, chats.
pub(crate) fn decided(service: &Service, ticket: &Ticket, recommendation: &Recommendation, now: Timestamp, change: &mut Change) {
    let (about, public_url) = (About::Ticket(ticket), &service.config.server.public_url);
    let hold = service.config.gate.hold.get();
    let begins = (!hold.is_zero()).then(|| now.plus(hold));
    help_desk(service, ticket, now, change, || say::decision(ticket, recommendation, begins, public_url));
    listeners(service, about, now, change, events::triaged(ticket, recommendation));
    if let Some(event) = events::recommended(ticket, recommendation) {
        listeners(service, about, now, change, event);
    }
    if let Some(notice) = notices::proposal(ticket, recommendation, public_url) {
        chats(service, about, now, change, notice);
    }
}

/// Tells webhooks and chats of the end of a run; `title` is its runbook's.
pub(crate) fn run_ended(service: &Service, ticket: &Ticket, execution: &Execution, title: &str, now: Timestamp, change: &mut Change) {
    let about = About::Ticket(ticket);
    listeners(service, about, now, change, events::finished(ticket, execution));
    if let Some(notice) = notices::run_ended(ticket, execution, title, &service.config.server.public_url) {
        chats(service, about, now, change, notice);
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

/// Queues a notice for every chat of the tenant that wants its occasion.
pub(crate) fn chats(service: &Service, about: About<'_>, now: Timestamp, change: &mut Change, notice: Message) {
    let Message::Notice(said) = &notice else { return };
    for destination in service.senders.chats_for(about.tenant(), said.occasion) {
        queue(service, about, now, change, destination, notice.clone());
    }
}

fn queue(service: &Service, about: About<'_>, now: Timestamp, change: &mut Change, destination: Destination, message: Message) {
    notify::queue::queue(&*service.ambient, now, change, about.tenant(), about.ticket(), destination, message);
}
