//! What arrives at a real server for every kind of authentication, and what never shows.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use hyper::Method;

use super::*;
use crate::outbound::{
    Client, Limits, Path,
    test_servers::{answer, answering, networks},
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };

fn configured(text: &str) -> ConnectorAuth {
    toml::from_str(text).unwrap()
}

fn refused(text: &str) -> String {
    let (base, auth) = ("https://desk.example/".parse().unwrap(), configured(text));
    Client::to(Target::new(&base, &[], LIMITS).auth(Some(&auth))).unwrap_err().to_string()
}

async fn sent(text: &str, request: Request) -> crate::outbound::test_servers::Seen {
    let (base, seen) = answering("127.0.0.1:0", |_| answer(200, "{}")).await;
    let auth = configured(text);
    let client = Client::to(Target::new(&base, &networks(&["127.0.0.1/32"]), LIMITS).auth(Some(&auth))).unwrap();
    assert_eq!(client.send(request).await.unwrap().status, 200);
    assert!(!format!("{client:?} {auth:?}").contains("hunter2"));
    let mut seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

#[tokio::test]
async fn bearer_basic_and_own_headers_arrive_as_configured_and_over_what_a_caller_set() {
    let request = || Request::new(Method::GET, None).header("authorization", "Bearer of-the-caller").unwrap();
    for (config, header, value) in [
        ("kind = 'bearer'\ntoken = 'hunter2'", "authorization", "Bearer hunter2"),
        // RFC 7617 section 2.
        ("kind = 'basic'\nusername = 'Aladdin'\npassword = 'open sesame'", "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("kind = 'header'\nname = 'authorization'\nprefix = 'GenieKey '\nvalue = 'hunter2'", "authorization", "GenieKey hunter2"),
    ] {
        let seen = sent(config, request()).await;
        assert_eq!(seen.header(header), Some(value));
        assert!(!seen.head.contains("of-the-caller"), "{}", seen.head);
    }
    let seen = sent("kind = 'header'\nname = 'PRIVATE-TOKEN'\nvalue = 'hunter2'", Request::new(Method::GET, None)).await;
    assert_eq!((seen.header("private-token"), seen.header("authorization")), (Some("hunter2"), None));
}

#[test]
fn secrets_and_names_that_no_header_can_carry_are_refused_and_secrets_are_not_shown() {
    for (config, says) in [
        ("kind = 'bearer'\ntoken = ''", "`auth.token` is empty"),
        ("kind = 'bearer'\ntoken = \"hunter2\\nhost: x\"", "`auth.token` has characters"),
        ("kind = 'basic'\nusername = 'a:b'\npassword = 'hunter2'", "`auth.username` has a `:`"),
        ("kind = 'header'\nname = 'x'\nvalue = ''", "`auth.value` is empty"),
        ("kind = 'header'\nname = 'x'\nvalue = \"hunter2\\u0000\"", "`auth.value` has characters"),
        ("kind = 'header'\nname = 'x y'\nvalue = 'hunter2'", "`auth.name` is `x y`"),
        ("kind = 'header'\nname = 'Host'\nvalue = 'hunter2'", "`auth.name` is `Host`, which is set by the client itself"),
        ("kind = 'header'\nname = 'Transfer-Encoding'\nvalue = 'hunter2'", "`auth.name` is"),
        ("kind = 'header'\nname = 'Proxy-Authorization'\nvalue = 'hunter2'", "`auth.name` is"),
        ("kind = 'hmac'\nsecret = ''", "`auth.secret` is empty"),
        ("kind = 'hmac'\nsecret = 'hunter2'\nsignature_header = 'content-length'", "`auth.signature_header` is"),
        ("kind = 'hmac'\nsecret = 'hunter2'\nkey_id = \"a\\nb\"", "`auth.key_id` has characters"),
        ("kind = 'oauth2'\ntoken_url = 'https://login.example/t'\nclient_id = 'a'\nclient_secret = ''", "`auth.client_secret` is empty"),
        ("kind = 'oauth2'\ntoken_url = 'ftp://login.example/t'\nclient_id = 'a'\nclient_secret = 'hunter2'", "`auth.token_url` base URL"),
        (
            "kind = 'oauth2'\ntoken_url = 'http://10.0.0.1/t'\nclient_id = 'a'\nclient_secret = 'hunter2'",
            "`auth.token_url` `10.0.0.1` has only",
        ),
        (
            "kind = 'oauth2'\ntoken_url = 'https://u:hunter2@login.example/'\nclient_id = 'a'\nclient_secret = 'b'",
            "`auth.token_url` base URL",
        ),
    ] {
        let error = refused(config);
        assert!(error.starts_with(says), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn signatures_match_constant_vectors() {
    // Made with Python's `hmac` and `hashlib`; receivers depend on them.
    for (method, target, timestamp, body, expected) in [
        ("GET", "/", 1_700_000_000, &b""[..], VECTORS[0]),
        ("POST", "/api/printers/prn-07/restart?force=true", 1_764_043_200, br#"{"host":"prn-07"}"#, VECTORS[1]),
        ("PUT", "/%C3%A9?q=%0A", 0, &[0, 255, 10], VECTORS[2]),
    ] {
        assert_eq!(signature::sign(b"whsec-0123456789", method, target, timestamp, body), expected);
    }
}

const VECTORS: [&str; 3] = [
    "v1=7cf24c9cb7c8435c11fc7922059617009e8fe6450d7a30c27e6c136cb20ddc81",
    "v1=3e17abe2d598711bdf342c3365e3d891de1af93964ca94f12c48b95ddadb1360",
    "v1=41bc819261ee10f595a715c9a1f8ffbd3c2483d7f999e1289e2f51b59239d083",
];

/// The `python` block of the page that receivers copy.
fn documented_check() -> String {
    let page = include_str!("../../docs/outbound.md");
    let block = page.split("```python\n").nth(1).expect("docs/outbound.md has the check");
    block.split("```").next().unwrap().to_owned()
}

/// What the documented check says of a request.
fn python_says(secret: &str, method: &str, target: &str, headers: (&str, &str), now: i64, body: &[u8]) -> String {
    let call = format!(
        "{}\nimport sys\nprint(is_genuine({secret:?}.encode(), {method:?}, {target:?}, {{'x-sluicegate-timestamp': {:?}, 'x-sluicegate-signature': {:?}}}, sys.stdin.buffer.read(), now={now}))",
        documented_check(),
        headers.0,
        headers.1
    );
    let mut child = Command::new("python3")
        .args(["-c", &call])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test runs the documented check: install python3 through your package manager");
    child.stdin.take().unwrap().write_all(body).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_signed_request_passes_the_documented_check_and_a_changed_one_does_not() {
    let mut request =
        Request::new(Method::POST, Some(Path::parse("/hosts/prn%2007/restart").unwrap())).json(&serde_json::json!({"why": "é\n"}));
    request.query = vec![("force".to_owned(), "a b&c".to_owned())];
    let seen = sent("kind = 'hmac'\nsecret = 'hunter2'\nkey_id = 'key-1'", request).await;
    let (timestamp, signature) = (seen.header("x-sluicegate-timestamp").unwrap(), seen.header("x-sluicegate-signature").unwrap());
    assert_eq!(seen.header("x-sluicegate-key"), Some("key-1"));
    assert_eq!(seen.line(), "POST /hosts/prn%2007/restart?force=a%20b%26c HTTP/1.1");
    let target = seen.line().split(' ').nth(1).unwrap();
    let now: i64 = timestamp.parse().unwrap();
    let later = (now + 1).to_string();
    let says = |secret, method, target, headers, now, body: &[u8]| python_says(secret, method, target, headers, now, body);
    assert_eq!(says("hunter2", "POST", target, (timestamp, signature), now + 30, &seen.body), "True");
    let changed = [seen.body.as_slice(), b" "].concat();
    for (what, said) in [
        ("secret", says("hunter3", "POST", target, (timestamp, signature), now, &seen.body)),
        ("method", says("hunter2", "PUT", target, (timestamp, signature), now, &seen.body)),
        ("path", says("hunter2", "POST", "/hosts/prn%2008/restart?force=a%20b%26c", (timestamp, signature), now, &seen.body)),
        ("query", says("hunter2", "POST", "/hosts/prn%2007/restart", (timestamp, signature), now, &seen.body)),
        ("time", says("hunter2", "POST", target, (&later, signature), now, &seen.body)),
        ("body", says("hunter2", "POST", target, (timestamp, signature), now, &changed)),
        ("age", says("hunter2", "POST", target, (timestamp, signature), now + 301, &seen.body)),
        ("signature", says("hunter2", "POST", target, (timestamp, "v1="), now, &seen.body)),
    ] {
        assert_eq!(said, "False", "{what}");
    }
}

#[tokio::test]
async fn the_headers_of_a_signature_have_the_configured_names() {
    let config = "kind = 'hmac'\nsecret = 'hunter2'\nsignature_header = 'X-Hub'\ntimestamp_header = 'X-When'";
    let seen = sent(config, Request::new(Method::GET, None)).await;
    let when: i64 = seen.header("x-when").unwrap().parse().unwrap();
    assert_eq!(seen.header("x-hub"), Some(signature::sign(b"hunter2", "GET", "/", when, b"").as_str()));
    assert!(!seen.head.to_ascii_lowercase().contains("x-sluicegate"), "{}", seen.head);
}
