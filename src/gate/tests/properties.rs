//! What must hold for every verdict: default deny, and nothing that refuses more ever allows more.

use proptest::prelude::*;

use super::specimen::{self, Dice, policies};
use crate::{
    domain::{
        priority::Risk,
        verdict::{Decision, Layer},
    },
    gate::{PolicySet, evaluate, facts::*, may_execute},
};

/// Rules an operator might write; each is one policy without annotations, and valid alone.
const RULES: [&str; 12] = [
    "permit (principal, action, resource);",
    "permit (principal, action == Action::\"execute_automatically\", resource) when { context.risk == \"low\" };",
    "permit (principal, action in Action::\"execute\", resource) when { context.pre_approved };",
    "permit (principal, action == Action::\"execute_with_approval\", resource) unless { context.requester_flagged };",
    "forbid (principal, action == Action::\"execute_automatically\", resource) when { context.priority <= 2 };",
    "forbid (principal, action in Action::\"execute\", resource) when { context.risk == \"high\" && context.peak };",
    "forbid (principal, action == Action::\"execute_with_approval\", resource) when { context.fit < 950000 };",
    "forbid (principal, action, resource) when { context.requester_vip };",
    "forbid (principal, action == Action::\"execute_automatically\", resource) when { [6, 7].contains(context.weekday) };",
    "forbid (principal, action, resource == Runbook::\"restart-print-spooler\") when { context.requester_entitled == \"no\" };",
    // 64-bit overflow: valid, and an error whenever it is evaluated.
    "forbid (principal, action == Action::\"execute_automatically\", resource) when { 9223372036854775807 + context.priority > 0 };",
    "permit (principal, action == Action::\"execute_with_approval\", resource) when { 9223372036854775807 + context.priority > 0 };",
];

fn rules(chosen: &[usize]) -> PolicySet {
    let text: Vec<String> = chosen.iter().map(|n| format!("@id(\"r{n}\") @reason(\"rule {n}\") {}", RULES[*n])).collect();
    policies(&text.join("\n"))
}

fn is_forbid(rule: usize) -> bool {
    RULES[rule].starts_with("forbid")
}

fn lower(facts: &Facts) -> Vec<Facts> {
    let Some(proposal) = &facts.proposal else { return Vec::new() };
    (0..proposal.pre_approvals.len())
        .map(|n| {
            let mut without = facts.clone();
            without.proposal.as_mut().unwrap().pre_approvals.remove(n);
            without
        })
        .collect()
}

