//! The pure part of a decision on one ticket, in-process: clean, classify, match, fill, gate, receipt.
//!
//! `cargo bench --bench decide`. One thread; every text differs, so nothing is answered from a cache.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sluicegate::{
    config::Config,
    domain::{
        id::{DeliveryId, RecommendationId, TicketId},
        name::{SourceId, TenantId},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    intake::adapters::json,
    pipeline::{circumstances::Circumstances, decider::Decider},
};

const TICKETS: u64 = 2_000;

fn ticket(number: u64, now: Timestamp) -> Ticket {
    let texts = [
        "Nothing comes out of prn-07 since this morning and there are 14 jobs waiting. I tried to turn it off and on again, which did not help. Could somebody have a look before the meeting at ten please, we need the contracts on paper.",
        "My account is locked after I typed a wrong password too often, user snovak. I have a call with a customer in half an hour and cannot get at my notes.",
        "The disk of web-03 is almost full, /var has only two per cent left and the log files keep growing since the release of last night.",
        "I got a mail that says my mailbox is suspended and asks me to confirm my password on a page that looks like ours. Is it real?",
        "The big plant next to reception looks thirsty. Who waters it while the office manager is on holiday?",
    ];
    let text = texts[(number % texts.len() as u64) as usize];
    let body = serde_json::json!({"external_id": number.to_string(), "title": format!("Ticket {number}"), "body": format!("{text} Reference {number}.")});
    Ticket {
        form: Ticket::FORM,
        id: TicketId::new(now, u128::from(number)),
        tenant: TenantId::default(),
        source: SourceId::new("api").expect("a slug"),
        delivery: DeliveryId::new(now, u128::from(number)),
        report: json::report(body.to_string().as_bytes()).expect("the canonical form"),
        state: TicketState::Received,
        version: 1,
        received_at: now,
        updated_at: now,
    }
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1e3;
    let total: f64 = times.iter().map(Duration::as_secs_f64).sum();
    println!("{what:>22} {:>12.0} {:>9.3} {:>9.3}", times.len() as f64 / total, at(0.5), at(0.99));
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = Config::default();
    config.triage.model = root.join("models/service-desk");
    config.triage.embedding = root.join("models/embedding");
    config.triage.catalogue = root.join("models/catalogue.toml");
    config.triage.signals = root.join("signals.toml");
    config.runbooks.folder = root.join("runbooks");
    config.gate.policies = root.join("policies");
    let started = Instant::now();
    let decider = Decider::load(&config).expect("the shipped parts are in order");
    println!("loaded model, signals, runbooks and policies in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let now = Timestamp::from_millis(1_795_000_000_000);
    let tickets: Vec<Ticket> = (0..TICKETS).map(|number| ticket(number, now)).collect();
    let (mut propose, mut judge) = (Vec::new(), Vec::new());
    for ticket in &tickets {
        let started = Instant::now();
        let proposal = decider.propose(ticket, Vec::new());
        propose.push(started.elapsed());
        let runbook = decider.runbook_of(&proposal).expect("canonical").map(|(runbook, _)| runbook);
        let circumstances = Circumstances::alone(now, runbook);
        let started = Instant::now();
        std::hint::black_box(decider.judge(ticket, proposal, &circumstances, RecommendationId::new(now, 0)).expect("canonical"));
        judge.push(started.elapsed());
    }
    println!("{:>22} {:>12} {:>9} {:>9}", "", "tickets/s", "p50 ms", "p99 ms");
    row("classify, match, fill", propose);
    row("gate and receipt", judge);
}
