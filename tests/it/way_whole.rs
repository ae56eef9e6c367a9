//! One ticket on its whole way, and what automation needs before it runs anything.

use std::time::Duration;

use sluicegate::{
    domain::{
        ambient::Ambient as _,
        execution::ExecutionState,
        outbox::OutboxState,
        principal::Role::{Approver, Auditor},
        state::TicketState,
        verdict::Decision,
    },
    log::export::verify_export,
    pipeline::{actions::pre_approve, reload::reload},
};

use crate::{
    app::RUNBOOK,
    way_world::{GENEROUS, World, does_not_print, pre_approve as pre_approved, refused_by, switch_on, tenant, with_password},
};

#[tokio::test]
async fn a_signed_ticket_is_triaged_run_once_verified_and_written_back_and_the_log_tells_it_in_order() {
    let world = World::new().await;
    world.automated(GENEROUS).await;
    let id = world.tell(&does_not_print("17", "prn-00007")).await;
    world.work().await;

    let proposal = world.proposal(id).await;
    assert_eq!(proposal.verdict.decision, Decision::AutoExecute, "{:?}", proposal.verdict.refusals().collect::<Vec<_>>());
    assert_eq!(world.ticket(id).await.state, TicketState::Resolved);
    let runs = world.runs(id).await;
    assert_eq!((runs.len(), runs[0].state), (1, ExecutionState::Succeeded));
    let calls: Vec<String> = world.automation.calls().into_iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert_eq!(calls, ["GET /hosts/prn-00007", "POST /hosts/prn-00007/restart", "GET /hosts/prn-00007"]);
    assert_eq!(world.automation.changes()[0].key, Some(format!("{}-restart", runs[0].id)));
    let comments = world.desk.comments("17");
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert!(comments[0].contains("runs now") && comments[1].contains("Done"), "{comments:?}");
    assert!(world.desk.is_solved("17"));

    let tags: Vec<&str> = world.events(id).await.iter().map(sluicegate::domain::entry::Event::tag).collect();
    let told = [
        "ticket_received",
        "ticket_triaged",
        "ticket_moved",
        "execution_created",
        "message_queued", // one commit
        "execution_moved",
        "step_recorded",
        "step_recorded",
        "step_recorded",
        "step_recorded",
        "step_recorded",
        "step_recorded",
        "execution_moved",
        "ticket_moved",
        "message_queued",
        "outcome_recorded",
        "message_delivered",
        "message_delivered",
    ];
    assert_eq!(tags, told);
    let auditor = world.app.token(&[Auditor]).await;
    let export = world.app.get(&auditor, "/v1/log/export").await.text;
    let report = verify_export(export.as_bytes(), &world.service().key.verifier()).unwrap();
    assert_eq!(report.size, world.store().log_size().await.unwrap());
    world.audit().await;
}

#[tokio::test]
async fn without_a_pre_approval_in_force_nothing_runs_and_the_reason_is_said() {
    let world = World::new().await;
    let olu = with_password(world.service(), "olu", &[Approver]).await;
    switch_on(world.service(), &olu).await;
    let waits = async |external_id: &str, word: &str| {
        let id = world.tell(&does_not_print(external_id, "prn-00007")).await;
        world.work().await;
        let proposal = world.proposal(id).await;
        assert_eq!(world.ticket(id).await.state, TicketState::AwaitingApproval, "{word}");
        assert!(refused_by(&proposal).contains(&"pre_approved"), "{word}: {:?}", refused_by(&proposal));
        let said = &proposal.verdict.reasons.iter().find(|reason| reason.id == "pre_approved").unwrap().message;
        assert!(said.contains(word), "{word}: {said}");
        assert!(world.automation.changes().is_empty());
    };
    waits("1", "has no pre-approval").await;

    let revoked = pre_approved(world.service(), &olu, GENEROUS).await;
    pre_approve::revoke(world.service(), &olu, revoked.id, "drill").await.unwrap();
    waits("2", "revoked").await;

    pre_approved(world.service(), &olu, GENEROUS).await;
    world.app.ambient.turn(Duration::from_secs(86_400));
    waits("3", "expired").await;

    pre_approved(world.service(), &olu, GENEROUS).await;
    std::fs::write(world.app.folder.path().join("runbooks/restart-spooler.md"), format!("{RUNBOOK}\n")).unwrap();
    assert!(reload(world.service()).await);
    waits("4", "changed since it was approved").await;

    pre_approved(world.service(), &olu, GENEROUS).await;
    let id = world.tell(&does_not_print("5", "prn-00008")).await;
    world.work().await;
    assert_eq!((world.ticket(id).await.state, world.automation.changes().len()), (TicketState::Resolved, 1));
    world.audit().await;
}

#[tokio::test]
async fn a_help_desk_that_is_away_is_tried_again_when_the_schedule_says_and_not_when_the_lease_ends() {
    let world = World::new().await;
    world.desk.set_away(true);
    let id = world.tell(&does_not_print("1", "prn-00007")).await;
    world.work().await;
    let message = async || world.store().messages_for(&tenant(), id).await.unwrap().remove(0);
    let tried = message().await;
    assert_eq!((tried.state, tried.attempts), (OutboxState::Waiting, 1));
    let wait = Duration::from_millis(u64::try_from(tried.next_attempt_at.as_millis() - world.app.ambient.now().as_millis()).unwrap());
    assert!(wait >= Duration::from_secs(5) && wait < world.service().config.pipeline.lease.get(), "{wait:?}");
    world.desk.set_away(false);
    world.app.ambient.turn(wait - Duration::from_millis(1));
    world.work().await;
    assert_eq!(message().await, tried, "too early");
    world.app.ambient.turn(Duration::from_millis(1));
    world.work().await;
    assert_eq!((message().await.state, world.desk.comments("1").len()), (OutboxState::Delivered, 1));
    world.audit().await;
}
