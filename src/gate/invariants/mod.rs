//! The checks that no policy can override. All must hold before anything runs on its own.
//!
//! Each is one function of the facts with a stable id. A check that refuses says the most that is still
//! allowed; the verdict takes the least of all. What refuses with `NeedsApproval` stops automation only, so a
//! person's yes is enough; what refuses with less stops a person-approved run too.
// INVARIANT: no check is left out of `ALL` (each id is asserted in the tests), and none looks at another's result.

mod limits;
mod proposal;
mod requester;
mod switches;

use std::collections::BTreeMap;

use super::{
    facts::{Facts, ProposalFacts, RequesterFacts},
    pre_approval,
};
use crate::domain::{
    approval::PreApproval,
    name::PersonId,
    verdict::{Decision, Layer, Reason},
};

/// How a check came out.
pub(crate) enum Outcome {
    Holds(String),
    Refuses { allows: Decision, message: String },
}

/// The values a check looked at, for the console and for people who query verdicts.
pub(crate) type Values = BTreeMap<String, serde_json::Value>;

/// A proposal with what several checks need of it, worked out once.
pub(crate) struct Seen<'a> {
    pub facts: &'a Facts,
    pub proposal: &'a ProposalFacts,
    /// The pre-approval that allows most now, or every reason why none is in force.
    pub pre_approval: Result<&'a PreApproval, Vec<pre_approval::Refusal>>,
}

impl<'a> Seen<'a> {
    /// `None` when nothing is proposed.
    pub(crate) fn new(facts: &'a Facts) -> Option<Self> {
        let proposal = facts.proposal.as_ref()?;
        let asked = pre_approval::Asked {
            tenant: &facts.tenant,
            runbook: &proposal.runbook,
            digest: &proposal.digest,
            authors: &proposal.authors,
            source: &facts.ticket.source,
            category: facts.ticket.category.as_ref().map(|category| category.label.as_str()),
            windows: &facts.windows,
        };
        // Any one with caps left is enough. So one record less never allows more, whichever it is.
        let pre_approval = pre_approval::all_in_force(&proposal.pre_approvals, asked, facts.now)
            .map(|found| found.iter().find(|record| limits::caps_left(&record.caps, &facts.usage)).copied().unwrap_or(found[0]));
        Some(Self { facts, proposal, pre_approval })
    }
}

/// The pre-approval that the verdict went by; `None` when none is in force.
///
/// Whoever starts an automatic run commits it under its caps, so that the count is exact, and while it stands.
pub fn pre_approval_in_force(facts: &Facts) -> Option<&PreApproval> {
    Seen::new(facts)?.pre_approval.ok()
}

/// One check.
pub(crate) struct Invariant {
    pub id: &'static str,
    check: Check,
}

enum Check {
    /// Makes sense with no runbook proposed.
    Ticket(fn(&Facts) -> (Outcome, Values)),
    /// Only with a requester; gives no reason where its fact was not asked for, as in receipts of form 1.
    Requester(fn(&RequesterFacts) -> Option<(Outcome, Values)>),
    Proposal(fn(&Seen<'_>) -> (Outcome, Values)),
    /// Only of a proposal that a person changed.
    Edited(fn(&PersonId) -> (Outcome, Values)),
}

/// All of them, in the order the console lists equals.
pub(crate) const ALL: [Invariant; 26] = [
    Invariant { id: "kill_switch_off", check: Check::Ticket(switches::kill_switch_off) },
    Invariant { id: "no_storm", check: Check::Ticket(limits::no_storm) },
    Invariant { id: "runbook_fits", check: Check::Ticket(proposal::runbook_fits) },
    Invariant { id: "no_freeze", check: Check::Ticket(limits::no_freeze) },
    Invariant { id: "mode_auto", check: Check::Ticket(switches::mode_auto) },
    Invariant { id: "category_known", check: Check::Ticket(switches::category_known) },
    Invariant { id: "requester_unflagged", check: Check::Ticket(requester::requester_unflagged) },
    Invariant { id: "requester_standing_known", check: Check::Requester(requester::requester_standing_known) },
    Invariant { id: "requester_rate", check: Check::Requester(requester::requester_rate) },
    Invariant { id: "runbook_executable", check: Check::Proposal(proposal::runbook_executable) },
    Invariant { id: "runbook_unchanged", check: Check::Proposal(proposal::runbook_unchanged) },
    Invariant { id: "proposal_current", check: Check::Proposal(proposal::proposal_current) },
    Invariant { id: "parameters_validated", check: Check::Proposal(proposal::parameters_validated) },
    Invariant { id: "unedited", check: Check::Edited(proposal::unedited) },
    Invariant { id: "connector_healthy", check: Check::Proposal(switches::connector_healthy) },
    Invariant { id: "risk_low", check: Check::Proposal(proposal::risk_low) },
    Invariant { id: "reversible_or_idempotent", check: Check::Proposal(proposal::reversible_or_idempotent) },
    Invariant { id: "review_current", check: Check::Proposal(proposal::review_current) },
    Invariant { id: "pre_approved", check: Check::Proposal(proposal::pre_approved) },
    Invariant { id: "fit_within_limit", check: Check::Proposal(proposal::fit_within_limit) },
    Invariant { id: "error_bound", check: Check::Proposal(limits::error_bound) },
    Invariant { id: "not_demoted", check: Check::Proposal(limits::not_demoted) },
    Invariant { id: "cap_runbook_hour", check: Check::Proposal(limits::cap_runbook_hour) },
    Invariant { id: "cap_target_hour", check: Check::Proposal(limits::cap_target_hour) },
    Invariant { id: "cap_requester_hour", check: Check::Proposal(limits::cap_requester_hour) },
    Invariant { id: "cap_concurrent", check: Check::Proposal(limits::cap_concurrent) },
];

/// Every check that applies, in the order of [`ALL`]. Without a proposal `runbook_fits` refuses and the
/// checks of the proposal have nothing to look at.
pub(crate) fn reasons(facts: &Facts, seen: Option<&Seen<'_>>) -> Vec<Reason> {
    ALL.iter()
        .filter_map(|invariant| match (&invariant.check, seen) {
            (Check::Ticket(check), _) => Some(reason(invariant.id, check(facts))),
            (Check::Requester(check), _) => facts.requester.as_ref().and_then(check).map(|came| reason(invariant.id, came)),
            (Check::Edited(check), Some(seen)) => seen.proposal.edited_by.as_ref().map(|by| reason(invariant.id, check(by))),
            (Check::Proposal(check), Some(seen)) => Some(reason(invariant.id, check(seen))),
            (Check::Proposal(_) | Check::Edited(_), None) => None,
        })
        .collect()
}

fn reason(id: &str, (outcome, values): (Outcome, Values)) -> Reason {
    let (passed, allows, message) = match outcome {
        Outcome::Holds(message) => (true, Decision::AutoExecute, message),
        Outcome::Refuses { allows, message } => (false, allows, message),
    };
    Reason { id: id.to_owned(), layer: Layer::Invariant, passed, allows, message, values }
}

/// `values! { "cap" => 5, "used" => used }`
macro_rules! values {
    ($($name:literal => $value:expr),* $(,)?) => {
        $crate::gate::invariants::Values::from([$(($name.to_owned(), serde_json::Value::from($value))),*])
    };
}
use values;

fn refuses(allows: Decision, message: impl Into<String>) -> Outcome {
    Outcome::Refuses { allows, message: message.into() }
}

fn holds(message: impl Into<String>) -> Outcome {
    Outcome::Holds(message.into())
}
