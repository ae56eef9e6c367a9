//! Policies in force and past decisions, as a backtest and an auditor read them.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use sluicegate::domain::principal::Role::{Auditor, Responder};

use crate::app::{App, ticket};

const PRINTER: &str = "Printer prn-00007 does not print, documents just sit in the queue";

/// Decides on one ticket a minute.
async fn decide(app: &App, count: usize) {
    for number in 0..count {
        app.ambient.turn(Duration::from_secs(60));
        assert_eq!(app.desk(ticket(&format!("T-{number}"), PRINTER).to_string()).await.status, 202);
        app.triage().await;
    }
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test]
async fn every_policy_in_force_is_shown_with_its_text_and_the_digest_that_verdicts_name() {
    let app = App::start().await;
    decide(&app, 1).await;
    let token = app.token(&[Responder]).await;
    let policies = app.get(&token, "/v1/policies").await.json();
    let vip = items(&policies).iter().find(|policy| policy["id"] == "vip-tickets-to-people").unwrap();
    assert_eq!(
        (&vip["effect"], &vip["actions"], &vip["file"]),
        (&json!("forbid"), &json!(["execute_automatically"]), &json!("automation.cedar"))
    );
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/automation.cedar")).unwrap();
    assert!(shipped.contains(vip["source"].as_str().unwrap()), "{vip:#}");
    assert!(vip["source"].as_str().unwrap().starts_with("@id(\"vip-tickets-to-people\")"));
    assert_eq!(shipped.lines().nth(vip["line"].as_u64().unwrap() as usize - 1).unwrap(), "@id(\"vip-tickets-to-people\")");
    let decided = app.get(&token, "/v1/recommendations").await.json();
    assert_eq!(items(&decided)[0]["verdict"]["policies"], policies["digest"]);
}

#[tokio::test]
async fn receipts_come_page_by_page_back_to_an_instant_and_hold_what_the_gate_saw() {
    let app = App::start().await;
    decide(&app, 5).await;
    let token = app.token(&[Auditor]).await;
    let all = app.get(&token, "/v1/receipts").await.json();
    assert_eq!((items(&all).len(), &all["next"]), (5, &Value::Null));
    let since = items(&all)[3]["decided_at"].as_str().unwrap();
    let mut path = format!("/v1/receipts?since={since}&limit=2");
    let mut seen = Vec::new();
    loop {
        let page = app.get(&token, &path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        seen.extend(items(&page).iter().map(|item| item["recommendation"].clone()));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/receipts?since={since}&limit=2&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<Value> = items(&all)[..4].iter().map(|item| item["recommendation"].clone()).collect();
    assert_eq!(seen, expected, "newest first, and the one before the instant is left out");

    let id = items(&all)[0]["recommendation"].as_str().unwrap();
    let whole = app.get(&token, &format!("/v1/recommendations/{id}")).await.json();
    let row = &items(&all)[0];
    assert_eq!(
        (&row["facts"], &row["decision"], &row["runbook"]),
        (&whole["receipt"]["facts"], &whole["verdict"]["decision"], &whole["runbook"])
    );
    let refused = whole["verdict"]["reasons"].as_array().unwrap().iter().filter(|reason| reason["passed"] == false);
    let refused: BTreeSet<&str> = refused.map(|reason| reason["id"].as_str().unwrap()).collect();
    assert_eq!(row["refused_by"], json!(refused));
    app.get(&token, "/v1/receipts?since=yesterday").await.is(400, "invalid-parameter");
    let stranger = app.token_of("acme", "eve", &[Auditor], None).await;
    assert_eq!(app.get(&stranger, "/v1/receipts").await.json()["items"], json!([]));
}
