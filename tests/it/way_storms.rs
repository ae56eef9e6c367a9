//! Many reports of one cause: one candidate, and nothing runs by itself for any of them.

use serde_json::{Value, json};
use sluicegate::{
    domain::{
        approval::Caps,
        principal::Role::{Auditor, Responder},
        verdict::Decision,
    },
    store::interface::Page,
};

use crate::{
    app::{App, ticket},
    way_world::{World, does_not_print, refused_by, tenant},
};

fn outage(number: usize) -> String {
    let greeting = ["Hello", "Hi team", "Good morning", "Urgent please"][number % 4];
    format!("{greeting}, the mail server does not answer and nobody on floor {number} can send or receive any message since this morning")
}

async fn storms(app: &App) -> Vec<Value> {
    let auditor = app.token(&[Auditor]).await;
    app.get(&auditor, "/v1/storms").await.json()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_reports_of_one_outage_are_one_candidate_in_whatever_order_workers_take_them() {
    let app = App::start().await;
    let deliveries: Vec<_> = (0..200).map(|number| app.desk(ticket(&number.to_string(), &outage(number)).to_string())).collect();
    futures_util::future::join_all(deliveries).await.iter().for_each(|answer| assert_eq!(answer.status, 202));
    tokio::join!(app.triage(), app.triage(), app.triage());
    let raised = storms(&app).await;
    assert_eq!(raised.len(), 1, "{raised:?}");
    let auditor = app.token(&[Auditor]).await;
    let entries = app.get(&auditor, "/v1/log/entries?event=storm_detected").await.json();
    assert_eq!(entries["items"].as_array().unwrap().len(), 1);
    let newest = app.service.store.tickets(&tenant(), &Default::default(), Page { before: None, limit: 1 }).await.unwrap();
    let shown = app.get(&auditor, &format!("/v1/tickets/{}", newest[0].id)).await.json();
    assert_eq!((&shown["cluster"]["first"], &shown["cluster"]["size"]), (&raised[0]["first"], &json!(200)));
}

#[tokio::test]
async fn unrelated_tickets_and_a_trickle_are_no_storm() {
    let app = App::start().await;
    for number in 0..60 {
        app.desk(ticket(&number.to_string(), &outage(number)).to_string()).await;
        app.desk(
            ticket(
                &format!("other-{number}"),
                &format!("{} is broken", ["Printer", "Badge", "Chair", "Door"][number % 4].repeat(1 + number / 4)),
            )
            .to_string(),
        )
        .await;
        app.triage().await;
        // One a minute: ten in the window of ten.
        app.ambient.turn(std::time::Duration::from_secs(60));
    }
    assert_eq!(storms(&app).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_would_run_by_itself_waits_for_a_person_in_a_storm_and_runs_again_after_it() {
    let world = World::with(|config| config.gate.storm_size = 5).await;
    world.automated(Caps { per_hour: 1_000, per_target_hour: 1_000, per_requester_hour: 1_000, concurrent: 1_000 }).await;
    let before = world.tell(&does_not_print("before", "prn-00001")).await;
    world.work().await;
    assert_eq!(world.proposal(before).await.verdict.decision, Decision::AutoExecute);
    let mut last = before;
    for number in 0..12 {
        // The same complaint in other words: no two have one shape.
        let mut body = does_not_print(&format!("storm-{number}"), &format!("prn-{:05}", 10 + number));
        let text = body["body"].as_str().unwrap_or_default().to_owned();
        body["body"] = json!(format!(
            "{text} please {}",
            ["help", "hurry", "look", "call", "come", "fix", "see", "try", "check", "ask", "go", "do"][number]
        ));
        last = world.tell(&body).await;
        world.work().await;
    }
    let refused = world.proposal(last).await;
    assert_ne!(refused.verdict.decision, Decision::AutoExecute);
    assert!(refused_by(&refused).contains(&"no_storm"), "{:?}", refused.verdict.reasons);
    assert_eq!(world.store().storms(&tenant(), Page { before: None, limit: 10 }).await.unwrap().len(), 1);
    world.app.ambient.turn(std::time::Duration::from_secs(3_600));
    let after = world.tell(&does_not_print("after", "prn-00099")).await;
    world.work().await;
    assert!(!refused_by(&world.proposal(after).await).contains(&"no_storm"));
}

#[tokio::test]
async fn a_start_on_a_store_of_more_old_tickets_than_one_page_goes_on_with_the_new_ones() {
    let app = App::start().await;
    for first in (0..600).step_by(100) {
        let posted: Vec<_> =
            (first..first + 100).map(|number| app.desk(ticket(&format!("old-{number}"), &outage(number)).to_string())).collect();
        futures_util::future::join_all(posted).await;
    }
    app.ambient.turn(std::time::Duration::from_secs(3_600));
    for number in 0..3 {
        app.desk(ticket(&format!("new-{number}"), &outage(number)).to_string()).await;
    }
    let again = crate::app::over(app.service.store.clone(), app.ambient.clone(), (*app.service.config).clone());
    while sluicegate::pipeline::workers::triage::step(&again).await.unwrap() > 0 {}
    let newest = again.store.tickets(&tenant(), &Default::default(), Page { before: None, limit: 1 }).await.unwrap();
    assert_eq!(again.storms.of(&newest[0], newest[0].received_at).unwrap().size, 3, "the old ones are past the window");
}

#[tokio::test]
async fn after_a_start_the_same_storm_is_not_raised_again() {
    let app = App::start().await;
    for number in 0..30 {
        app.desk(ticket(&number.to_string(), &outage(number)).to_string()).await;
    }
    app.triage().await;
    assert_eq!(storms(&app).await.len(), 1);
    // Another service over the same store, as after a restart.
    let again = crate::app::over(app.service.store.clone(), app.ambient.clone(), (*app.service.config).clone());
    for number in 30..60 {
        app.desk(ticket(&number.to_string(), &outage(number)).to_string()).await;
    }
    while sluicegate::pipeline::workers::triage::step(&again).await.unwrap() > 0 {}
    assert_eq!(storms(&app).await.len(), 1);
    let newest = again.store.tickets(&tenant(), &Default::default(), Page { before: None, limit: 1 }).await.unwrap();
    let cluster = again.storms.of(&newest[0], newest[0].received_at).unwrap();
    assert_eq!((cluster.first.to_string(), cluster.size), (storms(&app).await[0]["first"].as_str().unwrap().to_owned(), 60));
    let responder = app.token_of("acme", "oda", &[Responder], None).await;
    assert_eq!(app.get(&responder, "/v1/storms").await.json()["items"], json!([]), "another tenant sees none of it");
}
