//! What came of proposals, recorded from its real cause.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::{
    domain::{
        ambient::Ambient as _,
        entry::Event,
        execution::ExecutionState,
        id::TicketId,
        outcome::{Outcome, OutcomeKind},
        principal::{
            Actor,
            Role::{Approver, Operator, Responder},
        },
        recommendation::RecommendationState,
        state::TicketState,
        time::Timestamp,
    },
    pipeline::{
        actions::{
            approve::approve,
            judge::{Did, Judgement, judge},
            modes::{release, stop},
            reject::reject,
        },
        error::ActionError,
        outcome::Correction,
        reload::reload,
        workers,
    },
};

use crate::{
    app::{Answer, RUNBOOK},
    way_world::{GENEROUS, World, does_not_print, runbook, seen, tenant, within},
};

pub const HOUR: Duration = Duration::from_secs(3600);

pub async fn outcome(world: &World, ticket: TicketId) -> Option<Outcome> {
    world.store().outcome(&tenant(), world.proposal(ticket).await.id).await.unwrap()
}

pub async fn kind(world: &World, ticket: TicketId) -> Option<OutcomeKind> {
    outcome(world, ticket).await.map(|outcome| outcome.kind)
}

pub async fn triaged(world: &World, external_id: &str) -> TicketId {
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

pub async fn says(world: &World, token: &str, ticket: TicketId, mut body: Value) -> Answer {
    let proposal = world.proposal(ticket).await;
    let said = body.as_object_mut().unwrap();
    said.entry("revision").or_insert(json!(proposal.revision));
    world.app.send(token, "POST", &format!("/v1/recommendations/{}/outcome", proposal.id), body).await
}

pub fn word(revision: u64, did: Did) -> Judgement {
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

pub async fn events(world: &World) -> Vec<Event> {
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
    stop(world.service(), &ops, "drill").await.unwrap();
    world.work().await;
    assert_eq!(world.runs(stopped).await[0].state, ExecutionState::Refused);
    assert_eq!(kind(&world, stopped).await, None, "nothing was changed, so nobody can tell");
    release(world.service(), &ops, "done", world.service().store.modes(&tenant()).await.unwrap().revision).await.unwrap();

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
