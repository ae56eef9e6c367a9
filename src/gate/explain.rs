//! One decision on one screen: what was decided, what refused, what held, and which policies had nothing to say.
//!
//! Works on what was stored and never evaluates: an explanation of a decision is what the decision rested on then.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::policy::{Action, PolicyInfo};
use crate::domain::{
    digest::Digest,
    id::{RecommendationId, TicketId},
    name::{PersonId, RunbookId},
    recommendation::Recommendation,
    verdict::{Decision, Reason},
};

/// A policy of a set, as far as an explanation needs it; `GET /v1/policies` has all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLine {
    pub id: String,
    pub effect: String,
    pub reason: String,
    pub actions: Vec<String>,
}

impl From<&PolicyInfo> for PolicyLine {
    fn from(info: &PolicyInfo) -> Self {
        Self {
            id: info.id.clone(),
            effect: info.effect().to_owned(),
            reason: info.reason.clone(),
            actions: info.actions.iter().map(|action| (*action).to_owned()).collect(),
        }
    }
}

/// The policies of a set and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLines {
    pub digest: Digest,
    pub items: Vec<PolicyLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub ticket: TicketId,
    pub recommendation: RecommendationId,
    pub runbook: Option<RunbookId>,
    pub decision: Decision,
    /// The verdict is the one by which people's approvals let it run, not the proposal's.
    pub allowed: bool,
    /// Persons that must say yes.
    pub approvals_needed: u8,
    pub approved_by: Vec<PersonId>,
    /// The strongest first.
    pub refuses: Vec<Reason>,
    pub holds: Vec<Reason>,
    /// Policies about running that did not apply to this ticket; `None` when the set is not at hand.
    pub silent: Option<Vec<PolicyLine>>,
    /// Policies that are asked only when a person approves.
    pub of_approvers: Option<Vec<PolicyLine>>,
    /// The set that was asked.
    pub policies: Digest,
    /// The set at hand, when it is another one: what is said of its policies may not be what was asked then.
    pub other_set: Option<Digest>,
}

/// Explains `recommendation` with the policies at hand.
pub fn explain(recommendation: &Recommendation, at_hand: Option<PolicyLines>) -> Explanation {
    // What ran with people's yes ran by the verdict of that moment, and not by the proposal's.
    let verdict = recommendation.allowed.as_deref().unwrap_or(&recommendation.verdict);
    let spoke: BTreeSet<&str> = verdict.reasons.iter().map(|reason| reason.id.as_str()).collect();
    let (refuses, holds) = verdict.reasons.iter().cloned().partition(|reason| !reason.passed);
    let other_set = at_hand.as_ref().map(|lines| lines.digest).filter(|digest| *digest != verdict.policies);
    let (of_running, of_approvers): (Option<Vec<PolicyLine>>, Option<Vec<PolicyLine>>) = at_hand
        .map(|lines| {
            lines.items.into_iter().partition(|line: &PolicyLine| line.actions.iter().any(|action| action != Action::Approve.as_str()))
        })
        .unzip();
    // With nothing proposed no policy is asked, so none had a chance to apply.
    let silent = of_running.filter(|_| recommendation.runbook.is_some());
    Explanation {
        ticket: recommendation.ticket,
        recommendation: recommendation.id,
        runbook: recommendation.runbook.clone(),
        decision: verdict.decision,
        allowed: recommendation.allowed.is_some(),
        approvals_needed: verdict.approvals_needed,
        approved_by: recommendation.approvals.iter().map(|approval| approval.by.clone()).collect(),
        refuses,
        holds,
        silent: silent.map(|lines| lines.into_iter().filter(|line| !spoke.contains(line.id.as_str())).collect()),
        of_approvers,
        policies: verdict.policies,
        other_set,
    }
}
