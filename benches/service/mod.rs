//! The whole service in this process and signed tickets for it: what the benches of intake share.

// Each bench uses a part of it.
#![allow(dead_code)]

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sluicegate::{
    cli::assemble,
    config::{
        Config,
        secret::Secret,
        source::{AdapterKind, Auth, Source},
        span::Span,
    },
    pipeline::{
        service::Service,
        workers::{self, Workers},
    },
    server::Application,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// Tickets a second of [`paced`], over so many connections.
pub const RATE: u64 = 400;
const CONNECTIONS: u64 = 16;
const SECRET: &str = "bench-secret-0123456789";

pub fn request(number: u64) -> Vec<u8> {
    let body = format!(
        r#"{{"type":"zen:event-type:ticket.created","id":"evt-{number}","subject":"zen:ticket:{number}","time":"2026-11-23T02:00:00Z","zendesk_event_version":"2022-11-06","event":{{}},"detail":{{"id":"{number}","subject":"Printer on floor {number}","description":"Nothing comes out of the printer on floor {number} since this morning, and there are documents waiting. I tried to turn it off and on again, which did not help. Could somebody have a look before the meeting at ten?","status":"new","priority":"normal","type":"incident","tags":[],"requester_id":"user-{number}","created_at":"2026-11-23T02:00:00Z","updated_at":"2026-11-23T02:00:00Z"}}}}"#
    );
    let now = jiff::Timestamp::now().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key length");
    mac.update(now.as_bytes());
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    format!(
        "POST /v1/intake/desk HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-zendesk-webhook-signature: {signature}\r\n\
         x-zendesk-webhook-signature-timestamp: {now}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends one request on a kept connection and returns the status.
pub async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> std::io::Result<u16> {
    stream.write_all(request).await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
        if buffer.len() >= end + 4 + length {
            return Ok(head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0));
        }
    }
}

/// The whole service on a fresh folder, as `serve` puts it together.
pub struct Running {
    pub address: SocketAddr,
    pub service: Arc<Service>,
    workers: Option<Workers>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    /// As `change` has the configuration; with workers or without.
    pub async fn start(store: &Path, work: bool, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        config.store.folder = store.to_owned();
        config.triage.model = root.join("models/service-desk");
        config.triage.embedding = root.join("models/embedding");
        config.triage.catalogue = root.join("models/catalogue.toml");
        config.triage.signals = root.join("signals.toml");
        config.runbooks.folder = root.join("runbooks");
        config.gate.policies = root.join("policies");
        let connector = r#"{"name":"automation","kind":"http","base_url":"http://127.0.0.1:9","auth":null,"allow":[],"allow_addresses":["127.0.0.0/8"]}"#;
        config.connectors = vec![serde_json::from_str(connector).expect("a connector")];
        config.sources = vec![Source {
            name: "desk".to_owned(),
            tenant: "default".to_owned(),
            adapter: AdapterKind::Zendesk,
            auth: Auth::Signature { name: "zendesk".to_owned(), secrets: vec![Secret::new(SECRET)], tolerance: Span::secs(300) },
            quota_per_minute: 0,
            own_actors: Vec::new(),
            write_back: None,
        }];
        change(&mut config);
        let service = assemble::service(config).await.expect("the shipped parts are in order");
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let application = Application::on(listener, Arc::clone(&service)).expect("a bound listener");
        let address = application.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let asked = async move { drop(stopped.await) };
            application.run_until(asked).await.expect("the listener works");
        });
        let workers = work.then(|| workers::start(&service));
        Self { address, service, workers, stop, serving }
    }

    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.expect("the server does not panic");
        if let Some(workers) = self.workers {
            workers.stop().await;
        }
        self.service.store.close().await.expect("the store closes");
    }
}

/// The time below which `share` of sorted `times` lie, in milliseconds.
pub fn at(times: &[Duration], share: f64) -> f64 {
    times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// The times of the 202s to tickets posted at [`RATE`], in order; a late answer delays no other connection.
pub async fn paced(address: SocketAddr, length: Duration, numbers: &Arc<AtomicU64>) -> Vec<Duration> {
    let (times, mut all) = mpsc::unbounded_channel();
    let end = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (numbers, times) = (Arc::clone(numbers), times.clone());
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the service listens");
            stream.set_nodelay(true).expect("a TCP stream");
            let mut buffer = Vec::with_capacity(4096);
            let mut pace = tokio::time::interval(Duration::from_secs(1) * CONNECTIONS as u32 / RATE as u32);
            while Instant::now() < end {
                pace.tick().await;
                let request = request(numbers.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                if exchange(&mut stream, &request, &mut buffer).await.expect("the service answers") == 202 {
                    times.send(sent.elapsed()).expect("the bench waits");
                }
            }
        });
    }
    drop(times);
    tasks.join_all().await;
    let mut measured = Vec::new();
    while let Some(time) = all.recv().await {
        measured.push(time);
    }
    measured.sort_unstable();
    measured
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
