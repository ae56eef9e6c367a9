//! The service as an operator meets it: probes, figures, headers, its own document, its stop.

use std::sync::Arc;

use sluicegate::{domain::principal::Role::Responder, server::Application};

use crate::app::{Answer, App, ticket};

#[tokio::test]
async fn every_answer_carries_an_id_and_strict_headers() {
    let app = App::start().await;
    for path in ["/livez", "/nowhere", "/v1/tickets"] {
        let answer = Answer::of(app.ask("GET", path)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let own = Answer::of(app.ask("GET", "/livez").header("x-request-id", "req-7").header("traceparent", trace)).await;
    assert_eq!((own.header("x-request-id"), own.header("traceparent")), ("req-7", trace));
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let app = App::start().await;
    Answer::of(app.ask("GET", "/nowhere")).await.is(404, "not-found");
    let wrong = Answer::of(app.ask("PATCH", "/v1/tickets")).await;
    wrong.is(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "GET, POST");
    assert_eq!(Answer::of(app.ask("HEAD", "/livez")).await.status, 200);
}

#[tokio::test]
async fn the_served_document_is_the_committed_one_and_problems_explain_themselves() {
    let app = App::start().await;
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert_eq!(Answer::of(app.ask("GET", "/openapi.json")).await.text, committed);
    let refused = Answer::of(app.ask("GET", "/v1/tickets")).await.json();
    let explained = Answer::of(app.ask("GET", refused["type"].as_str().unwrap())).await;
    assert!(explained.status == 200 && explained.text.contains("sluicegate token create"), "{explained:?}");
}

#[tokio::test]
async fn figures_count_by_route_pattern_and_never_by_path() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    app.get(&token, "/v1/tickets/tkt_00000000000000000000000000").await.is(404, "not-found");
    Answer::of(app.ask("GET", "/a/secret/path")).await;
    let figures = Answer::of(app.ask("GET", "/metrics")).await;
    assert!(figures.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(
        figures.text.contains(r#"sluicegate_http_requests_total{method="GET",route="/v1/tickets/{id}",status="404"} 1"#),
        "{}",
        figures.text
    );
    assert!(figures.text.contains(r#"route="unmatched",status="404"} 1"#));
    assert!(!figures.text.contains("secret") && !figures.text.contains("tkt_"));
    let ready = Answer::of(app.ask("GET", "/readyz")).await;
    assert!(ready.status == 200 && ready.json()["in_force"]["runbooks"].is_string(), "{ready:?}");
}

#[tokio::test]
async fn a_port_in_use_is_refused_by_name() {
    let app = App::start().await;
    let other = App::start_on(app.address).await;
    let error = Application::bind(Arc::clone(&other)).await.err().unwrap().to_string();
    assert!(error.contains(&format!("`{}`", app.address)) && error.contains("the port is in use"), "{error}");
}

#[tokio::test]
async fn a_stop_lets_open_requests_end_and_takes_no_new_ones() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let address = app.address;
    let waiting = app.ask("POST", "/v1/tickets?wait=500ms").bearer_auth(&token).body(ticket("1", "x").to_string());
    let waiting = tokio::spawn(Answer::of(waiting));
    // The request is inside once its ticket is stored.
    while app.get(&token, "/v1/tickets").await.json()["items"].as_array().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    app.stop().await;
    assert_eq!(waiting.await.unwrap().status, 202);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_over_its_limit_waits_and_senders_are_never_told_429() {
    let app = App::start_limited(2).await;
    for _ in 0..2 {
        Answer::of(app.ask("GET", "/v1/tickets")).await.is(401, "unauthenticated");
    }
    let over = Answer::of(app.ask("GET", "/v1/tickets")).await;
    over.is(429, "too-many-requests");
    assert_eq!(over.header("retry-after"), "40", "the minute began 20 s ago");
    app.desk("{}").await.is(503, "overloaded");
    assert_eq!(Answer::of(app.ask("GET", "/livez")).await.status, 200, "probes are not counted");
    app.ambient.turn(std::time::Duration::from_secs(40));
    Answer::of(app.ask("GET", "/v1/tickets")).await.is(401, "unauthenticated");
}

#[tokio::test]
async fn a_broken_runbook_keeps_the_last_good_in_force_and_every_place_says_so_until_it_is_mended() {
    let app = App::start().await;
    let token = app.token(&[Responder]).await;
    let file = app.folder.path().join("runbooks/restart-spooler.md");
    let good = std::fs::read_to_string(&file).unwrap();
    let stale = |text: &str| text.lines().filter(|line| line.starts_with("sluicegate_reload_stale") && line.ends_with(" 1")).count();
    let before = app.service.decider().library().digest();

    std::fs::write(&file, good.replacen("---\n", "---\nid: twice\n", 1)).unwrap();
    assert!(!sluicegate::pipeline::reload::reload(&app.service).await);
    assert_eq!(app.service.decider().library().digest(), before);
    let figures = Answer::of(app.ask("GET", "/metrics")).await;
    assert!(figures.text.contains(r#"sluicegate_reload_stale{what="runbooks"} 1"#) && stale(&figures.text) == 1, "{figures:?}");
    assert_eq!(Answer::of(app.ask("GET", "/readyz")).await.json()["stale"], serde_json::json!(["runbooks"]));
    let loads = app.get(&token, "/v1/loads").await.json();
    let finding = &loads["runbooks"]["refused"]["findings"][0];
    assert_eq!(finding["file"], "restart-spooler.md", "{loads}");
    assert!(finding["line"].as_u64() > Some(1) && finding["message"].as_str().unwrap().contains("twice"), "{loads}");
    assert!(loads["policies"]["refused"].is_null());

    std::fs::write(&file, good).unwrap();
    assert!(sluicegate::pipeline::reload::reload(&app.service).await);
    assert_eq!(stale(&Answer::of(app.ask("GET", "/metrics")).await.text), 0);
    assert!(app.get(&token, "/v1/loads").await.json()["runbooks"]["refused"].is_null());
}

#[tokio::test]
async fn editors_get_the_schema_without_a_token_and_only_once_while_it_stays_the_same() {
    let app = App::start().await;
    let ask = |known: Option<String>| {
        let request = app.ask("GET", "/schemas/runbook.json");
        Answer::of(known.into_iter().fold(request, |request, known| request.header("if-none-match", known)))
    };
    let first = ask(None).await;
    assert_eq!((first.status, first.header("content-type")), (200, "application/schema+json"));
    assert_eq!(first.header("cache-control"), "public, max-age=3600");
    assert_eq!(first.json(), serde_json::from_str::<serde_json::Value>(sluicegate::runbook::FRONT_MATTER_SCHEMA).unwrap());
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = ask(Some(known.clone())).await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag.as_str()), "{known}");
        assert_eq!(again.header("cache-control"), "public, max-age=3600");
    }
    for other in ["\"other\"".to_owned(), tag.trim_matches('"').to_owned(), "W/*".to_owned()] {
        assert_eq!(ask(Some(other.clone())).await.status, 200, "{other}");
    }
}
