//! One help desk that listens: it keeps tickets, checks every request against its contract, and fails when told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use sluicegate::config::write_back::DeskKind;

use super::models;
use crate::way_world::serve;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    /// JSON, or a text where the body is a form.
    pub body: Value,
}

impl Seen {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.path.starts_with("/api.php/token")
    }
}

/// A ticket at the help desk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ticket {
    pub comments: Vec<String>,
    /// Whether the requester reads the comment.
    pub public: Vec<bool>,
    pub fields: BTreeMap<String, Value>,
    pub tags: BTreeSet<String>,
    /// Grows with every change.
    pub version: u64,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answered so, and nothing was done.
    Status(u16),
    /// The connection is cut, and nothing was done.
    CutBefore,
    /// It was done, and the connection is cut without an answer.
    CutAfter,
    /// It was done, and answered so.
    StatusAfter(u16),
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Status(429),
        Self::Status(500),
        Self::Status(503),
        Self::CutBefore,
        Self::CutAfter,
        Self::StatusAfter(500),
        Self::StatusAfter(504),
    ];
}

type Act = Box<dyn FnOnce(&mut Ticket) + Send>;

#[derive(Default)]
pub struct Books {
    pub tickets: BTreeMap<String, Ticket>,
    seen: Vec<Seen>,
    /// By the number of the request, from 0.
    faults: BTreeMap<usize, Fault>,
    /// By the number of the request after which somebody else acts.
    changes: BTreeMap<usize, Act>,
    /// Headers of every answer with a status above 399.
    with: Vec<(&'static str, String)>,
    pub outside_of_contract: Vec<String>,
}

#[derive(Clone)]
pub struct FakeDesk {
    pub kind: DeskKind,
    pub base: String,
    books: Arc<Mutex<Books>>,
    away: Arc<AtomicBool>,
}

impl FakeDesk {
    /// On a free port, until the test ends.
    pub async fn start(kind: DeskKind) -> Self {
        let mut desk = Self { kind, base: String::new(), books: Arc::default(), away: Arc::default() };
        let address = serve(Router::new().fallback(answer).with_state(desk.clone())).await;
        desk.base = format!("http://{address}{}", models::base(kind));
        desk
    }

    /// The `write_back` table that names this help desk, with every field mapped that it takes.
    pub fn config(&self) -> Value {
        let mut table = json!({ "kind": self.kind, "base_url": self.base, "token": "t0k3n", "allow_addresses": ["127.0.0.0/8"] });
        let more = models::mapped(self.kind);
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        table
    }

    /// As if nothing had happened yet.
    pub fn forget(&self) {
        *self.books.lock().unwrap() = Books::default();
    }

    pub fn ticket(&self, id: &str) -> Ticket {
        self.books.lock().unwrap().tickets.get(id).cloned().unwrap_or_default()
    }

    /// Somebody else changes the ticket.
    pub fn touch(&self, id: &str, change: impl FnOnce(&mut Ticket)) {
        let mut books = self.books.lock().unwrap();
        let ticket = books.tickets.entry(id.to_owned()).or_default();
        ticket.version += 1;
        change(ticket);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.books.lock().unwrap().seen.clone()
    }

    /// The request after `requests` more meets `fault`.
    pub fn fails_at(&self, requests: usize, fault: Fault) {
        let mut books = self.books.lock().unwrap();
        let at = books.seen.len() + requests;
        books.faults.insert(at, fault);
    }

    /// Right after the request after `requests` more, somebody else changes the ticket.
    pub fn changes_after(&self, requests: usize, change: impl FnOnce(&mut Ticket) + Send + 'static) {
        let mut books = self.books.lock().unwrap();
        let at = books.seen.len() + requests;
        books.changes.insert(at, Box::new(change));
    }

    pub fn errors_carry(&self, headers: &[(&'static str, &str)]) {
        self.books.lock().unwrap().with = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    }

    /// Whether every request is answered 503 from now on.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Fails the test when a request was outside of the contract.
    pub fn keeps_the_contract(&self) {
        let books = self.books.lock().unwrap();
        assert!(books.outside_of_contract.is_empty(), "{:?}: {:#?}", self.kind, books.outside_of_contract);
    }
}

async fn answer(State(desk): State<FakeDesk>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut books = desk.books.lock().unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let seen = Seen { method: method.to_string(), path: uri.to_string(), headers, body };
    let number = books.seen.len();
    books.seen.push(seen.clone());
    let with = books.with.clone();
    let refuse = |status: u16| {
        let mut response = (StatusCode::from_u16(status).unwrap(), "{\"error\": \"on purpose\"}").into_response();
        for (name, value) in &with {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    };
    if desk.away.load(Ordering::SeqCst) {
        return refuse(503);
    }
    let fault = books.faults.remove(&number);
    match fault {
        Some(Fault::Status(status)) => return refuse(status),
        Some(Fault::CutBefore) => cut(books),
        _ => {}
    }
    let (status, answer) = models::answer(desk.kind, &seen, &mut books);
    if let Some(change) = books.changes.remove(&number) {
        let ticket = books.tickets.values_mut().next().unwrap();
        ticket.version += 1;
        change(ticket);
    }
    match fault {
        Some(Fault::CutAfter) => cut(books),
        Some(Fault::StatusAfter(status)) => return refuse(status),
        _ => {}
    }
    if status >= 400 && status != 409 {
        books.outside_of_contract.push(format!("{} {}: {answer}", seen.line(), seen.body));
    }
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], answer.to_string()).into_response()
}

/// Ends the task of the connection, as a server that dies does. Says nothing: it is on purpose.
fn cut(books: std::sync::MutexGuard<'_, Books>) -> ! {
    drop(books);
    std::panic::resume_unwind(Box::new("cut on purpose"))
}
