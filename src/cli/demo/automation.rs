//! A small automation endpoint: the system that runbook steps call in the demo.
//!
//! Every resource is `/{kind}/{id}` with a `state` and a `generation`. It begins faulty (`locked` for accounts);
//! an action makes it healthy, `undo` takes the last action back. A printer called `prn-13` stays faulty whatever
//! is done, so that the demo shows a rollback. The contract is in `docs/automation-endpoint.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    before: &'static str,
    generation: u64,
}

#[derive(Debug, Default)]
struct Machine {
    resources: BTreeMap<(String, String), Resource>,
    /// Keys of calls that were carried out: a repeated call changes nothing.
    done: BTreeSet<String>,
    calls: Vec<String>,
}

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
        let begins = if kind == "accounts" { "locked" } else { "faulty" };
        self.resources.entry((kind.to_owned(), id.to_owned())).or_insert(Resource { state: begins, before: begins, generation: 1 })
    }
}

fn shown(id: &str, resource: &Resource) -> Json<Value> {
    Json(json!({"id": id, "state": resource.state, "generation": resource.generation, "free": 5}))
}

async fn look(State(automation): State<Automation>, Path((kind, id)): Path<(String, String)>) -> Json<Value> {
    shown(&id, automation.machine().resource(&kind, &id))
}

async fn act(
    State(automation): State<Automation>,
    Path((kind, id, action)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return Err((StatusCode::BAD_REQUEST, Json(json!({"error": "a change needs an Idempotency-Key"}))));
    };
    let mut machine = automation.machine();
    if machine.done.insert(key.to_owned()) {
        machine.calls.push(format!("POST /{kind}/{id}/{action}"));
        let resource = machine.resource(&kind, &id);
        resource.generation += 1;
        let next = if action == "undo" { resource.before } else { "healthy" };
        resource.before = resource.state;
        if id != HOPELESS {
            resource.state = next;
        }
    }
    Ok(shown(&id, machine.resource(&kind, &id)))
}
