//! A person allows a proposal. Enough different persons, and the run is created in the same change.
// INVARIANT: the gate is asked with the facts of now, and the commit holds only for the ticket and
// recommendation that it was asked about.

use crate::{
    domain::{
        approval::Approval,
        digest::Digest,
        entry::{Entry, Event},
        id::RecommendationId,
        principal::{Actor, Principal, Role},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
    },
    gate::{self, approval::Refusal, facts::Phase},
    pipeline::{
        circumstances::{self, target_of},
        count,
        decider::exactly,
        error::{ActionError, Result},
        service::Service,
        workers::triage::{created, execution},
    },
    store::change::{Change, Expectation, Write},
};

/// What the approver had on the screen.
#[derive(Debug, Clone)]
pub struct Approve {
    pub revision: u64,
    pub binding: Digest,
    pub comment: Option<String>,
}

pub const LONGEST_COMMENT: usize = 2_000;

/// Adds the caller's yes. The recommendation that comes back is `approved` once its run exists, else still `open`.
///
/// # Errors
/// Not found, wrong role, not a person who may, or anything changed since the caller saw it.
pub async fn approve(service: &Service, caller: &Principal, id: RecommendationId, seen: Approve) -> Result<Recommendation> {
    service.require(caller, Role::Approver)?;
    if let Some(comment) = seen.comment.as_ref().filter(|comment| comment.len() > LONGEST_COMMENT) {
        return Err(ActionError::Invalid {
            pointer: "/comment".to_owned(),
            message: format!("a comment has at most {LONGEST_COMMENT} bytes, got {}", comment.len()),
        });
    }
    let mut recommendation = service.recommendation(&caller.tenant, id).await?;
    service.is_as_seen(&recommendation, seen.revision)?;
    let mut ticket = service.ticket(&caller.tenant, recommendation.ticket).await?;
    if ticket.state != TicketState::AwaitingApproval {
        return Err(ActionError::Changed(format!("the ticket is `{}` and waits for no approval", ticket.state)));
    }
    let decider = service.decider();
    let changed = decider.changed_since(&ticket, &recommendation)?;
    if !changed.is_empty() {
        let how = format!("{}; have triage look again with `POST /v1/tickets/{}/triage`", changed.join("; "), ticket.id);
        return Err(ActionError::Changed(how));
    }
    let nothing = || ActionError::Refused(vec![Refusal::NothingProposed.to_string()]);
    let (runbook_id, digest) = recommendation.runbook.clone().zip(recommendation.runbook_digest).ok_or_else(nothing)?;
    let runbook = exactly(decider.library(), &runbook_id, &digest).ok_or_else(nothing)?;
    let target = target_of(runbook, &recommendation.values())?;
    let mut circumstances = circumstances::gather(service, &ticket, Some((runbook, target)), None).await?;
    circumstances.freeze_override = circumstances::freeze_override(service, &recommendation, &circumstances).await?;

    let facts = decider.facts(&ticket, &recommendation, &circumstances, Phase::Execution)?;
    gate::may_approve(decider.policies(), &facts, caller, &seen.binding).map_err(refused)?;

    let now = circumstances.now;
    let actor = Actor::Person(caller.person.clone());
    let entry = |event| Entry::new(caller.tenant.clone(), now, actor.clone(), event);
    let mut change = Change {
        expect: vec![
            Expectation::RecommendationRevision { recommendation: id, revision: seen.revision },
            Expectation::TicketVersion { ticket: ticket.id, version: ticket.version },
            // Modes hold the kill switch: a switch pulled while we looked must win.
            Expectation::ModesRevision { tenant: caller.tenant.clone(), revision: circumstances.modes.revision },
        ],
        ..Change::default()
    };
    if let Some(given) = &circumstances.freeze_override {
        let revision = given.revision;
        change.expect.push(Expectation::DualAuthorizationRevision { authorization: given.authorization, revision });
    }
    change.entries.push(entry(Event::RecommendationApproved {
        recommendation: id,
        ticket: ticket.id,
        runbook: runbook_id,
        binding: seen.binding,
        comment: seen.comment.clone(),
    }));
    recommendation.approvals.push(Approval { by: caller.person.clone(), at: now, binding: seen.binding, comment: seen.comment });
    recommendation.revision += 1;

    let facts = decider.facts(&ticket, &recommendation, &circumstances.with_roles_of(caller), Phase::Execution)?;
    let permission = gate::may_execute(decider.policies(), &facts);
    count::evaluation_errors(&service.metrics, &permission.verdict);
    if permission.granted() {
        let from = ticket.state;
        ticket.state = from.transition(TicketState::Executing).map_err(|illegal| ActionError::Changed(illegal.to_string()))?;
        ticket.version += 1;
        ticket.updated_at = now;
        recommendation.state = RecommendationState::Approved;
        let run = execution(service, &ticket, &recommendation, actor.clone(), now, now)?;
        change.entries.push(entry(created(&run, Some(&permission.verdict))?));
        recommendation.allowed = Some(Box::new(permission.verdict));
        change.entries.push(entry(Event::TicketMoved { ticket: ticket.id, from, to: ticket.state, version: ticket.version }));
        change.writes.push(Write::Execution(Box::new(run)));
        change.writes.push(service.write_ticket(ticket));
    }
    change.writes.push(Write::Recommendation(Box::new(recommendation.clone())));
    service.commit(change).await?;
    Ok(recommendation)
}

fn refused(refusals: Vec<Refusal>) -> ActionError {
    let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    if refusals.iter().any(|refusal| matches!(refusal, Refusal::Changed { .. })) {
        ActionError::Changed(said.join("; "))
    } else {
        ActionError::Refused(said)
    }
}
