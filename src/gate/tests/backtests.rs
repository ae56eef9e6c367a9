//! Decisions made again under other policies.

use std::collections::BTreeSet;

use super::specimen::{Dice, baseline, policies, shipped};
use crate::{
    domain::verdict::Decision,
    gate::{
        PolicySet,
        backtest::{Again, Backtest, PastDecision, Report},
        evaluate,
        facts::{Facts, PerMillion},
    },
};

/// Facts as stored, with what was decided under the shipped policies.
struct Stored {
    facts: serde_json::Value,
    decision: Decision,
    refused_by: BTreeSet<String>,
}

impl Stored {
    fn of(facts: &Facts) -> Self {
        let verdict = evaluate(&shipped(), facts);
        let refused_by = verdict.refusals().map(|reason| reason.id.clone()).collect();
        Self { facts: serde_json::to_value(facts).unwrap(), decision: verdict.decision, refused_by }
    }
}

fn again(stored: &[Stored]) -> Vec<Again<'_>> {
    let named = stored.iter().enumerate().map(|(n, stored)| (format!("rec-{n}"), stored));
    named
        .map(|(name, stored)| Again { name, runbook: None, facts: &stored.facts, past: Some((stored.decision, &stored.refused_by)) })
        .collect()
}

fn report(policies: &PolicySet, stored: &[Stored], threads: usize) -> Report {
    let mut backtest = Backtest::new(policies, threads);
    again(stored).chunks(7).for_each(|some| backtest.take(some));
    backtest.report()
}

#[test]
fn a_backtest_groups_what_would_change_and_counts_what_it_cannot_read() {
    let mut stored: Vec<Stored> = (0..40u32)
        .map(|n| {
            let mut facts = baseline();
            facts.requester.as_mut().unwrap().known = n % 4 != 0;
            facts.requester.as_mut().unwrap().vip = n == 39;
            facts.proposal.as_mut().unwrap().fit = PerMillion::new(950_000 + n);
            Stored::of(&facts)
        })
        .collect();
    stored.push(Stored { facts: serde_json::json!({"form": 2}), ..Stored::of(&baseline()) });
    stored.push(Stored { facts: serde_json::Value::Null, ..Stored::of(&baseline()) });
    let same = report(&shipped(), &stored, 2);
    assert_eq!((same.evaluated, same.unchanged, same.unreadable, same.without_facts, same.groups.len()), (40, 40, 1, 1, 0));
    let stricter = policies(
        "@id(\"all\") @reason(\"x\") permit (principal, action, resource);\n@id(\"known-only\") @reason(\"x\") forbid (principal, action == Action::\"execute_automatically\", resource) unless { context.requester_known };",
    );
    let found = report(&stricter, &stored, 2);
    assert_eq!((found.evaluated, found.unchanged, found.changed()), (40, 29, 11));
    let [more, less] = &found.groups[..] else { panic!("{found:?}") };
    assert!(more.allows_more() && !less.allows_more(), "what would be allowed more comes first");
    assert_eq!((more.count, &more.because), (1, &BTreeSet::from(["vip-tickets-to-people".to_owned()])));
    assert_eq!((less.count, &less.because, less.examples.len()), (10, &BTreeSet::from(["known-only".to_owned()]), 5));
    assert_eq!((less.before, less.after), (Decision::AutoExecute, Decision::NeedsApproval));
}

#[test]
fn a_new_refusal_that_leaves_what_was_decided_is_not_the_cause() {
    let mut facts = baseline();
    facts.ticket.risk = crate::domain::priority::Risk::Medium;
    let stored = [Stored::of(&facts)];
    assert_eq!(stored[0].decision, Decision::NeedsApproval);
    let stricter = policies(
        "@id(\"all\") @reason(\"x\") permit (principal, action, resource);\n@id(\"ask\") @reason(\"x\") forbid (principal, action == Action::\"execute_automatically\", resource);\n@id(\"stop\") @reason(\"x\") forbid (principal, action in Action::\"execute\", resource);",
    );
    assert_eq!(report(&stricter, &stored, 1).groups[0].because, BTreeSet::from(["stop".to_owned()]));
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let mut dice = Dice::new(12);
    let stored: Vec<Stored> = (0..150).map(|_| Stored::of(&dice.facts())).collect();
    let other = policies("@id(\"all\") @reason(\"x\") permit (principal, action, resource) when { context.hour != 2 || context.peak };");
    let one = report(&other, &stored, 1);
    assert!(one.changed() > 5, "{one:?}");
    for threads in [2, 3, 16] {
        assert_eq!(report(&other, &stored, threads), one);
    }
}

#[test]
fn two_policy_sets_are_compared_whatever_was_decided_then() {
    let facts = serde_json::to_value(baseline()).unwrap();
    let closed = policies("@id(\"none\") @reason(\"x\") permit (principal, action == Action::\"approve\", resource);");
    let (shipped, again) = (shipped(), [Again { name: "case".to_owned(), runbook: None, facts: &facts, past: None }]);
    let mut backtest = Backtest::between(&closed, &shipped, 1);
    backtest.take(&again);
    let report = backtest.report();
    assert_eq!((report.groups[0].before, report.groups[0].after), (Decision::RecommendOnly, Decision::AutoExecute));
    assert!(report.groups[0].because.contains("default_deny_automatic"));
}

#[test]
fn form_one_of_a_kept_receipt_is_read_and_another_is_refused_by_name() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let line = serde_json::json!({
        "form": 1, "recommendation": "rec_01kaqc4j0000000000000000ab", "ticket": "tkt_01kaqc4j0000000000000000ab",
        "runbook": "restart-print-spooler", "decided_at": "2026-11-23T02:00:00.000Z", "decision": "needs_approval",
        "refused_by": ["risk_low"], "policies": digest, "facts": null,
    });
    let read = PastDecision::read(&line.to_string()).unwrap();
    assert_eq!((read.decision, read.refused_by.len()), (Decision::NeedsApproval, 1));
    assert_eq!(serde_json::to_value(&read).unwrap(), line);
    let said = PastDecision::read("{\"form\": 2}").unwrap_err().to_string();
    assert!(said.contains("form 2") && said.contains("form 1"), "{said}");
    assert!(PastDecision::read("{}").unwrap_err().to_string().contains("GET /v1/receipts"));
}
