//! What running costs: the engine's overhead a step beside its two commits and its call, and intake's latency while a
//! hundred runs are under way.
//!
//! `cargo bench --bench executions [-- FOLDER]`. Everything is the real thing in this process: the store on disk, the gate
//! asked before each step, HTTP to a server on this machine. What is compared runs in turns.

mod service;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State};
use service::{Running, at, median, paced};
use sluicegate::{
    config::Config,
    domain::{
        entry::{Entry, Event},
        execution::{Execution, ExecutionState, StepOutcome},
        name::{PersonId, TenantId},
        principal::{Actor, Principal, Role},
        recommendation::RecommendationState,
    },
    outbound::{Client, Limits, Path as UrlPath, Request},
    pipeline::{
        actions::{approve, modes, submit::submit, token},
        service::Service,
        workers,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::Page,
    },
};
use tokio::net::TcpListener;

const RUNBOOK: &str = r#"---
id: bench-restart
title: Restart the bench
owner: server-team
triggers:
  patterns: ['(?i)^bench number [0-9]+$']
symptoms: ["The bench hangs"]
parameters:
  number: {type: 'integer(1..9999999)', from: [attribute:number]}
risk: low
reversible: true
steps:
  - {id: look, kind: precheck, use: automation.get, with: {path: "/hosts/{{number}}"}}
  - {id: one, kind: change, use: automation.post, with: {path: "/hosts/{{number}}"}, idempotent: true, rollback: undo}
  - {id: two, kind: change, use: automation.post, with: {path: "/hosts/{{number}}"}, idempotent: true, rollback: undo}
  - {id: check, kind: verify, use: automation.get, with: {path: "/hosts/{{number}}"}, expect: 'body.state == "healthy"'}
  - {id: undo, kind: rollback, use: automation.post, with: {path: "/hosts/{{number}}"}}
---
Only for benchmarks.
"#;
const STEPS: u32 = 4;
/// Runs under way at once.
const AT_ONCE: usize = 100;
const ROUND: Duration = Duration::from_secs(6);
const TURNS: usize = 5;

