//! Corrections: given, set aside, ruled over, and what training takes of them.

use serde_json::{Value, json};
use sluicegate::domain::principal::Role::{Approver, Auditor, Operator, Responder};

use crate::app::{Answer, App, ticket};

async fn triaged(app: &App, id: &str, title: &str) -> Value {
    let answer = app.desk(ticket(id, title).to_string()).await;
    app.triage().await;
    let auditor = app.token(&[Auditor]).await;
    app.get(&auditor, &format!("/v1/tickets/{}", answer.json()["tickets"][0].as_str().unwrap())).await.json()
}

fn id_of(shown: &Value) -> &str {
    shown["ticket"]["id"].as_str().unwrap()
}

async fn correct(app: &App, token: &str, shown: &Value, target: &str, label: &str) -> Answer {
    app.send(token, "POST", &format!("/v1/tickets/{}/corrections", id_of(shown)), json!({ "target": target, "label": label })).await
}

async fn listed(app: &App) -> Vec<Value> {
    let auditor = app.token(&[Auditor]).await;
    app.get(&auditor, "/v1/feedback").await.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_correction_keeps_its_author_roles_and_what_the_model_said_and_the_log_has_no_text() {
    let app = App::start().await;
    let shown = triaged(&app, "1", "Something odd with the thing upstairs, colour is off").await;
    let ana = app.token_of("default", "ana", &[Responder], None).await;
    let given = correct(&app, &ana, &shown, "category", "hardware/printer").await;
    assert_eq!(given.status, 201, "{given:?}");
    let likeliest = shown["recommendation"]["classification"]["category"]["ranked"][0].clone();
    let given = given.json();
    assert_eq!(
        (&given["by"], &given["roles"], &given["said"], &given["probability"]),
        (&json!("ana"), &json!(["responder"]), &likeliest[0], &likeliest[1])
    );
    assert_eq!(correct(&app, &ana, &shown, "priority", "P1").await.status, 201);
    assert_eq!(correct(&app, &ana, &shown, "assignment_group", "no-such-group").await.json()["target"], Value::Null, "no such group");

    let auditor = app.token(&[Auditor]).await;
    let entries = app.get(&auditor, "/v1/log/entries?event=feedback_given").await;
    assert_eq!(entries.json()["items"].as_array().unwrap().len(), 2);
    assert!(!entries.text.contains("upstairs"));
    let list = listed(&app).await;
    assert!(list.iter().all(|one| one["standing"] == "passes"), "{list:?}");
    let examples = app.get(&app.token(&[Operator]).await, "/v1/feedback-examples").await.json();
    assert_eq!(examples["examples"][0]["labels"], json!({ "category": "hardware/printer", "priority": "P1" }));
    assert!(examples["examples"][0]["title"].as_str().unwrap().contains("upstairs"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_there_is() {
    let app = App::start().await;
    let shown = triaged(&app, "1", "vpn client drops the tunnel").await;
    let ana = app.token_of("default", "ana", &[Responder], None).await;
    let answer = correct(&app, &ana, &shown, "colour", "blue").await;
    answer.is(422, "invalid-body");
    assert!(answer.text.contains("assignment_group, category, priority"), "{answer:?}");
    let answer = correct(&app, &ana, &shown, "category", "network/vpn2").await;
    assert!(answer.status == 422 && answer.text.contains("network/vpn"), "{answer:?}");
    let auditor = app.token(&[Auditor]).await;
    correct(&app, &auditor, &shown, "category", "network/vpn").await.is(403, "missing-role");
    let elsewhere = app.token_of("acme", "ana", &[Responder], None).await;
    correct(&app, &elsewhere, &shown, "category", "network/vpn").await.is(404, "not-found");
    app.desk(ticket("2", "not triaged yet").to_string()).await;
    let waiting = app
        .service
        .store
        .tickets(&Default::default(), &Default::default(), sluicegate::store::interface::Page { before: None, limit: 1 })
        .await
        .unwrap();
    let path = format!("/v1/tickets/{}/corrections", waiting[0].id);
    app.send(&ana, "POST", &path, json!({ "target": "category", "label": "network/vpn" })).await.is(409, "changed");
    assert!(listed(&app).await.is_empty());
}

#[tokio::test]
async fn what_contradicts_a_sure_model_waits_until_another_approver_rules() {
    let app = App::start().await;
    let shown = triaged(&app, "1", "VPN disconnects: the vpn client drops the tunnel when I work from home over vpn").await;
    let sure = shown["recommendation"]["classification"]["category"]["ranked"][0][1].as_f64().unwrap();
    assert!(sure > 0.9, "{sure}");
    let ana = app.token_of("default", "ana", &[Responder, Approver], None).await;
    let id = correct(&app, &ana, &shown, "category", "hardware/printer").await.json()["id"].as_str().unwrap().to_owned();
    let list = listed(&app).await;
    assert_eq!(list[0]["standing"], "quarantined");
    assert!(list[0]["reason"].as_str().unwrap().contains("sure of `network/vpn`"), "{list:?}");
    let operator = app.token(&[Operator]).await;
    assert_eq!(app.get(&operator, "/v1/feedback-examples").await.json(), json!({ "examples": [], "standings": { "quarantined": 1 } }));

    let ruling = |revision: u64, reason: &str| json!({ "kept": true, "reason": reason, "revision": revision });
    let path = format!("/v1/feedback/{id}/ruling");
    app.send(&ana, "POST", &path, ruling(1, "I know")).await.is(403, "refused");
    let bob = app.token_of("default", "bob", &[Approver], None).await;
    app.send(&bob, "POST", &path, ruling(1, " ")).await.is(422, "invalid-body");
    app.send(&bob, "POST", &path, ruling(7, "seen")).await.is(409, "changed");
    assert_eq!(app.send(&bob, "POST", &path, ruling(1, "the printer's own vpn")).await.status, 200);
    app.send(&bob, "POST", &path, ruling(1, "again")).await.is(409, "changed");
    assert_eq!(listed(&app).await[0]["standing"], "kept");
    assert_eq!(
        app.get(&operator, "/v1/feedback-examples").await.json()["examples"][0]["labels"],
        json!({ "category": "hardware/printer" })
    );
    let auditor = app.token(&[Auditor]).await;
    assert_eq!(app.get(&auditor, "/v1/log/entries?event=feedback_ruled").await.json()["items"][0]["entry"]["actor"]["id"], "bob");
}

#[tokio::test]
async fn a_category_named_while_a_proposal_is_rejected_is_a_correction_like_any_other() {
    let app = App::start().await;
    let shown = triaged(&app, "1", "Printer prn-00007 does not print, documents just sit in the queue").await;
    let proposal = &shown["recommendation"];
    let bob = app.token_of("default", "bob", &[Approver], None).await;
    let body = json!({ "reason": "it is the driver", "category": "software/application-error", "revision": proposal["revision"] });
    let rejected = app.send(&bob, "POST", &format!("/v1/recommendations/{}/reject", proposal["id"].as_str().unwrap()), body).await;
    assert_eq!(rejected.status, 200, "{rejected:?}");
    let list = listed(&app).await;
    assert_eq!((list.len(), &list[0]["label"], &list[0]["by"]), (1, &json!("software/application-error"), &json!("bob")));
}
