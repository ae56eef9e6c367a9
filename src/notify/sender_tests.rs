//! Deliveries to a server that behaves like Zendesk and to webhook endpoints, with crashes in between.

use std::sync::Mutex;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{Config, secret::Secret},
    domain::{
        ambient::Ambient,
        id::{OutboxId, TicketId},
        name::TenantId,
        outbox::Message,
        priority::Priority,
    },
    notify::signing::SigningKeys,
    test_store::{TestStore, Turned},
};

/// What the next write meets; then all is well.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Status(u16, Option<u32>),
    /// The comment is stored, and the connection is cut without an answer.
    StoredThenCut,
}

#[derive(Default)]
struct Desk {
    trouble: Mutex<Vec<Trouble>>,
    comments: Mutex<Vec<String>>,
    writes: Mutex<Vec<Value>>,
    looks: Mutex<usize>,
    events: Mutex<Vec<(HeaderMap, Vec<u8>)>>,
}

impl Desk {
    fn meets(&self) -> Option<Response> {
        let trouble = self.trouble.lock().unwrap().pop()?;
        match trouble {
            Trouble::Status(status, None) => Some(StatusCode::from_u16(status).unwrap().into_response()),
            Trouble::Status(status, Some(after)) => {
                Some((StatusCode::from_u16(status).unwrap(), [("retry-after", after.to_string())]).into_response())
            }
            Trouble::StoredThenCut => None,
        }
    }
}

async fn write(State(desk): State<Arc<Desk>>, Path(_id): Path<String>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    // base64 of `bot@example.com/token:hunter2`
    assert_eq!(headers["authorization"], "Basic Ym90QGV4YW1wbGUuY29tL3Rva2VuOmh1bnRlcjI=");
    let cut = matches!(desk.trouble.lock().unwrap().last(), Some(Trouble::StoredThenCut));
    if let Some(answer) = desk.meets() {
        return answer;
    }
    desk.comments.lock().unwrap().push(body["ticket"]["comment"]["body"].as_str().unwrap().to_owned());
    desk.writes.lock().unwrap().push(body);
    assert!(!cut, "cut on purpose");
    Json(json!({"ticket": {}})).into_response()
}

async fn ticket() -> Json<Value> {
    Json(json!({"ticket": {"updated_at": "2023-11-14T22:13:20Z", "tags": ["vip"]}}))
}

async fn look(State(desk): State<Arc<Desk>>) -> Response {
    *desk.looks.lock().unwrap() += 1;
    let comments: Vec<_> = desk.comments.lock().unwrap().iter().map(|body| json!({ "body": body })).collect();
    Json(json!({ "comments": comments, "next_page": null })).into_response()
}

