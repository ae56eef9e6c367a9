//! The action log over HTTP, checked as an outsider would: from answers and the public key only.

use serde_json::Value;
use sluicegate::{
    domain::principal::Role::{Auditor, Responder},
    log::{checkpoint::Checkpoint, export::verify_export, hash, proof},
};

use crate::app::{App, ticket};

fn hashes(answer: &Value) -> Vec<hash::Hash> {
    let hashes = answer["hashes"].as_array().unwrap();
    hashes.iter().map(|text| hex::decode(text.as_str().unwrap()).unwrap().try_into().unwrap()).collect()
}

async fn fill(app: &App, from: usize, count: usize) {
    for number in from..from + count {
        assert_eq!(app.desk(ticket(&number.to_string(), "x").to_string()).await.status, 202);
    }
}

#[tokio::test]
async fn an_entry_is_proven_against_the_signed_checkpoint() {
    let app = App::start().await;
    let token = app.token(&[Auditor]).await;
    fill(&app, 0, 6).await;
    let note = app.get(&token, "/v1/log/checkpoint").await.text;
    let checkpoint = Checkpoint::open(&note, &app.service.key.verifier()).unwrap();
    assert_eq!(checkpoint.size, 7);
    for index in 0..checkpoint.size {
        let entry = app.get(&token, &format!("/v1/log/entries/{index}")).await.json();
        let leaf = hash::leaf(&serde_json_canonicalizer::to_vec(&entry["entry"]).unwrap());
        let answer = app.get(&token, &format!("/v1/log/proof/inclusion?index={index}&size=7")).await.json();
        proof::verify_inclusion(&leaf, index, 7, &hashes(&answer), &checkpoint.root).unwrap();
    }
    app.get(&token, "/v1/log/proof/inclusion?index=7&size=7").await.is(400, "invalid-parameter");
    app.get(&token, "/v1/log/proof/inclusion?index=0&size=8").await.is(400, "invalid-parameter");
    app.get(&token, "/v1/log/entries/7").await.is(404, "not-found");
}

#[tokio::test]
async fn a_kept_checkpoint_is_proven_to_be_the_beginning_of_a_later_one() {
    let app = App::start().await;
    let token = app.token(&[Auditor]).await;
    let open = async || Checkpoint::open(&app.get(&token, "/v1/log/checkpoint").await.text, &app.service.key.verifier()).unwrap();
    fill(&app, 0, 2).await;
    let old = open().await;
    fill(&app, 2, 300).await;
    let new = open().await;
    let answer = app.get(&token, &format!("/v1/log/proof/consistency?old={}&new={}", old.size, new.size)).await.json();
    proof::verify_consistency(old.size, &old.root, new.size, &new.root, &hashes(&answer)).unwrap();
    app.get(&token, "/v1/log/proof/consistency?old=9&new=3").await.is(400, "invalid-parameter");

    let full = app.ask("GET", "/v1/log/tile/0/000").bearer_auth(&token).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(full.len(), 256 * 32);
    let part = app.ask("GET", "/v1/log/tile/0/001.p/3").bearer_auth(&token).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(part.len(), 3 * 32);
    app.get(&token, "/v1/log/tile/0/002").await.is(404, "not-found");
    app.get(&token, "/v1/log/tile/0/2").await.is(400, "invalid-parameter");
}

#[tokio::test]
async fn the_export_verifies_offline_and_a_changed_one_does_not() {
    let app = App::start().await;
    let token = app.token(&[Auditor]).await;
    fill(&app, 0, 300).await;
    let export = app.get(&token, "/v1/log/export").await.text;
    let report = verify_export(export.as_bytes(), &app.service.key.verifier()).unwrap();
    assert_eq!(report.size, 301);
    let changed = export.replacen("ticket_received", "ticket_deceived", 1);
    assert!(verify_export(changed.as_bytes(), &app.service.key.verifier()).is_err());
    let stranger = app.token_of("acme", "eve", &[Auditor], None).await;
    app.get(&stranger, "/v1/log/export").await.is(403, "refused");
}

#[tokio::test]
async fn the_log_answers_who_did_what_to_which_ticket() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    fill(&app, 0, 3).await;
    let id = app.get(&token, "/v1/tickets").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let history = app.get(&token, &format!("/v1/tickets/{id}/log")).await.json();
    assert_eq!(history["items"][0]["entry"]["event"], "ticket_received");
    let count = async |query: &str| app.get(&token, &format!("/v1/log/entries?{query}")).await.json()["items"].as_array().unwrap().len();
    assert_eq!(count("actor=desk").await, 3);
    assert_eq!(count("event=ticket_received&until=2023-11-14T22:13:20Z").await, 0);
    assert_eq!(count("event=ticket_received&from=2023-11-14T22:13:20Z").await, 3);
    assert_eq!(count(&format!("ticket={id}")).await, 1);
    app.get(&token, "/v1/log/entries?from=yesterday").await.is(400, "invalid-parameter");
}
