//! The verdict: every invariant and every determining policy, and the least that they all allow.
//!
//! Pure. `evaluate` says what may happen with a proposal, `may_execute` whether the next step may be sent now.
// INVARIANT: the decision is the minimum over all reasons, so a further reason never allows more and no order
// of rules matters.
// INVARIANT: a person-approved run goes on only while the gate, asked again, would still let it be approved.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    approval::{self, Refusal},
    facts::{Facts, Phase},
    invariants::{self, Seen},
    policy::{Action, Answer, PolicySet, Situation},
};
use crate::domain::{
    approval::Modes,
    digest::Digest,
    name::PersonId,
    principal::Principal,
    verdict::{Decision, Layer, Reason, Verdict},
};

/// Ids of reasons that are neither an invariant's of the list nor a policy's.
pub(crate) const RESERVED: [&str; 5] =
    ["default_deny_automatic", "default_deny_approval", "policy_request", "approvals_sufficient", "facts_of_execution"];

/// The value by which a reason says that its policy could not be evaluated.
pub const EVALUATION_ERROR: &str = "evaluation_error";

/// What the gate says of the facts under the policies.
pub fn evaluate(policies: &PolicySet, facts: &Facts) -> Verdict {
    let seen = Seen::new(facts);
    let situation = seen.as_ref().map(|seen| policies.situation(seen));
    evaluated(policies, facts, seen.as_ref(), situation.as_ref())
}

fn evaluated(policies: &PolicySet, facts: &Facts, seen: Option<&Seen<'_>>, situation: Option<&Situation>) -> Verdict {
    let mut reasons = invariants::reasons(facts, seen);
    if let Some(situation) = situation {
        reasons.extend(policy_reasons(policies, situation));
    }
    verdict(policies, facts, reasons)
}

/// Why a run may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Everything passed.
    Automatic,
    /// These different persons said yes to exactly this.
    Approved { by: Vec<PersonId> },
}

/// The answer right before a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Permission {
    /// The whole verdict of now, refusals first.
    pub verdict: Verdict,
    /// `None`: the step must not be sent.
    pub basis: Option<Basis>,
}

impl Permission {
    pub fn granted(&self) -> bool {
        self.basis.is_some()
    }
}

/// Whether the next step may be sent. Everything is evaluated again, from facts gathered for this step.
///
/// A refusal that leaves `needs_approval` (mode `suggest`, caps, no pre-approval, medium risk, …) does not stop
/// a run that enough persons approved; one that leaves less (kill switch, freeze, storm, changed content, a
/// connector that is down, mode `shadow`, a policy) does.
pub fn may_execute(policies: &PolicySet, facts: &Facts) -> Permission {
    let seen = Seen::new(facts);
    let situation = seen.as_ref().map(|seen| policies.situation(seen));
    let mut verdict = evaluated(policies, facts, seen.as_ref(), situation.as_ref());
    if facts.phase != Phase::Execution {
        let message = "the facts were gathered for a proposal: gather them again right before the step".to_owned();
        let reason = Reason {
            id: "facts_of_execution".to_owned(),
            layer: Layer::Invariant,
            passed: false,
            allows: Decision::RecommendOnly,
            message,
            values: BTreeMap::new(),
        };
        verdict.reasons.push(reason);
        return Permission { verdict: self::verdict(policies, facts, verdict.reasons), basis: None };
    }
    match verdict.decision {
        Decision::AutoExecute => Permission { verdict, basis: Some(Basis::Automatic) },
        Decision::NeedsApproval => {
            let needed = approval::needed(facts);
            let (by, refused) = counted(policies, facts, situation.as_ref());
            let enough = by.len() >= usize::from(needed);
            verdict.reasons.push(sufficient(enough, needed, &by, &refused));
            let verdict = self::verdict(policies, facts, verdict.reasons);
            Permission { verdict, basis: enough.then_some(Basis::Approved { by }) }
        }
        Decision::RecommendOnly | Decision::Escalate => Permission { verdict, basis: None },
    }
}

/// Whether what a run changed may be taken back now: unless somebody stopped everything.
///
/// What refuses the next change (an error bound crossed, a freeze that began, a mode set lower, a cap) speaks against
/// more automation, and a change left half made is worse than one undone.
///
/// # Errors
/// The kill switch is on, with its reason.
pub fn may_roll_back(modes: &Modes) -> Result<(), String> {
    match &modes.kill_switch {
        Some(switch) => Err(format!("the kill switch is on: {}", switch.reason)),
        None => Ok(()),
    }
}

