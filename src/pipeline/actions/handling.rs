//! Taking a ticket, giving it back, and putting it off: between people, without a word to anybody outside.
// INVARIANT: of two persons who take a ticket at once one gets it; it is taken from somebody only by who names them.

use std::time::Duration;

use crate::{
    domain::{
        entry::{Entry, Event},
        handling::Handling,
        id::TicketId,
        name::PersonId,
        principal::{Actor, Principal, Role},
        time::Timestamp,
    },
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// How often a take looks again when somebody changed the handling between its look and its commit.
const TRIES: usize = 3;

const MAY: &[Role] = &[Role::Responder, Role::Approver, Role::Operator];

/// Nobody puts a ticket off for longer.
pub const LONGEST_SNOOZE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes the caller the one who works on the ticket; `over` names who had it, when somebody did.
///
/// # Errors
/// No such ticket, wrong role, or somebody else has it.
pub async fn take(service: &Service, caller: &Principal, ticket: TicketId, over: Option<&PersonId>) -> Result<Handling> {
    // What counts is who has it: that it was put off or woken meanwhile stands in nobody's way.
    for _ in 0..TRIES {
        let mut handling = find(service, caller, ticket).await?;
        if handling.assignee.as_ref() == Some(&caller.person) {
            return Ok(handling);
        }
        if handling.assignee.as_ref() != over {
            return Err(ActionError::Changed(match &handling.assignee {
                Some(person) => format!("`{person}` has taken this ticket"),
                None => "nobody has this ticket any more".to_owned(),
            }));
        }
        let from = handling.assignee.replace(caller.person.clone());
        // Whoever works on it wants to see it.
        handling.snoozed_until = None;
        match put(service, caller, handling, Event::TicketTaken { ticket, from }).await {
            Err(ActionError::Changed(_)) => {}
            done => return done,
        }
    }
    Err(ActionError::Changed("others change who handles this ticket right now".to_owned()))
}

/// Gives a ticket back that the caller has.
///
/// # Errors
/// No such ticket, wrong role, or it is not the caller's.
pub async fn release(service: &Service, caller: &Principal, ticket: TicketId) -> Result<Handling> {
    let mut handling = find(service, caller, ticket).await?;
    if handling.assignee.as_ref() != Some(&caller.person) {
        return Err(ActionError::Changed(match &handling.assignee {
            Some(person) => format!("`{person}` has this ticket, not you"),
            None => "nobody has this ticket".to_owned(),
        }));
    }
    handling.assignee = None;
    put(service, caller, handling, Event::TicketReleased { ticket }).await
}

/// Takes a ticket out of the queue until then, or until its sender says more, or its proposal is about to expire.
///
/// # Errors
/// No such ticket, wrong role, or a time that is past or more than [`LONGEST_SNOOZE`] away.
pub async fn snooze(service: &Service, caller: &Principal, ticket: TicketId, until: Timestamp) -> Result<Handling> {
    let mut handling = find(service, caller, ticket).await?;
    let now = service.ambient.now();
    if until <= now || until > now.plus(LONGEST_SNOOZE) {
        let message = format!("`{until}` is not within the next 7 days; it is {now}");
        return Err(ActionError::Invalid { pointer: "/until".to_owned(), message });
    }
    handling.snoozed_until = Some(until);
    put(service, caller, handling, Event::TicketSnoozed { ticket, until }).await
}

/// Puts a snoozed ticket back into the queue.
///
/// # Errors
/// No such ticket, or wrong role.
pub async fn wake(service: &Service, caller: &Principal, ticket: TicketId) -> Result<Handling> {
    let mut handling = find(service, caller, ticket).await?;
    if handling.snoozed_until.is_none() {
        return Ok(handling);
    }
    handling.snoozed_until = None;
    put(service, caller, handling, Event::TicketWoken { ticket }).await
}

async fn find(service: &Service, caller: &Principal, ticket: TicketId) -> Result<Handling> {
    service.require_any(caller, MAY)?;
    let found = service.store.handling(&caller.tenant, ticket).await?;
    found.ok_or_else(|| ActionError::NotFound { what: "ticket", id: ticket.to_string() })
}

async fn put(service: &Service, caller: &Principal, mut handling: Handling, event: Event) -> Result<Handling> {
    let expect = vec![Expectation::HandlingRevision { ticket: handling.ticket, revision: handling.revision }];
    handling.revision += 1;
    let entry = Entry::new(caller.tenant.clone(), service.ambient.now(), Actor::Person(caller.person.clone()), event);
    service.commit(Change { expect, writes: vec![Write::Handling(handling.clone())], entries: vec![entry] }).await?;
    Ok(handling)
}
