//! The whole service on a free port with a real store, a clock that tests turn, and workers that tests step.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use sluicegate::{
    config::Config,
    domain::{
        ambient::Ambient,
        name::{PersonId, TenantId},
        principal::{Actor, Role},
        time::Timestamp,
    },
    execute::Connectors,
    log::note::Signer,
    notify::Senders,
    pipeline::{
        actions::token,
        decider::Decider,
        directories::Directories,
        service::{Parts, Service, Source},
        single_sign_on::SingleSignOn,
        witnesses::Witnesses,
        workers,
    },
    server::Application,
    store::{interface::Store, sqlite::SqliteStore},
    telemetry::Metrics,
};
use tokio::{sync::oneshot, task::JoinHandle};

/// 2023-11-14T22:13:20Z, the instant of the signature vectors.
pub const START: i64 = 1_700_000_000_000;
pub const DESK_TOKEN: &str = "desk-3f9a1c70b2d84e65";
pub const ALERTS_TOKEN: &str = "alerts-77c1e09d4b5a2f38";
pub const HOOKS_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const HOOKS_KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A clock that stands still until it is turned, and numbers that never repeat.
pub struct Manual {
    millis: AtomicI64,
    drawn: AtomicU64,
}

impl Manual {
    pub fn new() -> Self {
        Self { millis: AtomicI64::new(START), drawn: AtomicU64::new(0) }
    }

    pub fn turn(&self, by: Duration) {
        self.millis.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    pub fn set(&self, at: Timestamp) {
        self.millis.store(at.as_millis(), Ordering::SeqCst);
    }
}

impl Ambient for Manual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn random(&self) -> u128 {
        // SplitMix64, twice: different for every draw, the same in every run.
        let half = || {
            let mut z = self.drawn.fetch_add(1, Ordering::SeqCst).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u128::from(z ^ (z >> 31))
        };
        half() << 64 | half()
    }
}

pub struct App {
    pub address: SocketAddr,
    pub ambient: Arc<Manual>,
    pub service: Arc<Service>,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    /// Dropped last: the store's files are in it.
    pub folder: tempfile::TempDir,
}

fn config(folder: &Path) -> Config {
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        longest_wait = "2s"
        drain = "5s"
        [store]
        folder = "{folder}"
        [runbooks]
        folder = "{folder}/runbooks"

        [[sources]]
        name = "desk"
        adapter = "json"
        auth = {{ scheme = "token", secrets = ["{DESK_TOKEN}"] }}

        [[sources]]
        name = "hooks"
        adapter = "standard_webhooks"
        auth = {{ scheme = "signature", name = "standard_webhooks", secrets = ["{HOOKS_SECRET}"] }}

        [[sources]]
        name = "alerts"
        adapter = "alertmanager"
        quota_per_minute = 2
        auth = {{ scheme = "token", secrets = ["{ALERTS_TOKEN}"] }}

        [[sources]]
        name = "limited"
        adapter = "json"
        quota_per_minute = 2
        auth = {{ scheme = "token", secrets = ["{DESK_TOKEN}"] }}

        [[connectors]]
        name = "automation"
        kind = "http"
        base_url = "http://127.0.0.1:9/"
        allow = [{{ method = "get", path = "/hosts/*" }}, {{ method = "post", path = "/hosts/*/restart" }}]
        allow_addresses = ["127.0.0.0/8"]
        "#,
        folder = folder.display(),
    );
    toml::from_str(&text).expect("the harness's own configuration is in order")
}

pub const RUNBOOK: &str = r#"---
id: restart-spooler
title: Restart the spooler of a printer
owner: server-team
authors: [lea.brandt@example.com]
reviewed: 2023-11-01
review_every: 3650d
triggers:
  patterns: ['(?i)\bprinter\b.*\bdoes not print\b']
symptoms: ["Documents sit in the queue and nothing prints"]
parameters:
  host: {type: hostname, from: [text], pattern: '^prn-[0-9]{4,7}$', description: The printer}
risk: low
reversible: true
steps:
  - {id: look, kind: precheck, use: automation.get, with: {path: "/hosts/{{host}}"}, expect: "status == 200"}
  - {id: restart, kind: change, use: automation.post, with: {path: "/hosts/{{host}}/restart"}, timeout: 5s, idempotent: true, rollback: undo}
  - {id: check, kind: verify, use: automation.get, with: {path: "/hosts/{{host}}"}, expect: 'status == 200 && body.state == "healthy"'}
  - {id: undo, kind: rollback, use: automation.post, with: {path: "/hosts/{{host}}/restart"}}
examples:
  match: ["Printer prn-00007 does not print, documents just sit in the queue"]
  no_match: ["please order a new laptop"]
---

## When it happens

A printer does not print and its documents stay in the queue.

## What the steps do

Its spooler is restarted; nothing else on the printer changes.

## If it does not help

Escalate to platform-team.
"#;

/// A store put around the one in the harness's folder.
type Wrap = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store>>;

