//! The gate's figures: one verdict with 50 policies (bar: 60 µs), the check before a step, and receipts that a
//! backtest re-evaluates in a second (bar: 10,000 on two cores).
//!
//! `cargo bench --bench gate`. Medians of batches, so that a busy machine moves the figures little.

use std::{hint::black_box, path::Path, time::Instant};

use sluicegate::domain::verdict::Decision;
use sluicegate::gate::{
    Facts, PolicySet,
    backtest::{Again, Backtest},
    evaluate,
    facts::{ApprovalFacts, Phase},
    freeze::Calendar,
    may_execute,
};

const BATCHES: usize = 41;

/// The shipped policies and as many more as make 50, each with a condition that has to be looked at.
fn fifty() -> PolicySet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the shipped policies are there");
    let shipped = PolicySet::load(&folder).expect("the shipped policies are valid").policies().count();
    let more: String = (shipped..50)
        .map(|n| {
            format!(
                "@id(\"desk-{n}\") @reason(\"desk {n} decides itself\")\n\
                 forbid (principal, action == Action::\"execute_automatically\", resource)\n\
                 when {{ context.source == \"desk-{n}\" && (context.category == \"payroll\" || context.hour < 6) }};\n"
            )
        })
        .collect();
    let files = [("automation.cedar", read("automation.cedar")), ("approval.cedar", read("approval.cedar")), ("desks.cedar", more)];
    let set = PolicySet::from_files(files.map(|(name, text)| (name.to_owned(), text))).expect("the policies are valid");
    assert_eq!(set.policies().count(), 50);
    set
}

fn baseline() -> Facts {
    let text = include_str!("../policies/tests/baseline.json");
    Facts::read(&serde_json::from_str(text).expect("the baseline is JSON")).expect("the baseline is facts")
}

/// Nanoseconds that this thread was on a processor, where the kernel says so: what a busy machine cannot move.
fn on_processor() -> Option<f64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Microseconds per call: median, and the slowest batch.
fn measure(name: &str, calls: u32, mut call: impl FnMut()) -> f64 {
    let before = on_processor();
    let mut batches: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    let total = f64::from(calls) * BATCHES as f64;
    let own = on_processor().zip(before).map(|(after, before)| (after - before) / 1e3 / total);
    let own = own.map_or_else(String::new, |own| format!("   this thread's processor time {own:>9.2} µs"));
    println!("{name:<48} {:>9.2} µs   slowest batch {:>9.2} µs{own}", batches[BATCHES / 2], batches[BATCHES - 1]);
    batches[BATCHES / 2]
}

fn main() {
    let set = fifty();
    let facts = baseline();
    measure("evaluate, 50 policies", 500, || drop(black_box(evaluate(&set, black_box(&facts)))));

    let mut approved = facts.clone();
    approved.phase = Phase::Execution;
    approved.ticket.risk = sluicegate::domain::priority::Risk::High;
    let binding = approved.proposal.as_ref().expect("the baseline proposes a runbook").binding;
    approved.approvals = ["bo@example.com", "cy@example.com"]
        .map(|by| ApprovalFacts {
            by: by.parse().expect("an identity"),
            at: approved.now,
            binding,
            roles: [sluicegate::domain::principal::Role::Approver].into(),
        })
        .into();
    assert!(may_execute(&set, &approved).granted());
    measure("may_execute with two approvals, 50 policies", 200, || drop(black_box(may_execute(&set, black_box(&approved)))));

    let stored = serde_json::to_value(&facts).expect("facts are JSON");
    println!("{:<48} {:>9} bytes", "facts as stored", stored.to_string().len());
    let refused_by = std::collections::BTreeSet::new();
    let again: Vec<Again<'_>> = (0..1_000)
        .map(|n| Again { name: n.to_string(), runbook: None, facts: &stored, past: Some((Decision::AutoExecute, &refused_by)) })
        .collect();
    for threads in [1, std::thread::available_parallelism().map_or(1, usize::from)] {
        let per = measure(&format!("backtest of 1,000 receipts on {threads} cores"), 1, || {
            let mut backtest = Backtest::new(&set, threads);
            backtest.take(black_box(&again));
            let report = backtest.report();
            assert_eq!((report.evaluated, report.unchanged), (1_000, 1_000));
        });
        println!("{:<48} {:>9.0} receipts/s", "", 1e9 / per);
    }

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    measure("load and validate the shipped policies", 2, || drop(black_box(PolicySet::load(&folder))));
    let weekly = "[[window]]\nname = \"w\"\nkind = \"freeze\"\nzone = \"Europe/Berlin\"\nfrom = \"2020-01-03T18:00:00\"\nuntil = \"2020-01-06T06:00:00\"\nrepeat = \"FREQ=WEEKLY;BYDAY=FR\"\n";
    let calendar = Calendar::parse("bench", weekly).expect("a valid window");
    measure("in_force, one weekly window since 2020", 100, || drop(black_box(calendar.in_force(facts.now, None, None))));
}
