//! A real HTTP server on loopback answers well, badly, late, too much or not at all.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

struct Clock(AtomicI64);

impl Ambient for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn random(&self) -> u128 {
        0
    }
}

/// What the server sends; it keeps what it was asked.
#[derive(Clone, Default)]
struct Server {
    answer: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> (Self, SocketAddr) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                tokio::spawn(async move {
                    this.open.fetch_add(1, Ordering::SeqCst);
                    let mut head = [0; 4096];
                    let length = stream.read(&mut head).await.unwrap_or(0);
                    let line = String::from_utf8_lossy(&head[..length]).lines().next().unwrap_or_default().to_owned();
                    this.asked.lock().unwrap().push(line);
                    let answer = this.answer.lock().unwrap().clone();
                    if answer.is_empty() {
                        // Never answers: holds the connection until the client gives up.
                        let _ = stream.read(&mut head).await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        (server, address)
    }

    fn says(&self, status: &str, kind: &str, body: &str) {
        let length = body.len();
        *self.answer.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    }
}

fn directories(address: SocketAddr, more: &serde_json::Value) -> Directories {
    let mut config = serde_json::json!({
        "name": "users", "kind": "http", "base_url": format!("http://{address}/api"), "path": "/users/*", "field": "/id",
        "allow_addresses": ["127.0.0.0/8"], "timeout": "300ms", "response_limit": 1000,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Directories::from_config(&[serde_json::from_value(config).unwrap()]).unwrap()
}

async fn ask(directories: &Directories, clock: &Clock, value: &str) -> Answer {
    let question = Question { directory: DirectoryName::new("users").unwrap(), value: value.to_owned() };
    let metrics = Metrics::new("0", 0.0);
    directories.ask([question], clock, &metrics).await.remove(0).answer
}

/// Status, content type, body, and what is made of them.
type Case<'a> = (&'a str, &'a str, &'a str, &'a dyn Fn(&Answer) -> bool);

#[tokio::test]
async fn a_value_is_there_only_by_an_answer_of_200_that_names_it() {
    let (server, address) = Server::start().await;
    let clock = Clock(AtomicI64::new(1_000_000));
    let json = "application/json";
    let huge = format!("{{\"id\":\"ana\",\"x\":\"{}\"}}", "x".repeat(2_000));
    let listed = |answer: &Answer| matches!(answer, Answer::Listed { .. });
    let unlisted = |answer: &Answer| matches!(answer, Answer::Unlisted { .. });
    let unknown = |answer: &Answer| matches!(answer, Answer::Unknown { .. });
    let cases: [Case<'_>; 11] = [
        ("200 OK", json, "{\"id\":\"ana\"}", &listed),
        ("200 OK", "application/scim+json; charset=utf-8", "{\"id\":\"ana\"}", &listed),
        ("404 Not Found", "text/html", "no", &unlisted),
        ("200 OK", json, "{\"id\":\"ana.silva\"}", &unlisted),
        ("200 OK", json, "{}", &unlisted),
        ("200 OK", "text/html", "{\"id\":\"ana\"}", &unknown),
        ("200 OK", json, "<html>sign in</html>", &unknown),
        ("500 Oops", json, "{\"id\":\"ana\"}", &unknown),
        ("401 No", json, "{\"id\":\"ana\"}", &unknown),
        ("302 Found\r\nlocation: /api/users/ana", json, "{\"id\":\"ana\"}", &unknown),
        ("200 OK", json, &huge, &unknown),
    ];
    for (status, kind, body, wanted) in cases {
        server.says(status, kind, body);
        let answer = ask(&directories(address, &serde_json::json!({})), &clock, "ana").await;
        assert!(wanted(&answer), "{status} {body:.40}: {answer:?}");
    }
    server.answer.lock().unwrap().clear();
    let slow = ask(&directories(address, &serde_json::json!({})), &clock, "ana").await;
    assert!(matches!(&slow, Answer::Unknown { why } if why.contains("in time")), "{slow:?}");
    assert!(server.asked.lock().unwrap().iter().all(|line| line == "GET /api/users/ana HTTP/1.1"));
}

#[tokio::test]
async fn answers_are_remembered_for_their_time_and_an_old_yes_only_within_its_limit() {
    let (server, address) = Server::start().await;
    let clock = Clock(AtomicI64::new(1_000_000));
    let directories = directories(address, &serde_json::json!({"ttl": "5m", "stale_limit": "1h"}));
    server.says("200 OK", "application/json", "{\"id\":\"ana\"}");
    for _ in 0..3 {
        assert_eq!(ask(&directories, &clock, "ana").await, Answer::Listed { at: Timestamp::from_millis(1_000_000) });
    }
    assert_eq!(server.open.load(Ordering::SeqCst), 1, "asked once");
    server.says("503 Busy", "application/json", "");
    clock.0.fetch_add(301_000, Ordering::SeqCst);
    assert_eq!(ask(&directories, &clock, "ana").await, Answer::ListedBefore { at: Timestamp::from_millis(1_000_000) });
    assert!(matches!(ask(&directories, &clock, "bo").await, Answer::Unknown { .. }));
    clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    assert!(matches!(ask(&directories, &clock, "ana").await, Answer::Unknown { .. }), "too old");
    server.says("404 Not Found", "application/json", "");
    assert!(matches!(ask(&directories, &clock, "ana").await, Answer::Unlisted { .. }));
}

#[tokio::test]
async fn a_value_is_one_segment_or_one_field_and_an_unreachable_directory_is_left_alone() {
    let (server, address) = Server::start().await;
    let clock = Clock(AtomicI64::new(1_000_000));
    server.says("200 OK", "application/json", "{\"hits\":[{\"n\":\"a+b@x.io\"}]}");
    let search = directories(address, &serde_json::json!({"path": "/search", "query": "q", "field": "/hits/0/n"}));
    assert!(matches!(ask(&search, &clock, "a+b@x.io").await, Answer::Listed { .. }));
    assert_eq!(server.asked.lock().unwrap()[0], "GET /api/search?q=a%2Bb%40x.io HTTP/1.1");
    let by_path = directories(address, &serde_json::json!({"field": null}));
    assert!(matches!(ask(&by_path, &clock, "/etc/passwd").await, Answer::Unknown { .. }), "more than one segment");
    assert_eq!(server.open.load(Ordering::SeqCst), 1, "nothing was sent for it");
    server.says("500 Oops", "application/json", "");
    for value in ["a", "b", "c", "d", "e", "f", "g"] {
        assert!(matches!(ask(&by_path, &clock, value).await, Answer::Unknown { .. }));
    }
    assert!(server.open.load(Ordering::SeqCst) <= 6, "after five failures in a row nobody is asked");
}

async fn standing(directories: &Directories, clock: &Clock, identity: &str) -> Said {
    let metrics = Metrics::new("0", 0.0);
    directories.standing("users", [identity].into_iter(), clock, &metrics).await.remove(identity).unwrap()
}

/// Status, content type, body, and what is made of them.
type Told<'a> = (&'a str, &'a str, &'a str, &'a dyn Fn(&Said) -> bool);

#[tokio::test]
async fn a_requester_is_known_or_not_only_by_an_answer_and_everything_else_is_unknown() {
    let (server, address) = Server::start().await;
    let clock = Clock(AtomicI64::new(1_000_000));
    let json = "application/json";
    let huge = format!("{{\"id\":\"ana@x.io\",\"groups\":[\"{}\"]}}", "x".repeat(2_000));
    let flagged = |said: &Said| matches!(said, Said::Known { record, .. } if record.flagged && !record.vip);
    let known = |said: &Said| matches!(said, Said::Known { record, .. } if *record == Record::default());
    let not_known = |said: &Said| matches!(said, Said::NotKnown { .. });
    let unknown = |said: &Said| matches!(said, Said::Unknown { why } if why.starts_with("directory `users`: "));
    let cases: [Told<'_>; 14] = [
        ("200 OK", json, "{\"id\":\"ana@x.io\",\"flagged\":true}", &flagged),
        ("200 OK", "application/scim+json; charset=utf-8", "{\"id\":\"Ana@X.io\"}", &known),
        ("404 Not Found", "text/html", "no", &not_known),
        ("410 Gone", json, "", &not_known),
        ("200 OK", json, "{\"id\":\"bo@x.io\",\"flagged\":false}", &unknown),
        ("200 OK", json, "{\"flagged\":false}", &unknown),
        ("200 OK", json, "{\"id\":\"ana@x.io\",\"flaged\":true}", &unknown),
        ("200 OK", json, "{\"id\":\"ana@x.io\",\"flagged\":\"yes\"}", &unknown),
        ("200 OK", json, "<html>sign in</html>", &unknown),
        ("200 OK", "text/html", "{\"id\":\"ana@x.io\"}", &unknown),
        ("500 Oops", json, "{\"id\":\"ana@x.io\"}", &unknown),
        ("403 No", json, "{\"id\":\"ana@x.io\"}", &unknown),
        ("302 Found\r\nlocation: /api/users/ana@x.io", json, "", &unknown),
        ("200 OK", json, &huge, &unknown),
    ];
    for (status, kind, body, wanted) in cases {
        server.says(status, kind, body);
        let said = standing(&directories(address, &serde_json::json!({})), &clock, "ana@x.io").await;
        assert!(wanted(&said), "{status} {body:.40}: {said:?}");
    }
    server.says("200 OK", json, "{\"flagged\":true}");
    let no_field = directories(address, &serde_json::json!({"field": null}));
    assert!(flagged(&standing(&no_field, &clock, "ana@x.io").await), "the id may be left out where no field is configured");
    server.says("200 OK", json, "{\"id\":\"bo@x.io\"}");
    let no_field = directories(address, &serde_json::json!({"field": null}));
    assert!(unknown(&standing(&no_field, &clock, "ana@x.io").await), "and is looked at where it is there");
    server.answer.lock().unwrap().clear();
    let slow = standing(&directories(address, &serde_json::json!({})), &clock, "ana@x.io").await;
    assert!(matches!(&slow, Said::Unknown { why } if why.contains("in time")), "{slow:?}");
    assert!(server.asked.lock().unwrap().iter().all(|line| line == "GET /api/users/ana%40x.io HTTP/1.1"));
    let nowhere = Directories::from_config(&[]).unwrap();
    assert!(matches!(standing(&nowhere, &clock, "ana@x.io").await, Said::Unknown { .. }));
}

#[tokio::test]
async fn a_record_is_remembered_for_its_time_an_old_one_within_its_limit_and_an_old_absence_never() {
    let (server, address) = Server::start().await;
    let clock = Clock(AtomicI64::new(1_000_000));
    let directories = directories(address, &serde_json::json!({"ttl": "5m", "stale_limit": "1h", "field": null}));
    let then = Timestamp::from_millis(1_000_000);
    server.says("200 OK", "application/json", "{\"vip\":true}");
    let vip = Said::Known { record: Record { vip: true, ..Record::default() }, at: then };
    for _ in 0..3 {
        assert_eq!(standing(&directories, &clock, "ana").await, vip);
    }
    server.says("404 Not Found", "application/json", "");
    assert_eq!(standing(&directories, &clock, "bo").await, Said::NotKnown { at: then });
    assert_eq!(server.open.load(Ordering::SeqCst), 2, "each asked once");
    server.says("503 Busy", "application/json", "");
    clock.0.fetch_add(301_000, Ordering::SeqCst);
    assert_eq!(standing(&directories, &clock, "ana").await, vip, "of then");
    assert!(matches!(standing(&directories, &clock, "bo").await, Said::Unknown { .. }));
    clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    assert!(matches!(standing(&directories, &clock, "ana").await, Said::Unknown { .. }), "too old");
    for identity in ["c", "d", "e", "f", "g", "h"] {
        assert!(matches!(standing(&directories, &clock, identity).await, Said::Unknown { .. }));
    }
    assert!(server.open.load(Ordering::SeqCst) <= 7, "after five failures in a row nobody is asked");
}

#[tokio::test]
async fn no_identity_leads_to_another_place_than_one_segment_below_the_base() {
    let (server, address) = Server::start().await;
    let clock = Clock(AtomicI64::new(1_000_000));
    server.says("200 OK", "application/json", "{}");
    let directories = directories(address, &serde_json::json!({"field": null, "ttl": "off", "stale_limit": "off"}));
    let hostile = [
        "",
        ".",
        "..",
        "../admin",
        "a/../../x",
        "/etc/passwd",
        "//evil.example.com/x",
        "http://evil.example.com/",
        "a?admin=1",
        "a#b",
        "a%2f..%2fb",
        "%2e%2e",
        "%252e%252e%252fx",
        "..;/x",
        "a\\b",
        "a\r\nHost: evil",
        "a b",
        "аna@x.io",
        "a\u{202e}b",
        "\u{ff0e}\u{ff0e}/x",
        "ana@x.io",
    ];
    for identity in hostile {
        let said = standing(&directories, &clock, identity).await;
        let plain = !matches!(said, Said::Unknown { .. });
        assert!(!identity.contains(['/', '\\', '\r']) || !plain, "{identity:?}: {said:?}");
    }
    let asked = server.asked.lock().unwrap();
    for line in asked.iter() {
        let path = line.strip_prefix("GET /api/users/").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
        let segment = path.unwrap_or_else(|| panic!("outside the base: {line}"));
        let encoded = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
        assert!(encoded && !["", ".", ".."].contains(&segment), "{line}");
    }
    assert!(asked.iter().any(|line| line.contains("ana%40x.io")), "the check saw requests");
}
