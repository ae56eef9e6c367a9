//! What a person may do with a run: stop it, say what became of it, have it taken back.

use std::time::Duration;

use sluicegate::{
    config::span::Span,
    domain::{
        entry::Event,
        execution::{Execution, ExecutionState, StepOutcome},
        id::TicketId,
        outcome::OutcomeKind,
        principal::{
            Actor, Principal,
            Role::{Approver, Auditor, Operator, Responder},
        },
        state::TicketState,
    },
    pipeline::{
        actions::{
            approve::approve,
            cancel::cancel,
            modes::{release, stop},
            settle::{Found, settle},
            undo::undo,
        },
        error::ActionError,
        reload::reload,
        workers,
    },
};

use crate::{
    app::RUNBOOK,
    way_world::{GENEROUS, World, does_not_print, seen, tenant, within},
};

/// A ticket whose run succeeded after `by` approved it.
async fn done(world: &World, by: &Principal, external_id: &str) -> (TicketId, Execution) {
    let ticket = world.tell(&does_not_print(external_id, "prn-00007")).await;
    world.work().await;
    let proposal = world.proposal(ticket).await;
    approve(world.service(), by, proposal.id, seen(&proposal)).await.unwrap();
    world.work().await;
    let run = world.runs(ticket).await.remove(0);
    assert_eq!((run.state, world.ticket(ticket).await.state), (ExecutionState::Succeeded, TicketState::Resolved));
    (ticket, run)
}

