//! Letting people approve one proposal although a freeze window is in force.
//!
//! It lifts the freeze for that proposal and nothing else: somebody still has to approve it, and before each step of
//! the run the gate asks again whether the override holds.
// INVARIANT: an override is confirmed only when the gate, asked with it, lets people approve; so it never waits unused
// for another refusal to fall away.

use std::collections::BTreeSet;

use crate::{
    domain::{
        digest::Digest,
        dual_authorization::DualAuthorization,
        entry::{Entry, Event},
        id::{RecommendationId, TicketId},
        name::PersonId,
        principal::{Actor, Principal},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
        verdict::{Decision, Verdict},
    },
    gate::{
        self, Facts,
        approval::too_close,
        facts::{FreezeOverride, Phase, WindowKind},
    },
    pipeline::{
        circumstances::{self, target_of},
        decider::{Decider, exactly},
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// What the proposal looks like now.
struct Looked {
    recommendation: Recommendation,
    ticket: Ticket,
    facts: Facts,
}

/// What an override would lift, and until when.
pub(super) struct Liftable {
    pub ticket: TicketId,
    pub windows: BTreeSet<String>,
    pub expires_at: Timestamp,
}

/// What is to be lifted.
///
/// # Errors
/// The proposal is not as the caller saw it, the caller is too close to it, or the freeze is not what stops it.
pub(super) async fn may_be_asked(service: &Service, caller: &Principal, id: RecommendationId, binding: Digest) -> Result<Liftable> {
    let decider = service.decider();
    let Looked { recommendation, ticket, mut facts } = look(service, &decider, caller, id, binding, None).await?;
    stands_apart(&facts, [&caller.person])?;
    let windows = freezes(&facts);
    facts.windows.retain(|window| window.kind != WindowKind::Freeze);
    if windows.is_empty() {
        return Err(ActionError::Refused(vec!["no freeze window is in force: there is nothing to override".to_owned()]));
    }
    approvable(&gate::evaluate(decider.policies(), &facts))?;
    Ok(Liftable { ticket: ticket.id, windows, expires_at: recommendation.expires_at })
}

fn freezes(facts: &Facts) -> BTreeSet<String> {
    facts.windows.iter().filter(|window| window.kind == WindowKind::Freeze).map(|window| window.name.clone()).collect()
}

/// The proposal marked, and its ticket where people approve.
///
/// # Errors
/// Anything changed since it was asked for, one of the two persons is too close, or more than the freeze refuses.
pub(super) async fn effect(
    service: &Service,
    caller: &Principal,
    record: &DualAuthorization,
    id: RecommendationId,
    binding: Digest,
    windows: &BTreeSet<String>,
) -> Result<Change> {
    let decider = service.decider();
    let given = FreezeOverride {
        authorization: record.id,
        binding,
        windows: windows.clone(),
        requested_by: record.requested_by.clone(),
        confirmed_by: caller.person.clone(),
        reason: record.reason.clone(),
        expires_at: record.expires_at,
        revision: record.revision + 1,
    };
    let Looked { mut recommendation, mut ticket, facts } = look(service, &decider, caller, id, binding, Some(given)).await?;
    stands_apart(&facts, [&caller.person, &record.requested_by])?;
    approvable(&gate::evaluate(decider.policies(), &facts))?;

    let now = facts.now;
    let mut change = Change {
        expect: vec![
            Expectation::RecommendationRevision { recommendation: id, revision: recommendation.revision },
            Expectation::TicketVersion { ticket: ticket.id, version: ticket.version },
        ],
        ..Change::default()
    };
    if ticket.state == TicketState::Recommended {
        let from = ticket.state;
        ticket.state = from.transition(TicketState::AwaitingApproval).map_err(|illegal| ActionError::Changed(illegal.to_string()))?;
        ticket.version += 1;
        ticket.updated_at = now;
        let moved = Event::TicketMoved { ticket: ticket.id, from, to: ticket.state, version: ticket.version };
        change.entries.push(Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), moved));
        change.writes.push(service.write_ticket(ticket));
    }
    recommendation.freeze_override = Some(record.id);
    recommendation.revision += 1;
    change.writes.push(Write::Recommendation(Box::new(recommendation)));
    Ok(change)
}

async fn look(
    service: &Service,
    decider: &Decider,
    caller: &Principal,
    id: RecommendationId,
    seen: Digest,
    given: Option<FreezeOverride>,
) -> Result<Looked> {
    let recommendation = service.recommendation(&caller.tenant, id).await?;
    if recommendation.state != RecommendationState::Open {
        return Err(ActionError::Changed(format!("the recommendation is `{}`", recommendation.state.as_str())));
    }
    let ticket = service.ticket(&caller.tenant, recommendation.ticket).await?;
    if !matches!(ticket.state, TicketState::Recommended | TicketState::AwaitingApproval) {
        return Err(ActionError::Changed(format!("the ticket is `{}` and waits for nobody", ticket.state)));
    }
    let changed = || ActionError::Changed("the runbook changed or was withdrawn".to_owned());
    let (runbook, digest) = recommendation.runbook.as_ref().zip(recommendation.runbook_digest).ok_or_else(changed)?;
    let runbook = exactly(decider.library(), runbook, &digest).ok_or_else(changed)?;
    let target = target_of(runbook, &recommendation.values())?;
    let mut circumstances = circumstances::gather(service, &ticket, Some((runbook, target)), None).await?;
    circumstances.freeze_override = given;
    let facts = decider.facts(&ticket, &recommendation, &circumstances, Phase::Proposal)?;
    let bindings = facts.proposal.as_ref().map(|proposal| [proposal.binding, proposal.binding_now]).ok_or_else(changed)?;
    match bindings.into_iter().find(|current| *current != seen) {
        Some(current) => Err(ActionError::Changed(format!("seen {seen}, now {current}"))),
        None => Ok(Looked { recommendation, ticket, facts }),
    }
}

fn stands_apart<'a>(facts: &Facts, persons: impl IntoIterator<Item = &'a PersonId>) -> Result<()> {
    let refusals: Vec<String> = persons.into_iter().flat_map(|person| too_close(facts, person)).map(|why| why.to_string()).collect();
    if refusals.is_empty() { Ok(()) } else { Err(ActionError::Refused(refusals)) }
}

fn approvable(verdict: &Verdict) -> Result<()> {
    if verdict.decision >= Decision::NeedsApproval {
        return Ok(());
    }
    let strong = verdict.refusals().filter(|reason| reason.allows < Decision::NeedsApproval);
    Err(ActionError::Refused(strong.map(|reason| reason.message.clone()).collect()))
}
