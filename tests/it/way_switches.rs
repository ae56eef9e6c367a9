//! Caps, storms, the kill switch and modes: what stops automation, and that it stops it exactly.

use std::sync::Arc;

use sluicegate::{
    domain::{
        approval::{Caps, Mode},
        execution::ExecutionState,
        principal::Role::{Approver, Operator},
        state::TicketState,
        verdict::Decision,
    },
    execute::Connectors,
    pipeline::{
        actions::modes::{release, stop},
        workers,
    },
    store::{interface::Store, sqlite::SqliteStore},
};

use crate::{
    app::over,
    way_world::{GENEROUS, World, does_not_print, refused_by, set_mode, tenant, within, work},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_tickets_under_a_cap_of_five_an_hour_run_five_times_and_the_rest_go_to_people() {
    let world = World::with(|config| {
        config.gate.storm_size = 1000;
        config.pipeline.batch = 7;
        // Nobody is told: it is the runs that count here.
        config.sources[1].write_back = None;
    })
    .await;
    world.automated(Caps { per_hour: 5, ..GENEROUS }).await;
    let mut ids = Vec::new();
    for number in 0..500 {
        ids.push(world.tell(&does_not_print(&number.to_string(), &format!("prn-00{number:03}"))).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let service = world.service().clone();
        tasks.spawn(async move { while workers::triage::step(&service).await.unwrap() > 0 {} });
        let service = world.service().clone();
        tasks.spawn(async move { work(&service).await });
    }
    within("the workers", tasks.join_all()).await;
    world.work().await;
    assert_eq!(world.automation.changes().len(), 5);
    let mut waiting = 0;
    for id in ids {
        match world.ticket(id).await.state {
            TicketState::Resolved => {}
            TicketState::AwaitingApproval => {
                waiting += 1;
                assert_eq!(refused_by(&world.proposal(id).await), ["cap_runbook_hour"]);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(waiting, 495);
    world.audit().await;
}

#[tokio::test]
async fn tickets_of_one_shape_beyond_the_storm_size_run_nothing_more() {
    let world = World::with(|config| config.gate.storm_size = 3).await;
    world.automated(GENEROUS).await;
    for number in 0..6 {
        let id = world.tell(&does_not_print(&number.to_string(), &format!("prn-000{number:02}"))).await;
        world.work().await;
        let proposal = world.proposal(id).await;
        if number < 3 {
            assert_eq!(world.ticket(id).await.state, TicketState::Resolved, "{number}: {:?}", refused_by(&proposal));
        } else {
            assert_eq!((proposal.verdict.decision, refused_by(&proposal)[0]), (Decision::Escalate, "no_storm"));
            assert_eq!(world.ticket(id).await.state, TicketState::Recommended);
        }
    }
    assert_eq!(world.automation.changes().len(), 3);
    world.audit().await;
}

#[tokio::test]
async fn a_kill_switch_pulled_between_two_steps_lets_no_further_call_out_also_after_a_restart() {
    let world = World::new().await;
    world.automated(GENEROUS).await;
    let ops = world.person("ops", &[Operator]).await;
    let caught = world.tell(&does_not_print("1", "prn-00001")).await;
    let (arrived, go_on) = world.automation.hold("GET /hosts/prn-00001");
    workers::triage::step(world.service()).await.unwrap();
    let service = world.service().clone();
    let running = tokio::spawn(async move { workers::execute::step(&service, 1).await.unwrap() });
    within("the held call", arrived).await.unwrap();
    stop(world.service(), &ops, "the network is being changed").await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(within("the run", running).await.unwrap(), 1);
    assert_eq!(world.automation.calls().len(), 1, "{:?}", world.automation.calls());
    assert_eq!(world.runs(caught).await[0].state, ExecutionState::Refused);
    assert_eq!(world.ticket(caught).await.state, TicketState::Recommended);
    world.audit().await;

    // The same files opened again.
    let World { app, automation, .. } = world;
    let (config, ambient, path) = ((*app.service.config).clone(), app.ambient.clone(), app.folder.path().join("sluicegate.db"));
    let late = serde_json::json!(does_not_print("2", "prn-00002")).to_string();
    assert_eq!(app.desk(late).await.status, 202);
    app.service.store.close().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
    let service = over(store.clone(), ambient, config);
    assert!(store.modes(&tenant()).await.unwrap().kill_switch.is_some());
    work(&service).await;
    assert_eq!(automation.calls().len(), 1);
    let second = store.ticket_of(&tenant(), &"desk".parse().unwrap(), "2").await.unwrap().unwrap();
    let proposal = store.recommendation_for(&tenant(), second.id).await.unwrap().unwrap();
    assert_eq!((second.state, refused_by(&proposal)[0]), (TicketState::Recommended, "kill_switch_off"));

    release(&service, &ops, "done", service.store.modes(&tenant()).await.unwrap().revision).await.unwrap();
    work(&service).await;
    assert_eq!(automation.calls().len(), 1, "what was refused stays refused");
    assert!(Connectors::from_config(&service.config.connectors).is_ok());
    crate::way_world::audit(store.as_ref()).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn shadow_says_nothing_to_the_help_desk_and_suggest_does() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver, Operator]).await;
    set_mode(world.service(), &olu, Mode::Shadow).await;
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    assert_eq!(world.ticket(id).await.state, TicketState::Recommended);
    assert!(world.desk.is_untouched() && world.automation.calls().is_empty());
    set_mode(world.service(), &olu, Mode::Suggest).await;
    world.tell(&does_not_print("2", "prn-00002")).await;
    world.work().await;
    assert_eq!((world.desk.comments("1").len(), world.desk.comments("2").len()), (0, 1));
    assert!(world.automation.calls().is_empty());
    world.audit().await;
}

#[tokio::test]
async fn a_run_caught_by_shadow_mode_ends_and_says_nothing() {
    let world = World::new().await;
    world.automated(GENEROUS).await;
    let olu = world.person("olu", &[Approver, Operator]).await;
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    workers::triage::step(world.service()).await.unwrap();
    set_mode(world.service(), &olu, Mode::Shadow).await;
    within("the run", workers::execute::step(world.service(), 1)).await.unwrap();
    assert_eq!(world.runs(id).await[0].state, ExecutionState::Refused);
    let said = world.store().messages_for(&tenant(), id).await.unwrap();
    assert_eq!(said.len(), 1, "only what was said before");
    world.audit().await;
}
