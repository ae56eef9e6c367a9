//! A real n8n: run by `./test engines`, because it is 1.6 GB.

#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

#[path = "it/app.rs"]
mod app;
#[path = "it/engines.rs"]
mod engines;
#[path = "it/way_world.rs"]
mod way_world;

use std::process::Command;

use serde_json::{Value, json};
use sluicegate::domain::{execution::ExecutionState, template::Value as Given};

use engines::{connector, installed, run, started, world};

const WORKFLOW: &str = include_str!("../docs/connectors/n8n-workflow.json");

/// Calls of n8n's own API, by its owner.
struct Owner {
    http: reqwest::Client,
    url: String,
    cookie: String,
}

impl Owner {
    async fn set_up(url: &str) -> Self {
        let http = reqwest::Client::new();
        let who = json!({"email": "owner@example.com", "firstName": "O", "lastName": "W", "password": "Sluicegate1"});
        let answer = http.post(format!("{url}rest/owner/setup")).json(&who).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { http, url: url.to_owned(), cookie }
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Value {
        let request = self.http.request(method, format!("{}rest/{path}", self.url)).header("cookie", &self.cookie);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str::<Value>(&text).unwrap()["data"].take()
    }
}

#[tokio::test]
async fn a_runbook_restarts_a_printer_inside_n8n_and_proves_it_there() {
    let script = installed("n8n", "n8n/bin/n8n");
    let folder = tempfile::tempdir().unwrap();
    // n8n does not tell which port it got when it may choose one.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("node");
    command.arg(script).arg("start").env("N8N_USER_FOLDER", folder.path()).env("N8N_PORT", port.to_string());
    for (name, value) in [
        ("N8N_LISTEN_ADDRESS", "127.0.0.1"),
        ("N8N_DIAGNOSTICS_ENABLED", "false"),
        ("N8N_VERSION_NOTIFICATIONS_ENABLED", "false"),
        ("N8N_TEMPLATES_ENABLED", "false"),
        ("N8N_RUNNERS_ENABLED", "false"),
        ("N8N_PERSONALIZATION_ENABLED", "false"),
        ("N8N_SECURE_COOKIE", "false"),
    ] {
        command.env(name, value);
    }
    let _engine = tokio::task::spawn_blocking(move || started(&mut command, "Editor is now accessible")).await.unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    let owner = Owner::set_up(&url).await;
    let workflow: Value = serde_json::from_str(WORKFLOW).unwrap();
    let made = owner.ask(reqwest::Method::POST, "workflows", Some(&workflow)).await;
    let path = format!("workflows/{}", made["id"].as_str().unwrap());
    owner.ask(reqwest::Method::PATCH, &path, Some(&json!({"active": true, "versionId": made["versionId"]}))).await;

    let world = world(connector("n8n", &format!("{url}webhook/"), "unused")).await;
    let done = run(&world, "31", "prn-00031").await;
    assert_eq!(done.state, ExecutionState::Succeeded, "{:?}", done.steps);
    assert_eq!(done.steps[1].outputs.values().collect::<Vec<_>>(), [&Given::Integer(1)]);
    // What n8n itself tells of it.
    let kept = owner.ask(reqwest::Method::GET, &path, None).await;
    assert_eq!(kept["staticData"]["global"]["restarts"], json!({"prn-00031": 1}), "{kept}");

    // Left at "Immediately", a hook answers before it has run; that is not taken for an end.
    let mut hasty = workflow;
    hasty["nodes"][0]["parameters"]["responseMode"] = "onReceived".into();
    hasty["versionId"] = kept["versionId"].clone();
    owner.ask(reqwest::Method::PATCH, &path, Some(&hasty)).await;
    let early = run(&world, "32", "prn-00032").await;
    assert_ne!(early.state, ExecutionState::Succeeded);
    let detail = early.steps[1].detail.clone().unwrap_or_default();
    assert!(detail.contains("n8n answered before the workflow had run"), "{:?}", early.steps);
    world.audit().await;
}
