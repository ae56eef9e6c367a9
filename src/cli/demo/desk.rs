//! A small help desk that receives what Sluicegate writes back, in the form of Zendesk's API, and a receiver
//! of outgoing webhooks. Real HTTP on loopback, so the demo takes the way a real help desk would.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde_json::{Value, json};

/// One ticket as the help desk sees it.
#[derive(Debug, Clone, Default)]
pub struct DeskTicket {
    pub comments: Vec<String>,
    pub status: Option<String>,
    pub priority: Option<String>,
}

#[derive(Debug, Default)]
struct Books {
    tickets: BTreeMap<String, DeskTicket>,
    events: Vec<String>,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<Books>>);

impl Desk {
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v2/tickets/{id}", put(update).get(read))
            .route("/api/v2/tickets/{id}/comments.json", get(comments))
            .route("/events", post(event))
            .with_state(self.clone())
    }

    pub fn tickets(&self) -> BTreeMap<String, DeskTicket> {
        self.books().tickets.clone()
    }

    /// Types of the outgoing events received, in order.
    pub fn events(&self) -> Vec<String> {
        self.books().events.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Zendesk's paths end in `.json`.
fn plain(id: &str) -> String {
    id.trim_end_matches(".json").to_owned()
}

async fn update(State(desk): State<Desk>, Path(id): Path<String>, Json(body): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let change = body.get("ticket").ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let mut books = desk.books();
    let ticket = books.tickets.entry(plain(&id)).or_default();
    if let Some(comment) = change.pointer("/comment/body").or_else(|| change.pointer("/comment/html_body")).and_then(Value::as_str) {
        ticket.comments.push(comment.to_owned());
    }
    for (field, slot) in [("status", &mut ticket.status), ("priority", &mut ticket.priority)] {
        if let Some(value) = change.get(field).and_then(Value::as_str) {
            *slot = Some(value.to_owned());
        }
    }
    Ok(Json(json!({"ticket": {"id": plain(&id)}})))
}

async fn read(Path(id): Path<String>) -> Json<Value> {
    // Nobody else changes these tickets, so one time of change is enough.
    Json(json!({"ticket": {"id": plain(&id), "updated_at": "2026-01-01T00:00:00Z", "tags": []}}))
}

async fn comments(State(desk): State<Desk>, Path(id): Path<String>) -> Json<Value> {
    let comments: Vec<Value> =
        desk.books().tickets.get(&plain(&id)).into_iter().flat_map(|ticket| &ticket.comments).map(|body| json!({"body": body})).collect();
    Json(json!({"comments": comments}))
}

async fn event(State(desk): State<Desk>, Json(body): Json<Value>) -> StatusCode {
    let kind = body.get("type").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    desk.books().events.push(kind);
    StatusCode::NO_CONTENT
}