fn said<T: std::fmt::Debug>(answer: Result<T, ActionError>) -> String {
    match answer {
        Err(ActionError::Changed(why)) => why,
        Err(ActionError::Refused(why)) => why.join("; "),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_automatic_run_waits_out_its_hold_in_sight_and_a_person_can_cancel_it() {
    let world = World::with(|config| config.gate.hold = Span::secs(300)).await;
    world.automated(GENEROUS).await;
    let (stopped, left) = (world.tell(&does_not_print("1", "prn-00007")).await, world.tell(&does_not_print("2", "prn-00008")).await);
    world.work().await;
    let held = world.runs(stopped).await.remove(0);
    assert_eq!((held.state, held.not_before.since(held.created_at)), (ExecutionState::Pending, Duration::from_secs(300)));
    assert!(world.automation.calls().is_empty(), "nothing is asked of anybody in the hold");
    let comment = world.desk.comments("1").remove(0);
    assert!(comment.contains(&format!("runs by itself at {}, unless somebody cancels it", held.not_before)), "{comment}");

    let auditor = world.person("audi", &[Auditor]).await;
    assert!(matches!(cancel(world.service(), &auditor, held.id, None).await, Err(ActionError::MissingRole { .. })));
    let rea = world.person("rea", &[Responder]).await;
    let cancelled = cancel(world.service(), &rea, held.id, Some("the printer is being moved".to_owned())).await.unwrap();
    assert_eq!(cancel(world.service(), &rea, held.id, None).await.unwrap(), cancelled, "said twice is said once");
    world.work().await;
    let ended = world.runs(stopped).await.remove(0);
    assert_eq!((ended.state, world.ticket(stopped).await.state), (ExecutionState::Cancelled, TicketState::Recommended));
    let events = world.events(stopped).await;
    let asked =
        |event: &Event| matches!(event, Event::CancellationRequested { reason: Some(reason), .. } if reason.contains("being moved"));
    assert!(events.iter().any(asked), "{events:?}");
    assert!(said(cancel(world.service(), &rea, held.id, None).await).contains("the run is over"));
    assert!(world.automation.changes().is_empty(), "a cancelled run changes nothing");

    world.app.ambient.turn(Duration::from_secs(300));
    world.work().await;
    assert_eq!(world.runs(left).await.remove(0).state, ExecutionState::Succeeded, "the other one ran when its hold was over");
    world.audit().await;
}

#[tokio::test]
async fn a_run_cancelled_in_the_middle_of_a_call_hears_the_answer_begins_nothing_more_and_undoes() {
    for (held, state, ticket_state, changes) in [
        // The precheck: nothing was changed.
        ("GET /hosts/", ExecutionState::Cancelled, TicketState::Recommended, 0),
        // The change: what it came to is known all the same, and the verify that follows only looks.
        ("POST /hosts/", ExecutionState::Succeeded, TicketState::Resolved, 1),
    ] {
        let world = World::new().await;
        let olu = world.person("olu", &[Approver]).await;
        let ticket = world.tell(&does_not_print("1", "prn-00007")).await;
        world.work().await;
        let proposal = world.proposal(ticket).await;
        approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
        let (arrived, go_on) = world.automation.hold(held);
        let service = std::sync::Arc::clone(world.service());
        let running = tokio::spawn(async move { workers::execute::step(&service, 1).await });
        within("the call", arrived).await.unwrap();
        let run = world.runs(ticket).await.remove(0);
        let cancelled = cancel(world.service(), &olu, run.id, None).await.unwrap();
        assert_eq!(cancelled.steps.last().unwrap().outcome, StepOutcome::Started);
        go_on.send(()).unwrap();
        within("the run", running).await.unwrap().unwrap();
        world.work().await;
        let run = world.runs(ticket).await.remove(0);
        assert_eq!((run.state, world.ticket(ticket).await.state), (state, ticket_state), "{held}");
        assert!(run.steps.iter().all(|step| step.outcome == StepOutcome::Succeeded), "no answer was lost: {:?}", run.steps);
        assert_eq!(world.automation.changes().len(), changes, "{held}");
        world.audit().await;
    }
}

#[tokio::test]
async fn a_run_that_outlives_its_lease_is_not_carried_out_a_second_time() {
    let world = World::with(|config| config.pipeline.lease = sluicegate::config::span::Span::secs(0)).await;
    let olu = world.person("olu", &[Approver]).await;
    let ticket = world.tell(&does_not_print("1", "prn-00007")).await;
    workers::triage::step(world.service()).await.unwrap();
    let proposal = world.proposal(ticket).await;
    approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
    let (arrived, go_on) = world.automation.hold("POST /hosts/");
    let service = std::sync::Arc::clone(world.service());
    let running = tokio::spawn(async move { workers::execute::step(&service, 1).await });
    within("the call", arrived).await.unwrap();
    for _ in 0..3 {
        assert_eq!(workers::execute::step(world.service(), 16).await.unwrap(), 1, "its lease is over, so it is given out again");
    }
    assert_eq!(world.automation.changes().len(), 1);
    go_on.send(()).unwrap();
    within("the run", running).await.unwrap().unwrap();
    let run = world.runs(ticket).await.remove(0);
    assert_eq!((run.state, run.steps.len(), world.automation.changes().len()), (ExecutionState::Succeeded, 3, 1));
    world.audit().await;
}

#[tokio::test]
async fn what_worked_is_taken_back_once_by_whoever_may_however_many_ask() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let (ticket, run) = done(&world, &olu, "17").await;
    let service = world.service();

    let responder = world.person("rea", &[Responder, Operator]).await;
    assert!(matches!(undo(service, &responder, run.id, run.revision).await, Err(ActionError::MissingRole { needs: Approver })));
    for (close, word) in [("u-17", "asked for this"), ("Lea.Brandt@example.com", "wrote or edited")] {
        let close = world.person(close, &[Approver]).await;
        assert!(said(undo(service, &close, run.id, run.revision).await).contains(word));
    }
    assert!(said(undo(service, &olu, run.id, run.revision - 1).await).contains("you saw revision"));
    let modes = stop(service, &olu, "a drill").await.unwrap();
    assert!(said(undo(service, &olu, run.id, run.revision).await).contains("a drill"));
    let opal = world.person("opal", &[Operator]).await;
    release(service, &opal, "the drill is over", modes.revision).await.unwrap();
    assert_eq!(world.runs(ticket).await.len(), 1, "a refusal makes no run");

    let asked = (0..64).map(|_| {
        let (service, olu) = (std::sync::Arc::clone(service), olu.clone());
        tokio::spawn(async move { undo(&service, &olu, run.id, run.revision).await.is_ok() })
    });
    let mut won = 0;
    for answer in asked.collect::<Vec<_>>() {
        won += u32::from(answer.await.unwrap());
    }
    assert_eq!(won, 1, "of sixty-four, one");
    assert_eq!(world.ticket(ticket).await.state, TicketState::Executing);
    let before = world.automation.changes().len();
    world.work().await;

    let undone = world.runs(ticket).await.remove(0);
    assert_eq!((undone.state, undone.started_by.clone()), (ExecutionState::RolledBack, Actor::Person(olu.person.clone())));
    assert_eq!(undone.undoes.as_ref().unwrap().of, run.id);
    let steps: Vec<_> = undone.steps.iter().map(|step| (step.step.as_str(), step.outcome)).collect();
    assert_eq!(steps, [("undo", StepOutcome::Succeeded)], "the declared rollback and nothing else");
    assert_eq!(world.automation.changes().len(), before + 1);
    assert_ne!(world.automation.changes()[before].key, world.automation.changes()[before - 1].key, "a run of its own has keys of its own");
    assert_eq!(world.ticket(ticket).await.state, TicketState::Failed, "a person takes over, and nothing is proposed anew by itself");
    let outcome = world.store().outcome(&tenant(), run.recommendation).await.unwrap().unwrap();
    assert_eq!((outcome.kind, outcome.by), (OutcomeKind::Undone, Actor::Person(olu.person.clone())), "which counts against the runbook");
    assert!(world.desk.comments("17").last().unwrap().contains("was taken back"), "{:?}", world.desk.comments("17"));
    let done = world.store().execution(&tenant(), run.id).await.unwrap().unwrap();
    assert_eq!(done.state, ExecutionState::Succeeded, "what happened stays what happened");
    assert!(said(undo(service, &olu, run.id, done.revision).await).contains("takes it back already"));
    assert!(said(undo(service, &olu, undone.id, undone.revision).await).contains("only a run that succeeded"));
    world.audit().await;
}

#[tokio::test]
async fn a_ticket_that_moved_on_stays_where_it_is_while_its_run_is_taken_back() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let (ticket, run) = done(&world, &olu, "17").await;
    let mut again = does_not_print("17", "prn-00007");
    again["body"] = "it hangs again, worse than before".into();
    world.app.ambient.turn(Duration::from_secs(60));
    world.tell(&again).await;
    world.work().await;
    let state = world.ticket(ticket).await.state;
    assert_eq!(state, TicketState::AwaitingApproval);
    let run = world.store().execution(&tenant(), run.id).await.unwrap().unwrap();
    undo(world.service(), &olu, run.id, run.revision).await.unwrap();
    world.work().await;
    let runs = world.runs(ticket).await;
    assert_eq!((runs[0].state, world.ticket(ticket).await.state), (ExecutionState::RolledBack, state));
    world.audit().await;
}

