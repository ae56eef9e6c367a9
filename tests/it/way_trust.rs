//! Automation earned by right outcomes, lost by wrong ones, and the report on both.

use std::time::Duration;

use serde_json::json;
use sluicegate::{
    config::Config,
    domain::{
        ambient::Ambient as _,
        approval::{Mode, Modes},
        entry::{Entry, Event},
        execution::ExecutionState,
        id::TicketId,
        outbox::{Destination, Message},
        outcome::OutcomeKind,
        principal::{
            Actor,
            Role::{Approver, Auditor, Operator, Responder},
        },
        state::TicketState,
        verdict::Decision,
    },
    gate::{facts::PerMillion, sequential::Watch},
    intake::Reading,
    pipeline::{
        actions::{
            accept,
            judge::{Did, judge},
        },
        workers,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::Page,
    },
};

use crate::{
    way_outcomes::{HOUR, events, kind, says, triaged, word},
    way_world::{GENEROUS, World, does_not_print, refused_by, runbook, set_mode, tenant, within},
};

fn held_to(limit: f64) -> impl FnOnce(&mut Config) {
    move |config| {
        config.gate.error_limit = limit;
        config.gate.storm_size = 10_000;
        let ops = json!({ "name": "ops", "url": "http://127.0.0.1:9/", "secret": crate::app::HOOKS_SECRET, "events": ["runbook.demoted"], "allow_addresses": ["127.0.0.0/8"] });
        config.webhooks.push(serde_json::from_value(ops).unwrap());
    }
}

/// In shadow mode, `count` times somebody did by hand what was proposed.
async fn earn(world: &World, count: usize) {
    let olu = world.person("olu", &[Approver, Operator]).await;
    let rea = world.person("rea", &[Responder]).await;
    set_mode(world.service(), &olu, Mode::Shadow).await;
    for number in 0..count {
        let id = triaged(world, &format!("shadow-{number}")).await;
        let proposal = world.proposal(id).await;
        assert!(proposal.would_act, "{:?}", refused_by(&proposal));
        judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::SameRunbook)).await.unwrap();
    }
}

#[tokio::test]
async fn fifty_nine_right_ones_in_shadow_earn_automation_at_five_per_cent_and_one_wrong_takes_it_away() {
    let world = World::with(held_to(0.05)).await;
    earn(&world, 58).await;
    assert!(world.desk.is_untouched() && world.automation.calls().is_empty(), "in shadow nothing is said or done outside");
    world.automated(GENEROUS).await;
    let early = triaged(&world, "early").await;
    assert_eq!(refused_by(&world.proposal(early).await), ["error_bound"], "58 are one too few");
    let rea = world.person("rea", &[Responder]).await;
    let proposal = world.proposal(early).await;
    judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::SameRunbook)).await.unwrap();

    let earned = triaged(&world, "earned").await;
    let proposal = world.proposal(earned).await;
    assert_eq!(proposal.verdict.decision, Decision::AutoExecute, "{:?}", refused_by(&proposal));
    assert_eq!((world.ticket(earned).await.state, world.automation.changes().len()), (TicketState::Resolved, 1));
    judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::Undone)).await.unwrap();
    let after = triaged(&world, "after").await;
    assert_eq!(refused_by(&world.proposal(after).await), ["error_bound"]);
    assert_eq!((world.ticket(after).await.state, world.automation.changes().len()), (TicketState::AwaitingApproval, 1));
    world.audit().await;
}

/// Automatic runs at a limit of 30 %, for which nine right ones in shadow are enough.
async fn automatic_runs(world: &World, count: usize) -> Vec<TicketId> {
    earn(world, 9).await;
    world.automated(GENEROUS).await;
    let mut ids = Vec::new();
    for number in 0..count {
        let id = triaged(world, &format!("auto-{number}")).await;
        assert_eq!(kind(world, id).await, Some(OutcomeKind::Verified), "{:?}", refused_by(&world.proposal(id).await));
        world.app.ambient.turn(Duration::from_secs(1));
        ids.push(id);
    }
    ids
}

