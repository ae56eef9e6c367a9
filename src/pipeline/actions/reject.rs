//! A person refuses a proposal. The reason is mandatory: it is what the runbook's keeper learns from.
//!
//! The refusal is the proposal's outcome, and counts against the runbook.

use crate::{
    domain::{
        entry::{Entry, Event},
        id::RecommendationId,
        principal::{Actor, Principal, Role},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
    },
    pipeline::{
        error::{ActionError, Result},
        feedback,
        outcome::{Correction, Word, record},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

pub const LONGEST_REASON: usize = 2_000;

/// Why, and what would have been right where the person knows it.
#[derive(Debug, Clone)]
pub struct Rejection {
    pub reason: String,
    pub correction: Correction,
}

impl From<&str> for Rejection {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), correction: Correction::default() }
    }
}

/// Rejects the recommendation that the caller saw at `revision`.
///
/// # Errors
/// Not found, wrong role, no reason, a correction that cannot be, or no longer as the caller saw it.
pub async fn reject(
    service: &Service,
    caller: &Principal,
    id: RecommendationId,
    revision: u64,
    rejection: impl Into<Rejection>,
) -> Result<Recommendation> {
    service.require_any(caller, &[Role::Responder, Role::Approver])?;
    let Rejection { reason, correction } = rejection.into();
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > LONGEST_REASON {
        return Err(ActionError::Invalid {
            pointer: "/reason".to_owned(),
            message: format!("a rejection needs a reason of 1 to {LONGEST_REASON} bytes, got {}", reason.len()),
        });
    }
    let mut recommendation = service.recommendation(&caller.tenant, id).await?;
    service.is_as_seen(&recommendation, revision)?;
    correction.check(service, &recommendation)?;
    let mut ticket = service.ticket(&caller.tenant, recommendation.ticket).await?;
    let now = service.ambient.now();
    let from = ticket.state;
    ticket.state = from.transition(TicketState::Rejected).map_err(|illegal| ActionError::Changed(illegal.to_string()))?;

    let actor = Actor::Person(caller.person.clone());
    let mut change = Change {
        expect: vec![
            Expectation::RecommendationRevision { recommendation: id, revision },
            Expectation::TicketVersion { ticket: ticket.id, version: ticket.version },
        ],
        ..Change::default()
    };
    ticket.version += 1;
    ticket.updated_at = now;
    recommendation.state = RecommendationState::Rejected;
    recommendation.revision += 1;
    let rejected = Event::RecommendationRejected {
        recommendation: id,
        ticket: ticket.id,
        runbook: recommendation.runbook.clone(),
        reason: reason.to_owned(),
    };
    let moved = Event::TicketMoved { ticket: ticket.id, from, to: ticket.state, version: ticket.version };
    change.entries = [rejected, moved].map(|event| Entry::new(caller.tenant.clone(), now, actor.clone(), event)).into();
    change.writes = vec![Write::Recommendation(Box::new(recommendation.clone()))];
    if let Some(category) = &correction.category {
        feedback::given(service, caller, &ticket, &recommendation, (feedback::CATEGORY, category), now, &mut change);
    }
    change.writes.push(service.write_ticket(ticket));
    let word = Word { kind: correction.kind(), correction, comment: Some(reason.to_owned()), by: actor };
    // An open proposal has no run, so none was automatic.
    record(service, &recommendation, false, word, now, &mut change).await?;
    service.commit(change).await?;
    Ok(recommendation)
}
