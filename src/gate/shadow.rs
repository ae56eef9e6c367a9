//! Whether the gate would have let a proposal run on its own, had its runbook been trusted.
//!
//! What people then do with such proposals is the evidence that earns trust, in shadow and suggest as on auto.
// INVARIANT: only trust is supposed (mode, pre-approval, record, caps), and connectors that answer: a desk in shadow may
// have none yet, and whether a call would have gone through says nothing of the decision. Whatever else refuses still
// refuses.

use super::{
    Facts, PolicySet, evaluate,
    facts::{ConnectorHealth, ErrorRecord, Modes, PerMillion, Usage},
};
use crate::domain::{
    approval::{Caps, Mode, PreApproval},
    id::PreApprovalId,
    name::PersonId,
    time::Timestamp,
    verdict::Decision,
};

/// True when everything but missing trust allows an automatic run.
pub fn would_act(policies: &PolicySet, facts: &Facts) -> bool {
    trusted(facts).is_some_and(|facts| evaluate(policies, &facts).decision == Decision::AutoExecute)
}

/// The same facts with a trusted runbook; `None` when none is proposed.
fn trusted(facts: &Facts) -> Option<Facts> {
    let mut facts = facts.clone();
    let proposal = facts.proposal.as_mut()?;
    // `.invalid` is reserved (RFC 2606), so no author is this person.
    let approver = PersonId::new("supposed-approver@localhost.invalid").ok()?;
    proposal.pre_approvals = vec![PreApproval {
        form: PreApproval::FORM,
        id: PreApprovalId::new(facts.now, 0),
        tenant: facts.tenant.clone(),
        runbook: proposal.runbook.clone(),
        digest: proposal.digest,
        mode: Mode::Auto,
        caps: Caps { per_hour: u32::MAX, per_target_hour: u32::MAX, per_requester_hour: u32::MAX, concurrent: u32::MAX },
        sources: Default::default(),
        categories: Default::default(),
        during: None,
        approver,
        created_at: facts.now,
        expires_at: Timestamp::from_millis(i64::MAX),
        revoked: None,
        voided: None,
    }];
    facts.modes = Modes { global: Mode::Auto, source: Mode::Auto, runbook: Mode::Auto };
    facts.record = ErrorRecord { limit: PerMillion::ONE, demoted: false, ..facts.record };
    facts.usage = Usage::default();
    facts.connectors.values_mut().for_each(|health| *health = ConnectorHealth::Healthy);
    Some(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::priority::Risk,
        gate::{
            facts::{KillSwitch, WindowInForce, WindowKind},
            tests::specimen::{baseline, shipped},
        },
    };

    #[test]
    fn lack_of_trust_alone_leaves_a_decision_that_would_have_acted() {
        let mut facts = baseline();
        assert!(would_act(&shipped(), &facts));
        facts.modes.global = Mode::Shadow;
        facts.record = ErrorRecord { decisions: 3, wrong: 3, demoted: true, ..facts.record };
        facts.usage.running = 99;
        facts.connectors.values_mut().for_each(|health| *health = ConnectorHealth::Unhealthy { reason: "not configured".to_owned() });
        facts.proposal.as_mut().unwrap().pre_approvals.clear();
        assert_eq!(evaluate(&shipped(), &facts).decision, Decision::RecommendOnly);
        assert!(would_act(&shipped(), &facts));
    }

    #[test]
    fn anything_else_that_refuses_leaves_none() {
        type Harm = fn(&mut Facts);
        let harms: [Harm; 7] = [
            |facts| facts.proposal = None,
            |facts| facts.ticket.risk = Risk::Medium,
            |facts| facts.ticket.category = None,
            |facts| facts.storm.size = facts.storm.limit + 1,
            |facts| facts.kill_switch = KillSwitch::On { reason: "drill".to_owned() },
            |facts| facts.windows.push(WindowInForce { name: "w".to_owned(), kind: WindowKind::Freeze, until: facts.now }),
            |facts| facts.proposal.as_mut().unwrap().fit = PerMillion::new(1),
        ];
        for (place, harm) in harms.into_iter().enumerate() {
            let mut facts = baseline();
            harm(&mut facts);
            assert!(!would_act(&shipped(), &facts), "harm {place}");
        }
    }
}