async fn put_modes(world: &World, change: impl FnOnce(&mut Modes)) {
    let mut modes = world.store().modes(&tenant()).await.unwrap();
    let expect = vec![Expectation::ModesRevision { tenant: tenant(), revision: modes.revision }];
    modes.revision += 1;
    change(&mut modes);
    let event = Event::ModeChanged { scope: "runbook/restart-spooler".to_owned(), from: Mode::Suggest, to: Mode::Auto };
    let entries = vec![Entry::new(tenant(), world.app.ambient.now(), Actor::Engine, event)];
    world.store().commit(Change { expect, writes: vec![Write::Modes { tenant: tenant(), modes }], entries }).await.unwrap();
}

#[tokio::test]
async fn automatic_runs_that_people_undo_again_and_again_demote_the_runbook_in_the_same_change() {
    let world = World::with(held_to(0.3)).await;
    let ids = automatic_runs(&world, 8).await;
    let rea = world.person("rea", &[Responder]).await;
    let (limit, alpha) = (PerMillion::new(300_000), PerMillion::new(50_000));
    let mut wrong = [false; 8];
    let mut undone = 0;
    while !Watch::over(limit, alpha, wrong).demoted() {
        assert!(!world.store().modes(&tenant()).await.unwrap().runbooks.contains_key(&runbook()), "too early, after {undone}");
        let proposal = world.proposal(ids[undone]).await;
        judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::Undone)).await.unwrap();
        wrong[undone] = true;
        undone += 1;
    }
    assert!((2..8).contains(&undone), "{undone}");
    assert_eq!(world.store().modes(&tenant()).await.unwrap().runbooks.get(&runbook()), Some(&Mode::Suggest));
    let log = world.store().entry_range(0, 100_000).await.unwrap();
    let at = log.iter().position(|logged| matches!(logged.entry.event, Event::RunbookDemoted { .. })).unwrap();
    let tags: Vec<&str> = log[at - 1..].iter().take(4).map(|logged| logged.entry.event.tag()).collect();
    assert_eq!(tags, ["outcome_recorded", "runbook_demoted", "mode_changed", "message_queued"]);
    assert!(matches!(log[at].entry.event, Event::RunbookDemoted { outcomes: 8, wrong, .. } if wrong == undone as u64));
    assert_eq!(log[at].entry.actor, Actor::Engine);
    let messages = world.store().messages(&tenant(), None, Page { before: None, limit: 500 }).await.unwrap();
    let told: Vec<_> = messages.iter().filter(|message| message.destination == Destination::Webhook("ops".to_owned())).collect();
    assert_eq!((told.len(), told[0].ticket), (1, None));
    let Message::Event { event_type, data } = &told[0].message else { panic!("{told:?}") };
    assert_eq!(
        (event_type.as_str(), &data["runbook"], &data["owner"]),
        ("runbook.demoted", &json!("restart-spooler"), &json!("server-team"))
    );
    assert_eq!((&data["outcomes"], &data["wrong"], &data["limit"]), (&json!(8), &json!(undone), &json!(0.3)));

    // Nothing more is lost by what comes later.
    let proposal = world.proposal(ids[7]).await;
    judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::Undone)).await.unwrap();
    assert_eq!(events(&world).await.iter().filter(|event| matches!(event, Event::RunbookDemoted { .. })).count(), 1);

    // Were the mode never lowered, the gate would refuse by itself.
    let runs = world.automation.changes().len();
    put_modes(&world, |modes| modes.runbooks = Default::default()).await;
    let refused = triaged(&world, "refused").await;
    assert!(refused_by(&world.proposal(refused).await).contains(&"not_demoted"));
    let now = world.app.ambient.now();
    put_modes(&world, |modes| modes.auto_since = [(runbook(), now)].into()).await;
    let anew = triaged(&world, "anew").await;
    assert_eq!(refused_by(&world.proposal(anew).await), ["error_bound"], "watched anew, and the record is still what it is");
    assert_eq!(world.automation.changes().len(), runs);
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outcomes_that_cross_only_together_demote_once_whichever_is_committed_last() {
    let world = World::with(held_to(0.3)).await;
    let ids = automatic_runs(&world, 8).await;
    let mut tasks = tokio::task::JoinSet::new();
    for (number, id) in ids.into_iter().enumerate() {
        let rea = world.person(&format!("rea-{number}"), &[Responder]).await;
        let (service, proposal) = (world.service().clone(), world.proposal(id).await);
        tasks.spawn(async move { judge(&service, &rea, proposal.id, word(proposal.revision, Did::Undone)).await });
    }
    for answer in within("the judges", tasks.join_all()).await {
        answer.unwrap();
    }
    assert_eq!(world.store().modes(&tenant()).await.unwrap().runbooks.get(&runbook()), Some(&Mode::Suggest));
    assert_eq!(events(&world).await.iter().filter(|event| matches!(event, Event::RunbookDemoted { .. })).count(), 1);
    world.audit().await;
}

