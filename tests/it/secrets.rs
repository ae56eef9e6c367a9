//! Two hundred secrets go in by every door; none comes out by any other.
//!
//! The real binary at trace level, with every secret that the documented configuration has and one connector for every
//! way a call can go wrong. What is searched: all log lines, the answer of every GET route of the API document, the
//! metrics, the log's export, the database, what receivers got, and what the command line says of right and wrong
//! configurations. Deliveries and tickets are kept raw in the database by design; of tickets' texts only the database's
//! other tables are searched.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use aho_corasick::AhoCorasick;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sluicegate::domain::principal::Role;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::app::App;

const PATIENCE: Duration = Duration::from_secs(120);

/// Where a secret may be kept all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of the configuration, a token, a password, a key, an answer: nowhere.
    Ours,
    /// In a ticket's text: in the raw delivery and the ticket itself.
    Ticket,
}

/// Every secret that was planted.
#[derive(Default)]
struct Garden {
    planted: Vec<(String, Kind, String)>,
}

impl Garden {
    fn note(&mut self, place: &str, kind: Kind, secret: &str) {
        self.planted.push((place.to_owned(), kind, secret.to_owned()));
    }

    /// A secret that stands nowhere else, of letters and digits.
    fn plant(&mut self, place: &str, kind: Kind) -> String {
        let number = self.planted.len();
        let secret = format!("Zq{number:03}{}", &hex::encode(Sha256::digest(format!("{place} {number}")))[..20]);
        self.note(place, kind, &secret);
        secret
    }

    fn ours(&mut self, place: &str) -> String {
        self.plant(place, Kind::Ours)
    }

    /// In the form of Standard Webhooks: what is shown and the bytes behind it.
    fn whsec(&mut self, place: &str) -> String {
        let bytes = format!("{}{}", self.ours(place), "01234567");
        let text = STANDARD.encode(bytes);
        self.note(place, Kind::Ours, &text);
        format!("whsec_{text}")
    }

    /// `(pattern, place, kind)` of every form in which a secret could show.
    fn forms(&self) -> Vec<(String, &str, Kind)> {
        let mut forms = Vec::new();
        for (place, kind, secret) in &self.planted {
            let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            let mut all = BTreeSet::from([secret.clone(), encoded, hex::encode(secret)]);
            // Wherever it stands in what is encoded: without the letters that depend on its neighbours.
            for before in ["", "x", "xx"] {
                let text = STANDARD.encode(format!("{before}{secret}"));
                all.insert(text[4..text.len() - 4].to_owned());
            }
            forms.extend(all.into_iter().filter(|form| form.len() >= 8).map(|form| (form, place.as_str(), *kind)));
        }
        forms
    }
}

/// What came out, by where.
#[derive(Default)]
struct Harvest {
    outputs: Vec<(String, Kind, Vec<u8>)>,
}

impl Harvest {
    /// Output that may hold no secret at all.
    fn keep(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.outputs.push((place.into(), Kind::Ticket, bytes.into()));
    }

    /// Output that may hold the texts of tickets.
    fn keep_raw(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.outputs.push((place.into(), Kind::Ours, bytes.into()));
    }

    /// Who shows in what, with where for the first time.
    fn leaks(&self, garden: &Garden) -> BTreeMap<(String, String), String> {
        let forms = garden.forms();
        let search = AhoCorasick::new(forms.iter().map(|(form, ..)| form)).unwrap();
        let mut leaks = BTreeMap::new();
        for (place, searched, bytes) in &self.outputs {
            for found in search.find_overlapping_iter(bytes) {
                let (form, planted, kind) = &forms[found.pattern().as_usize()];
                if *kind == Kind::Ours || *searched == Kind::Ticket {
                    let around = &bytes[found.start().saturating_sub(80)..(found.end() + 20).min(bytes.len())];
                    leaks
                        .entry((place.clone(), planted.to_string()))
                        .or_insert_with(|| format!("`{form}`: …{}…", String::from_utf8_lossy(around)));
                }
            }
        }
        leaks
    }
}

/// What a target of this test does with a request.
#[derive(Clone)]
enum Behaviour {
    Answer(String),
    /// Answers a token endpoint's question, and everything else.
    Grant {
        token: String,
        answer: String,
    },
    Hang,
    Drop,
}

/// A server that keeps all it reads; the first bytes of its address say how it behaves.
async fn target(behaviour: Behaviour, seen: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, behaviour.clone(), Arc::clone(&seen)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, seen: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            let is_token = head.contains("post /token");
            // What we say of ourselves is for the receiver; what the body says of a ticket is searched.
            if !is_token {
                seen.lock().unwrap().extend_from_slice(&bytes[end..]);
            }
            let text = match behaviour {
                Behaviour::Answer(text) => text,
                Behaviour::Grant { token, .. } if is_token => {
                    ok(200, "", &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#))
                }
                Behaviour::Grant { answer, .. } => answer,
                Behaviour::Drop => return,
                Behaviour::Hang => {
                    tokio::time::sleep(PATIENCE).await;
                    return;
                }
            };
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            return;
        }
    }
}

