//! Taking a ticket, giving it back, and putting it off, as persons do it over HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::domain::{
    name::TenantId,
    principal::Role::{self, Admin, Approver, Auditor, Operator, Responder},
    time::Timestamp,
};

use crate::app::{Answer, App, ticket};

const HOUR: Duration = Duration::from_secs(3600);

/// A ticket of the desk that triage has looked at.
async fn triaged(app: &App, id: &str, title: &str) -> String {
    let answer = app.desk(ticket(id, title).to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    app.triage().await;
    answer.json()["tickets"][0].as_str().unwrap().to_owned()
}

async fn act(app: &App, token: &str, ticket: &str, what: &str, body: Value) -> Answer {
    app.send(token, "POST", &format!("/v1/tickets/{ticket}/{what}"), body).await
}

fn until(app: &App, span: Duration) -> Value {
    json!({ "until": now(app).plus(span).to_string() })
}

fn now(app: &App) -> Timestamp {
    use sluicegate::domain::ambient::Ambient as _;
    app.ambient.now()
}

/// The events of the ticket in the log, oldest first.
async fn events(app: &App, ticket: &str) -> Vec<String> {
    let auditor = app.token(&[Auditor]).await;
    let items = app.get(&auditor, &format!("/v1/log/entries?ticket={ticket}")).await.json()["items"].clone();
    items.as_array().unwrap().iter().rev().map(|item| item["entry"]["event"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Awake and snoozed, of all that waits.
async fn waiting(app: &App) -> (u64, u64) {
    let counts = app.service.store.worklist_counts(&TenantId::default(), now(app)).await.unwrap();
    (counts.states.values().sum::<u64>() + counts.held, counts.snoozed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_take_a_ticket_at_once_one_has_it_and_the_others_are_told_who() {
    let app = App::start().await;
    let ticket = triaged(&app, "1", "The coffee is cold").await;
    let people: Vec<String> = (0..8).map(|n| format!("person-{n}")).collect();
    let mut tokens = Vec::new();
    for person in &people {
        tokens.push(app.token_of("default", person, &[Responder], None).await);
    }
    let answers = futures_util::future::join_all(tokens.iter().map(|token| act(&app, token, &ticket, "take", json!({})))).await;
    let winners: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    let winner = winners[0].json()["assignee"].as_str().unwrap().to_owned();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.is(409, "changed");
        assert!(answer.text.contains(&format!("`{winner}` has taken this ticket")), "{answer:?}");
    }
    assert_eq!(events(&app, &ticket).await.iter().filter(|event| *event == "ticket_taken").count(), 1);
}

#[tokio::test]
async fn a_ticket_is_taken_over_only_by_who_names_who_has_it() {
    let app = App::start().await;
    let ticket = triaged(&app, "1", "The coffee is cold").await;
    let ana = app.token_of("default", "ana", &[Responder], None).await;
    let bob = app.token_of("default", "bob", &[Approver], None).await;
    let eve = app.token_of("default", "eve", &[Operator], None).await;
    act(&app, &eve, &ticket, "take", json!({ "over": "ana" })).await.is(409, "changed");
    assert_eq!(act(&app, &ana, &ticket, "take", json!({})).await.json()["revision"], 1);
    assert_eq!(act(&app, &ana, &ticket, "take", json!({})).await.json()["revision"], 1, "who has it has it");
    act(&app, &bob, &ticket, "take", json!({ "over": "eve" })).await.is(409, "changed");
    assert_eq!(act(&app, &bob, &ticket, "take", json!({ "over": "ana" })).await.json()["assignee"], "bob");
    // Eve decided when Ana had it.
    let late = act(&app, &eve, &ticket, "take", json!({ "over": "ana" })).await;
    late.is(409, "changed");
    assert!(late.text.contains("`bob` has taken this ticket"), "{late:?}");
    act(&app, &ana, &ticket, "release", json!({})).await.is(409, "changed");
    assert_eq!(act(&app, &bob, &ticket, "release", json!({})).await.json()["assignee"], Value::Null);
    let handled: Vec<String> =
        events(&app, &ticket).await.into_iter().filter(|event| event.starts_with("ticket_ta") || event.starts_with("ticket_rel")).collect();
    assert_eq!(handled, ["ticket_taken", "ticket_taken", "ticket_released"]);
}

#[tokio::test]
async fn a_snooze_ends_by_itself_or_by_a_word_and_lasts_at_most_seven_days() {
    let app = App::start().await;
    let ticket = triaged(&app, "1", "The coffee is cold").await;
    let ana = app.token(&[Responder]).await;
    assert_eq!(waiting(&app).await, (1, 0));
    for span in [Duration::ZERO, 7 * 24 * HOUR + Duration::from_secs(1)] {
        act(&app, &ana, &ticket, "snooze", until(&app, span)).await.is(422, "invalid-body");
    }
    assert_eq!(act(&app, &ana, &ticket, "snooze", until(&app, 7 * 24 * HOUR)).await.status, 200);
    assert_eq!(waiting(&app).await, (0, 1));
    app.ambient.turn(7 * 24 * HOUR - Duration::from_secs(1));
    assert_eq!(waiting(&app).await, (0, 1));
    app.ambient.turn(Duration::from_secs(1));
    assert_eq!(waiting(&app).await, (1, 0), "the time is over");
    let ana = app.token(&[Responder]).await;
    act(&app, &ana, &ticket, "snooze", until(&app, HOUR)).await;
    assert_eq!(waiting(&app).await, (0, 1));
    assert_eq!(act(&app, &ana, &ticket, "wake", json!({})).await.json()["snoozed_until"], Value::Null);
    assert_eq!(waiting(&app).await, (1, 0));
    let snoozes: Vec<String> =
        events(&app, &ticket).await.into_iter().filter(|event| event.contains("snoozed") || event.contains("woken")).collect();
    assert_eq!(snoozes, ["ticket_snoozed", "ticket_snoozed", "ticket_woken"]);
}

#[tokio::test]
async fn what_its_sender_says_next_wakes_a_ticket_and_the_same_words_do_not() {
    let app = App::start().await;
    let id = triaged(&app, "1", "The coffee is cold").await;
    let ana = app.token(&[Responder]).await;
    act(&app, &ana, &id, "snooze", until(&app, 48 * HOUR)).await;
    assert_eq!(triaged(&app, "1", "The coffee is cold").await, id);
    assert_eq!(waiting(&app).await, (0, 1), "nothing new was said");
    assert_eq!(triaged(&app, "1", "The coffee machine is on fire").await, id);
    assert_eq!(waiting(&app).await, (1, 0));
}

#[tokio::test]
async fn nobody_sleeps_through_the_last_hour_of_a_proposal() {
    let app = App::start().await;
    let id = triaged(&app, "1", "Printer prn-00007 does not print").await;
    let ana = app.token(&[Approver]).await;
    let found = app.get(&ana, &format!("/v1/tickets/{id}")).await.json();
    assert_eq!(found["ticket"]["state"], "awaiting_approval", "{found}");
    let expires: Timestamp = found["recommendation"]["expires_at"].as_str().unwrap().parse().unwrap();
    act(&app, &ana, &id, "snooze", until(&app, 6 * 24 * HOUR)).await;
    assert!(expires > now(&app).plus(HOUR) && expires < now(&app).plus(6 * 24 * HOUR), "{expires}");
    app.ambient.set(expires.minus(HOUR + Duration::from_secs(1)));
    assert_eq!(waiting(&app).await, (0, 1));
    app.ambient.set(expires.minus(HOUR));
    assert_eq!(waiting(&app).await, (1, 0));
}

#[tokio::test]
async fn who_may_not_work_on_tickets_handles_none_and_another_tenants_is_not_there() {
    let app = App::start().await;
    let ticket = triaged(&app, "1", "The coffee is cold").await;
    let bodies = |what: &str| if what == "snooze" { until(&app, HOUR) } else { json!({}) };
    for role in [Auditor, Admin] {
        let token = app.token_of("default", "ana", &[role], None).await;
        for what in ["take", "snooze", "wake", "release"] {
            assert_eq!(act(&app, &token, &ticket, what, bodies(what)).await.status, 403, "{role:?} {what}");
        }
    }
    let all: [Role; 5] = [Responder, Approver, Operator, Auditor, Admin];
    let other = app.token_of("acme", "ana", &all, None).await;
    for what in ["take", "snooze", "wake", "release"] {
        assert_eq!(act(&app, &other, &ticket, what, bodies(what)).await.status, 404, "{what}");
    }
    for role in [Responder, Approver, Operator] {
        let token = app.token_of("default", "ana", &[role], None).await;
        for what in ["take", "snooze", "wake", "release"] {
            assert_eq!(act(&app, &token, &ticket, what, bodies(what)).await.status, 200, "{role:?} {what}");
        }
    }
}
