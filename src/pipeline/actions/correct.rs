//! A person says what a label of a ticket should have been, and another person rules over what was set aside.
//!
//! This teaches the model and nothing else: the ticket's proposal stays as it was decided. That a proposal was wrong is said
//! by rejecting or judging it, and the category named there is a correction like any other.

use crate::{
    domain::{
        entry::{Entry, Event},
        feedback::{Feedback, Ruling},
        id::{FeedbackId, TicketId},
        principal::{Actor, Principal, Role},
    },
    gate::approval::may_be,
    pipeline::{
        actions::reject::LONGEST_REASON,
        error::{ActionError, Result},
        feedback,
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// Corrects one label of a ticket.
///
/// # Errors
/// Not found, wrong role, no such target or label, or the ticket was not triaged yet.
pub async fn correct(service: &Service, caller: &Principal, ticket: TicketId, target: &str, label: &str) -> Result<Feedback> {
    service.require_any(caller, &[Role::Responder, Role::Approver])?;
    let ticket = service.ticket(&caller.tenant, ticket).await?;
    feedback::check(service, target, label)?;
    let Some(proposal) = service.store.recommendation_for(&caller.tenant, ticket.id).await? else {
        return Err(ActionError::Changed("the ticket waits for triage: there is nothing to correct yet".to_owned()));
    };
    let mut change = Change::default();
    let given = feedback::given(service, caller, &ticket, &proposal, (target, label), service.ambient.now(), &mut change);
    service.commit(change).await?;
    Ok(given)
}

/// Keeps a correction for training, or discards it, as the caller saw it at `revision`.
///
/// # Errors
/// Not found, wrong role, the caller gave it, no reason, or somebody ruled meanwhile.
pub async fn rule(service: &Service, caller: &Principal, id: FeedbackId, revision: u64, kept: bool, reason: &str) -> Result<Feedback> {
    service.require(caller, Role::Approver)?;
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > LONGEST_REASON {
        let message = format!("a ruling needs a reason of 1 to {LONGEST_REASON} bytes, got {}", reason.len());
        return Err(ActionError::Invalid { pointer: "/reason".to_owned(), message });
    }
    let found = service.store.feedback(&caller.tenant, id).await?;
    let mut given = found.ok_or_else(|| ActionError::NotFound { what: "correction", id: id.to_string() })?;
    if may_be(&given.by, &caller.person) {
        return Err(ActionError::Refused(vec![format!("`{}` gave this correction, so another person must rule", caller.person)]));
    }
    if given.revision != revision {
        return Err(ActionError::Changed(format!("you saw revision {revision}, it is now at {}", given.revision)));
    }
    let now = service.ambient.now();
    given.ruling = Some(Ruling { kept, by: caller.person.clone(), at: now, reason: reason.to_owned() });
    given.revision += 1;
    let event = Event::FeedbackRuled { feedback: id, ticket: given.ticket, kept, reason: reason.to_owned() };
    let change = Change {
        expect: vec![Expectation::FeedbackRevision { feedback: id, revision }],
        writes: vec![Write::Feedback(Box::new(given.clone()))],
        entries: vec![Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event)],
    };
    service.commit(change).await?;
    Ok(given)
}