fn ok(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// An answer full of secrets.
fn telling(garden: &mut Garden, name: &str, status: u16) -> String {
    let [cookie, location, body, field] =
        ["cookie", "location", "body", "key"].map(|what| garden.ours(&format!("{what} of an answer of {name}")));
    let headers = format!("set-cookie: session={cookie}\r\nlocation: http://127.0.0.1:1/?token={location}\r\n");
    ok(status, &headers, &format!(r#"{{"error":"{body}","{field}":"{body}","state":"{body}"}}"#))
}

/// The documented configuration with every setting in force.
fn documented() -> toml::Table {
    let text = include_str!("../../sluicegate.toml");
    let bare = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    text.lines().map(bare).collect::<Vec<_>>().join("\n").parse().unwrap()
}

/// Every file that the documented configuration names gets a secret, every URL leads to `sink`, and nowhere else.
fn plant_documented(garden: &mut Garden, folder: &Path, value: &mut toml::Value, at: &str, sink: SocketAddr, pem: &Pem) {
    match value {
        toml::Value::Array(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                plant_documented(garden, folder, item, &format!("{at}.{number}"), sink, pem);
            }
        }
        toml::Value::Table(table) => {
            // Plain HTTP to a loopback address needs no TLS; the key is a secret all the same.
            for (key, value) in table.iter_mut() {
                let full = format!("{at}.{key}");
                match value {
                    toml::Value::String(name) if key.ends_with("_file") => {
                        let content = match name.as_str() {
                            name if name.ends_with("-key.pem") => pem.key.clone(),
                            name if name.ends_with(".pem") => pem.certificate.clone(),
                            _ if at.starts_with(".webhooks") || at.contains("standard_webhooks") => garden.whsec(&full),
                            _ => garden.ours(&full),
                        };
                        *name = format!("planted{}", full.replace('.', "-"));
                        write_private(&folder.join(name.as_str()), &content);
                    }
                    toml::Value::String(url) if url.contains("://") && at != ".server" => *url = format!("http://{sink}/"),
                    toml::Value::Array(networks) if key == "allow_addresses" => *networks = vec!["127.0.0.0/8".into()],
                    other => plant_documented(garden, folder, other, &full, sink, pem),
                }
            }
            if table.keys().any(|key| matches!(key.as_str(), "base_url" | "url" | "token_url")) {
                table.insert("allow_addresses".to_owned(), vec![toml::Value::from("127.0.0.0/8")].into());
            }
        }
        _ => {}
    }
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

struct Pem {
    certificate: String,
    key: String,
}

impl Pem {
    fn planted(garden: &mut Garden) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["sluicegate".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        for line in key.lines().filter(|line| !line.starts_with('-')) {
            garden.note("a TLS key", Kind::Ours, line);
        }
        Self { certificate: made.cert.pem(), key }
    }
}

/// A connector for every way to prove who we are and every way a call can end; `(name, connector)`.
async fn connectors(garden: &mut Garden, seen: &Arc<Mutex<Vec<u8>>>, pem: &Pem) -> Vec<(String, toml::Table)> {
    let mut made = Vec::new();
    let mut add = |name: &str, base: String, auth: String, rest: &str| {
        let text = format!(
            "name = \"{name}\"\nkind = \"http\"\nbase_url = \"{base}\"\nallow = [{{ method = \"post\", path = \"/hosts/*/*\" }}, {{ method = \"get\", path = \"/hosts/*\" }}]\n\
             timeout = \"1s\"\nresponse_limit = 2048\nallow_addresses = [\"127.0.0.0/8\"]\n{rest}\n[auth]\n{auth}\n"
        );
        made.push((name.to_owned(), text.parse().unwrap()));
    };
    let bearer = |garden: &mut Garden, name: &str| format!("kind = \"bearer\"\ntoken = \"{}\"", garden.ours(&format!("token of {name}")));
    for (name, status) in
        [("fine", 200), ("unauthorized", 401), ("forbidden", 403), ("missing", 404), ("limited", 429), ("broken", 500), ("moved", 302)]
    {
        let answer = telling(garden, name, status);
        let address = target(Behaviour::Answer(answer), Arc::clone(seen)).await;
        add(name, format!("http://{address}/"), bearer(garden, name), "");
    }
    for (name, behaviour) in [
        ("hanging", Behaviour::Hang),
        ("dropping", Behaviour::Drop),
        ("garbage", Behaviour::Answer(format!("{} is no HTTP\r\n\r\n", garden.ours("an answer that is no HTTP")))),
        ("oversized", Behaviour::Answer(ok(200, "", &garden.ours("an answer that is too large").repeat(200)))),
        ("bad-header", Behaviour::Answer(format!("HTTP/1.1 200 OK\r\n{0}\r\n: {0}\r\n\r\n", garden.ours("a broken header")))),
        ("half", Behaviour::Answer(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", garden.ours("half an answer")))),
    ] {
        let address = target(behaviour, Arc::clone(seen)).await;
        add(name, format!("http://{address}/"), bearer(garden, name), "");
    }
    // Nothing listens there; TLS to what speaks none; an address that is not allowed.
    let plain = target(Behaviour::Answer(telling(garden, "plain", 200)), Arc::clone(seen)).await;
    add("closed", "http://127.0.0.1:9/".to_owned(), bearer(garden, "closed"), "");
    add("no-tls", format!("https://{plain}/"), bearer(garden, "no-tls"), "");
    add("not-allowed", "http://localhost:9/".to_owned(), bearer(garden, "not-allowed"), "");
    let tls = format!("tls = {{ ca = '''{0}''', certificate = '''{0}''', key = '''{1}''' }}", pem.certificate, pem.key);
    add("mtls", format!("https://{plain}/"), bearer(garden, "mtls"), &tls);

    let basic = format!("kind = \"basic\"\nusername = \"us\"\npassword = \"{}\"", garden.ours("password of basic"));
    add("basic", format!("http://{}/", target(Behaviour::Answer(telling(garden, "basic", 500)), Arc::clone(seen)).await), basic, "");
    let own = format!("kind = \"header\"\nname = \"x-own\"\nprefix = \"Key \"\nvalue = \"{}\"", garden.ours("value of header"));
    add(
        "own-header",
        format!("http://{}/", target(Behaviour::Answer(telling(garden, "own-header", 401)), Arc::clone(seen)).await),
        own,
        "",
    );
    let hmac = format!("kind = \"hmac\"\nsecret = \"{}\"\nkey_id = \"k-1\"", garden.ours("secret of hmac"));
    add("hmac", format!("http://{}/", target(Behaviour::Answer(telling(garden, "hmac", 500)), Arc::clone(seen)).await), hmac, "");
    for (name, place, answer) in [("oauth-header", "header", 200), ("oauth-body", "body", 401)] {
        let token = garden.ours(&format!("access token of {name}"));
        let answer = telling(garden, name, answer);
        let address = target(Behaviour::Grant { token, answer }, Arc::clone(seen)).await;
        let auth = oauth(garden, name, place, address);
        add(name, format!("http://{address}/"), auth, "");
    }
    for (name, status, body) in
        [("oauth-refused", 400, r#"{"error":"invalid_client","error_description":"@"}"#), ("oauth-garbage", 200, "@")]
    {
        let body = body.replace('@', &garden.ours(&format!("what the token endpoint of {name} says")));
        let address = target(Behaviour::Answer(ok(status, "", &body)), Arc::clone(seen)).await;
        let auth = oauth(garden, name, "body", address);
        add(name, format!("http://{address}/"), auth, "");
    }
    let refusing = ok(407, &format!("proxy-authenticate: {}\r\n", garden.ours("what a proxy says")), "");
    let address = target(Behaviour::Answer(refusing), Arc::clone(seen)).await;
    let proxy = format!(
        "proxy = {{ url = \"http://{address}\", username = \"us\", password = \"{}\", allow_addresses = [\"127.0.0.0/8\"] }}",
        garden.ours("password of a proxy")
    );
    add("proxied", "http://desk.example/".to_owned(), bearer(garden, "proxied"), &proxy);
    made
}

fn oauth(garden: &mut Garden, name: &str, place: &str, address: SocketAddr) -> String {
    format!(
        "kind = \"oauth2\"\ntoken_url = \"http://{address}/token\"\nclient_id = \"us\"\nclient_secret = \"{}\"\ncredentials_in = \"{place}\"\nallow_addresses = [\"127.0.0.0/8\"]",
        garden.ours(&format!("client secret of {name}"))
    )
}

/// Sources of every signature scheme and of tokens and Basic, two live secrets each.
fn sources(garden: &mut Garden, desk: SocketAddr) -> Vec<toml::Table> {
    let mut made = Vec::new();
    let schemes = [
        "standard_webhooks",
        "svix",
        "gitlab",
        "zendesk",
        "jira",
        "github",
        "zammad",
        "glpi",
        "pagerduty",
        "grafana",
        "grafana_timestamp",
        "slack",
    ];
    for name in schemes {
        // Its senders repeat the first time with every retry.
        let tolerance = if name == "glpi" { ", tolerance = \"off\"" } else { "" };
        let secrets = [1, 2].map(|number| {
            let place = format!("secret {number} of a source that signs as {name}");
            if matches!(name, "standard_webhooks" | "svix" | "gitlab") { garden.whsec(&place) } else { garden.ours(&place) }
        });
        made.push(format!(
            "name = \"signs-{name}\"\nadapter = \"json\"\nauth = {{ scheme = \"signature\", name = \"{name}\", secrets = {secrets:?}{tolerance} }}"
        ));
    }
    let tokens = [garden.ours("token 1 of a source"), garden.ours("token 2 of a source")];
    made.push(format!(
        "name = \"desk\"\nadapter = \"json\"\nauth = {{ scheme = \"token\", secrets = {tokens:?} }}\n\
         write_back = {{ kind = \"zendesk\", base_url = \"http://{desk}/\", email = \"bot@example.com\", token = \"{}\", allow_addresses = [\"127.0.0.0/8\"] }}",
        garden.ours("token of a write-back")
    ));
    made.push(format!(
        "name = \"basic\"\nadapter = \"json\"\nauth = {{ scheme = \"basic\", username = \"us\", password = \"{}\" }}",
        garden.ours("password of a source")
    ));
    made.iter().map(|text| text.parse().unwrap()).collect()
}

fn runbook(connector: &str) -> String {
    format!(
        r#"---
id: call-{connector}
title: Call the system {connector}
owner: server-team
authors: [lea.brandt@example.com]
reviewed: 2026-11-01
review_every: 3650d
triggers:
  patterns: ['(?i)\bcase {connector}\b']
symptoms: ["The system {connector} has to be called"]
parameters:
  host: {{type: hostname, from: [text], pattern: '^prn-[0-9]{{4,7}}$', description: The printer}}
risk: low
reversible: true
steps:
  - {{id: restart, kind: change, use: {connector}.post, with: {{path: "/hosts/{{{{host}}}}/restart"}}, timeout: 2s, idempotent: true, rollback: undo}}
  - {{id: check, kind: verify, use: {connector}.get, with: {{path: "/hosts/{{{{host}}}}"}}, expect: 'status == 200 && body.state == "healthy"'}}
  - {{id: undo, kind: rollback, use: {connector}.post, with: {{path: "/hosts/{{{{host}}}}/undo"}}}}
examples:
  match: ["case {connector} of prn-00007"]
---

## When it happens

A test calls {connector}.
"#
    )
}

/// Every kind of secret and personal datum that is redacted, as a person would write it.
fn in_words(garden: &mut Garden, place: &str) -> Vec<String> {
    let mut plant = |kind: &str| garden.plant(&format!("{kind} in {place}"), Kind::Ticket);
    let mut texts = vec![
        format!("the password: {} does not work", plant("a password")),
        format!("my password is {}! and it is refused", plant("a password without a colon")),
        format!("api_key = {}", plant("an API key")),
        format!("client secret: {}", plant("a client secret")),
        format!("Authorization: Bearer {}", plant("a bearer token")),
        format!("ghp_{0}{0}", plant("a GitHub token")),
        format!("glpat-{}", plant("a GitLab token")),
        format!("xoxb-{}", plant("a Slack token")),
        format!("sk_live_{}", plant("a payment key")),
        format!("sk-{}", plant("a model key")),
        format!("hvs.{}", plant("a vault token")),
        format!("whsec_{}", plant("a webhook secret")),
        format!("AIza{}0123456789", plant("a cloud key")),
        format!("eyJ{0}.{0}.{0}", plant("a JSON Web Token")),
        format!("postgres://app:{}@db-1/main", plant("a password in a URL")),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", plant("a private key")),
        format!("write to {}@mail.example.org", plant("an address")),
    ];
    let number = garden.planted.len();
    let key = format!("AKIA{:016}", number);
    let card = with_luhn(&format!("4111{number:011}"));
    let iban = with_iban(&format!("{number:018}"));
    let (phone, national) =
        (format!("+49 170 {:07}", 1_000_000 + number), format!("{:03}-{:02}-{:04}", 100 + number % 600, 10 + number % 89, 1000 + number));
    for (kind, text) in
        [("an access key", key), ("a card", card), ("an IBAN", iban), ("a phone number", phone), ("a national id", national)]
    {
        garden.note(&format!("{kind} in {place}"), Kind::Ticket, &text);
        texts.push(format!("{kind}: {text} is mine"));
    }
    texts
}

/// ISO/IEC 7812-1: the digit that makes the sum a multiple of ten.
fn with_luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            if at % 2 == 1 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// ISO 13616: the check digits of a German account.
fn with_iban(account: &str) -> String {
    let rest = format!("{account}131400").bytes().fold(0u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

struct Running {
    child: Child,
    url: String,
    said: Arc<Mutex<Vec<u8>>>,
}

fn sluicegate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command
        .current_dir(folder)
        .args(arguments)
        .arg("--config")
        .arg(folder.join("sluicegate.toml"))
        .env_remove("SLUICEGATE_CONFIG")
        .env("NO_COLOR", "1");
    command
}

impl Running {
    async fn start(folder: &Path) -> Self {
        let mut child = sluicegate(folder, &["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (ready, listening) = tokio::sync::oneshot::channel();
        let ready = Arc::new(Mutex::new(Some(ready)));
        let pipes: [Box<dyn std::io::Read + Send>; 2] = [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let (said, ready) = (Arc::clone(&said), Arc::clone(&ready));
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    said.lock().unwrap().extend(line.iter().chain(b"\n"));
                    let line: Value = serde_json::from_slice(&line).unwrap_or_default();
                    let address = line.pointer("/fields/address").or_else(|| line.get("address")).and_then(Value::as_str);
                    if let Some(address) = address.filter(|_| line.to_string().contains("sluicegate is ready"))
                        && let Some(ready) = ready.lock().unwrap().take()
                    {
                        let _ = ready.send(address.to_owned());
                    }
                }
            });
        }
        let address = match timeout(PATIENCE, listening).await {
            Ok(Ok(address)) => address,
            _ => panic!("the service did not start:\n{}", String::from_utf8_lossy(&said.lock().unwrap())),
        };
        Self { child, url: format!("http://{address}"), said }
    }
}

/// Runs a command of the binary; keeps what it said.
fn say(harvest: &mut Harvest, what: &str, command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    harvest.keep(what, text.clone());
    String::from_utf8(text).unwrap()
}

struct Api {
    http: reqwest::Client,
    url: String,
    /// Of the person who approves.
    token: String,
    /// Of all.
    tokens: Vec<String>,
}

impl Api {
    /// Asked by the first person who may.
    async fn get(&self, path: &str) -> (u16, String) {
        let mut last = (0, String::new());
        for token in &self.tokens {
            let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.unwrap();
            last = (answer.status().as_u16(), answer.text().await.unwrap());
            if last.0 != 403 {
                break;
            }
        }
        last
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.json(&format!("{path}?limit=100{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_planted_secrets_show_nowhere() {
    sluicegate::outbound::install_cryptography();
    let (mut garden, mut harvest) = (Garden::default(), Harvest::default());
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let pem = Pem::planted(&mut garden);

    let sink = target(Behaviour::Answer(telling(&mut garden, "sink", 500)), Arc::clone(&seen)).await;
    let desk = target(Behaviour::Answer(telling(&mut garden, "desk", 422)), Arc::clone(&seen)).await;
    let mut config = toml::Value::Table(documented());
    plant_documented(&mut garden, folder, &mut config, "", sink, &pem);
    let connectors = connectors(&mut garden, &seen, &pem).await;
    let toml::Value::Table(table) = &mut config else { unreachable!("a table") };
    adjust(table);
    let list = |table: &mut toml::Table, key: &str, more: Vec<toml::Table>| {
        let entries = table.entry(key).or_insert_with(|| toml::Value::Array(Vec::new())).as_array_mut().unwrap();
        entries.extend(more.into_iter().map(toml::Value::Table));
    };
    list(table, "sources", sources(&mut garden, desk));
    list(table, "connectors", connectors.iter().map(|(_, connector)| connector.clone()).collect());
    std::fs::create_dir(folder.join("runbooks")).unwrap();
    for (name, _) in &connectors {
        std::fs::write(folder.join(format!("runbooks/call-{name}.md")), runbook(name)).unwrap();
    }
    let path = folder.join("sluicegate.toml");
    write_private(&path, &toml::to_string(&config).unwrap());

    // The command line on the configuration as it is, and on broken ones.
    let shown = say(&mut harvest, "config show", &mut sluicegate(folder, &["config", "show"]), "");
    assert!(shown.contains("********"), "{shown}");
    let checked = say(&mut harvest, "config check", &mut sluicegate(folder, &["config", "check"]), "");
    assert!(!checked.contains("bad  "), "{checked}");
    break_configuration(&mut harvest, &garden, folder, &path);

    // People, their tokens and passwords.
    let mut tokens = Vec::new();
    for (person, roles) in [
        ("ines@example.com", &["approver", "responder"][..]),
        ("olu@example.com", &["auditor"]),
        ("kim@example.com", &["operator", "admin"]),
    ] {
        let mut create = sluicegate(folder, &["token", "create", "--person", person]);
        let made = create.args(roles.iter().flat_map(|role| ["--role", role])).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        garden.note(&format!("the API token of {person}"), Kind::Ours, &token);
        harvest.keep("token create, beside the token", made.stderr);
        tokens.push(token);
        let password = garden.ours(&format!("the password of {person}"));
        say(&mut harvest, "person set-password", &mut sluicegate(folder, &["person", "set-password", person]), &format!("{password}\n"));
    }

    let running = Running::start(folder).await;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let api = Api { http, url: running.url.clone(), token: tokens[0].clone(), tokens };
    let key = std::fs::read_to_string(folder.join("data/log.key")).unwrap();
    for part in key.trim().split(['+', '\n']).filter(|part| part.len() > 30) {
        garden.note("the log's signing key", Kind::Ours, part);
    }

    deliver(&api, &mut garden, &mut harvest, &connectors).await;
    let run = approve_all(&api, connectors.len()).await;
    assert!(run >= connectors.len(), "{run} of {} connectors were called", connectors.len());
    wrong_people(&api, &garden, &mut harvest).await;
    every_get_route(&api, &mut harvest).await;

    // What left for receivers; the log's lines; the database.
    harvest.keep("what receivers got", seen.lock().unwrap().clone());
    let lines = running.said.lock().unwrap().clone();
    let Running { mut child, said, .. } = running;
    child.kill().unwrap();
    child.wait().unwrap();
    let text = String::from_utf8_lossy(&lines).into_owned();
    assert!(text.lines().count() > 200, "the log speaks: {text}");
    for word in ["execut", "deliver", "DEBUG"] {
        assert!(text.contains(word), "the log has no `{word}`: {}", text.chars().take(6_000).collect::<String>());
    }
    harvest.keep("log lines", said.lock().unwrap().clone());
    database(&mut harvest, &folder.join("data"));

    assert!(garden.planted.len() >= 200, "{} secrets were planted", garden.planted.len());
    let distinct: BTreeSet<&String> = garden.planted.iter().map(|(.., secret)| secret).collect();
    assert!(distinct.len() >= 200, "{} are distinct", distinct.len());
    let leaks = harvest.leaks(&garden);
    let told: Vec<String> = leaks.iter().map(|((place, planted), how)| format!("{place} shows {planted} as {how}")).collect();
    assert!(
        told.is_empty(),
        "{} leaks of {} secrets in {} outputs:\n{}",
        told.len(),
        distinct.len(),
        harvest.outputs.len(),
        told.join("\n")
    );
    // The search finds what is there: raw deliveries hold the texts of tickets, by design.
    let mut proof = Harvest::default();
    proof.keep("the database's raw tables", std::fs::read(folder.join("data/raw.copy")).unwrap());
    assert!(proof.leaks(&garden).len() > 20, "the search would find nothing");
}

/// The documented settings that a test needs otherwise.
fn adjust(table: &mut toml::Table) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut set = |section: &str, key: &str, value: toml::Value| {
        table
            .entry(section)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .unwrap()
            .insert(key.to_owned(), value);
    };
    let shipped = |path: &str| toml::Value::from(root.join(path).display().to_string());
    set("server", "listen", "127.0.0.1:0".into());
    set("store", "folder", "data".into());
    for (section, key, path) in [
        ("triage", "model", "models/service-desk"),
        ("triage", "embedding", "models/embedding"),
        ("triage", "catalogue", "models/catalogue.toml"),
        ("triage", "signals", "signals.toml"),
        ("gate", "policies", "policies"),
        ("runbooks", "embedding_folder", "models/embedding"),
    ] {
        set(section, key, shipped(path));
    }
    set("runbooks", "folder", "runbooks".into());
    set("gate", "storm_size", 1_000_000.into());
    set("gate", "least_fit", 0.1.into());
    set("pipeline", "poll", "20ms".into());
    set("pipeline", "executions", 100.into());
    set("telemetry", "format", "json".into());
    set("telemetry", "level", "trace".into());
}

/// Each secret in a place or a form where it is refused.
fn break_configuration(harvest: &mut Harvest, garden: &Garden, folder: &Path, path: &Path) {
    let good = std::fs::read_to_string(path).unwrap();
    let ours: Vec<&String> = garden
        .planted
        .iter()
        .filter(|(_, kind, secret)| *kind == Kind::Ours && secret.starts_with("Zq"))
        .map(|(.., secret)| secret)
        .collect();
    let secret = |number: usize| ours[number % ours.len()];
    let connector = |rest: String| format!("{good}\n[[connectors]]\nname = \"more\"\nkind = \"http\"\nallow = []\n{rest}\n");
    for (number, broken) in [
        connector(format!("base_url = \"https://me:{}@a.example\"", secret(1))),
        connector(format!("base_url = \"https://{}@a.example\"", secret(2))),
        connector(format!("base_url = \"https://me:{}@a b.example\"", secret(3))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = [\"{}\"] }}", secret(4))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = {{ x = \"{}\" }} }}", secret(5))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", tokn = \"{}\" }}", secret(6))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = \"{}\\n\" }}", secret(7))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"basic\", username = \"a:b\", password = \"{}\" }}", secret(8))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = {} }}", secret(9))),
        connector(format!("base_url = \"https://a.example\"\ntls = {{ certificate = \"x\", key = \"{}\" }}", secret(10))),
        connector(format!("base_url = \"https://a.example\"\nproxy = {{ url = \"http://me:{}@a.example\" }}", secret(11))),
        format!("{good}\n[[webhooks]]\nname = \"more\"\nurl = \"https://a.example\"\nsecret = \"{}\"\n", secret(12)),
        format!("{good}\n[[sources]]\nname = \"more\"\nadapter = \"json\"\nauth = {{ scheme = \"token\", secrets = \"{}\" }}\n", secret(13)),
        format!("{good}\n[[sources]]\nname = \"more\"\nadapter = \"json\"\nauth = {{ scheme = \"signature\", name = \"svix\", secrets = [\"{}\"] }}\n", secret(14)),
    ]
    .into_iter()
    .enumerate()
    {
        write_private(path, &broken);
        for command in ["check", "show"] {
            let said = say(harvest, &format!("config {command} on broken configuration {number}"), &mut sluicegate(folder, &["config", command]), "");
            if command == "check" {
                assert!(said.contains("cannot be used") || said.contains("bad  "), "broken configuration {number} was taken: {said}");
            }
        }
    }
    write_private(path, &good);
}

/// Deliveries with secrets in their text, and deliveries with wrong proofs of origin.
async fn deliver(api: &Api, garden: &mut Garden, harvest: &mut Harvest, connectors: &[(String, toml::Table)]) {
    let token = garden.planted.iter().find(|(place, ..)| place == "token 1 of a source").unwrap().2.clone();
    let texts: Vec<String> =
        ["titles", "bodies", "comments of a second delivery"].into_iter().flat_map(|place| in_words(garden, place)).collect();
    let mut number = 0;
    let mut send = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let (name, _) = &connectors[at % connectors.len()];
        // The first place of secrets is the title, as far as it is one line.
        let in_title = at < texts.len() / 3 && !text.contains('\n');
        let (title, body) = if in_title {
            (format!("case {name} of prn-{at:05}: {text}"), "see title".to_owned())
        } else {
            (format!("case {name} of prn-{at:05}"), format!("Hello,\n\n{text}\n\nThank you"))
        };
        number += 1;
        send.push(json!({
            "external_id": format!("{}", 1000 + number), "title": title, "body": body,
            "requester": { "id": format!("u-{number}") }, "attributes": { "note": text }, "labels": { "detail": text },
        }));
    }
    for body in &send {
        let answer = api.http.post(format!("{}/v1/intake/desk", api.url)).bearer_auth(&token).json(body).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 202, "{text}");
        harvest.keep("an acknowledgement", text);
    }
    // Bodies that are refused, with and without a right proof; secrets in the place of others; secrets in a query.
    for (right, body) in [
        (true, format!("{{\"title\": {}", send[0])),
        (true, json!({"title": 7, "body": texts[1]}).to_string()),
        (false, send[1].to_string()),
    ] {
        for source in ["desk", "signs-zendesk", "signs-svix", "basic", "nobody"] {
            let mut request = api.http.post(format!("{}/v1/intake/{source}?token={token}", api.url)).body(body.clone());
            request = if right { request.bearer_auth(&token) } else { request.basic_auth("us", Some(&token)) };
            let answer = request.header("x-zendesk-webhook-signature", token.as_str()).send().await.unwrap();
            let text = format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap());
            harvest.keep(format!("a refusal of {source}"), text);
        }
    }
}

/// Every proposal is approved, and every run waited for; how many ended.
async fn approve_all(api: &Api, wanted: usize) -> usize {
    let over = tokio::time::Instant::now() + PATIENCE;
    let (mut approved, mut refused) = (BTreeSet::new(), String::new());
    loop {
        for proposal in api.all("/v1/recommendations").await {
            let id = proposal["id"].as_str().unwrap().to_owned();
            if proposal["state"] == "open" && !approved.contains(&id) {
                let view = api.json(&format!("/v1/recommendations/{id}")).await;
                let body = json!({"binding": view["binding"], "revision": view["revision"], "comment": "go"});
                let path = format!("{}/v1/recommendations/{id}/approve", api.url);
                let answer = api.http.post(path).bearer_auth(&api.token).json(&body).send().await.unwrap();
                if answer.status().is_success() {
                    approved.insert(id);
                } else {
                    refused = answer.text().await.unwrap();
                }
            }
        }
        let tickets = api.all("/v1/tickets").await;
        let at = |states: &[&str]| tickets.iter().filter(|ticket| states.contains(&ticket["state"].as_str().unwrap())).count();
        // A connector that failed often is given a rest, so some runs are refused before their first call.
        let ended = at(&["resolved", "failed", "in_doubt"]);
        if approved.len() >= wanted && ended >= wanted && at(&["received", "triaged", "executing"]) == 0 {
            return ended;
        }
        let states: Vec<String> = tickets.iter().map(|ticket| ticket["state"].to_string()).collect();
        assert!(
            tokio::time::Instant::now() < over,
            "{ended} runs ended of {} approved, {wanted} wanted: {refused} {states:?}",
            approved.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Requests with secrets where others belong.
async fn wrong_people(api: &Api, garden: &Garden, harvest: &mut Harvest) {
    for (_, _, secret) in garden.planted.iter().filter(|(_, kind, _)| *kind == Kind::Ours).step_by(7) {
        for request in [
            api.http.get(format!("{}/v1/tickets", api.url)).bearer_auth(secret),
            api.http.get(format!("{}/v1/tickets", api.url)).basic_auth("us", Some(secret)),
            api.http.get(format!("{}/v1/tickets", api.url)).header("cookie", format!("session={secret}")),
            api.http
                .put(format!("{}/v1/people/ines@example.com/password", api.url))
                .bearer_auth(&api.token)
                .json(&json!({"password": [secret]})),
            api.http
                .post(format!("{}/v1/dual-authorizations", api.url))
                .bearer_auth(&api.token)
                .json(&json!({"matter": "auto_mode", "scope": {"scope": "global"}, "reason": "a test", "password": secret})),
        ] {
            // A header value cannot hold every secret, like a key of several lines.
            let Ok(answer) = request.send().await else { continue };
            let text = format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap());
            harvest.keep("an answer to a wrong person", text);
        }
    }
}

/// The answer of every GET route of the API document, with ids that are there.
async fn every_get_route(api: &Api, harvest: &mut Harvest) {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let tickets = api.all("/v1/tickets").await;
    let recommendations = api.all("/v1/recommendations").await;
    let ids = |items: &[Value]| items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut executions = Vec::new();
    for ticket in ids(&tickets) {
        let log = api.json(&format!("/v1/tickets/{ticket}/log")).await;
        collect(&log, "execution", &mut executions);
    }
    assert!(!executions.is_empty(), "no execution is known");
    let runbooks = ids(api.json("/v1/runbooks").await["items"].as_array().unwrap());
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods.get("get").is_none() {
            continue;
        }
        let with: Vec<String> = match path.as_str() {
            path if !path.contains('{') => vec![path.to_owned(), format!("{path}?limit=100"), format!("{path}?index=3&size=9&old=3&new=9")],
            path if path.starts_with("/v1/tickets/") => ids(&tickets).iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.starts_with("/v1/recommendations/") => ids(&recommendations).iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.starts_with("/v1/executions/") => executions.iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.starts_with("/v1/runbooks/") => runbooks.iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.contains("{index}") => (0..40).map(|index| path.replace("{index}", &index.to_string())).collect(),
            path if path.contains("{tile}") => vec![path.replace("{tile}", "0/000"), path.replace("{tile}", "entries/000")],
            // A route whose ids this test does not know is still asked.
            path => vec![path.replace(['{', '}'], "")],
        };
        for path in with {
            let (status, text) = api.get(&path).await;
            assert!(status < 500, "{path}: {status} {text}");
            asked += usize::from(status == 200);
            harvest.keep(format!("GET {path}"), text);
        }
    }
    assert!(asked > 150, "only {asked} routes answered 200");
}

/// Every text under a key of that name, wherever it stands.
fn collect(value: &Value, key: &str, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == key && !into.iter().any(|known| known == text) => into.push(text.to_owned()),
                    _ => collect(value, key, into),
                }
            }
        }
        _ => {}
    }
}

