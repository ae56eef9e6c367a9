//! Tickets, recommendations and modes as a caller sees them.

use serde_json::{Value, json};
use sluicegate::domain::principal::Role::{Approver, Operator, Responder};

use crate::app::{Answer, App, ticket};

async fn post(app: &App, token: &str, key: Option<&str>, body: &Value) -> Answer {
    let request = app.ask("POST", "/v1/tickets").bearer_auth(token).body(body.to_string());
    Answer::of(match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    })
    .await
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again_and_refuses_another_request() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let first = post(&app, &token, Some("k-1"), &ticket("1", "VPN down")).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(first.header("location"), format!("/v1/tickets/{}", first.json()["tickets"][0].as_str().unwrap()));
    let again = post(&app, &token, Some("k-1"), &ticket("1", "VPN down")).await;
    assert_eq!((again.status, &again.json()["duplicate"], &again.json()["tickets"]), (202, &json!(true), &first.json()["tickets"]));
    post(&app, &token, Some("k-1"), &ticket("2", "another")).await.is(422, "idempotency-mismatch");
    let other = app.token_of("default", "bob", &[Responder], None).await;
    assert_eq!(post(&app, &other, Some("k-1"), &ticket("3", "x")).await.json()["duplicate"], false, "keys are each caller's own");
    post(&app, &token, Some(&"k".repeat(201)), &ticket("4", "x")).await.is(400, "invalid-parameter");
}

#[tokio::test]
async fn every_wrong_field_is_reported_with_its_pointer() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let answer = post(&app, &token, None, &json!({ "titel": "x", "external_id": 7, "impact": "huge", "requester": { "name": "n" } })).await;
    answer.is(422, "invalid-body");
    let document = answer.json();
    let pointers: Vec<&str> = document["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for pointer in ["/titel", "/external_id", "/impact", "/title", "/body"] {
        assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
    }
    assert!(answer.text.contains("did you mean `title`?"), "{answer:?}");
}

#[tokio::test]
async fn hostile_bodies_get_a_clear_refusal_and_leave_nothing() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let deep = "[".repeat(10_000);
    let cases: [(&[u8], u16, &str); 5] = [
        (b"\xff", 400, "malformed-json"),
        (br#"{"title":"a","title":"b"}"#, 400, "malformed-json"),
        (deep.as_bytes(), 400, "malformed-json"),
        (b"", 400, "malformed-json"),
        (b"[]", 422, "invalid-body"),
    ];
    for (body, status, id) in cases {
        Answer::of(app.ask("POST", "/v1/tickets").bearer_auth(&token).body(body.to_vec())).await.is(status, id);
    }
    let large = Answer::of(app.ask("POST", "/v1/tickets").bearer_auth(&token).body(vec![b' '; 2 << 20])).await;
    large.is(413, "body-too-large");
    let html = Answer::of(app.ask("POST", "/v1/tickets").bearer_auth(&token).header("content-type", "text/html").body("{}")).await;
    html.is(415, "unsupported-media-type");
    assert_eq!(app.get(&token, "/v1/tickets").await.json()["items"], json!([]));
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_while_new_tickets_arrive() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    for number in 0..5 {
        app.ambient.turn(std::time::Duration::from_secs(1));
        post(&app, &token, None, &ticket(&format!("T-{number}"), "x")).await;
    }
    let mut path = "/v1/tickets?limit=2&source=api&state=received".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = app.get(&token, &path).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.extend(page.json()["items"].as_array().unwrap().iter().map(|item| item["report"]["external_id"].as_str().unwrap().to_owned()));
        post(&app, &token, None, &ticket(&format!("N-{}", seen.len()), "x")).await;
        if page.json()["next"].is_null() {
            break;
        }
        path = page.header("link").strip_prefix('<').unwrap().split_once(">; rel=\"next\"").unwrap().0.to_owned();
    }
    assert_eq!(seen, ["T-4", "T-3", "T-2", "T-1", "T-0"]);
}

