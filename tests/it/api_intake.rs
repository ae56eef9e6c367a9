//! Webhooks over real HTTP: who is let in, what is stored, and what a sender is told.

use std::{io::Write as _, time::Duration};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::{ALERTS_TOKEN, Answer, App, DESK_TOKEN, START, signed, ticket};
use sluicegate::domain::principal::Role::{self, Auditor, Operator, Responder};

const NOW: i64 = START / 1000;

async fn hook(app: &App, source: &str, headers: Vec<(&'static str, String)>, body: &[u8]) -> Answer {
    let request = app.ask("POST", &format!("/v1/intake/{source}")).body(body.to_vec());
    Answer::of(headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))).await
}

fn event(id: &str) -> Vec<u8> {
    json!({ "type": "ticket.created", "timestamp": "2023-11-14T22:13:20Z", "data": ticket(id, "VPN down") }).to_string().into_bytes()
}

async fn count(app: &App, role: Role, path: &str) -> usize {
    let token = app.token(&[role]).await;
    app.get(&token, path).await.json()["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_signed_delivery_is_stored_before_it_is_acknowledged_and_its_ticket_can_be_read() {
    let app = App::start().await;
    let body = event("T-1");
    let answer = hook(&app, "hooks", signed("msg_1", NOW, &body), &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["duplicate"], false);
    let token = app.token(&[Responder]).await;
    let read = app.get(&token, &format!("/v1/tickets/{}", told["tickets"][0].as_str().unwrap())).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.json()["ticket"]["report"]["external_id"], "T-1");
    assert_eq!(read.json()["ticket"]["state"], "received");
}

#[tokio::test]
async fn a_retry_is_answered_with_the_first_ids_and_stores_nothing() {
    let app = App::start().await;
    let body = event("T-1");
    let first = hook(&app, "hooks", signed("msg_1", NOW, &body), &body).await.json();
    app.ambient.turn(Duration::from_secs(30));
    let again = hook(&app, "hooks", signed("msg_1", NOW + 30, &body), &body).await;
    assert_eq!(again.status, 202);
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!((&again.json()["id"], &again.json()["tickets"]), (&first["id"], &first["tickets"]));
    assert_eq!(count(&app, Responder, "/v1/tickets").await, 1);
}