/// Whether `person` may have a run taken back now that worked: an approver who neither asked for it nor wrote the
/// runbook, whom no policy refuses, while nobody stopped everything.
///
/// What was proposed and approved is past, so nothing that speaks against a further run speaks against this one.
///
/// # Errors
/// Every reason why not; never empty.
pub fn may_undo(policies: &PolicySet, facts: &Facts, modes: &Modes, person: &Principal) -> Result<(), Vec<Refusal>> {
    let mut refusals = approval::may_undo(facts, person).err().unwrap_or_default();
    if let Err(reason) = may_roll_back(modes) {
        refusals.push(Refusal::Stopped { reason });
    }
    match Seen::new(facts).map(|seen| policies.situation(&seen)) {
        Some(situation) => refusals.extend(refused_by_policy(policies, policies.ask_approver(&person.person, &person.roles, &situation))),
        None => refusals.push(Refusal::NothingProposed),
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Whether `person`, with the binding `seen` on screen, may say yes now.
///
/// # Errors
/// Every reason why not; never empty. [`Refusal::Changed`] means: show it again.
pub fn may_approve(policies: &PolicySet, facts: &Facts, person: &Principal, seen: &Digest) -> Result<(), Vec<Refusal>> {
    let mut refusals = approval::may_approve(facts, person, seen).err().unwrap_or_default();
    let seen_facts = Seen::new(facts);
    let situation = seen_facts.as_ref().map(|seen| policies.situation(seen));
    let decision = evaluated(policies, facts, seen_facts.as_ref(), situation.as_ref()).decision;
    if decision < Decision::NeedsApproval {
        refusals.push(Refusal::NotApprovable { decision });
    }
    if let Some(situation) = &situation {
        refusals.extend(refused_by_policy(policies, policies.ask_approver(&person.person, &person.roles, situation)));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// The persons whose yes counts now, and why the other yeses do not.
fn counted(policies: &PolicySet, facts: &Facts, situation: Option<&Situation>) -> (Vec<PersonId>, Vec<Refusal>) {
    let approval::Tally { valid, mut refused } = approval::tally(facts);
    let mut by = Vec::new();
    if let Some(situation) = situation {
        for approval in valid {
            let refusals = refused_by_policy(policies, policies.ask_approver(&approval.by, &approval.roles, situation));
            if refusals.is_empty() {
                by.push(approval.by.clone());
            }
            refused.extend(refusals);
        }
    }
    (by, refused)
}

fn refused_by_policy(policies: &PolicySet, answer: Answer) -> Vec<Refusal> {
    if answer.allowed {
        return Vec::new();
    }
    let mut refusals: Vec<Refusal> =
        answer.errors.into_iter().map(|(policy, why)| Refusal::Policy { policy, reason: unanswered(&why) }).collect();
    let forbids = answer.determining.into_iter().filter_map(|id| policies.policy(&id)).filter(|policy| policy.forbids);
    refusals.extend(forbids.map(|policy| Refusal::Policy { policy: policy.id.clone(), reason: policy.reason.clone() }));
    if refusals.is_empty() {
        refusals.push(Refusal::Policy {
            policy: "default_deny_approval".to_owned(),
            reason: "no policy permits this person to approve".to_owned(),
        });
    }
    refusals
}

fn sufficient(enough: bool, needed: u8, by: &[PersonId], refused: &[Refusal]) -> Reason {
    let names: Vec<&str> = by.iter().map(PersonId::as_str).collect();
    let mut message = format!("{} of {needed} approvals", by.len());
    if !names.is_empty() {
        message.push_str(&format!(" by `{}`", names.join("`, `")));
    }
    for refusal in refused {
        message.push_str(&format!("; {refusal}"));
    }
    let values = BTreeMap::from([("needed".to_owned(), needed.into()), ("by".to_owned(), names.into())]);
    // A missing yes takes nothing away from the proposal: it still needs approval.
    let allows = if enough { Decision::AutoExecute } else { Decision::NeedsApproval };
    Reason { id: "approvals_sufficient".to_owned(), layer: Layer::Invariant, passed: enough, allows, message, values }
}

/// One reason a policy, the least it allows over both actions, and one for each action that nothing permits.
fn policy_reasons(policies: &PolicySet, situation: &Situation) -> Vec<Reason> {
    const ASKED: [(Action, Decision, &str); 2] = [
        (Action::ExecuteAutomatically, Decision::NeedsApproval, "default_deny_automatic"),
        (Action::ExecuteWithApproval, Decision::RecommendOnly, "default_deny_approval"),
    ];
    let mut reasons: BTreeMap<String, Reason> = BTreeMap::new();
    let mut add = |id: &str, passed: bool, allows: Decision, action: Action, message: String| {
        let reason = reasons.entry(id.to_owned()).or_insert_with(|| Reason {
            id: id.to_owned(),
            layer: Layer::Policy,
            passed: true,
            allows: Decision::AutoExecute,
            message: message.clone(),
            values: BTreeMap::from([("actions".to_owned(), serde_json::Value::Array(Vec::new()))]),
        });
        if reason.passed && !passed {
            reason.message = message;
        }
        reason.passed &= passed;
        reason.allows = reason.allows.min(allows);
        if let Some(serde_json::Value::Array(actions)) = reason.values.get_mut("actions") {
            actions.push(action.as_str().into());
        }
    };
    let mut failed = BTreeSet::new();
    for (action, otherwise, default_deny) in ASKED {
        let answer = policies.ask_engine(action, situation);
        for (policy, why) in &answer.errors {
            add(policy, false, otherwise, action, unanswered(why));
            failed.insert(policy.clone());
        }
        for policy in answer.determining.iter().filter_map(|id| policies.policy(id)) {
            let allows = if policy.forbids { otherwise } else { Decision::AutoExecute };
            add(&policy.id, !policy.forbids, allows, action, policy.reason.clone());
        }
        if !answer.allowed && answer.determining.is_empty() && answer.errors.is_empty() {
            add(default_deny, false, otherwise, action, format!("no policy permits `{}`", action.as_str()));
        }
    }
    for reason in reasons.values_mut().filter(|reason| failed.contains(&reason.id)) {
        reason.values.insert(EVALUATION_ERROR.to_owned(), true.into());
    }
    reasons.into_values().collect()
}

fn unanswered(why: &str) -> String {
    format!("the policy could not be evaluated, which refuses: {why}")
}

fn verdict(policies: &PolicySet, facts: &Facts, mut reasons: Vec<Reason>) -> Verdict {
    let decision = reasons.iter().map(|reason| reason.allows).min().unwrap_or(Decision::Escalate);
    // Refusals first, the strongest on top; the order inside is that of the checks, then of the policies' ids.
    reasons.sort_by_key(|reason| (reason.passed, reason.allows));
    let approvals_needed = if decision == Decision::NeedsApproval { approval::needed(facts) } else { 0 };
    Verdict { decision, reasons, policies: policies.digest(), approvals_needed }
}
