//! `kill -9` in the middle of everything, again and again: no acknowledged ticket is lost and no action repeated.
//!
//! The real binary, real signed webhooks, a real automation endpoint and help desk in this process. Each round
//! kills the service after a random number of things seen from outside (an acknowledgement, a call, a comment),
//! so that the cut falls before, inside and after every commit. What was not acknowledged is sent again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as Segments, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post, put},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

const SECRET: &str = "zendesk-kill-test-secret-5d1f";
const PASSWORD: &str = "a password of this test";
/// Kills in one run; `SLUICEGATE_TEST_KILLS` overrides it.
const KILLS: u64 = 50;
const TICKETS_A_ROUND: u64 = 6;
/// Things seen in a round before the service is killed: at most this many.
const MOST_SEEN: u64 = 40;
const PATIENCE: Duration = Duration::from_secs(120);

/// What this process sees of the service from outside.
#[derive(Debug)]
enum Seen {
    Acknowledged(u64),
    Called,
    Commented(u64),
}

#[derive(Default)]
struct World {
    /// `(host, action)` to the idempotency keys of every call that arrived, in order.
    calls: BTreeMap<(String, String), Vec<String>>,
    healthy: BTreeSet<String>,
    /// Ticket to the comments it got.
    comments: BTreeMap<u64, Vec<String>>,
}

#[derive(Clone)]
struct Outside {
    world: Arc<Mutex<World>>,
    seen: mpsc::UnboundedSender<Seen>,
}

async fn look(State(outside): State<Outside>, Segments(host): Segments<String>) -> Json<Value> {
    let healthy = outside.world.lock().unwrap().healthy.contains(&host);
    Json(json!({"state": if healthy { "healthy" } else { "faulty" }}))
}

async fn act(State(outside): State<Outside>, Segments((host, action)): Segments<(String, String)>, headers: HeaderMap) -> StatusCode {
    let key = headers.get("idempotency-key").map_or(String::new(), |key| key.to_str().unwrap().to_owned());
    let mut world = outside.world.lock().unwrap();
    world.calls.entry((host.clone(), action)).or_default().push(key);
    world.healthy.insert(host);
    outside.seen.send(Seen::Called).unwrap();
    StatusCode::OK
}

async fn comment(State(outside): State<Outside>, Segments(id): Segments<String>, Json(body): Json<Value>) -> Json<Value> {
    let number: u64 = id.trim_end_matches(".json").parse().unwrap();
    let text = body.pointer("/ticket/comment/body").and_then(Value::as_str).unwrap().to_owned();
    outside.world.lock().unwrap().comments.entry(number).or_default().push(text);
    outside.seen.send(Seen::Commented(number)).unwrap();
    Json(json!({"ticket": {"id": number}}))
}

async fn read_ticket() -> Json<Value> {
    Json(json!({"ticket": {"updated_at": "2023-11-14T22:13:20Z", "tags": []}}))
}