#[tokio::test]
async fn a_run_in_doubt_is_settled_by_a_person_with_a_reason_at_the_revision_they_saw() {
    for (found, state, ticket_state) in [
        (Found::Succeeded, ExecutionState::Succeeded, TicketState::Resolved),
        (Found::RolledBack, ExecutionState::RolledBack, TicketState::Failed),
        (Found::Failed, ExecutionState::Failed, TicketState::Failed),
    ] {
        let world = World::new().await;
        let olu = world.person("olu", &[Approver]).await;
        let ticket = world.tell(&does_not_print("1", "prn-00007")).await;
        world.work().await;
        let proposal = world.proposal(ticket).await;
        approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
        // The version that was allowed goes away in the middle of a change: nobody can say what became of it.
        let (arrived, go_on) = world.automation.hold("POST /hosts/");
        let service = std::sync::Arc::clone(world.service());
        let cut = tokio::spawn(async move { workers::execute::step(&service, 1).await });
        within("the change", arrived).await.unwrap();
        cut.abort();
        let _ = cut.await;
        drop(go_on);
        std::fs::write(world.app.folder.path().join("runbooks/restart-spooler.md"), format!("{RUNBOOK}\n")).unwrap();
        assert!(reload(world.service()).await);
        world.app.ambient.turn(Duration::from_secs(3 * 3600));
        world.work().await;
        let run = world.runs(ticket).await.remove(0);
        assert_eq!((run.state, world.ticket(ticket).await.state), (ExecutionState::InDoubt, TicketState::InDoubt));

        let rea = world.person("rea", &[Responder]).await;
        let service = world.service();
        let empty = settle(service, &rea, run.id, run.revision, found, "  ").await;
        assert!(matches!(&empty, Err(ActionError::Invalid { pointer, .. }) if pointer == "/comment"), "{empty:?}");
        assert!(said(settle(service, &rea, run.id, run.revision + 1, found, "I looked").await).contains("you saw revision"));
        let settled = settle(service, &rea, run.id, run.revision, found, "looked at the print server: two jobs came out").await.unwrap();
        assert_eq!((settled.state, world.ticket(ticket).await.state), (state, ticket_state));
        assert!(said(settle(service, &rea, run.id, settled.revision, found, "again").await).contains("not in doubt"));
        let events = world.events(ticket).await;
        let moved = |event: &Event| matches!(event, Event::ExecutionMoved { from: ExecutionState::InDoubt, to, reason: Some(reason), .. } if *to == state && reason.contains("print server"));
        assert!(events.iter().any(moved), "{events:?}");
        let outcome = world.store().outcome(&tenant(), run.recommendation).await.unwrap().unwrap();
        assert_eq!(outcome.kind, OutcomeKind::VerifyFailed, "doubt counted against the runbook, and wrong never turns right");
        world.audit().await;
    }
}

#[tokio::test]
async fn an_undo_in_doubt_is_settled_as_taken_back_or_failed_and_never_as_succeeded() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let (ticket, run) = done(&world, &olu, "1").await;
    undo(world.service(), &olu, run.id, run.revision).await.unwrap();
    let (arrived, go_on) = world.automation.hold("POST /hosts/");
    let service = std::sync::Arc::clone(world.service());
    let cut = tokio::spawn(async move { workers::execute::step(&service, 1).await });
    within("the rollback", arrived).await.unwrap();
    cut.abort();
    let _ = cut.await;
    drop(go_on);
    world.app.ambient.turn(Duration::from_secs(3 * 3600));
    world.work().await;
    let doubtful = world.runs(ticket).await.remove(0);
    assert_eq!((doubtful.state, world.ticket(ticket).await.state), (ExecutionState::InDoubt, TicketState::InDoubt), "not idempotent");
    let settled = settle(world.service(), &olu, doubtful.id, doubtful.revision, Found::Succeeded, "it prints").await;
    assert!(matches!(&settled, Err(ActionError::Invalid { pointer, .. }) if pointer == "/found"), "{settled:?}");
    settle(world.service(), &olu, doubtful.id, doubtful.revision, Found::RolledBack, "it is as it was").await.unwrap();
    assert_eq!(world.ticket(ticket).await.state, TicketState::Failed, "a person takes over");
    world.audit().await;
}
