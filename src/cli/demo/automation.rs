//! A small automation endpoint: the system that runbook steps call in the demo.
//!
//! Every resource is `/{kind}/{id}` with a `state` and a `generation`. It begins faulty (`locked` for accounts);
//! an action makes it healthy, `undo` takes the last action back. The printer `prn-13` cannot be
//! restarted, so that the demo shows a rollback. The contract is in `docs/automation-endpoint.md`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};

/// This one cannot be helped.
const HOPELESS: &str = "prn-13";

#[derive(Debug, Clone)]
struct Resource {
    state: &'static str,
    /// The state that `undo` brings back.
    before: Option<&'static str>,
    generation: u64,
}

#[derive(Debug, Default)]
struct Machine {
    resources: BTreeMap<(String, String), Resource>,
    /// Answers by idempotency key: a repeated call changes nothing and hears the same.
    answered: BTreeMap<String, Answer>,
    calls: Vec<String>,
}

type Answer = (StatusCode, Json<Value>);

/// What the endpoint has seen and holds.
#[derive(Debug, Clone, Default)]
pub struct Automation(Arc<Mutex<Machine>>);

impl Automation {
    /// The routes; callers give `token` as a bearer token.
    pub fn router(&self, token: &str) -> Router {
        let token: Arc<str> = format!("Bearer {token}").into();
        let guard = axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
            let token = Arc::clone(&token);
            async move {
                let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
                if given == Some(&*token) { Ok(next.run(request).await) } else { Err(StatusCode::UNAUTHORIZED) }
            }
        });
        Router::new().route("/{kind}/{id}", get(look)).route("/{kind}/{id}/{action}", post(act)).layer(guard).with_state(self.clone())
    }

    /// Changes carried out so far, as `POST /kind/id/action`.
    pub fn calls(&self) -> Vec<String> {
        self.machine().calls.clone()
    }

    fn machine(&self) -> std::sync::MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn resource(&mut self, kind: &str, id: &str) -> &mut Resource {
        let begins = match kind {
            "accounts" => "locked",
            "licences" => "healthy",
            _ => "faulty",
        };
        self.resources.entry((kind.to_owned(), id.to_owned())).or_insert(Resource { state: begins, before: None, generation: 1 })
    }

    fn act(&mut self, kind: &str, id: &str, action: &str) -> Answer {
        let resource = self.resource(kind, id);
        let next = match (action, resource.before) {
            ("undo", None) => return (StatusCode::CONFLICT, Json(json!({"error": "there is nothing to undo"}))),
            ("undo", Some(before)) => {
                resource.before = None;
                before
            }
            _ => {
                resource.before = Some(resource.state);
                "healthy"
            }
        };
        resource.generation += 1;
        if id == HOPELESS && action != "undo" {
            self.calls.push(format!("POST /{kind}/{id}/{action} (failed)"));
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "the spooler stopped again right after its start"})));
        }
        resource.state = next;
        let generation = resource.generation;
        self.calls.push(format!("POST /{kind}/{id}/{action}"));
        (StatusCode::OK, Json(json!({"ok": true, "generation": generation})))
    }
}

async fn look(State(automation): State<Automation>, Path((kind, id)): Path<(String, String)>) -> Json<Value> {
    let mut machine = automation.machine();
    let resource = machine.resource(&kind, &id);
    let mut shown = json!({"id": id, "kind": kind, "state": resource.state, "generation": resource.generation});
    if kind == "licences" {
        shown["free"] = json!(5);
    }
    Json(shown)
}

async fn act(State(automation): State<Automation>, Path((kind, id, action)): Path<(String, String, String)>, headers: HeaderMap) -> Answer {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "a change needs an Idempotency-Key"})));
    };
    let mut machine = automation.machine();
    if let Some(answer) = machine.answered.get(key) {
        return answer.clone();
    }
    let answer = machine.act(&kind, &id, &action);
    machine.answered.insert(key.to_owned(), answer.clone());
    answer
}