async fn comments(State(outside): State<Outside>, Segments(id): Segments<String>) -> Json<Value> {
    let number: u64 = id.parse().unwrap();
    let world = outside.world.lock().unwrap();
    let comments: Vec<Value> =
        world.comments.get(&number).into_iter().flatten().map(|text| json!({"body": text, "plain_body": text})).collect();
    Json(json!({"comments": comments, "count": comments.len()}))
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn runbook(id: &str, action: &str, idempotent: bool, pattern: &str, not_pattern: &str) -> String {
    format!(
        r#"---
id: {id}
title: Restart the spooler ({id})
owner: endpoint-team
authors: [lea.brandt@example.com]
reviewed: 2026-11-01
review_every: 3650d
triggers:
  patterns: ['{pattern}']
  not_patterns: ['{not_pattern}']
symptoms: ["Documents sit in the queue and nothing prints"]
parameters:
  host: {{type: hostname, from: [text], pattern: '^prn-[0-9]{{4,7}}$'}}
risk: low
reversible: true
steps:
  - {{id: restart, kind: change, use: automation.post, with: {{path: "/hosts/{{{{host}}}}/{action}"}}, timeout: 20s, idempotent: {idempotent}, rollback: undo}}
  - {{id: check, kind: verify, use: automation.get, with: {{path: "/hosts/{{{{host}}}}"}}, expect: 'status == 200 && body.state == "healthy"'}}
  - {{id: undo, kind: rollback, use: automation.post, with: {{path: "/hosts/{{{{host}}}}/undo"}}}}
examples:
  match: ["Printer prn-0001 does not print, documents just sit in the queue"]
---

## When it happens

A printer does not print.
"#
    )
}

struct Desk {
    folder: PathBuf,
    token: String,
    /// Of a second person, who confirms.
    second: String,
}

impl Desk {
    fn config(&self) -> PathBuf {
        self.folder.join("sluicegate.toml")
    }

    /// Writes configuration and runbooks, and makes a token through the command line.
    fn set_up(folder: &Path, automation: SocketAddr, help_desk: SocketAddr) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::create_dir_all(folder.join("runbooks")).unwrap();
        // Tickets about label printers are restarted by a step that must never be sent twice.
        let label = r"(?i)\blabel printer\b";
        let plain = runbook("restart-printer", "restart", true, r"(?i)\bprinter\b.*\bdoes not print\b", label);
        let once = runbook("restart-label-printer", "restart-once", false, label, r"(?i)\btoner\b");
        std::fs::write(folder.join("runbooks/restart-printer.md"), plain).unwrap();
        std::fs::write(folder.join("runbooks/restart-label-printer.md"), once).unwrap();
        let config = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[store]
folder = "data"
[triage]
model = "{root}/models/service-desk"
embedding = "{root}/models/embedding"
catalogue = "{root}/models/catalogue.toml"
signals = "{root}/signals.toml"
[runbooks]
folder = "runbooks"
[gate]
policies = "{root}/policies"
error_limit = 1.0
storm_size = 1000000
[pipeline]
poll = "50ms"

[[sources]]
name = "desk"
adapter = "zendesk"
auth = {{ scheme = "signature", name = "zendesk", secrets = ["{SECRET}"] }}
write_back = {{ kind = "zendesk", base_url = "http://{help_desk}", email = "bot@example.com", token = "t0ken-for-tests-only", resolved = "solved", allow_addresses = ["127.0.0.0/8"] }}

[[connectors]]
name = "automation"
kind = "http"
base_url = "http://{automation}"
allow = [{{ method = "get", path = "/hosts/*" }}, {{ method = "post", path = "/hosts/*/*" }}]
allow_addresses = ["127.0.0.0/8"]
"#,
            root = shipped.display(),
        );
        std::fs::write(folder.join("sluicegate.toml"), config).unwrap();
        let mut desk = Self { folder: folder.to_owned(), token: String::new(), second: String::new() };
        desk.token = desk.person("ines@example.com", &["approver", "operator", "auditor"]);
        desk.second = desk.person("olu@example.com", &["approver"]);
        desk
    }

    /// Makes a token and a password through the command line.
    fn person(&self, name: &str, roles: &[&str]) -> String {
        let mut create = self.command(&["token", "create", "--person", name, "--config"]);
        let made = create.arg(self.config()).args(roles.iter().flat_map(|role| ["--role", role])).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut set = self.command(&["person", "set-password", name, "--config"]);
        let mut set = set.arg(self.config()).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        writeln!(set.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        assert!(set.wait().unwrap().success());
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        command.current_dir(&self.folder).args(arguments).env_remove("SLUICEGATE_CONFIG");
        command
    }

    /// Starts the service and waits until it says where it listens.
    async fn start(&self) -> Running {
        let config = self.config();
        let mut command = self.command(&["serve", "--config"]);
        let mut child = command.arg(config).env("NO_COLOR", "1").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (ready, said) = tokio::sync::oneshot::channel();
        // Reads until the service dies, so that it never waits for a full pipe.
        std::thread::spawn(move || {
            let (mut ready, mut all) = (Some(ready), String::new());
            for line in lines.map_while(Result::ok) {
                all.push_str(&line);
                all.push('\n');
                if line.contains("sluicegate is ready")
                    && let Some(ready) = ready.take()
                {
                    let plain: String = line.replace("\u{1b}[3m", "").replace("\u{1b}[0m", "").replace("\u{1b}[2m", "");
                    let address = plain.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
                    let _ = ready.send(address);
                }
            }
            if ready.is_some() {
                eprintln!("the service did not start:\n{all}");
            }
        });
        let address = timeout(PATIENCE, said).await.unwrap().unwrap().unwrap();
        Running { url: format!("http://{address}"), child }
    }
}

struct Running {
    url: String,
    child: Child,
}

