//! A real proxy between client and target: what goes through, what is refused before, and what a bad proxy can do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;

use super::*;
use crate::outbound::{
    Client, Limits, Request, Target,
    test_servers::{Script, Seen, Traps, answer, answering, networks, raw, read_request},
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };
const QUICK: Limits = Limits { timeout: Duration::from_millis(800), ..LIMITS };

/// A proxy that takes every tunnel to `to`, whatever name it was asked for, and keeps what it was asked.
async fn proxy(to: Url) -> (Url, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let to = to.authority().to_owned();
    let (address, _) = raw("127.0.0.1:0", move |mut near: TcpStream| {
        let (kept, to) = (Arc::clone(&kept), to.clone());
        async move {
            let Some(request) = read_request(&mut near).await else { return };
            assert!(request.body.is_empty(), "nothing before the proxy said yes");
            kept.lock().unwrap().push(request);
            let mut far = TcpStream::connect(to).await.unwrap();
            near.write_all(b"HTTP/1.1 200 Connection established\r\nproxy-agent: test\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        }
    })
    .await;
    (Url::parse(&format!("http://{address}/")).unwrap(), seen)
}

fn through(url: &Url) -> Proxy {
    Proxy { url: url.clone(), username: None, password: None, allow_addresses: networks(&["127.0.0.1/32"]) }
}

fn get() -> Request {
    Request::new(Method::GET, None)
}

#[tokio::test]
async fn a_call_goes_through_the_proxy_which_alone_looks_the_name_up_and_alone_gets_its_password() {
    let (target, calls) = answering("127.0.0.1:0", |_| answer(200, "{}")).await;
    let (url, tunnels) = proxy(target).await;
    let base = Url::parse("http://desk.example:8080/api").unwrap();
    let lookup = Script::new(&[&["10.0.0.1"]]);
    let login = Proxy { username: Some("us".to_owned()), password: Some(Secret::new("hunter2")), ..through(&url) };
    let client = Client::to(Target::new(&base, &[], LIMITS).proxy(Some(&login)).lookup(lookup.clone())).unwrap();
    assert_eq!(client.send(get()).await.unwrap().status, 200);
    assert!(lookup.asked.lock().unwrap().is_empty(), "the proxy is an address, and the target is the proxy's to look up");
    let (tunnels, calls) = (tunnels.lock().unwrap(), calls.lock().unwrap());
    assert_eq!(tunnels[0].line(), "CONNECT desk.example:8080 HTTP/1.1");
    assert_eq!(tunnels[0].header("host"), Some("desk.example:8080"));
    assert_eq!(tunnels[0].header("proxy-authorization"), Some("Basic dXM6aHVudGVyMg=="));
    assert_eq!((calls[0].line(), calls[0].header("host")), ("GET /api HTTP/1.1", Some("desk.example:8080")));
    assert!(!calls[0].head.to_ascii_lowercase().contains("proxy-"), "{}", calls[0].head);
    assert!(!format!("{client:?} {login:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_target_that_needs_no_look_up_is_refused_before_the_proxy_is_asked() {
    let traps = Traps::set(&["127.0.0.1", "127.0.0.2"]).await;
    let url = Url::parse(&format!("http://127.0.0.1:{}/", traps.port)).unwrap();
    for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "2130706433", "[::1]", "[::ffff:10.0.0.1]", "[fd00:ec2::254]", "0x7f.1"] {
        let base = Url::parse(&format!("http://{host}/")).unwrap();
        let refused = Client::to(Target::new(&base, &[], LIMITS).proxy(Some(&through(&url))));
        assert!(matches!(refused, Err(Refusal::Address { .. })), "{host}");
    }
    for host in ["localhost", "LOCALHOST.", "printer.localhost", "localhost.localdomain"] {
        let base = Url::parse(&format!("http://{host}/")).unwrap();
        let client = Client::to(Target::new(&base, &[], LIMITS).proxy(Some(&through(&url)))).unwrap();
        let error = client.send(get()).await.unwrap_err();
        assert!(matches!(error, CallError::Forbidden(Refusal::Address { .. })), "{host}: {error:?}");
    }
    // The proxy's own address is under the proxy's own list, not the target's.
    let base = Url::parse("http://desk.example/").unwrap();
    let everything = networks(&["0.0.0.0/0", "::/0"]);
    let bare = Proxy { allow_addresses: Vec::new(), ..through(&url) };
    assert!(Client::to(Target::new(&base, &everything, LIMITS).proxy(Some(&bare))).is_err());
    let named = Proxy { url: Url::parse(&format!("http://proxy.example:{}/", traps.port)).unwrap(), ..through(&url) };
    let lookup = Script::new(&[&["127.0.0.2"]]);
    let client = Client::to(Target::new(&base, &everything, LIMITS).proxy(Some(&named)).lookup(lookup.clone())).unwrap();
    let error = client.send(get()).await.unwrap_err();
    assert!(matches!(error, CallError::Forbidden(_)), "{error:?}");
    assert_eq!(*lookup.asked.lock().unwrap(), ["proxy.example"]);
    assert_eq!(traps.sprung("127.0.0.1").await, 0);
}

#[tokio::test]
async fn whatever_a_proxy_does_instead_of_a_tunnel_means_not_sent() {
    let base = Url::parse("http://desk.example/").unwrap();
    let endless = "x-a: b\r\n".repeat(2_000);
    for text in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n".to_owned(),
        "HTTP/1.1 403 Forbidden\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        "HTTP/1.1 2000 OK\r\n\r\n".replace("2000", "2x0"),
        "SSH-2.0-x\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{endless}\r\n"),
        String::new(),
    ] {
        let (url, _) = answering("127.0.0.1:0", move |_| text.clone()).await;
        let client = Client::to(Target::new(&base, &[], LIMITS).proxy(Some(&through(&url)))).unwrap();
        let error = client.send(get()).await.unwrap_err();
        assert!(matches!(&error, CallError::NotSent(why) if why.starts_with("the proxy: ")), "{error:?}");
    }
    let (address, _) = raw("127.0.0.1:0", |mut stream: TcpStream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let silent = Url::parse(&format!("http://{address}/")).unwrap();
    let client = Client::to(Target::new(&base, &[], QUICK).proxy(Some(&through(&silent)))).unwrap();
    let error = client.send(get()).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
}

#[test]
fn a_proxy_that_cannot_be_one_is_refused_and_its_password_not_shown() {
    let good = through(&Url::parse("http://proxy.example:3128").unwrap());
    assert!(Tunnel::from_config(&good).is_ok());
    let with = |url: &str| Proxy { url: Url::parse(url).unwrap(), ..good.clone() };
    let secret = || Some(Secret::new("hunter2"));
    for (proxy, says) in [
        (with("https://proxy.example/"), "`proxy.url`"),
        (with("socks5://proxy.example/"), "`proxy.url`"),
        (with("http://us:hunter2@proxy.example/"), "`proxy.url`"),
        (with("http://proxy.example/path"), "`proxy.url`"),
        (with("http://proxy.example/?x"), "`proxy.url`"),
        (with("http://proxy.example:0/"), "`proxy.url`"),
        (with("http://10.0.0.1:3128/"), "`10.0.0.1`"),
        (Proxy { username: Some("us".to_owned()), ..good.clone() }, "`proxy.password`"),
        (Proxy { password: secret(), ..good.clone() }, "`proxy.username`"),
        (Proxy { username: Some("a:b".to_owned()), password: secret(), ..good.clone() }, "`proxy.username`"),
        (Proxy { username: Some("a\r\nb".to_owned()), password: secret(), ..good.clone() }, "`proxy.username`"),
    ] {
        let error = Tunnel::from_config(&proxy).err().unwrap().to_string();
        assert!(error.starts_with(says) && !error.contains("hunter2"), "{error}");
    }
}
