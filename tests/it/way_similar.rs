//! Resolved tickets like another one, and how they were resolved.

use serde_json::{Value, json};
use sluicegate::{
    domain::{
        approval::Caps,
        id::TicketId,
        principal::Role::{Approver, Auditor, Responder},
    },
    pipeline::workers::similar,
};

use crate::{
    app::{App, ticket},
    way_world::{World, does_not_print},
};

async fn told(app: &App, body: Value) -> TicketId {
    let answer = app.desk(body.to_string()).await;
    app.triage().await;
    answer.json()["tickets"][0].as_str().unwrap().parse().unwrap()
}

async fn resolved(app: &App, id: &str, title: &str) -> TicketId {
    told(app, ticket(id, title)).await;
    let mut body = ticket(id, title);
    body["event"] = json!("resolved");
    told(app, body).await
}

async fn filled(app: &App) {
    while similar::step(&app.service).await.unwrap() > 0 {}
}

async fn like(app: &App, tenant: &str, id: TicketId) -> Vec<Value> {
    let token = app.token_of(tenant, "ana", &[Responder], None).await;
    app.get(&token, &format!("/v1/tickets/{id}/similar")).await.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_nearest_resolved_tickets_come_first_and_near_equal_ones_are_counted() {
    let app = App::start().await;
    for (id, title) in [
        ("1", "VPN client drops the tunnel every ten minutes"),
        ("2", "Printer on floor 3 shows paper jam"),
        ("3", "Printer on floor 4 shows paper jam"),
        ("4", "Please order a new laptop for a colleague"),
    ] {
        resolved(&app, id, title).await;
    }
    told(&app, ticket("5", "vpn keeps dropping its tunnel, not resolved yet")).await;
    filled(&app).await;
    let asked = told(&app, ticket("6", "The paper is jammed in the printer of floor 9")).await;
    let found = like(&app, "default", asked).await;
    assert!(["2", "3"].map(Some).contains(&found[0]["key"].as_str()), "{found:?}");
    assert_eq!((found.len(), &found[0]["alike"]), (1, &json!(1)), "one of the two is listed, the other counted: {found:?}");
    assert_eq!(found[0]["resolved"], json!({ "how": "closed" }));
    assert!(found[0]["similarity"].as_f64().unwrap() > 0.6, "{found:?}");
    let vpn = told(&app, ticket("7", "the tunnel of the vpn client drops")).await;
    let found = like(&app, "default", vpn).await;
    assert_eq!(found[0]["key"], "1");
    assert!(found.iter().all(|one| one["key"] != "5" && one["key"] != "7"), "only what was resolved, and never itself: {found:?}");
}

#[tokio::test]
async fn another_tenant_finds_nothing_of_it() {
    let app = App::start().await;
    let mine = resolved(&app, "1", "Printer on floor 3 shows paper jam").await;
    filled(&app).await;
    let auditor = app.token_of("acme", "eve", &[Auditor], None).await;
    app.get(&auditor, &format!("/v1/tickets/{mine}/similar")).await.is(404, "not-found");
    let responder = app.token_of("acme", "oda", &[Responder], None).await;
    let made = app.send(&responder, "POST", "/v1/tickets", ticket("9", "Printer on floor 3 shows paper jam")).await;
    let theirs: TicketId = made.json()["tickets"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(like(&app, "acme", theirs).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_ticket_that_is_opened_again_is_no_example_until_it_is_resolved_again_and_then_with_its_new_words() {
    let app = App::start().await;
    let first = resolved(&app, "1", "Printer on floor 3 shows paper jam").await;
    filled(&app).await;
    let asked = told(&app, ticket("2", "printer has a paper jam on floor 4")).await;
    assert_eq!(like(&app, "default", asked).await.len(), 1);
    let mut again = ticket("1", "Please order a new laptop for a colleague");
    again["event"] = json!("opened");
    assert_eq!(told(&app, again.clone()).await, first);
    filled(&app).await;
    assert_eq!(like(&app, "default", asked).await, Vec::<Value>::new());
    again["event"] = json!("resolved");
    told(&app, again).await;
    filled(&app).await;
    assert_eq!(like(&app, "default", asked).await, Vec::<Value>::new(), "it is about a laptop now");
    let laptop = told(&app, ticket("3", "new laptop for a new colleague, please order")).await;
    assert_eq!(like(&app, "default", laptop).await[0]["ticket"], first.to_string());
    assert_eq!(app.service.similar.size().0, 2, "the old vector stays in the index and leads nowhere");
}

#[tokio::test]
async fn a_run_that_helped_is_how_it_was_resolved() {
    let world = World::new().await;
    world.automated(Caps::default()).await;
    let olu = world.person("olu", &[Approver]).await;
    let ran = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    while similar::step(world.service()).await.unwrap() > 0 {}
    let asked = world.tell(&does_not_print("2", "prn-00002")).await;
    let ticket = world.service().ticket(&olu.tenant, asked).await.unwrap();
    let found = world.service().similar.nearest(world.service(), &ticket, 5).await.unwrap();
    let of_first = found.iter().find(|one| one.ticket == ran);
    let told = serde_json::to_value(&of_first.unwrap_or_else(|| panic!("{found:?}")).resolved).unwrap();
    assert_eq!((&told["how"], &told["runbook"], &told["by"]["kind"]), (&json!("run"), &json!("restart-spooler"), &json!("engine")));
}