impl Running {
    fn kill(mut self) {
        // SIGKILL: no handler runs, nothing is flushed.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn ticket(number: u64) -> Vec<u8> {
    // Every third one is of the kind that must not be restarted twice.
    let what = if number.is_multiple_of(3) { "Label printer" } else { "Printer" };
    let text = format!("{what} prn-{number:05} does not print, documents just sit in the queue");
    json!({
        "type": "zen:event-type:ticket.created", "id": format!("evt-{number}"), "subject": format!("zen:ticket:{number}"),
        "time": "2026-11-23T02:00:00Z", "zendesk_event_version": "2022-11-06", "event": {},
        "detail": {
            "id": number.to_string(), "subject": "Nothing prints", "description": text, "status": "new", "priority": "normal", "type": "incident",
            "tags": [], "requester_id": format!("person-{number}"), "created_at": "2026-11-23T02:00:00Z", "updated_at": "2026-11-23T02:00:00Z",
        },
    })
    .to_string()
    .into_bytes()
}

async fn send(client: reqwest::Client, url: String, number: u64, seen: mpsc::UnboundedSender<Seen>) {
    let body = ticket(number);
    let now = jiff::Timestamp::now().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(now.as_bytes());
    mac.update(&body);
    let request = client
        .post(format!("{url}/v1/intake/desk"))
        .header("x-zendesk-webhook-signature", STANDARD.encode(mac.finalize().into_bytes()))
        .header("x-zendesk-webhook-signature-timestamp", now)
        .body(body);
    // A refused connection or a cut answer is no acknowledgement; the sender tries again in the next round.
    if let Ok(answer) = request.send().await
        && answer.status() == reqwest::StatusCode::ACCEPTED
    {
        seen.send(Seen::Acknowledged(number)).unwrap();
    }
}

async fn api(client: &reqwest::Client, method: reqwest::Method, url: String, token: &str, body: Option<Value>) -> Value {
    let mut request = client.request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same kills in every run.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_minus_nine_loses_no_acknowledged_ticket_and_repeats_no_action() {
    let kills = std::env::var("SLUICEGATE_TEST_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let (sender, mut seen) = mpsc::unbounded_channel();
    let outside = Outside { world: Arc::default(), seen: sender.clone() };
    let automation = Router::new().route("/hosts/{host}", get(look)).route("/hosts/{host}/{action}", post(act)).with_state(outside.clone());
    let help_desk = Router::new()
        .route("/api/v2/tickets/{id}", put(comment).get(read_ticket))
        .route("/api/v2/tickets/{id}/comments.json", get(comments))
        .with_state(outside.clone());
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::set_up(folder.path(), serve(automation).await, serve(help_desk).await);
    sluicegate::outbound::install_cryptography();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();

    let mut running = desk.start().await;
    allow_automation(&client, &running.url, &desk).await;

    let (mut acknowledged, mut commented, mut waiting, mut next) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), 1);
    let mut random = 7;
    for _ in 0..kills {
        waiting.extend(next..next + TICKETS_A_ROUND);
        next += TICKETS_A_ROUND;
        let mut senders = JoinSet::new();
        for number in &waiting {
            senders.spawn(send(client.clone(), running.url.clone(), *number, sender.clone()));
        }
        let most = 1 + draw(&mut random) % MOST_SEEN;
        for _ in 0..most {
            // A round that has nothing left to do ends as well.
            match timeout(Duration::from_secs(3), seen.recv()).await {
                Ok(Some(Seen::Acknowledged(number))) => {
                    acknowledged.insert(number);
                }
                Ok(Some(Seen::Commented(number))) => {
                    commented.insert(number);
                }
                Ok(Some(Seen::Called)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        running.kill();
        while senders.join_next().await.is_some() {}
        while let Ok(late) = seen.try_recv() {
            if let Seen::Acknowledged(number) = late {
                acknowledged.insert(number);
            }
        }
        waiting.retain(|number| !acknowledged.contains(number));
        running = desk.start().await;
    }

    // The last start finishes what is open. Every acknowledged ticket gets a closing comment.
    let closed = |world: &World| -> BTreeSet<u64> {
        let closing = |text: &String| text.starts_with("Done:") || text.starts_with("In doubt:");
        world.comments.iter().filter(|(_, texts)| texts.iter().any(closing)).map(|(number, _)| *number).collect()
    };
    let finished = timeout(PATIENCE, async {
        while !acknowledged.is_subset(&closed(&outside.world.lock().unwrap())) {
            seen.recv().await.unwrap();
        }
    })
    .await;
    let missing: Vec<u64> = acknowledged.difference(&closed(&outside.world.lock().unwrap())).copied().collect();
    if finished.is_err() {
        let told: Vec<Value> = stories(&client, &running.url, &desk.token, &missing).await;
        panic!("acknowledged tickets without an end: {missing:?}\n{}", serde_json::to_string_pretty(&told).unwrap());
    }
    assert!(acknowledged.len() as u64 >= kills, "only {} tickets were acknowledged", acknowledged.len());

    check_calls(&outside.world.lock().unwrap());
    check_comments(&outside.world.lock().unwrap());
    check_states(&client, &running.url, &desk.token, &acknowledged).await;
    check_log(&client, &running.url, &desk).await;
    running.kill();
}

/// Pre-approves both runbooks and switches to automatic by two persons, through the API.
async fn allow_automation(client: &reqwest::Client, url: &str, desk: &Desk) {
    let token = &desk.token;
    for id in ["restart-printer", "restart-label-printer"] {
        let runbook = api(client, reqwest::Method::GET, format!("{url}/v1/runbooks/{id}"), token, None).await;
        let digest = runbook["digest"].as_str().unwrap();
        let most = 1_000_000;
        let asked = json!({
            "runbook": id, "digest": digest, "mode": "auto", "expires_at": jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24),
            "caps": {"per_hour": most, "per_target_hour": most, "per_requester_hour": most, "concurrent": most},
        });
        api(client, reqwest::Method::POST, format!("{url}/v1/pre-approvals"), token, Some(asked)).await;
    }
    let body = json!({"matter": "auto_mode", "scope": {"scope": "global"}, "reason": "a test of kill -9", "password": PASSWORD});
    let asked = api(client, reqwest::Method::POST, format!("{url}/v1/dual-authorizations"), token, Some(body)).await;
    let confirm = format!("{url}/v1/dual-authorizations/{}/confirm", asked["id"].as_str().unwrap());
    let body = json!({"password": PASSWORD, "revision": asked["revision"]});
    api(client, reqwest::Method::POST, confirm, &desk.second, Some(body)).await;
}

/// Everything that is known of these tickets, for whoever reads the failure.
async fn stories(client: &reqwest::Client, url: &str, token: &str, numbers: &[u64]) -> Vec<Value> {
    let mut told = Vec::new();
    let mut page = format!("{url}/v1/tickets?limit=200");
    loop {
        let answer = api(client, reqwest::Method::GET, page, token, None).await;
        for ticket in answer["items"].as_array().unwrap() {
            let number: u64 = ticket["report"]["external_id"].as_str().unwrap().parse().unwrap();
            if numbers.contains(&number) {
                let id = ticket["id"].as_str().unwrap();
                told.push(api(client, reqwest::Method::GET, format!("{url}/v1/tickets/{id}"), token, None).await);
            }
        }
        match answer["next"].as_str() {
            Some(next) => page = format!("{url}/v1/tickets?limit=200&cursor={next}"),
            None => return told,
        }
    }
}

/// One run a ticket: every call of a host's action has the one key, and a step that must not be sent twice was not.
fn check_calls(world: &World) {
    for ((host, action), keys) in &world.calls {
        let distinct: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), 1, "{action} of {host} ran under several keys: {keys:?}");
        if action == "restart-once" {
            assert_eq!(keys.len(), 1, "{action} of {host} was sent {} times", keys.len());
        }
    }
}

/// Every message arrived once: its mark is on one comment only.
fn check_comments(world: &World) {
    for (number, texts) in &world.comments {
        let marks: Vec<&str> = texts.iter().filter_map(|text| text.lines().last()).collect();
        let distinct: BTreeSet<&&str> = marks.iter().collect();
        assert_eq!(distinct.len(), marks.len(), "ticket {number} got a message twice: {marks:?}");
    }
}

/// Every acknowledged ticket is there and tells the truth: resolved, or in doubt where only a person can know.
async fn check_states(client: &reqwest::Client, url: &str, token: &str, acknowledged: &BTreeSet<u64>) {
    let mut states: BTreeMap<u64, String> = BTreeMap::new();
    let mut page = format!("{url}/v1/tickets?limit=200");
    loop {
        let answer = api(client, reqwest::Method::GET, page, token, None).await;
        for ticket in answer["items"].as_array().unwrap() {
            let number = ticket["report"]["external_id"].as_str().unwrap().parse().unwrap();
            assert!(states.insert(number, ticket["state"].as_str().unwrap().to_owned()).is_none(), "ticket {number} is there twice");
        }
        match answer["next"].as_str() {
            Some(next) => page = format!("{url}/v1/tickets?limit=200&cursor={next}"),
            None => break,
        }
    }
    for number in acknowledged {
        let state = states.get(number).map_or("lost", String::as_str);
        let in_doubt_may_be = number.is_multiple_of(3);
        assert!(state == "resolved" || (in_doubt_may_be && state == "in_doubt"), "acknowledged ticket {number} is `{state}`");
    }
}

/// The log that came through all of it still proves itself offline.
async fn check_log(client: &reqwest::Client, url: &str, desk: &Desk) {
    let answer = client.get(format!("{url}/v1/log/export")).bearer_auth(&desk.token).send().await.unwrap();
    assert!(answer.status().is_success());
    let export = desk.folder.join("export.jsonl");
    std::fs::write(&export, answer.bytes().await.unwrap()).unwrap();
    let key: sluicegate::log::note::Signer = std::fs::read_to_string(desk.folder.join("data/log.key")).unwrap().parse().unwrap();
    let mut verify = desk.command(&["log", "verify"]);
    let verified = verify.arg(&export).arg("--key").arg(key.verifier().to_string()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
