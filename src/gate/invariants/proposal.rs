//! Checks of the proposed runbook: is it this version, may it run on its own, is it the right one.

use super::{Outcome, Seen, Values, holds, refuses, values};
use crate::{
    domain::{
        name::PersonId,
        priority::Risk,
        verdict::Decision::{Escalate, NeedsApproval, RecommendOnly},
    },
    gate::{approval, facts::Facts},
};

/// With no runbook there is nothing to recommend, and a person must look.
pub(super) fn runbook_fits(facts: &Facts) -> (Outcome, Values) {
    match &facts.proposal {
        Some(proposal) => (holds(format!("runbook `{}` is proposed", proposal.runbook)), values! {"runbook" => proposal.runbook.as_str()}),
        None => (refuses(Escalate, "no runbook fits this ticket: a person takes it"), Values::new()),
    }
}

pub(super) fn runbook_executable(seen: &Seen<'_>) -> (Outcome, Values) {
    let outcome = if seen.proposal.executable {
        holds("the runbook has steps that the engine can run")
    } else {
        refuses(RecommendOnly, format!("runbook `{}` has no step that changes anything: a person follows it", seen.proposal.runbook))
    };
    (outcome, Values::new())
}

// INVARIANT: nothing runs from a version that is not in force, whoever approved it.
pub(super) fn runbook_unchanged(seen: &Seen<'_>) -> (Outcome, Values) {
    let proposed = seen.proposal.digest;
    let outcome = match seen.proposal.in_force {
        Some(current) if current == proposed => holds("the runbook is the version in force"),
        Some(current) => refuses(
            RecommendOnly,
            format!("runbook `{}` changed since it was proposed: proposed {proposed}, now {current}", seen.proposal.runbook),
        ),
        None => refuses(RecommendOnly, format!("runbook `{}` was withdrawn since it was proposed", seen.proposal.runbook)),
    };
    (outcome, values! {"proposed" => proposed.to_string(), "in_force" => seen.proposal.in_force.map(|digest| digest.to_string())})
}

/// Ticket, runbook, parameters and policies are those of the proposal, and it has not expired.
// INVARIANT: what was decided on a stale view does not run: the binding covers everything the decision rests on.
pub(super) fn proposal_current(seen: &Seen<'_>) -> (Outcome, Values) {
    let proposal = seen.proposal;
    let outcome = if proposal.binding != proposal.binding_now {
        refuses(
            RecommendOnly,
            format!("this changed since it was proposed, review it again: proposed {}, now {}", proposal.binding, proposal.binding_now),
        )
    } else if proposal.expires_at <= seen.facts.now {
        refuses(RecommendOnly, format!("the proposal expired at {}", proposal.expires_at))
    } else {
        holds("ticket, runbook, parameters and policies are as proposed")
    };
    (outcome, values! {"expires_at" => proposal.expires_at.to_string()})
}

// INVARIANT: what a person chose or typed in never runs by itself, whatever is pre-approved.
pub(super) fn unedited(by: &PersonId) -> (Outcome, Values) {
    let outcome = refuses(NeedsApproval, format!("`{by}` changed the proposal: a person approves it"));
    (outcome, values! {"edited_by" => by.as_str()})
}

pub(super) fn parameters_validated(seen: &Seen<'_>) -> (Outcome, Values) {
    let missing: Vec<&str> = seen.proposal.missing.iter().map(|name| name.as_str()).collect();
    let outcome = if missing.is_empty() {
        holds("every parameter has a validated value")
    } else {
        refuses(RecommendOnly, format!("no validated value for `{}`: a person has to fill it in", missing.join("`, `")))
    };
    (outcome, values! {"missing" => missing})
}

/// Medium and high risk go to people; how many is [`approval::needed`].
pub(super) fn risk_low(seen: &Seen<'_>) -> (Outcome, Values) {
    let (risk, ticket, runbook) = (seen.facts.risk(), seen.facts.ticket.risk, seen.proposal.risk);
    let outcome = match risk {
        Risk::Low => holds("the risk is low"),
        Risk::Medium | Risk::High => refuses(
            NeedsApproval,
            format!(
                "the risk is {} (ticket {}, runbook {}): it needs {} to approve",
                risk.as_str(),
                ticket.as_str(),
                runbook.as_str(),
                if approval::needed(seen.facts) == 1 { "one person" } else { "two different persons" }
            ),
        ),
    };
    (outcome, values! {"risk" => risk.as_str(), "ticket" => ticket.as_str(), "runbook" => runbook.as_str()})
}

pub(super) fn reversible_or_idempotent(seen: &Seen<'_>) -> (Outcome, Values) {
    let (reversible, idempotent) = (seen.proposal.reversible, seen.proposal.idempotent);
    let outcome = match (reversible, idempotent) {
        (true, _) => holds("every change can be undone"),
        (false, true) => holds("every change is safe to repeat"),
        (false, false) => refuses(NeedsApproval, "a change can neither be undone nor safely repeated"),
    };
    (outcome, values! {"reversible" => reversible, "idempotent" => idempotent})
}

pub(super) fn review_current(seen: &Seen<'_>) -> (Outcome, Values) {
    let outcome = if seen.proposal.stale {
        refuses(NeedsApproval, format!("the review of runbook `{}` is overdue: its owner has to check it", seen.proposal.runbook))
    } else {
        holds("the runbook was reviewed in time")
    };
    (outcome, Values::new())
}

pub(super) fn pre_approved(seen: &Seen<'_>) -> (Outcome, Values) {
    match &seen.pre_approval {
        Ok(record) => (
            holds(format!("pre-approved by `{}` until {}", record.approver, record.expires_at)),
            values! {"pre_approval" => record.id.to_string(), "approver" => record.approver.as_str(), "expires_at" => record.expires_at.to_string()},
        ),
        Err(refusals) => {
            let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            (refuses(NeedsApproval, all.join("; ")), values! {"records" => seen.proposal.pre_approvals.len()})
        }
    }
}

pub(super) fn fit_within_limit(seen: &Seen<'_>) -> (Outcome, Values) {
    let (fit, limit) = (seen.proposal.fit, seen.proposal.fit_limit);
    let outcome = if fit >= limit {
        holds(format!("the runbook fits with probability {fit}; automation asks for {limit}"))
    } else {
        refuses(NeedsApproval, format!("the runbook fits with probability {fit} only; automation asks for {limit}"))
    };
    (outcome, values! {"fit" => fit.as_f64(), "limit" => limit.as_f64()})
}