#[tokio::test]
async fn wrong_filters_are_refused_by_name_and_never_ignored() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    for (query, parameter) in [
        ("state=recieved", "state"),
        ("stat=received", "stat"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("cursor=zz", "cursor"),
        ("source=A!", "source"),
    ] {
        let answer = app.get(&token, &format!("/v1/tickets?{query}")).await;
        answer.is(400, "invalid-parameter");
        assert_eq!(answer.json()["errors"][0]["parameter"], parameter, "{answer:?}");
    }
    assert!(app.get(&token, "/v1/tickets?stat=received").await.text.contains("did you mean `state`?"));
    app.get(&token, "/v1/tickets/tkt_nonsense").await.is(400, "invalid-parameter");
}

#[tokio::test]
async fn another_tenants_things_are_not_there() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let made = post(&app, &token, None, &ticket("1", "x")).await.json();
    let id = made["tickets"][0].as_str().unwrap();
    let stranger = app.token_of("acme", "eve", &[Responder, Approver, Operator], None).await;
    for path in [format!("/v1/tickets/{id}"), format!("/v1/tickets/{id}/log"), "/v1/log/entries/0".to_owned()] {
        app.get(&stranger, &path).await.is(404, "not-found");
    }
    assert_eq!(app.get(&stranger, "/v1/tickets").await.json()["items"], json!([]));
}

/// A ticket that the harness's runbook fits, triaged.
async fn proposed(app: &App, token: &str) -> Value {
    post(app, token, None, &ticket("1", "Printer prn-00007 does not print, documents just sit in the queue")).await;
    app.triage().await;
    let listing = app.get(token, "/v1/recommendations?state=open").await.json();
    assert_eq!(listing["items"].as_array().unwrap().len(), 1, "{listing}");
    listing["items"][0].clone()
}

#[tokio::test]
async fn a_proposal_is_rejected_once_and_only_by_whoever_saw_it_as_it_is() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let proposal = proposed(&app, &token).await;
    assert_eq!(proposal["runbook"], "restart-spooler");
    let path = format!("/v1/recommendations/{}", proposal["id"].as_str().unwrap());
    let shown = app.get(&token, &path).await;
    let etag = shown.header("etag").to_owned();
    assert_eq!(etag, format!("\"{}\"", proposal["revision"]));

    let reject = format!("{path}/reject");
    let send = async |tag: Option<&str>, body: Value| {
        let request = app.ask("POST", &reject).bearer_auth(&token).body(body.to_string());
        Answer::of(tag.into_iter().fold(request, |request, tag| request.header("if-match", tag))).await
    };
    send(None, json!({ "reason": "no" })).await.is(428, "precondition-required");
    send(Some("\"99\""), json!({ "reason": "no" })).await.is(412, "precondition-failed");
    send(None, json!({ "reason": "no", "revision": 99 })).await.is(409, "changed");
    send(Some("*"), json!({ "reason": "no" })).await.is(400, "invalid-parameter");
    send(Some(&etag), json!({ "reason": " " })).await.is(422, "invalid-body");
    let done = send(Some(&etag), json!({ "reason": "not this host" })).await;
    assert_eq!((done.status, &done.json()["state"]), (200, &json!("rejected")), "{done:?}");
    send(Some(&etag), json!({ "reason": "again" })).await.is(412, "precondition-failed");
}

#[tokio::test]
async fn an_approval_of_something_else_than_is_there_is_refused() {
    let app = App::start().await;
    let responder = app.token(&[Responder]).await;
    let approver = app.token_of("default", "olu", &[Approver], None).await;
    let proposal = proposed(&app, &responder).await;
    let path = format!("/v1/recommendations/{}/approve", proposal["id"].as_str().unwrap());
    let other = format!("sha256:{}", "0".repeat(64));
    let answer = app.send(&approver, "POST", &path, json!({ "binding": other, "revision": proposal["revision"] })).await;
    assert!(matches!(answer.problem(), (409, ref id) if id == "changed"), "{answer:?}");
    let answer = app.send(&approver, "POST", &path, json!({ "binding": "sha256:0", "revision": 1 })).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/binding");
    let done = app.send(&approver, "POST", &path, json!({ "binding": proposal["binding"], "revision": proposal["revision"] })).await;
    assert_eq!((done.status, &done.json()["state"]), (200, &json!("approved")), "{done:?}");
    let view = app.get(&responder, &format!("/v1/tickets/{}", proposal["ticket"].as_str().unwrap())).await.json();
    assert_eq!(view["ticket"]["state"], "executing");
    let run = view["executions"][0]["id"].as_str().unwrap();
    assert_eq!(app.get(&responder, &format!("/v1/executions/{run}")).await.json()["state"], "pending");
}

