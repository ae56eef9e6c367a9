//! Deliveries a second from the outbox to a fast receiver over loopback, beside the disk's raw sync rate.
//!
//! `cargo bench --bench outbox [-- FOLDER]`. Real SQLite on the folder's disk, real HTTP, the service's own workers.
//! The receiver shares this machine and its processors; it answers 204 to every request and counts the distinct
//! `webhook-id`s. Messages are queued before the clock starts; it stops when the store has the last one as delivered.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sluicegate::{
    config::webhook::Webhook,
    domain::{
        entry::{Entry, Event},
        id::OutboxId,
        name::TenantId,
        outbox::{Message, OutboxState},
        principal::Actor,
    },
    pipeline::{service::Service, workers},
    store::{
        change::{Change, Write},
        interface::Page,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

mod service;

use service::Running;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// As many as a busy desk makes in hours.
const MESSAGES: usize = 10_000;
/// In one change, so that queueing takes no time worth waiting for.
const QUEUED_TOGETHER: usize = 500;

/// `fdatasync` calls a second on a file of the folder that is written 4 KiB at a time.
fn raw_syncs(folder: &Path) -> f64 {
    let path = folder.join("raw-sync");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).expect("the folder can be written");
    let (started, mut count) = (Instant::now(), 0u32);
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all(&[0; 4096]).expect("the disk has room");
        file.sync_data().expect("the disk syncs");
        count += 1;
    }
    std::fs::remove_file(path).expect("the file is ours");
    f64::from(count) / started.elapsed().as_secs_f64()
}

type Seen = Arc<Mutex<BTreeSet<String>>>;

/// Reads requests on one connection and answers each with 204, until the sender closes it.
async fn answer(mut stream: TcpStream, seen: Seen) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
        let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while buffer.len() < end + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..end + length);
        if let Some(id) = header("webhook-id") {
            seen.lock().expect("no holder panics").insert(id);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}

async fn receiver() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let seen = Seen::default();
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&counted)));
        }
    });
    (address, seen)
}

/// So many webhooks to one receiver.
fn webhooks(receiver: SocketAddr, count: usize) -> Vec<Webhook> {
    let webhook = |number| {
        let webhook = serde_json::json!({
            "name": format!("w{number}"), "url": format!("http://{receiver}/hook"), "secret": SECRET, "allow_addresses": ["127.0.0.0/8"],
        });
        serde_json::from_value(webhook).expect("a webhook")
    };
    (0..count).map(webhook).collect()
}

async fn queue(service: &Service) {
    let tenant = TenantId::default();
    let destinations = service.senders.listeners(&tenant, "ticket.triaged");
    for begin in (0..MESSAGES).step_by(QUEUED_TOGETHER) {
        let mut change = Change::default();
        for number in begin..begin + QUEUED_TOGETHER {
            let now = service.ambient.now();
            let data = serde_json::json!({
                "ticket": "tkt_01hf7yat80000000000000000t", "source": "desk", "external_id": number.to_string(), "category": "hardware/printer",
                "category_probability": 0.93, "priority": "P3", "risk": "low", "runbook": "restart-print-spooler", "decision": "needs_approval",
            });
            let message = Message::Event { event_type: "ticket.triaged".to_owned(), data };
            let (id, destination) = (OutboxId::new(now, service.ambient.random()), destinations[number % destinations.len()].clone());
            let message = sluicegate::domain::outbox::OutboxMessage::queued(tenant.clone(), None, id, destination, message, now);
            let queued = Event::MessageQueued { message: id, ticket: None, destination: message.destination.key() };
            change.entries.push(Entry::new(tenant.clone(), now, Actor::Engine, queued));
            change.writes.push(Write::Message(Box::new(message)));
        }
        service.store.commit(change).await.expect("the store takes the messages");
    }
}

async fn delivered(service: &Service) -> bool {
    let waiting =
        service.store.messages(&TenantId::default(), Some(OutboxState::Waiting), Page { before: None, limit: 1 }).await.expect("a page");
    waiting.is_empty()
}

async fn measure(store: &Path, webhooks: usize) -> f64 {
    let (address, seen) = receiver().await;
    let running = Running::start(store, false, |config| config.webhooks = self::webhooks(address, webhooks)).await;
    let service = Arc::clone(&running.service);
    queue(&service).await;
    let started = Instant::now();
    let workers = workers::start(&service);
    while !delivered(&service).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    workers.stop().await;
    let dead =
        service.store.messages(&TenantId::default(), Some(OutboxState::Dead), Page { before: None, limit: 1 }).await.expect("a page");
    // What is counted is what arrived.
    assert!(dead.is_empty() && seen.lock().expect("no holder panics").len() == MESSAGES, "some messages did not arrive");
    running.stop().await;
    MESSAGES as f64 / seconds
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let data = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir_in(&folder).expect("the folder can be written");
    println!("folder {}, {MESSAGES} messages", folder.display());
    println!("{:>9} {:>14} {:>14}", "webhooks", "deliveries/s", "raw syncs/s");
    for webhooks in [1, 8] {
        let raw = raw_syncs(data.path());
        let store = data.path().join(webhooks.to_string());
        let runtime = sluicegate::cli::runtime().expect("a runtime");
        let rate = runtime.block_on(measure(&store, webhooks));
        println!("{webhooks:>9} {rate:>14.0} {raw:>14.0}");
    }
}
