//! Receivers that answer with secrets, hang, break off or grant tokens, and a configuration that calls all of them.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::secrets_garden::{Garden, Kind};

/// Longer than any test runs.
const FOR_EVER: Duration = Duration::from_secs(600);

/// What a target of this test does with a request.
#[derive(Clone)]
pub enum Behaviour {
    Answer(String),
    /// Answers a token endpoint's question, and everything else.
    Grant {
        token: String,
        answer: String,
    },
    Hang,
    Drop,
}

/// A server that keeps the bodies that it reads.
pub async fn target(behaviour: Behaviour, seen: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, behaviour.clone(), Arc::clone(&seen)));
        }
    });
    address
}

pub async fn serve(mut stream: TcpStream, behaviour: Behaviour, seen: Arc<Mutex<Vec<u8>>>) {
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
                    tokio::time::sleep(FOR_EVER).await;
                    return;
                }
            };
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            return;
        }
    }
}

pub fn ok(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// An answer full of secrets.
pub fn telling(garden: &mut Garden, name: &str, status: u16) -> String {
    let [cookie, location, body, field] =
        ["cookie", "location", "body", "key"].map(|what| garden.ours(&format!("{what} of an answer of {name}")));
    let headers = format!("set-cookie: session={cookie}\r\nlocation: http://127.0.0.1:1/?token={location}\r\n");
    ok(status, &headers, &format!(r#"{{"error":"{body}","{field}":"{body}","state":"{body}"}}"#))
}

/// The documented configuration with every setting in force.
pub fn documented() -> toml::Table {
    let text = include_str!("../../sluicegate.toml");
    let bare = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    text.lines().map(bare).collect::<Vec<_>>().join("\n").parse().unwrap()
}

/// Every file that the documented configuration names gets a secret, every URL leads to `sink`, and nowhere else.
pub fn plant_documented(garden: &mut Garden, folder: &Path, value: &mut toml::Value, at: &str, sink: SocketAddr, pem: &Pem) {
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
                            // The whole URL of a chat is a secret.
                            _ if at.starts_with(".chats") => format!("http://{sink}/hooks/{}", garden.ours(&full)),
                            _ if at.starts_with(".webhooks") || at.contains("standard_webhooks") => garden.whsec(&full),
                            _ => garden.ours(&full),
                        };
                        *name = format!("planted{}", full.replace('.', "-"));
                        write_private(&folder.join(name.as_str()), &content);
                    }
                    toml::Value::String(url) if url.contains("://") && at != ".server" => *url = at_home(url, sink),
                    toml::Value::String(host) if key == "host" => *host = sink.ip().to_string(),
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

/// The URL on this machine, in clear.
fn at_home(url: &str, sink: SocketAddr) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_ip_host(sink.ip()).unwrap();
    url.set_port(Some(sink.port())).unwrap();
    if url.scheme() == "https" {
        url.set_scheme("http").unwrap();
    }
    url.into()
}

pub fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

pub struct Pem {
    certificate: String,
    key: String,
}

impl Pem {
    pub fn planted(garden: &mut Garden) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["sluicegate".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        for line in key.lines().filter(|line| !line.starts_with('-')) {
            garden.note("a TLS key", Kind::Ours, line);
        }
        Self { certificate: made.cert.pem(), key }
    }
}

/// A connector for every way to prove who we are and every way a call can end; `(name, connector)`.
pub async fn connectors(garden: &mut Garden, seen: &Arc<Mutex<Vec<u8>>>, pem: &Pem) -> Vec<(String, toml::Table)> {
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

pub fn oauth(garden: &mut Garden, name: &str, place: &str, address: SocketAddr) -> String {
    format!(
        "kind = \"oauth2\"\ntoken_url = \"http://{address}/token\"\nclient_id = \"us\"\nclient_secret = \"{}\"\ncredentials_in = \"{place}\"\nallow_addresses = [\"127.0.0.0/8\"]",
        garden.ours(&format!("client secret of {name}"))
    )
}

/// Sources of every signature scheme and of tokens and Basic, two live secrets each.
pub fn sources(garden: &mut Garden, desk: SocketAddr) -> Vec<toml::Table> {
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

pub fn runbook(connector: &str) -> String {
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

/// The documented settings that a test needs otherwise.
pub fn adjust(table: &mut toml::Table) {
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