fn shuffle<T>(list: &mut [T], dice: &mut Dice) {
    for n in (1..list.len()).rev() {
        list.swap(n, dice.below(n as u64 + 1) as usize);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_forbid_never_allows_more(seed: u64, chosen in prop::collection::btree_set(0..RULES.len(), 0..6), added in 0..RULES.len()) {
        prop_assume!(is_forbid(added));
        let facts = Dice::new(seed).facts();
        let before: Vec<usize> = chosen.iter().copied().collect();
        let after: Vec<usize> = before.iter().copied().chain([added].into_iter().filter(|n| !chosen.contains(n))).collect();
        let (before, after) = (evaluate(&rules(&before), &facts), evaluate(&rules(&after), &facts));
        prop_assert!(after.decision <= before.decision);
        if after.decision == before.decision {
            prop_assert!(after.approvals_needed >= before.approvals_needed);
        }
    }

    #[test]
    fn the_verdict_does_not_depend_on_the_order_of_the_rules(seed: u64, chosen in Just((0..RULES.len()).collect::<Vec<_>>()).prop_shuffle(), take in 0..RULES.len()) {
        let facts = Dice::new(seed).facts();
        let mut sorted = chosen[..take].to_vec();
        sorted.sort_unstable();
        let (given, sorted) = (evaluate(&rules(&chosen[..take]), &facts), evaluate(&rules(&sorted), &facts));
        prop_assert_eq!(given.decision, sorted.decision);
        prop_assert_eq!(given.reasons, sorted.reasons);
    }

    #[test]
    fn the_verdict_does_not_depend_on_which_file_a_rule_is_in_or_how_the_files_are_called(
        seed: u64, chosen in Just((0..RULES.len()).collect::<Vec<_>>()).prop_shuffle(), take in 1..RULES.len(), files in prop::collection::vec(0u8..4, RULES.len())
    ) {
        let facts = Dice::new(seed).facts();
        let mut texts = std::collections::BTreeMap::<u8, String>::new();
        for (rule, file) in chosen[..take].iter().zip(files) {
            *texts.entry(file).or_default() += &format!("@id(\"r{rule}\") @reason(\"rule {rule}\") {}\n", RULES[*rule]);
        }
        let forwards = texts.iter().map(|(file, text)| (format!("{file}.cedar"), text.clone()));
        let backwards = texts.iter().rev().map(|(file, text)| (format!("{}.cedar", 9 - file), text.clone()));
        let sets = [rules(&chosen[..take]), PolicySet::from_files(forwards).unwrap(), PolicySet::from_files(backwards).unwrap()];
        let [one, forwards, backwards] = sets.map(|set| evaluate(&set, &facts));
        prop_assert_eq!((one.decision, &one.reasons), (forwards.decision, &forwards.reasons));
        prop_assert_eq!((one.decision, &one.reasons), (backwards.decision, &backwards.reasons));
    }

    #[test]
    fn the_verdict_does_not_depend_on_the_order_of_pre_approvals_approvals_and_windows(seed: u64, order: u64) {
        let facts = Dice::new(seed).facts();
        let mut shuffled = facts.clone();
        let mut dice = Dice::new(order);
        shuffle(&mut shuffled.approvals, &mut dice);
        shuffle(&mut shuffled.windows, &mut dice);
        if let Some(proposal) = &mut shuffled.proposal {
            shuffle(&mut proposal.pre_approvals, &mut dice);
        }
        for set in [specimen::shipped(), specimen::permissive()] {
            let (given, other) = (may_execute(&set, &facts), may_execute(&set, &shuffled));
            prop_assert_eq!((given.verdict.decision, given.verdict.approvals_needed), (other.verdict.decision, other.verdict.approvals_needed));
            // Messages name records in the order they are stored; which checks passed does not change.
            let checks = |permission: &crate::gate::Permission| -> Vec<(String, bool, Decision)> {
                permission.verdict.reasons.iter().map(|reason| (reason.id.clone(), reason.passed, reason.allows)).collect()
            };
            prop_assert_eq!(checks(&given), checks(&other));
            prop_assert_eq!(given.basis, other.basis);
        }
    }

    #[test]
    fn what_no_rule_permits_does_not_run_whoever_approved_it(seed: u64, chosen in prop::collection::btree_set(0..RULES.len(), 1..8)) {
        let forbids: Vec<usize> = chosen.into_iter().filter(|rule| is_forbid(*rule)).collect();
        prop_assume!(!forbids.is_empty());
        let mut facts = Dice::new(seed).facts();
        facts.phase = Phase::Execution;
        let permission = may_execute(&rules(&forbids), &facts);
        prop_assert!(!permission.granted());
        prop_assert!(permission.verdict.decision < Decision::NeedsApproval);
    }

    #[test]
    fn raising_the_risk_never_allows_more_under_the_shipped_policies(seed: u64) {
        let facts = Dice::new(seed).facts();
        let set = specimen::shipped();
        let mut last = None;
        for risk in [Risk::Low, Risk::Medium, Risk::High] {
            for raise_runbook in [false, true] {
                let mut raised = facts.clone();
                match (&mut raised.proposal, raise_runbook) {
                    (Some(proposal), true) => proposal.risk = proposal.risk.max(risk),
                    _ => raised.ticket.risk = raised.ticket.risk.max(risk),
                }
                let (base, now) = (evaluate(&set, &facts), evaluate(&set, &raised));
                prop_assert!(now.decision <= base.decision);
                prop_assert!(may_execute(&set, &facts).granted() || !may_execute(&set, &raised).granted());
                prop_assert!(risk == Risk::Low || now.decision < Decision::AutoExecute);
                last = Some(now);
            }
        }
        prop_assert!(last.is_some());
    }

    #[test]
    fn taking_away_a_pre_approval_or_an_approval_never_allows_more(seed: u64) {
        let facts = Dice::new(seed).facts();
        for set in [specimen::shipped(), specimen::permissive()] {
            let before = evaluate(&set, &facts).decision;
            for without in lower(&facts) {
                prop_assert!(evaluate(&set, &without).decision <= before);
            }
            for n in 0..facts.approvals.len() {
                let mut without = facts.clone();
                without.approvals.remove(n);
                prop_assert!(may_execute(&set, &facts).granted() || !may_execute(&set, &without).granted());
            }
        }
    }

    #[test]
    fn a_freeze_override_never_makes_anything_automatic_and_without_a_freeze_changes_nothing(seed: u64) {
        let mut facts = Dice::new(seed).facts();
        prop_assume!(facts.proposal.is_some());
        let now = facts.now;
        let proposal = facts.proposal.as_mut().unwrap();
        let given = specimen::freeze_override(proposal, now);
        for set in [specimen::shipped(), specimen::permissive()] {
            let with = |facts: &Facts, given: Option<FreezeOverride>| {
                let mut facts = facts.clone();
                facts.proposal.as_mut().unwrap().freeze_override = given;
                (evaluate(&set, &facts), may_execute(&set, &facts))
            };
            let (without, lifted) = (with(&facts, None), with(&facts, Some(given.clone())));
            let frozen = facts.windows.iter().any(|window| window.kind == WindowKind::Freeze);
            if frozen {
                prop_assert!(lifted.0.decision <= Decision::NeedsApproval);
                prop_assert!(lifted.1.basis != Some(crate::gate::Basis::Automatic));
            } else {
                prop_assert_eq!(&lifted, &without);
            }
        }
    }

    #[test]
    fn an_override_that_is_late_or_of_something_else_or_of_the_wrong_persons_is_as_none(seed: u64, flaw in 0usize..8) {
        let mut facts = Dice::new(seed).facts();
        prop_assume!(facts.proposal.is_some());
        let until = facts.now.plus(std::time::Duration::from_secs(60));
        facts.windows.push(WindowInForce { name: "window".to_owned(), kind: WindowKind::Freeze, until });
        facts.requester = specimen::baseline().requester;
        let now = facts.now;
        let proposal = facts.proposal.as_mut().unwrap();
        let mut given = specimen::freeze_override(proposal, now);
        match flaw {
            0 => given.binding = specimen::digest("other"),
            1 => given.expires_at = now,
            2 => given.confirmed_by = given.requested_by.clone(),
            3 => given.confirmed_by = specimen::person("BO@Example.com"),
            4 => given.requested_by = specimen::person("ANA@example.com"),
            5 => given.confirmed_by = specimen::person("Ana@example.com"),
            6 => given.requested_by = specimen::person("wren@example.com"),
            _ => given.confirmed_by = specimen::person("Wren@Example.com"),
        }
        proposal.freeze_override = None;
        let without = evaluate(&specimen::permissive(), &facts);
        facts.proposal.as_mut().unwrap().freeze_override = Some(given);
        prop_assert_eq!(evaluate(&specimen::permissive(), &facts), without.clone());
        prop_assert!(without.decision < Decision::NeedsApproval);
    }

    #[test]
    fn every_verdict_lists_refusals_first_and_is_their_minimum(seed: u64) {
        let facts = Dice::new(seed).facts();
        let verdict = evaluate(&specimen::shipped(), &facts);
        prop_assert!(verdict.reasons.is_sorted_by_key(|reason| (reason.passed, reason.allows)));
        prop_assert_eq!(verdict.decision, verdict.reasons.iter().map(|reason| reason.allows).min().unwrap());
        prop_assert_eq!(verdict.decision == Decision::AutoExecute, verdict.refusals().next().is_none());
        prop_assert!(verdict.reasons.iter().all(|reason| reason.passed == (reason.allows == Decision::AutoExecute)));
        prop_assert!(verdict.reasons.iter().all(|reason| !reason.message.is_empty() && !reason.message.ends_with('.')));
        prop_assert_eq!(verdict, evaluate(&specimen::shipped(), &facts));
    }
}

#[test]
fn with_no_permit_nothing_runs() {
    let set = policies("@id(\"no-vip\") @reason(\"x\") forbid (principal, action, resource) when { context.requester_vip };");
    let mut facts = specimen::baseline();
    facts.phase = Phase::Execution;
    facts.approvals = vec![specimen::approval(&facts, "bo@example.com"), specimen::approval(&facts, "cy@example.com")];
    let permission = may_execute(&set, &facts);
    assert!(!permission.granted());
    assert_eq!(permission.verdict.decision, Decision::RecommendOnly);
    let refused: Vec<_> = permission.verdict.refusals().map(|reason| reason.id.as_str()).collect();
    assert_eq!(refused, ["default_deny_approval", "default_deny_automatic"]);
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses_with_its_own_reason() {
    for broken in [10, 11] {
        let verdict = evaluate(&rules(&[0, broken]), &specimen::baseline());
        let reason = verdict.reasons.iter().find(|reason| reason.id == format!("r{broken}")).unwrap();
        assert!(!reason.passed && reason.layer == Layer::Policy, "{reason:?}");
        assert!(reason.message.contains("could not be evaluated") && reason.message.contains("overflow"), "{}", reason.message);
        assert!(verdict.decision < Decision::AutoExecute);
        // By this value the failures are counted as a metric.
        let marked: Vec<&str> = verdict
            .reasons
            .iter()
            .filter(|reason| reason.values.contains_key(crate::gate::EVALUATION_ERROR))
            .map(|reason| reason.id.as_str())
            .collect();
        assert_eq!(marked, [format!("r{broken}")]);
    }
}

#[test]
fn a_verdict_names_every_invariant_and_every_determining_policy() {
    let verdict = evaluate(&specimen::shipped(), &specimen::baseline());
    let ids: std::collections::BTreeSet<_> = verdict.reasons.iter().map(|reason| reason.id.as_str()).collect();
    let expected = [
        "automation-of-standard-changes",
        "cap_concurrent",
        "cap_requester_hour",
        "cap_runbook_hour",
        "cap_target_hour",
        "category_known",
        "connector_healthy",
        "error_bound",
        "fit_within_limit",
        "kill_switch_off",
        "mode_auto",
        "no_freeze",
        "no_storm",
        "not_demoted",
        "parameters_validated",
        "pre_approved",
        "proposal_current",
        "requester_unflagged",
        "reversible_or_idempotent",
        "review_current",
        "risk_low",
        "run-after-approval",
        "runbook_executable",
        "runbook_fits",
        "runbook_unchanged",
    ];
    assert_eq!(ids, expected.into());
    assert_eq!(verdict.reasons.len(), ids.len(), "no id twice");
    assert_eq!(verdict.policies, specimen::shipped().digest());
}

#[test]
fn a_lifted_freeze_names_both_persons_and_the_reason_and_waits_for_approval() {
    let mut facts = specimen::baseline();
    let until = facts.now.plus(std::time::Duration::from_secs(60));
    facts.windows.push(WindowInForce { name: "window".to_owned(), kind: WindowKind::Freeze, until });
    assert_eq!(evaluate(&specimen::shipped(), &facts).decision, Decision::RecommendOnly);
    let now = facts.now;
    let proposal = facts.proposal.as_mut().unwrap();
    proposal.freeze_override = Some(specimen::freeze_override(proposal, now));
    let verdict = evaluate(&specimen::shipped(), &facts);
    assert_eq!((verdict.decision, verdict.approvals_needed), (Decision::NeedsApproval, 1));
    let refused: Vec<_> = verdict.refusals().collect();
    assert_eq!((refused.len(), refused[0].id.as_str()), (1, "no_freeze"));
    for word in ["`window` until", "`bo@example.com` asked", "`cy@example.com` confirmed", "the release cannot wait"] {
        assert!(refused[0].message.contains(word), "{word}: {}", refused[0].message);
    }
    // A peak is the policies' to judge, and no override lifts it.
    facts.windows.push(WindowInForce { name: "sales".to_owned(), kind: WindowKind::Peak, until });
    assert!(evaluate(&specimen::shipped(), &facts).refusals().any(|reason| reason.layer == Layer::Policy));
}

#[test]
fn the_first_refusal_is_the_one_that_allows_least() {
    let mut facts = specimen::baseline();
    facts.kill_switch = KillSwitch::On { reason: "drill".to_owned() };
    facts.usage.runbook_hour = 10;
    facts.storm.size = 300;
    let refused: Vec<_> = evaluate(&specimen::shipped(), &facts).refusals().map(|reason| reason.id.clone()).collect();
    assert_eq!(refused, ["no_storm", "kill_switch_off", "cap_runbook_hour"]);
}

#[test]
fn a_stale_review_keeps_a_runbook_off_auto_and_leaves_it_to_approval() {
    let mut facts = specimen::baseline();
    let before = evaluate(&specimen::shipped(), &facts);
    assert_eq!(before.decision, Decision::AutoExecute, "the baseline runs alone, so that this shows something");
    facts.proposal.as_mut().unwrap().stale = true;
    let after = evaluate(&specimen::shipped(), &facts);
    assert_eq!(after.decision, Decision::NeedsApproval);
    let refused: Vec<_> = after.refusals().map(|reason| reason.id.clone()).collect();
    assert_eq!(refused, ["review_current"]);
    // No policy can lift it.
    assert_eq!(evaluate(&specimen::permissive(), &facts).decision, Decision::NeedsApproval);
}