/// The rooms put together over the store in `folder`, as `wrap` has it.
fn service(folder: &Path, config: Config, wrap: Wrap) -> (Arc<Service>, Arc<Manual>) {
    std::fs::create_dir(folder.join("runbooks")).unwrap();
    std::fs::write(folder.join("runbooks/restart-spooler.md"), RUNBOOK).unwrap();
    let ambient = Arc::new(Manual::new());
    let store = wrap(Arc::new(SqliteStore::open(&folder.join("sluicegate.db")).unwrap()));
    (over(store, ambient.clone(), config), ambient)
}

/// The rooms put together over a store.
pub fn over(store: Arc<dyn Store>, ambient: Arc<Manual>, config: Config) -> Arc<Service> {
    let service = Service::new(Parts {
        store,
        ambient,
        decider: Decider::load(&config).unwrap(),
        connectors: Arc::new(Connectors::from_config(&config.connectors).unwrap()),
        directories: Arc::new(Directories::from_config(&config.directories).unwrap()),
        senders: Arc::new(Senders::from_config(&config).unwrap()),
        sign_on: SingleSignOn::from_config(&config).unwrap(),
        witnesses: Witnesses::from_config(&config.log).unwrap(),
        sources: config.sources.iter().map(|source| (source.name.clone(), Source::from_config(source).unwrap())).collect(),
        metrics: Arc::new(Metrics::new("0.0.0-test", 0.0)),
        key: Signer::from_seed("sluicegate.test/log", &[7; 32]).unwrap(),
        config: Arc::new(config),
    });
    Arc::new(service)
}

impl App {
    pub async fn start() -> Self {
        Self::started(|_| {}).await
    }

    /// As [`start`](Self::start), with so many requests from one address in a minute.
    pub async fn start_limited(requests_per_address_minute: u32) -> Self {
        Self::started(|config| config.server.requests_per_address_minute = requests_per_address_minute).await
    }

    /// As [`start`](Self::start), with the configuration changed first.
    pub async fn started(change: impl FnOnce(&mut Config)) -> Self {
        Self::started_on(change, Box::new(|store| store)).await
    }

    /// As [`started`](Self::started), with another store around the real one.
    pub async fn started_on(change: impl FnOnce(&mut Config), wrap: Wrap) -> Self {
        // reqwest is built without a TLS provider; nothing here speaks TLS, and the client asks for one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let (service, ambient) = service(folder.path(), config, wrap);
        let application = Application::bind(service.clone()).await.unwrap();
        let address = application.address();
        let (stop, asked) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let stopping = async {
                let _ = asked.await;
            };
            application.run_until(stopping).await.unwrap();
        });
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { address, ambient, service, http, stop: Some(stop), served, folder }
    }

    /// A service that is not bound yet and wants this address.
    pub async fn start_on(address: SocketAddr) -> Arc<Service> {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.server.listen = address;
        service(folder.path(), config, Box::new(|store| store)).0
    }

    /// Asks the service to stop and waits until it has.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.served.await.unwrap();
    }

    pub async fn token(&self, roles: &[Role]) -> String {
        self.token_of("default", "ana", roles, None).await
    }

    pub async fn token_of(&self, tenant: &str, person: &str, roles: &[Role], expires_at: Option<Timestamp>) -> String {
        let roles: BTreeSet<Role> = roles.iter().copied().collect();
        let (tenant, person) = (TenantId::new(tenant).unwrap(), PersonId::new(person).unwrap());
        token::create(&self.service, Actor::Engine, tenant, person, roles, expires_at).await.unwrap().text
    }

    /// Triage works until nothing waits.
    pub async fn triage(&self) {
        while workers::triage::step(&self.service).await.unwrap() > 0 {}
    }

    pub fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.ask("GET", path).bearer_auth(token)).await
    }

    pub async fn send(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        Answer::of(self.ask(method, path).bearer_auth(token).header("content-type", "application/json").body(body.to_string())).await
    }

    /// A delivery of the source `desk`.
    pub async fn desk(&self, body: impl Into<Vec<u8>>) -> Answer {
        Answer::of(self.ask("POST", "/v1/intake/desk").bearer_auth(DESK_TOKEN).body(body.into())).await
    }
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no `{name}` in {self:?}")).to_str().unwrap()
    }

    /// The status and the problem's id; panics when the answer is no problem.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{self:?}");
        let id = document["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned();
        (self.status, id)
    }

    pub fn is(&self, status: u16, id: &str) {
        assert_eq!(self.problem(), (status, id.to_owned()), "{self:?}");
    }
}

/// A ticket in the canonical form.
pub fn ticket(id: &str, title: &str) -> Value {
    json!({ "external_id": id, "title": title, "body": "see title", "requester": { "id": "u-17" } })
}

/// The headers of a Standard Webhooks delivery for the source `hooks`.
pub fn signed(id: &str, at_seconds: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut mac = Hmac::<Sha256>::new_from_slice(HOOKS_KEY).unwrap();
    mac.update(format!("{id}.{at_seconds}.").as_bytes());
    mac.update(body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    vec![("webhook-id", id.to_owned()), ("webhook-timestamp", at_seconds.to_string()), ("webhook-signature", signature)]
}
