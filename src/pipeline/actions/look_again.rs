//! A person has triage look at a ticket again, after a runbook or a policy changed, or a parameter was corrected.
// INVARIANT: only what waits is looked at again. A run owns its ticket, and what a person refused, or a run has already
// tried, must not start by itself because somebody asked for another look.

use crate::{
    domain::{
        entry::{Entry, Event},
        id::TicketId,
        principal::{Actor, Principal, Role},
        state::TicketState,
        ticket::Ticket,
    },
    pipeline::{
        actions::accept::supersede_open,
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation},
};

const WAITING: [TicketState; 4] = [TicketState::Recommended, TicketState::AwaitingApproval, TicketState::NoRunbook, TicketState::Expired];

/// Puts the ticket back to `received`; the open proposal, with the approvals it has, is superseded.
///
/// # Errors
/// Wrong role, not found, not the version that the caller saw, or a state that triage does not follow.
pub async fn look_again(service: &Service, caller: &Principal, id: TicketId, seen: u64) -> Result<Ticket> {
    service.require_any(caller, &[Role::Responder, Role::Approver, Role::Operator])?;
    let mut ticket = service.ticket(&caller.tenant, id).await?;
    if ticket.version != seen {
        return Err(ActionError::Changed(format!("you saw version {seen} of the ticket, it is at {}", ticket.version)));
    }
    let (from, now) = (ticket.state, service.ambient.now());
    if !WAITING.contains(&from) {
        return Err(ActionError::Refused(vec![format!(
            "the ticket is `{from}` and waits for nobody, so there is nothing to look at again"
        )]));
    }
    if let Some(newest) = service.store.recommendation_for(&ticket.tenant, id).await?
        && service.store.outcome(&ticket.tenant, newest.id).await?.is_some()
    {
        let why = "what was done with its proposal is told already: a look again could do it a second time";
        return Err(ActionError::Refused(vec![why.to_owned()]));
    }
    ticket.state = from.transition(TicketState::Received).map_err(|illegal| ActionError::Internal(illegal.to_string()))?;
    let mut change = Change { expect: vec![Expectation::TicketVersion { ticket: id, version: seen }], ..Change::default() };
    supersede_open(service, &ticket, now, "a person asked to look again", &mut change).await?;
    ticket.version += 1;
    ticket.updated_at = now;
    let moved = Event::TicketMoved { ticket: id, from, to: ticket.state, version: ticket.version };
    change.entries.push(Entry::new(ticket.tenant.clone(), now, Actor::Person(caller.person.clone()), moved));
    change.writes.push(service.write_ticket(ticket.clone()));
    service.commit(change).await?;
    Ok(ticket)
}