#[tokio::test]
async fn waiting_gives_the_decision_when_it_comes_and_the_ticket_when_it_does_not() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let body = ticket("1", "Printer prn-00007 does not print, documents just sit in the queue");
    let waiting = async |wait: &str| {
        Answer::of(app.ask("POST", &format!("/v1/tickets?wait={wait}")).bearer_auth(&token).body(body.to_string())).await
    };
    waiting("soon").await.is(400, "invalid-parameter");
    let unheard = waiting("10ms").await;
    assert_eq!(unheard.status, 202);
    assert!(unheard.json().get("recommendation").is_none());
    app.triage().await;
    let decided = waiting("2s").await;
    assert_eq!(decided.status, 200, "{decided:?}");
    assert_eq!(decided.json()["recommendation"]["runbook"], "restart-spooler");
}

#[tokio::test]
async fn modes_change_for_whoever_saw_them_and_nobody_sets_auto_alone() {
    let app = App::start().await;
    let operator = app.token(&[Operator]).await;
    let approver = app.token_of("default", "olu", &[Approver], None).await;
    let tag = app.get(&operator, "/v1/modes").await.json()["revision"].as_u64().unwrap();
    app.send(&operator, "PUT", "/v1/modes/global", json!({ "mode": "auto", "revision": tag })).await.is(403, "refused");
    app.send(&operator, "PUT", "/v1/modes/sources/nobody", json!({ "mode": "shadow", "revision": tag })).await.is(404, "not-found");
    app.send(&operator, "PUT", "/v1/modes/runbooks/nothing", json!({ "mode": "shadow", "revision": tag })).await.is(404, "not-found");
    app.send(&approver, "PUT", "/v1/modes/runbooks/restart-spooler", json!({ "mode": "auto", "revision": tag })).await.is(403, "refused");
    app.send(&approver, "PUT", "/v1/modes/global", json!({ "mode": "shadow", "revision": tag })).await.is(403, "missing-role");
    let set = app.send(&operator, "PUT", "/v1/modes/runbooks/restart-spooler", json!({ "mode": "shadow", "revision": tag })).await;
    assert_eq!((set.status, &set.json()["runbooks"]["restart-spooler"]), (200, &json!("shadow")), "{set:?}");
    app.send(&operator, "PUT", "/v1/modes/global", json!({ "mode": "shadow", "revision": tag })).await.is(409, "changed");
    let responder = app.token_of("default", "rea", &[Responder], None).await;
    let pulled = app.send(&responder, "PUT", "/v1/kill-switch", json!({ "on": true, "reason": "drill" })).await;
    assert_eq!(pulled.json()["kill_switch"]["by"], "rea");
    app.send(&responder, "PUT", "/v1/kill-switch", json!({ "on": false, "reason": "done" })).await.is(403, "missing-role");
}

#[tokio::test]
async fn a_pre_approval_names_the_version_in_force_and_can_be_taken_back_once() {
    let app = App::start().await;
    let approver = app.token(&[Approver]).await;
    let runbook = app.get(&approver, "/v1/runbooks/restart-spooler").await.json();
    assert_eq!((&runbook["risk"], runbook["steps"].as_array().unwrap().len()), (&json!("low"), 4));
    let wanted =
        |digest: &Value| json!({ "runbook": "restart-spooler", "digest": digest, "mode": "auto", "expires_at": "2023-12-14T00:00:00Z" });
    let other = json!(format!("sha256:{}", "0".repeat(64)));
    app.send(&approver, "POST", "/v1/pre-approvals", wanted(&other)).await.is(409, "changed");
    let made = app.send(&approver, "POST", "/v1/pre-approvals", wanted(&runbook["digest"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    let revoke = format!("/v1/pre-approvals/{}/revoke", made.json()["id"].as_str().unwrap());
    assert_eq!(app.send(&approver, "POST", &revoke, json!({ "reason": "drill" })).await.status, 200);
    app.send(&approver, "POST", &revoke, json!({ "reason": "drill" })).await.is(409, "changed");
    let all = app.get(&approver, "/v1/pre-approvals?runbook=restart-spooler").await.json();
    assert_eq!(all["items"][0]["revoked"]["reason"], "drill");
}