/// Every table, row by row: nothing of ours anywhere, nothing of tickets' texts outside of what is kept raw.
fn database(harvest: &mut Harvest, folder: &PathBuf) {
    let connection = rusqlite::Connection::open(folder.join("sluicegate.db")).unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = connection.prepare(names).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(tables.iter().any(|table| table == "log_entries"));
    let mut raw = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut bytes = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => bytes.extend_from_slice(text),
                    _ => {}
                }
                bytes.push(b'\n');
            }
        }
        match table.as_str() {
            "deliveries" | "tickets" | "recommendations" => {
                raw.extend_from_slice(&bytes);
                harvest.keep_raw(format!("table {table}"), bytes);
            }
            _ => harvest.keep(format!("table {table}"), bytes),
        }
    }
    std::fs::write(folder.join("raw.copy"), raw).unwrap();
}

#[tokio::test]
async fn a_ticket_is_shown_masked_and_as_it_was_sent_to_auditors_alone() {
    let app = App::start().await;
    let text = "nothing prints since my password: Zq77-Summer! changed, write to ana@mail.example";
    let sent = app
        .desk(json!({"external_id": "7", "title": text, "body": text, "requester": {"id": "u-7", "email": "u7@mail.example"}}).to_string())
        .await;
    app.triage().await;
    let id = sent.json()["tickets"][0].as_str().unwrap().to_owned();
    let (responder, auditor) = (app.token(&[Role::Responder]).await, app.token(&[Role::Auditor]).await);
    let path = format!("/v1/tickets/{id}");
    for token in [&responder, &auditor] {
        for path in [&path, "/v1/tickets", "/v1/recommendations"] {
            let shown = app.get(token, path).await.text;
            assert!(!shown.to_lowercase().contains("summer") && !shown.contains("ana@"), "{shown}");
        }
    }
    let shown = app.get(&responder, &path).await.json();
    let title = shown["ticket"]["report"]["title"].as_str().unwrap();
    assert_eq!(title, "nothing prints since my password: ************ changed, write to ****************");
    assert_eq!(title.len(), text.len());
    assert_eq!(shown["ticket"]["report"]["requester"]["email"], "u7@mail.example", "who asked is shown");
    let stored = format!("{path}?as_stored=true");
    app.get(&responder, &stored).await.is(403, "missing-role");
    assert_eq!(app.get(&auditor, &stored).await.json()["ticket"]["report"]["title"], text);
}
