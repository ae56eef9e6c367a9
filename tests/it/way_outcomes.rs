//! What came of proposals: recorded from its real cause, counted for and against automation, and reported.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::{
    config::Config,
    domain::{
        ambient::Ambient as _,
        approval::{Mode, Modes},
        entry::{Entry, Event},
        execution::ExecutionState,
        id::TicketId,
        outbox::{Destination, Message},
        outcome::{Outcome, OutcomeKind},
        principal::{
            Actor,
            Role::{Approver, Auditor, Operator, Responder},
        },
        recommendation::RecommendationState,
        state::TicketState,
        time::Timestamp,
        verdict::Decision,
    },
    gate::{facts::PerMillion, sequential::Watch},
    intake::Reading,
    pipeline::{
        actions::{
            accept,
            approve::approve,
            judge::{Did, Judgement, judge},
            modes::kill_switch,
            reject::reject,
        },
        error::ActionError,
        outcome::Correction,
        reload::reload,
        workers,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::Page,
    },
};

use crate::{
    app::{Answer, RUNBOOK},
    way_world::{GENEROUS, World, does_not_print, refused_by, runbook, seen, set_mode, tenant, within},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn outcome(world: &World, ticket: TicketId) -> Option<Outcome> {
    world.store().outcome(&tenant(), world.proposal(ticket).await.id).await.unwrap()
}

async fn kind(world: &World, ticket: TicketId) -> Option<OutcomeKind> {
    outcome(world, ticket).await.map(|outcome| outcome.kind)
}

async fn triaged(world: &World, external_id: &str) -> TicketId {
    let id = world.tell(&does_not_print(external_id, "prn-00007")).await;
    world.work().await;
    id
}

/// Approved by `olu` and carried out.
async fn approved(world: &World, external_id: &str) -> TicketId {
    let olu = world.person("olu", &[Approver]).await;
    let id = triaged(world, external_id).await;
    let proposal = world.proposal(id).await;
    approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
    world.work().await;
    id
}

async fn says(world: &World, token: &str, ticket: TicketId, mut body: Value) -> Answer {
    let proposal = world.proposal(ticket).await;
    let said = body.as_object_mut().unwrap();
    said.entry("revision").or_insert(json!(proposal.revision));
    world.app.send(token, "POST", &format!("/v1/recommendations/{}/outcome", proposal.id), body).await
}

fn word(revision: u64, did: Did) -> Judgement {
    let comment = (did == Did::Rejected).then(|| "not this".to_owned());
    Judgement { revision, did, correction: Correction::default(), comment }
}

/// What is unlike the printer's runbook, so that nothing else is proposed than before.
async fn with_another_runbook(world: &World) {
    let other = RUNBOOK
        .replace("restart-spooler", "order-laptop")
        .replace("Restart the spooler of a printer", "Order a laptop")
        .replace(r"(?i)\bprinter\b.*\bdoes not print\b", r"(?i)\border\b.*\blaptop\b")
        .replace("Documents sit in the queue and nothing prints", "Somebody needs a laptop");
    std::fs::write(world.app.folder.path().join("runbooks/order-laptop.md"), other).unwrap();
    assert!(reload(world.service()).await);
}

async fn events(world: &World) -> Vec<Event> {
    world.store().entry_range(0, 100_000).await.unwrap().into_iter().map(|logged| logged.entry.event).collect()
}

#[tokio::test]
async fn the_end_of_a_run_says_whether_the_proposal_was_right() {
    let world = World::new().await;
    let ops = world.person("ops", &[Operator]).await;
    let helped = approved(&world, "1").await;
    let known = outcome(&world, helped).await.unwrap();
    let proposal = world.proposal(helped).await;
    assert_eq!((known.kind, known.automatic, known.would_act), (OutcomeKind::Verified, false, true));
    assert_eq!((known.by, known.decided_at, known.revision), (Actor::Engine, proposal.created_at, 1));
    assert!(world.events(helped).await.iter().any(|event| matches!(event,
        Event::OutcomeRecorded { recommendation, outcome: OutcomeKind::Verified, .. } if *recommendation == proposal.id)));

    world.automation.set_broken(true);
    let did_not = approved(&world, "2").await;
    assert_eq!(world.runs(did_not).await[0].state, ExecutionState::RolledBack);
    assert_eq!(kind(&world, did_not).await, Some(OutcomeKind::VerifyFailed));
    world.automation.set_broken(false);

    let olu = world.person("olu", &[Approver]).await;
    let stopped = triaged(&world, "3").await;
    let shown = world.proposal(stopped).await;
    approve(world.service(), &olu, shown.id, seen(&shown)).await.unwrap();
    kill_switch(world.service(), &ops, true, "drill").await.unwrap();
    world.work().await;
    assert_eq!(world.runs(stopped).await[0].state, ExecutionState::Refused);
    assert_eq!(kind(&world, stopped).await, None, "nothing was changed, so nobody can tell");
    kill_switch(world.service(), &ops, false, "done").await.unwrap();

    world.automated(GENEROUS).await;
    let alone = triaged(&world, "4").await;
    let known = outcome(&world, alone).await.unwrap();
    assert_eq!((known.kind, known.automatic, known.would_act), (OutcomeKind::Verified, true, true));
    world.audit().await;
}

#[tokio::test]
async fn a_rejection_counts_against_the_runbook_and_keeps_what_would_have_been_right() {
    let world = World::new().await;
    with_another_runbook(&world).await;
    let token = world.app.token_of("default", "rea", &[Responder], None).await;
    let bodies = [
        (json!({ "reason": "not this host" }), OutcomeKind::Rejected),
        (
            json!({ "reason": "they want a laptop", "another_runbook": "order-laptop", "category": "hardware/laptop" }),
            OutcomeKind::AnotherRunbook,
        ),
        (json!({ "reason": "no printer at all", "category": "network/vpn" }), OutcomeKind::CategoryCorrected),
    ];
    for (number, (mut body, wanted)) in bodies.into_iter().enumerate() {
        let id = triaged(&world, &number.to_string()).await;
        let proposal = world.proposal(id).await;
        let path = format!("/v1/recommendations/{}/reject", proposal.id);
        body["revision"] = json!(proposal.revision);
        for (field, bad) in [("another_runbook", "no-such"), ("another_runbook", "restart-spooler"), ("category", "no/such")] {
            let mut wrong = body.clone();
            wrong[field] = json!(bad);
            let answer = world.app.send(&token, "POST", &path, wrong).await;
            answer.is(422, "invalid-body");
            assert_eq!(answer.json()["errors"][0]["pointer"], format!("/{field}"), "{answer:?}");
        }
        assert_eq!(kind(&world, id).await, None);
        assert_eq!(world.app.send(&token, "POST", &path, body.clone()).await.status, 200);
        let known = outcome(&world, id).await.unwrap();
        assert_eq!((known.kind, known.comment.as_deref()), (wanted, body["reason"].as_str()));
        assert_eq!(known.another_runbook.map(|runbook| runbook.to_string()).as_deref(), body["another_runbook"].as_str());
        assert_eq!(known.category.as_deref(), body["category"].as_str());
    }
    world.audit().await;
}

#[tokio::test]
async fn a_person_tells_what_was_done_by_hand_and_an_open_proposal_is_closed_by_it() {
    let world = World::new().await;
    with_another_runbook(&world).await;
    let token = world.app.token_of("default", "rea", &[Responder], None).await;
    let by_hand = triaged(&world, "1").await;
    let shown = world.proposal(by_hand).await;
    let path = format!("/v1/recommendations/{}/outcome", shown.id);
    world.app.get(&token, &path).await.is(404, "not-found");
    world.app.send(&token, "POST", &path, json!({ "did": "same_runbook" })).await.is(428, "precondition-required");
    says(&world, &token, by_hand, json!({ "did": "same_runbook", "revision": 99 })).await.is(409, "changed");
    for (body, pointer) in [
        (json!({ "did": "nothing" }), "/did"),
        (json!({ "did": "undone" }), "/did"),
        (json!({ "did": "rejected" }), "/comment"),
        (json!({ "did": "another_runbook" }), "/another_runbook"),
        (json!({ "did": "same_runbook", "another_runbook": "order-laptop" }), "/another_runbook"),
        (json!({ "did": "category_corrected" }), "/category"),
        (json!({ "did": "same_runbook", "category": "network/vpn" }), "/category"),
    ] {
        let answer = says(&world, &token, by_hand, body).await;
        answer.is(422, "invalid-body");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{answer:?}");
    }
    let done = says(&world, &token, by_hand, json!({ "did": "same_runbook", "comment": "at the desk" })).await;
    assert_eq!((done.status, &done.json()["kind"], &done.json()["would_act"]), (200, &json!("same_runbook"), &json!(true)), "{done:?}");
    assert_eq!(world.app.get(&token, &path).await.json(), done.json());
    assert_eq!(world.proposal(by_hand).await.state, RecommendationState::Superseded);
    assert_eq!(world.ticket(by_hand).await.state, TicketState::Recommended);
    let olu = world.person("olu", &[Approver]).await;
    let late = approve(world.service(), &olu, shown.id, seen(&world.proposal(by_hand).await)).await;
    assert!(matches!(late, Err(ActionError::Changed(_))), "what was done by hand does not run: {late:?}");
    says(&world, &token, by_hand, json!({ "did": "same_runbook" })).await.is(409, "changed");
    let turned = says(&world, &token, by_hand, json!({ "did": "undone" })).await;
    assert_eq!((&turned.json()["kind"], &turned.json()["revision"]), (&json!("undone"), &json!(2)), "{turned:?}");
    says(&world, &token, by_hand, json!({ "did": "same_runbook" })).await.is(409, "changed");

    for (external_id, body, wanted) in [
        ("2", json!({ "did": "another_runbook", "another_runbook": "order-laptop" }), OutcomeKind::AnotherRunbook),
        ("3", json!({ "did": "category_corrected", "category": "network/vpn" }), OutcomeKind::CategoryCorrected),
        ("4", json!({ "did": "rejected", "comment": "it printed again" }), OutcomeKind::Rejected),
    ] {
        let id = triaged(&world, external_id).await;
        let answer = says(&world, &token, id, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(kind(&world, id).await, Some(wanted));
        assert_eq!((world.proposal(id).await.state, world.ticket(id).await.state), (RecommendationState::Rejected, TicketState::Rejected));
    }
    assert!(world.automation.calls().is_empty());
    world.audit().await;
}

#[tokio::test]
async fn requester_and_author_earn_no_trust_and_may_still_say_that_it_was_wrong() {
    let world = World::new().await;
    let (first, second) = (triaged(&world, "1").await, triaged(&world, "2").await);
    let revision = world.proposal(first).await.revision;
    for (name, word_of) in
        [("U-1", "asked for this"), ("user1@example.com", "asked for this"), ("Lea.Brandt@example.com", "wrote or edited")]
    {
        let person = world.person(name, &[Responder]).await;
        match judge(world.service(), &person, world.proposal(first).await.id, word(revision, Did::SameRunbook)).await {
            Err(ActionError::Refused(why)) => assert!(why[0].contains(word_of), "{why:?}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(kind(&world, first).await, None);
    let author = world.person("lea.brandt@example.com", &[Responder]).await;
    judge(world.service(), &author, world.proposal(first).await.id, word(revision, Did::Rejected)).await.unwrap();
    let requester = world.person("u-2", &[Responder]).await;
    judge(world.service(), &requester, world.proposal(second).await.id, word(revision, Did::Rejected)).await.unwrap();
    assert_eq!(
        world.store().outcome_record(&tenant(), &runbook(), &world.proposal(first).await.runbook_digest.unwrap()).await.unwrap().wrong,
        2
    );
    let operator = world.person("ops", &[Operator]).await;
    let answer = judge(world.service(), &operator, world.proposal(first).await.id, word(1, Did::Undone)).await;
    assert!(matches!(answer, Err(ActionError::MissingRole { .. })), "{answer:?}");
    world.audit().await;
}

#[tokio::test]
async fn a_run_that_has_not_ended_is_not_judged_and_an_ended_one_can_be_undone_but_not_praised() {
    let world = World::new().await;
    world.automated(GENEROUS).await;
    let rea = world.person("rea", &[Responder]).await;
    let id = world.tell(&does_not_print("1", "prn-00007")).await;
    workers::triage::step(world.service()).await.unwrap();
    let proposal = world.proposal(id).await;
    let early = judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::SameRunbook)).await;
    assert!(matches!(early, Err(ActionError::Changed(ref why)) if why.contains("when it ended")), "{early:?}");
    world.work().await;
    let praise = judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::SameRunbook)).await;
    assert!(matches!(praise, Err(ActionError::Changed(_))), "{praise:?}");
    let undone = judge(world.service(), &rea, proposal.id, word(proposal.revision, Did::Undone)).await.unwrap();
    assert_eq!((undone.kind, undone.automatic, undone.revision), (OutcomeKind::Undone, true, 2));
    world.audit().await;
}

#[tokio::test]
async fn a_ticket_reopened_inside_the_window_was_wrong_and_outside_or_by_an_older_report_it_was_not() {
    let world = World::new().await;
    let again = |external_id: &str, written: Timestamp| {
        let mut report = does_not_print(external_id, "prn-00007");
        report["body"] = json!("it stopped again");
        report["updated_at"] = json!(written);
        report
    };
    world.app.ambient.turn(HOUR);
    let crossed = approved(&world, "1").await;
    let known = outcome(&world, crossed).await.unwrap();
    world.tell(&again("1", known.known_at.minus(Duration::from_secs(1)))).await;
    assert_eq!(world.ticket(crossed).await.state, TicketState::Received);
    assert_eq!(kind(&world, crossed).await, Some(OutcomeKind::Verified), "it was written before the run had ended");

    let inside = approved(&world, "2").await;
    let proposal = world.proposal(inside).await;
    world.app.ambient.turn(72 * HOUR);
    world.tell(&again("2", world.app.ambient.now())).await;
    let reopened = world.store().outcome(&tenant(), proposal.id).await.unwrap().unwrap();
    assert_eq!((reopened.kind, reopened.revision), (OutcomeKind::Reopened, 2));
    assert_eq!(reopened.by, Actor::Source("hooks".parse().unwrap()));

    let outside = approved(&world, "3").await;
    world.app.ambient.turn(72 * HOUR + Duration::from_millis(1));
    world.tell(&again("3", world.app.ambient.now())).await;
    assert_eq!(world.ticket(outside).await.state, TicketState::Received);
    assert_eq!(kind(&world, outside).await, Some(OutcomeKind::Verified));

    // The sender leaves it solved: a comment on it, and our own write-back that comes round.
    let solved = approved(&world, "4").await;
    let mut comment = again("4", world.app.ambient.now());
    comment["event"] = json!("resolved");
    world.tell(&comment).await;
    assert_eq!((world.ticket(solved).await.state, kind(&world, solved).await), (TicketState::Resolved, Some(OutcomeKind::Verified)));
    let mut touch = comment.clone();
    touch["tags"] = json!(["sluicegate:resolved"]);
    world.tell(&touch).await;
    assert_eq!(kind(&world, solved).await, Some(OutcomeKind::Verified));
    let mut reopened = again("4", world.app.ambient.now());
    reopened["body"] = json!("it stopped once more");
    world.tell(&reopened).await;
    assert_eq!(kind(&world, solved).await, Some(OutcomeKind::Reopened), "now it is no longer solved");
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_judge_one_proposal_at_once_exactly_one_is_heard() {
    let world = World::new().await;
    let rea = world.person("rea", &[Responder]).await;
    let kim = world.person("kim", &[Responder]).await;
    for number in 0..12 {
        let id = triaged(&world, &number.to_string()).await;
        let shown = world.proposal(id).await;
        let praise = {
            let (service, rea, shown) = (world.service().clone(), rea.clone(), shown.clone());
            tokio::spawn(async move { judge(&service, &rea, shown.id, word(shown.revision, Did::SameRunbook)).await })
        };
        let blame = {
            let (service, kim, shown) = (world.service().clone(), kim.clone(), shown.clone());
            tokio::spawn(async move { reject(&service, &kim, shown.id, shown.revision, "not this host").await })
        };
        let (praise, blame) = within("both", async { tokio::join!(praise, blame) }).await;
        let (praise, blame) = (praise.unwrap(), blame.unwrap());
        assert!(praise.is_ok() ^ blame.is_ok(), "{praise:?} {blame:?}");
        let known = outcome(&world, id).await.unwrap();
        let wanted = if praise.is_ok() { OutcomeKind::SameRunbook } else { OutcomeKind::Rejected };
        assert_eq!((known.kind, known.revision), (wanted, 1));
    }
    world.audit().await;
}

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
    go_on.send(()).unwrap();
    within("the run", running).await.unwrap();
    assert_eq!(world.runs(last).await[0].state, ExecutionState::RolledBack, "the gate refuses the next step");
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