#[tokio::test]
async fn an_unknown_source_a_wrong_signature_and_a_stale_time_get_the_same_answer() {
    let app = App::start().await;
    let body = event("T-1");
    let genuine = signed("msg_1", NOW, &body);
    let mut forged = genuine.clone();
    forged[2].1 = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned();
    let refused = [
        hook(&app, "nobody", genuine.clone(), &body).await,
        hook(&app, "%ff", genuine.clone(), &body).await,
        hook(&app, "hooks", forged, &body).await,
        hook(&app, "hooks", genuine, b"{}").await,
        hook(&app, "hooks", signed("msg_1", NOW - 301, &body), &body).await,
        hook(&app, "hooks", signed("msg_1", NOW + 301, &body), &body).await,
        hook(&app, "hooks", Vec::new(), &body).await,
        hook(&app, "desk", vec![("authorization", "Bearer wrong".to_owned())], &body).await,
    ];
    for answer in &refused {
        answer.is(401, "unproven-sender");
        assert_eq!(answer.text, refused[0].text);
        let names = |answer: &Answer| answer.headers.keys().map(|name| name.as_str().to_owned()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names(answer), names(&refused[0]));
    }
    assert_eq!(count(&app, Responder, "/v1/tickets").await, 0);
    let metrics = Answer::of(app.ask("GET", "/metrics")).await.text;
    assert!(metrics.contains(r#"sluicegate_intake_deliveries_total{outcome="stale",source="hooks"} 2"#), "{metrics}");
    assert!(metrics.contains(r#"sluicegate_intake_deliveries_total{outcome="unauthentic",source="unknown"} 2"#), "{metrics}");
}

#[tokio::test]
async fn what_is_authentic_and_unreadable_is_kept_for_a_person() {
    let app = App::start().await;
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let bodies: [&[u8]; 6] = [b"\xff\xfe{}", br#"{"title":"a","title":"b"}"#, deep.as_bytes(), b"", b"{", br#"{"title":"no id"}"#];
    for body in bodies {
        let answer = app.desk(body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(answer.json()["dead_letter"].as_str().unwrap().starts_with("ded_"), "{answer:?}");
    }
    let token = app.token(&[Auditor]).await;
    let letters = app.get(&token, "/v1/dead-letters").await.json();
    let reasons: Vec<&str> = letters["items"].as_array().unwrap().iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), bodies.len());
    for word in ["not UTF-8", "given twice", "nests deeper", "empty", "/external_id"] {
        assert!(reasons.iter().any(|reason| reason.contains(word)), "{word}: {reasons:?}");
    }
}

#[tokio::test]
async fn a_dead_letter_that_is_still_unreadable_stays_and_says_so() {
    let app = App::start().await;
    let letter = app.desk(&b"{"[..]).await.json()["dead_letter"].as_str().unwrap().to_owned();
    let operator = app.token(&[Operator]).await;
    let answer = app.send(&operator, "POST", &format!("/v1/dead-letters/{letter}/replay"), json!({})).await;
    answer.is(422, "invalid-body");
    assert_eq!(count(&app, Operator, "/v1/dead-letters").await, 1);
}

#[tokio::test]
async fn two_mebibytes_are_refused_unread_when_announced_and_after_the_limit_when_not() {
    let app = App::start().await;
    let announced =
        format!("POST /v1/intake/desk HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DESK_TOKEN}\r\ncontent-length: 2097152\r\n\r\n");
    let mut chunked =
        format!("POST /v1/intake/desk HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DESK_TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n")
            .into_bytes();
    for _ in 0..17 {
        write!(chunked, "10000\r\n{}\r\n", "x".repeat(65_536)).unwrap();
    }
    for request in [announced.into_bytes(), chunked] {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(text.starts_with("HTTP/1.1 413"), "{text}");
        assert!(text.contains("body-too-large"), "{text}");
    }
}

#[tokio::test]
async fn a_source_over_its_quota_is_told_to_wait_in_the_words_it_understands() {
    let app = App::start().await;
    let alert = |number: usize| {
        json!({ "version": "4", "groupKey": format!("g{number}"), "status": "firing", "receiver": "r", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://a",
        "alerts": [{ "status": "firing", "labels": { "alertname": "A" }, "annotations": {}, "startsAt": "2023-11-14T22:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": format!("{number:016x}") }] })
    };
    let mut alerts = Vec::new();
    let mut desk = Vec::new();
    for number in 0..3 {
        alerts.push(Answer::of(app.ask("POST", "/v1/intake/alerts").bearer_auth(ALERTS_TOKEN).body(alert(number).to_string())).await);
        desk.push(
            Answer::of(app.ask("POST", "/v1/intake/limited").bearer_auth(DESK_TOKEN).body(ticket(&number.to_string(), "x").to_string()))
                .await,
        );
    }
    assert_eq!([alerts[0].status, alerts[1].status, desk[0].status, desk[1].status], [202; 4], "{alerts:?}");
    // Alertmanager drops what is answered 429.
    alerts[2].is(503, "overloaded");
    desk[2].is(429, "too-many-requests");
    assert_eq!(alerts[2].header("retry-after"), desk[2].header("retry-after"));
    app.ambient.turn(Duration::from_secs(60));
    let later = Answer::of(app.ask("POST", "/v1/intake/alerts").bearer_auth(ALERTS_TOKEN).body(alert(9).to_string())).await;
    assert_eq!(later.status, 202);
}

#[tokio::test]
async fn unsigned_junk_uses_up_nobodys_quota() {
    let app = App::start().await;
    for _ in 0..5 {
        Answer::of(app.ask("POST", "/v1/intake/limited").bearer_auth("junk").body("{}")).await.is(401, "unproven-sender");
    }
    let genuine = Answer::of(app.ask("POST", "/v1/intake/limited").bearer_auth(DESK_TOKEN).body(ticket("1", "x").to_string())).await;
    assert_eq!(genuine.status, 202);
}

#[tokio::test]
async fn a_store_that_is_gone_acknowledges_nothing() {
    let app = App::start().await;
    app.service.store.close().await.unwrap();
    let answer = app.desk(ticket("1", "x").to_string()).await;
    answer.is(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    Answer::of(app.ask("GET", "/readyz")).await.is(503, "unavailable");
    assert_eq!(Answer::of(app.ask("GET", "/livez")).await.status, 200);
}