#[tokio::test]
async fn a_run_whose_end_crosses_demotes_its_runbook_in_the_change_that_ends_it() {
    let world = World::with(held_to(0.3)).await;
    let ids = automatic_runs(&world, 10).await;
    let rea = world.person("rea", &[Responder]).await;
    let last = world.tell(&does_not_print("last", "prn-00009")).await;
    let (arrived, go_on) = world.automation.hold("POST /hosts/prn-00009/restart");
    workers::triage::step(world.service()).await.unwrap();
    let service = world.service().clone();
    let running = tokio::spawn(async move { workers::execute::step(&service, 1).await.unwrap() });
    within("the held call", arrived).await.unwrap();

    let (limit, alpha) = (PerMillion::new(300_000), PerMillion::new(50_000));
    let mut wrong = [false; 10];
    let mut undone = 0;
    while !Watch::over(limit, alpha, wrong.into_iter().chain([true])).demoted() {
        undone += 1;
        let newest = ids.len() - undone;
        let proposal = world.proposal(ids[newest]).await;
        judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::Undone)).await.unwrap();
        wrong[newest] = true;
    }
    assert!(undone > 0 && !Watch::over(limit, alpha, wrong).demoted());
    assert!(!world.store().modes(&tenant()).await.unwrap().runbooks.contains_key(&runbook()));
    world.automation.set_broken(true);
    go_on.send(()).unwrap();
    within("the run", running).await.unwrap();
    // By now the bound refuses further changes, and what was changed is taken back all the same.
    let run = world.runs(last).await.remove(0);
    assert_eq!((run.state, world.automation.changes().len()), (ExecutionState::RolledBack, 12), "{run:#?}");
    assert_eq!(kind(&world, last).await, Some(OutcomeKind::VerifyFailed));
    assert_eq!(world.store().modes(&tenant()).await.unwrap().runbooks.get(&runbook()), Some(&Mode::Suggest));
    let log = events(&world).await;
    let at = log.iter().position(|event| matches!(event, Event::RunbookDemoted { .. })).unwrap();
    assert!(matches!(log[at - 1], Event::OutcomeRecorded { ticket, .. } if ticket == last));
    world.audit().await;
}

