//! The requester's standing gathered: who posted the ticket, what the directory says, how often they asked.
//!
//! Purely asks; what the answers mean is [`gate::standing`]'s.

use std::collections::BTreeMap;

use super::{
    actions::submit::{API_SOURCE, SUBMITTED_BY},
    error::Result,
    service::Service,
};
use crate::{
    domain::{
        execution::{Execution, ExecutionState},
        name::PersonId,
        principal::Actor,
        ticket::Ticket,
        time::Timestamp,
    },
    gate::{
        facts::RequestRate,
        standing::{Identities, Said},
    },
};

/// The window of [`RequestRate`].
const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// The person who posted the ticket through the API, by the attribute that `submit` writes.
pub fn submitter(ticket: &Ticket) -> Option<PersonId> {
    let written = ticket.report.attributes.get(SUBMITTED_BY).filter(|_| ticket.source.as_str() == API_SOURCE)?;
    PersonId::new(written.as_untrusted()).ok()
}

/// What the configured directory says of every identity of the requester; `None` when there is none to ask.
pub async fn said(service: &Service, ticket: &Ticket) -> Option<BTreeMap<String, Said>> {
    let name = service.config.requesters.directory()?;
    let requester = ticket.report.requester.as_ref()?;
    let identities = Identities::of(requester, submitter(ticket).as_ref());
    Some(service.directories.standing(name, identities.all(), &*service.ambient, &service.metrics).await)
}

/// The requester's tickets in the last hour, when a limit is configured.
///
/// As caps do, it says what may start: an automatic run that began is not stopped half-way by the next ticket.
///
/// # Errors
/// The store failed.
pub async fn rate(service: &Service, ticket: &Ticket, running: Option<&Execution>, now: Timestamp) -> Result<Option<RequestRate>> {
    let limit = service.config.requesters.rate_limit;
    let began = running.is_some_and(|run| run.started_by == Actor::Engine && run.state != ExecutionState::Pending);
    let Some(requester) = ticket.requester_digest().filter(|_| limit > 0 && !began) else { return Ok(None) };
    let tickets = service.store.requester_count(&ticket.tenant, &requester, now.minus(HOUR)).await?;
    Ok(Some(RequestRate { tickets_hour: u32::try_from(tickets).unwrap_or(u32::MAX), limit }))
}