/// A server that answers after half to one and a half times `pause`, so that runs which began together do not go in step,
/// and how many calls it has open.
async fn automation(pause: Duration) -> (String, Arc<AtomicUsize>) {
    let (open, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let answer = move |State(open): State<Arc<AtomicUsize>>| async move {
        open.fetch_add(1, Ordering::SeqCst);
        if !pause.is_zero() {
            let nth = calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause / 2 + pause * (nth * 37 % 100) as u32 / 100).await;
        }
        open.fetch_sub(1, Ordering::SeqCst);
        Json(serde_json::json!({"state": "healthy"}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let router = Router::new().fallback(answer).with_state(Arc::clone(&open));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("the listener works") });
    (base, open)
}

fn configure(folder: &Path, base: &str) -> impl FnOnce(&mut Config) {
    let runbooks = folder.join("runbooks");
    std::fs::create_dir_all(&runbooks).expect("the folder can be written");
    std::fs::write(runbooks.join("bench-restart.md"), RUNBOOK).expect("the folder can be written");
    let connector = serde_json::json!({
        "name": "automation", "kind": "http", "base_url": base, "auth": null, "allow_addresses": ["127.0.0.0/8"],
        "allow": [{"method": "get", "path": "/hosts/*"}, {"method": "post", "path": "/hosts/*"}],
    });
    move |config| {
        config.runbooks.folder = runbooks;
        config.connectors = vec![serde_json::from_value(connector).expect("a connector")];
        config.pipeline.executions = AT_ONCE;
        // Every ticket here has one shape.
        config.gate.storm_size = u64::from(u32::MAX);
    }
}

async fn person(service: &Service, name: &str, role: Role) -> Principal {
    let (tenant, person, roles) = (TenantId::default(), PersonId::new(name).expect("a name"), BTreeSet::from([role]));
    token::create(service, Actor::Engine, tenant.clone(), person.clone(), roles.clone(), None).await.expect("a token");
    Principal { person, tenant, roles }
}

/// Makes so many runs that a person approved and that have not begun.
async fn approved(service: &Arc<Service>, runs: usize) {
    let tenant = TenantId::default();
    let (rea, olu) = (person(service, "rea", Role::Responder).await, person(service, "olu", Role::Approver).await);
    let revision = service.store.modes(&tenant).await.expect("modes").revision;
    let opal = person(service, "opal", Role::Operator).await;
    let suggest = sluicegate::domain::approval::Mode::Suggest;
    let _ = modes::set_mode(service, &opal, &sluicegate::domain::approval::Scope::Global, suggest, revision).await;
    for number in 1..=runs {
        let body = serde_json::json!({
            "external_id": format!("bench-{number}"), "title": format!("bench number {number}"), "body": "it hangs",
            "attributes": {"number": number.to_string()}, "requester": {"id": "u@example.com", "email": "u@example.com"},
        });
        submit(service, &rea, None, body.to_string().as_bytes()).await.expect("a ticket");
    }
    while workers::triage::step(service).await.expect("triage") > 0 {}
    let mut allowed = 0;
    loop {
        let page = Page { before: None, limit: 500 };
        let open = service.store.recommendations(&tenant, Some(RecommendationState::Open), page).await.expect("proposals");
        if open.is_empty() {
            break;
        }
        for proposal in open {
            let binding = proposal.binding().expect("a proposal");
            let seen = approve::Approve { revision: proposal.revision, binding, comment: None };
            let yes = approve::approve(service, &olu, proposal.id, seen).await;
            assert!(yes.is_ok(), "{yes:?}: {:?}", proposal.verdict.refusals().next());
            allowed += 1;
        }
    }
    assert_eq!(allowed, runs, "every ticket was to be approved");
}

/// Milliseconds of one step: the whole of it, and of it the two commits and the call made bare.
async fn overhead(folder: &Path) -> (f64, f64) {
    const RUNS: usize = 60;
    let (base, _) = automation(Duration::ZERO).await;
    let running = Running::start(&folder.join("store"), false, configure(folder, &base)).await;
    let service = &running.service;
    approved(service, RUNS + 1).await;
    workers::execute::step(service, 1).await.expect("a run to warm up on");
    let client = Client::new(
        &base.parse().expect("a URL"),
        &["127.0.0.0/8".parse().expect("a network")],
        Limits { timeout: Duration::from_secs(5), response: 1 << 20 },
    )
    .expect("a client");
    let sample = sample(service).await;
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    for nth in 0..RUNS {
        let started = Instant::now();
        assert_eq!(workers::execute::step(service, 1).await.expect("a run"), 1);
        whole.push(started.elapsed() / STEPS);
        let started = Instant::now();
        for step in 0..STEPS {
            commit(service, &sample, nth as u64 * u64::from(STEPS) * 2 + u64::from(step) * 2).await;
            let path = UrlPath::parse("/hosts/1").expect("a path");
            client.send(Request::new(reqwest::Method::GET, Some(path))).await.expect("an answer");
            commit(service, &sample, nth as u64 * u64::from(STEPS) * 2 + u64::from(step) * 2 + 1).await;
        }
        bare.push(started.elapsed() / STEPS);
    }
    running.stop().await;
    whole.sort_unstable();
    bare.sort_unstable();
    (at(&whole, 0.5), at(&bare, 0.5))
}

/// A run as large as those measured, that stays at revision 0 in the store.
async fn sample(service: &Service) -> Execution {
    let ended = service.store.executions(&TenantId::default(), &[], Page { before: None, limit: 500 }).await.expect("runs");
    let mut run = ended.into_iter().find(|run| run.state.is_final()).expect("the run that warmed up");
    run.id = sluicegate::domain::id::ExecutionId::new(run.created_at, 1);
    run.revision = 0;
    service.store.commit(Change { writes: vec![Write::Execution(Box::new(run.clone()))], ..Change::default() }).await.expect("a commit");
    run
}

/// The commit of one line of an intent log.
async fn commit(service: &Service, sample: &Execution, revision: u64) {
    let line = &sample.steps[0];
    let event = Event::StepRecorded {
        execution: sample.id,
        ticket: sample.ticket,
        runbook: sample.runbook.clone(),
        step: line.step.clone(),
        attempt: 1,
        outcome: StepOutcome::Started,
        status: None,
        request: sample.runbook_digest,
        job: None,
    };
    let change = Change {
        expect: vec![Expectation::ExecutionRevision { execution: sample.id, revision }],
        writes: vec![Write::Execution(Box::new(Execution { revision: revision + 1, ..sample.clone() }))],
        entries: vec![Entry::new(sample.tenant.clone(), service.ambient.now(), Actor::Engine, event)],
    };
    service.store.commit(change).await.expect("a commit");
}

/// Milliseconds of intake's answers alone, or with a hundred runs under way all the time.
async fn intake(folder: &Path, busy: bool, base: &str, open: &AtomicUsize) -> (f64, f64) {
    let running = Running::start(&folder.join("store"), false, configure(folder, base)).await;
    approved(&running.service, if busy { 600 } else { 1 }).await;
    let started = workers::start(&running.service);
    while busy && open.load(Ordering::SeqCst) < AT_ONCE * 9 / 10 {
        tokio::task::yield_now().await;
    }
    let times = paced(running.address, ROUND, &Arc::new(AtomicU64::new(1))).await;
    if busy {
        let (tenant, page) = (TenantId::default(), Page { before: None, limit: 1 });
        let waiting = running.service.store.executions(&tenant, &[ExecutionState::Pending], page).await.expect("runs");
        assert!(!waiting.is_empty(), "the runs were over before the load was");
    }
    started.stop().await;
    running.stop().await;
    (at(&times, 0.5), at(&times, 0.99))
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let data = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir_in(&folder).expect("the folder can be written");
    let runtime = sluicegate::cli::runtime().expect("a runtime");
    println!("folder {}", folder.display());
    let (whole, bare) = runtime.block_on(overhead(&data.path().join("overhead")));
    println!("a step {whole:.2} ms, its two commits and its call alone {bare:.2} ms: overhead {:.2} ms", whole - bare);
    println!("{:>10} {:>8} {:>8}", "runs", "p50 ms", "p99 ms");
    let (base, open) = runtime.block_on(automation(Duration::from_millis(500)));
    let mut ratios = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        let mut both = [(0.0, 0.0); 2];
        for busy in [false, true] {
            let figure = runtime.block_on(intake(&data.path().join(format!("{turn}-{busy}")), busy, &base, &open));
            println!("{:>10} {:>8.2} {:>8.2}", if busy { AT_ONCE } else { 0 }, figure.0, figure.1);
            both[usize::from(busy)] = figure;
        }
        ratios[0].push(both[1].0 / both[0].0);
        ratios[1].push(both[1].1 / both[0].1);
    }
    let [p50, p99] = ratios.map(median);
    println!("with {AT_ONCE} runs, of without, median of {TURNS} turns: p50 {p50:.2}, p99 {p99:.2}");
}