async fn hear(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let trouble = desk.meets();
    desk.events.lock().unwrap().push((headers, body.to_vec()));
    trouble.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

struct Bench {
    desk: Arc<Desk>,
    store: TestStore,
    time: Arc<Turned>,
    sender: Sender,
}

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

impl Bench {
    async fn new() -> Self {
        let desk = Arc::new(Desk::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/api/v2/tickets/{id}", put(write).get(ticket))
            .route("/api/v2/tickets/{id}/comments.json", get(look))
            .route("/hook", post(hear))
            .with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let allow = json!(["127.0.0.1/32"]);
        let config: Config = serde_json::from_value(json!({
            "sources": [{
                "name": "desk", "adapter": "zendesk", "auth": {"scheme": "token", "secrets": []},
                "write_back": {"kind": "zendesk", "base_url": base, "email": "bot@example.com", "token": "hunter2", "allow_addresses": allow,
                    "resolved": "solved", "priorities": {"p2": "high"}},
            }],
            "webhooks": [{"name": "ops", "url": format!("{base}/hook?k=v"), "secret": SECRET, "events": ["ticket.triaged"], "allow_addresses": allow}],
        }))
        .unwrap();
        let (store, time) = (TestStore::open(), Arc::new(Turned::default()));
        let senders = Arc::new(Senders::from_config(&config).unwrap());
        let sender = Sender::new(store.shared(), Arc::clone(&time) as Arc<dyn Ambient>, senders);
        Self { desk, store, time, sender }
    }

    async fn queue(&self, destination: Destination, message: Message) -> OutboxMessage {
        let now = self.time.now();
        let (id, ticket) = (OutboxId::fresh(&*self.time), Some(TicketId::new(now, 1)));
        let message = OutboxMessage::queued(TenantId::default(), ticket, id, destination, message, now);
        self.store.put_ticket(message.ticket.unwrap(), now).await;
        self.store.put(Write::Message(Box::new(message.clone()))).await;
        message
    }

    async fn write_back(&self) -> OutboxMessage {
        let message = Message::WriteBack {
            external_id: "42".to_owned(),
            comment: "Restarted the spooler.".to_owned(),
            priority: Some(Priority::P2),
            category: None,
            assignment_group: None,
            resolved: true,
            tags: vec!["sluicegate".to_owned()],
        };
        self.queue(Destination::HelpDesk("desk".parse().unwrap()), message).await
    }

    async fn event(&self) -> OutboxMessage {
        let message = Message::Event { event_type: "ticket.triaged".to_owned(), data: json!({"n": 1}) };
        self.queue(Destination::Webhook("ops".to_owned()), message).await
    }

    async fn stored(&self, message: &OutboxMessage) -> OutboxMessage {
        self.store
            .messages_for(&message.tenant, message.ticket.unwrap())
            .await
            .unwrap()
            .into_iter()
            .find(|stored| stored.id == message.id)
            .unwrap()
    }

    fn trouble(&self, next_last: &[Trouble]) {
        *self.desk.trouble.lock().unwrap() = next_last.iter().rev().copied().collect();
    }
}

#[tokio::test]
async fn a_write_back_is_one_internal_comment_with_its_mark_and_fields() {
    let bench = Bench::new().await;
    let message = bench.write_back().await;
    let done = bench.sender.deliver(message.clone()).await.unwrap();
    assert_eq!((done.state, done.attempts), (OutboxState::Delivered, 1));
    assert_eq!(bench.stored(&message).await, done);
    let expected = json!({"ticket": {
        "comment": {"body": format!("Restarted the spooler.\n\n[sluicegate:{}]", message.id), "public": false},
        "priority": "high", "status": "solved", "tags": ["vip", "sluicegate"],
        "safe_update": true, "updated_stamp": "2023-11-14T22:13:20Z",
    }});
    assert_eq!(*bench.desk.writes.lock().unwrap(), [expected]);
    assert_eq!(*bench.desk.looks.lock().unwrap(), 0, "a first try needs no look");
    let entries = bench.store.log().await;
    assert!(matches!(&entries[..], [Entry { event: Event::MessageDelivered { attempts: 1, .. }, .. }]));
}

#[tokio::test]
async fn an_answer_lost_after_the_comment_was_stored_gives_no_second_comment() {
    let bench = Bench::new().await;
    bench.trouble(&[Trouble::StoredThenCut]);
    let waiting = bench.sender.deliver(bench.write_back().await).await.unwrap();
    assert_eq!((waiting.state, waiting.attempts), (OutboxState::Waiting, 1));
    assert_eq!(bench.sender.deliver(waiting).await.unwrap().state, OutboxState::Delivered);
    assert_eq!(bench.desk.comments.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_crash_at_either_commit_gives_one_comment() {
    for nth in [1, 2] {
        for lands in [false, true] {
            let bench = Bench::new().await;
            let message = bench.write_back().await;
            bench.store.cut_at(nth, lands);
            bench.sender.deliver(message.clone()).await.unwrap_err();
            bench.store.heal();
            let left = bench.stored(&message).await;
            if left.state == OutboxState::Waiting {
                assert_eq!(bench.sender.deliver(left).await.unwrap().state, OutboxState::Delivered);
            }
            assert_eq!(bench.desk.comments.lock().unwrap().len(), 1, "commit {nth} lands {lands}");
        }
    }
}

#[tokio::test]
async fn of_many_workers_with_one_message_one_sends() {
    let bench = Arc::new(Bench::new().await);
    let message = bench.write_back().await;
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (bench, message) = (Arc::clone(&bench), message.clone());
            tokio::spawn(async move { bench.sender.deliver(message).await.is_ok() })
        })
        .collect();
    let mut sent = 0;
    for worker in workers {
        sent += usize::from(worker.await.unwrap());
    }
    assert_eq!((sent, bench.desk.comments.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn retry_after_is_honoured_and_lost_causes_die() {
    for (status, after, least) in
        [(429, Some(600), 600), (503, Some(77), 77), (408, None, 5), (500, None, 5), (401, None, 5), (302, None, 5)]
    {
        let bench = Bench::new().await;
        bench.trouble(&[Trouble::Status(status, after)]);
        let waiting = bench.sender.deliver(bench.write_back().await).await.unwrap();
        assert_eq!(waiting.state, OutboxState::Waiting, "{status}");
        let wait = waiting.next_attempt_at.since(bench.time.now()).as_secs() + 1;
        assert!(wait >= least && wait <= least.max(6) + 1, "{status}: {wait}");
        bench.time.forward(waiting.next_attempt_at.since(bench.time.now()));
        assert_eq!(bench.sender.deliver(waiting).await.unwrap().state, OutboxState::Delivered);
    }
    for status in [400, 404, 422] {
        let bench = Bench::new().await;
        bench.trouble(&[Trouble::Status(status, None)]);
        assert_eq!(bench.sender.deliver(bench.write_back().await).await.unwrap().state, OutboxState::Dead, "{status}");
        assert!(matches!(bench.store.log().await[0].event, Event::MessageDead { .. }));
    }
}

#[tokio::test]
async fn an_outage_longer_than_the_schedule_ends_in_a_dead_letter_that_says_why() {
    let bench = Bench::new().await;
    bench.trouble(&[Trouble::Status(503, None); 40]);
    let mut message = bench.event().await;
    let begun = message.created_at;
    while message.state == OutboxState::Waiting {
        bench.time.forward(message.next_attempt_at.since(bench.time.now()));
        message = bench.sender.deliver(message).await.unwrap();
    }
    assert_eq!((message.state, message.attempts), (OutboxState::Dead, schedule::MOST_ATTEMPTS));
    assert!(message.last_error.unwrap().contains("503"));
    let hours = bench.time.now().since(begun).as_secs() / 3600;
    assert!((75..=92).contains(&hours), "{hours}");
    let ids: std::collections::BTreeSet<_> =
        bench.desk.events.lock().unwrap().iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [message.id.to_string()].into(), "the same id on every try");
}

#[tokio::test]
async fn an_event_is_a_signed_cloud_event() {
    let bench = Bench::new().await;
    let message = bench.event().await;
    assert_eq!(bench.sender.deliver(message.clone()).await.unwrap().state, OutboxState::Delivered);
    let events = bench.desk.events.lock().unwrap();
    let (headers, body) = &events[0];
    let timestamp: i64 = headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
    let keys = SigningKeys::parse(&[Secret::new(SECRET)]).unwrap();
    assert_eq!(headers["webhook-signature"].to_str().unwrap(), keys.sign(&message.id.to_string(), timestamp, body).unwrap());
    assert!(headers["content-type"].to_str().unwrap().starts_with("application/cloudevents+json"));
    let event: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&event["specversion"], &event["type"], &event["data"]), (&json!("1.0"), &json!("ticket.triaged"), &json!({"n": 1})));
    assert_eq!((event["id"].as_str(), event["time"].as_str()), (Some(&*message.id.to_string()), Some(&*message.created_at.to_string())));
}

#[tokio::test]
async fn odd_messages_die_unsent() {
    let bench = Bench::new().await;
    let odd = Message::Event { event_type: "ticket.triaged".to_owned(), data: json!({}) };
    let desk = || Destination::HelpDesk("desk".parse().unwrap());
    let write_back = |id: &str| Message::WriteBack {
        external_id: id.to_owned(),
        comment: "c".to_owned(),
        priority: None,
        category: None,
        assignment_group: None,
        resolved: false,
        tags: Vec::new(),
    };
    for (destination, message) in [
        (desk(), write_back("../users/1")),
        (desk(), write_back("")),
        (desk(), write_back("42?x=1")),
        (Destination::HelpDesk("gone".parse().unwrap()), write_back("42")),
        (Destination::Webhook("ops".to_owned()), write_back("42")),
        (Destination::Chat("gone".to_owned()), odd.clone()),
        (Destination::Mail("gone".to_owned()), odd),
        (Destination::Webhook("gone".to_owned()), Message::Event { event_type: "x".to_owned(), data: Value::Null }),
    ] {
        let dead = bench.sender.deliver(bench.queue(destination, message).await).await.unwrap();
        assert_eq!(dead.state, OutboxState::Dead);
    }
    assert!(bench.desk.writes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn listeners_are_those_of_the_tenant_that_want_the_event() {
    let bench = Bench::new().await;
    let senders = &bench.sender.senders;
    assert_eq!(senders.listeners(&TenantId::default(), "ticket.triaged"), [Destination::Webhook("ops".to_owned())]);
    assert!(senders.listeners(&TenantId::default(), "execution.finished").is_empty());
    assert!(senders.listeners(&"other".parse().unwrap(), "ticket.triaged").is_empty());
    assert!(senders.writes_back_to(&"desk".parse().unwrap()) && !senders.writes_back_to(&"gone".parse().unwrap()));
}