#[tokio::test]
async fn one_delivery_that_reopens_many_tickets_demotes_the_runbook_once() {
    let world = World::with(held_to(0.3)).await;
    let ids = automatic_runs(&world, 8).await;
    world.app.ambient.turn(HOUR);
    let reports = (0..ids.len()).map(|number| {
        let mut report = does_not_print(&format!("auto-{number}"), "prn-00007");
        report["body"] = json!("it stopped again");
        report["updated_at"] = json!(world.app.ambient.now());
        sluicegate::intake::adapters::json::report(report.to_string().as_bytes()).unwrap()
    });
    let arrival = accept::Arrival {
        tenant: tenant(),
        source: "hooks".parse().unwrap(),
        dedup_key: "all-at-once".to_owned(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
        reading: Reading::Tickets(reports.collect()),
    };
    let kinds = async || {
        let mut kinds = Vec::new();
        for id in &ids {
            kinds.push(kind(&world, *id).await);
        }
        kinds
    };
    accept::accept(world.service(), arrival).await.unwrap();
    assert_eq!(kinds().await, [Some(OutcomeKind::Reopened); 8]);
    let modes = world.store().modes(&tenant()).await.unwrap();
    assert_eq!(modes.runbooks.get(&runbook()), Some(&Mode::Suggest));
    assert_eq!(events(&world).await.iter().filter(|event| matches!(event, Event::RunbookDemoted { .. })).count(), 1);
    world.audit().await;
}

#[tokio::test]
async fn the_report_counts_what_people_did_and_lists_every_disagreement_of_the_callers_tenant_only() {
    let world = World::with(held_to(0.05)).await;
    earn(&world, 3).await;
    let token = world.app.token_of("default", "rea", &[Responder], None).await;
    let wrong = triaged(&world, "wrong").await;
    says(&world, &token, wrong, json!({ "did": "rejected", "comment": "toner <b>was</b> empty" })).await;
    triaged(&world, "unjudged").await;
    let report = world.app.get(&token, "/v1/shadow-report").await;
    assert_eq!(report.status, 200, "{report:?}");
    let version = report.json()["versions"][0].clone();
    assert_eq!((&version["runbook"], &version["in_force"]), (&json!("restart-spooler"), &json!(true)));
    assert_eq!((&version["would_have_acted"], &version["judged"], &version["ran_by_itself"]), (&json!(5), &json!(4), &json!(0)));
    assert_eq!(version["outcomes"], json!({ "same_runbook": 3, "rejected": 1 }));
    assert_eq!(version["agreement"]["rate"], json!(0.75));
    // Clopper and Pearson for 3 of 4, worked out in rational arithmetic.
    for (bound, value) in [("lower", 0.194_120), ("upper", 0.993_691)] {
        assert!((version["agreement"][bound].as_f64().unwrap() - value).abs() < 2e-6, "{version}");
    }
    assert_eq!((&version["bound"]["holds"], &version["bound"]["right_needed"]), (&json!(false), &json!(93 - 4)));
    let listed = version["disagreements"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["ticket"], &listed[0]["by"]["id"]), (&json!(wrong), &json!("rea")));
    assert!(listed[0]["link"].as_str().unwrap().ends_with(&format!("/v1/tickets/{wrong}")));

    let chart = world.app.get(&token, "/v1/shadow-report.svg").await;
    assert_eq!((chart.status, chart.header("content-type")), (200, "image/svg+xml"));
    assert!(chart.text.contains("would have acted 5, judged 4: 3 right = 75.0 % (19.4 % to 99.4 % at 95.0 %)"), "{}", chart.text);
    assert_eq!(world.app.get(&token, "/v1/shadow-report?runbook=order-laptop").await.json()["versions"], json!([]));
    assert_eq!(world.app.get(&token, "/v1/shadow-report?since=2030-01-01T00:00:00Z").await.json()["versions"], json!([]));
    world.app.get(&token, "/v1/shadow-report?since=yesterday").await.is(400, "invalid-parameter");
    world.app.get(&token, "/v1/shadow-report?sinc=2030-01-01T00:00:00Z").await.is(400, "invalid-parameter");

    let (file, url) = (world.app.folder.path().join("report.svg"), format!("http://{}", world.app.address));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["policy", "shadow-report", "--since", "2023-11-01T00:00:00Z", "--url", &url, "--svg"]).arg(&file);
    command.env("SLUICEGATE_TOKEN", &token);
    let printed = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    for line in ["would have acted  5; judged 4; ran by itself 0", "same_runbook 3, rejected 1", "rejected by rea: toner <b>was</b> empty"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("<svg "));

    let eve = world.app.token_of("acme", "eve", &[Responder, Approver, Auditor], None).await;
    assert_eq!(world.app.get(&eve, "/v1/shadow-report").await.json()["versions"], json!([]));
    says(&world, &eve, wrong, json!({ "did": "undone" })).await.is(404, "not-found");
    let path = format!("/v1/recommendations/{}/outcome", world.proposal(wrong).await.id);
    world.app.get(&eve, &path).await.is(404, "not-found");
    world.audit().await;
}
