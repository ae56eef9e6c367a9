//! Hundreds of ways to write a place that must not be reached, each as base URL, proxy, token endpoint, path, value,
//! name and redirect. Traps listen on the forbidden addresses of this machine; nothing else is ever connected to.
//!
//! The one allowed address is 127.77.0.1; its neighbours on loopback stand for everything that is forbidden.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use hyper::Method;
use url::Url;

use super::{
    Client, Limits, Lookup, Path, Request, Target,
    error::CallError,
    test_servers::{Script, Traps, answer, answering, networks},
};
use crate::config::{
    auth::{ConnectorAuth, CredentialsIn, Proxy},
    secret::Secret,
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };
/// Forbidden, and listened on.
const TRAPPED: [&str; 7] = ["127.0.0.1", "127.0.0.2", "127.0.1.1", "127.1.2.3", "127.77.0.2", "127.255.255.254", "::1"];
/// Forbidden, and never connected to: what would connect is refused before.
const ELSEWHERE: [&str; 21] = [
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.254",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "169.254.170.2",
];
/// IPv6 and names, beside what is made from the IPv4 addresses.
const MORE: [&str; 37] = [
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0001]",
    "[0::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[FD00:EC2::254]",
    "[ff02::1]",
    "[ff05::2]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2620:4f:8000::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "LocalHost.",
    "printer.localhost",
    "loc%61lhost",
    "ｌｏｃａｌｈｏｓｔ",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1.nip.example",
    "metadata.internal.example",
];

/// Every way that browsers, C libraries and gateways read as `address`.
fn spellings(address: &str) -> Vec<String> {
    let Ok(ip) = address.parse::<Ipv4Addr>() else { return vec![format!("[{address}]")] };
    let [a, b, c, d] = ip.octets();
    let number = u32::from(ip);
    let (high, low) = (number >> 16, number & 0xffff);
    let wide = |text: &str| {
        text.chars().map(|c| if c.is_ascii_digit() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c }).collect::<String>()
    };
    vec![
        address.to_owned(),
        format!("{address}."),
        format!("{number}"),
        format!("0x{number:x}"),
        format!("0X{number:08X}"),
        format!("0{number:o}"),
        format!("{a}.{}", number & 0x00ff_ffff),
        format!("{a}.{b}.{low}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.{b}.0x{c:x}.{d}"),
        format!("0x{a:02x}.{}", number & 0x00ff_ffff),
        format!("000{a:o}.000{b:o}.000{c:o}.000{d:o}"),
        wide(address),
        address.replace('.', "。"),
        address.replace('.', "．"),
        address.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        format!("[::ffff:{address}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:FFFF:{high:X}:{low:X}]"),
        format!("[::ffff:0:{address}]"),
        format!("[::{address}]"),
        format!("[64:ff9b::{address}]"),
        format!("[64:ff9b:1::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[2001:0:{high:x}:{low:x}::1]"),
        // Teredo carries the client's address with every bit turned.
        format!("[2001:0:1:2:0:0:{:x}:{:x}]", high ^ 0xffff, low ^ 0xffff),
    ]
}

fn hosts() -> BTreeSet<String> {
    TRAPPED.iter().chain(&ELSEWHERE).flat_map(|address| spellings(address)).chain(MORE.map(str::to_owned)).collect()
}

/// What surrounds a host in a URL to make a reader take another host, or another scheme.
fn urls(host: &str, port: u16) -> Vec<String> {
    [
        "http://{}/",
        "https://{}/",
        "HTTP://{}",
        "http:{}",
        "http:/{}/",
        "http:///{}/",
        "http:\\\\{}\\",
        "http://\t{}/",
        "http://good.example@{}/",
        "http://good.example:80@{}/",
        "http://good.example%40{}/",
        "http://{}#@good.example/",
        "http://{}?@good.example/",
        "http://{}\\@good.example/",
        "//{}/",
        "ftp://{}/",
        "file://{}/etc/passwd",
        "gopher://{}/_x",
        "ws://{}/",
    ]
    .iter()
    .map(|around| around.replace("{}", &format!("{host}:{port}")))
    .collect()
}

/// Names all lead to forbidden addresses of this machine, whatever its own resolver says.
fn home() -> Arc<Script> {
    Script::new(&[&["127.0.0.1", "::1", "127.0.0.2"]])
}

fn no_connection(text: &str, error: &CallError) {
    assert!(matches!(error, CallError::Forbidden(_)), "{text}: {error:?}");
}

#[tokio::test]
async fn no_way_to_write_a_forbidden_place_is_taken_as_base_url_proxy_or_token_endpoint() {
    let traps = Traps::set(&TRAPPED).await;
    let allowed = networks(&["127.77.0.1/32"]);
    let good = Url::parse(&format!("http://127.77.0.1:{}/", traps.port)).unwrap();
    let mut forms = BTreeSet::new();
    for host in hosts() {
        forms.extend(urls(&host, traps.port));
    }
    assert!(forms.len() >= 200, "{}", forms.len());
    assert!(forms.len() >= 4_000, "the generator lost forms: {}", forms.len());
    let (mut readable, mut called) = (0, 0);
    for form in &forms {
        // Text that is no URL at all is refused by the configuration's reader.
        let Ok(url) = Url::parse(form) else { continue };
        readable += 1;
        let target = Target::new(&url, &allowed, LIMITS).lookup(home());
        if let Ok(client) = Client::to(target) {
            called += 1;
            no_connection(form, &client.send(Request::new(Method::GET, None)).await.expect_err(form));
        }
        let proxy = Proxy { url: url.clone(), username: None, password: None, allow_addresses: allowed.clone() };
        if let Ok(client) = Client::to(Target::new(&good, &allowed, LIMITS).proxy(Some(&proxy)).lookup(home())) {
            no_connection(form, &client.send(Request::new(Method::GET, None)).await.expect_err(form));
        }
        let auth = ConnectorAuth::OAuth2 {
            token_url: url.clone(),
            client_id: "id".to_owned(),
            client_secret: Secret::new("secret"),
            scope: None,
            credentials_in: CredentialsIn::Header,
            allow_addresses: allowed.clone(),
        };
        if let Ok(client) = Client::to(Target::new(&good, &allowed, LIMITS).auth(Some(&auth)).lookup(home())) {
            no_connection(form, &client.send(Request::new(Method::GET, None)).await.expect_err(form));
        }
    }
    // Most are URLs to the parser, and names get as far as the resolver: the table does not test itself away.
    assert!(readable > forms.len() / 2 && called > 20, "{readable} of {} are URLs, {called} were called", forms.len());
    assert_eq!(traps.sprung("127.0.0.1").await, 0);
}

#[tokio::test]
async fn a_forbidden_place_in_a_path_a_value_or_a_query_never_changes_where_a_call_goes() {
    let traps = Traps::set(&TRAPPED).await;
    let (base, seen) = answering("127.77.0.1:0", |_| answer(200, "{}")).await;
    let client = Client::new(&base, &networks(&["127.77.0.1/32"]), LIMITS).unwrap();
    let authority = &base[url::Position::BeforeHost..url::Position::AfterPort];
    let mut forms: BTreeSet<String> = hosts();
    for host in ["127.0.0.1", "[::1]", "localhost", "2130706433"] {
        forms.extend(urls(host, traps.port));
    }
    let around = [
        "{}",
        "/{}",
        "//{}",
        "///{}/",
        "/\\{}",
        "/@{}",
        "/x@{}",
        "/x/..//{}",
        "/%2f%2f{}",
        "/%5c%5c{}",
        "/?{}",
        "/#{}",
        "/x\r\nHost: {}",
        "/;{}",
        "/.{}",
    ];
    let (mut taken, mut tried) = (0, 0);
    for form in &forms {
        let mut requests = Vec::new();
        for around in around {
            tried += 1;
            requests.extend(Path::parse(&around.replace("{}", form)).ok().map(|path| (path, Vec::new())));
        }
        // As a value of a template, and as a value and a name of a query.
        requests.extend(Path::encode(form).ok().map(|value| (Path::parse(&format!("/hosts/{value}/restart")).unwrap(), Vec::new())));
        requests.push((Path::parse("/q").unwrap(), vec![(form.clone(), form.clone())]));
        for (path, query) in requests {
            let url = client.url(Some(&path), &query).unwrap();
            assert_eq!(&url[url::Position::BeforeHost..url::Position::AfterPort], authority, "{form}");
            assert_eq!(url.path(), path.as_str(), "{form}");
            taken += 1;
        }
        // One of each goes over the wire.
        let mut request = Request::new(Method::GET, Path::encode(form).ok().map(|value| Path::parse(&format!("/hosts/{value}")).unwrap()));
        request.query = vec![("target".to_owned(), form.clone())];
        assert_eq!(client.send(request).await.unwrap().status, 200, "{form}");
    }
    assert!(tried >= 4_000 && taken > 1_000, "{tried} tried, {taken} taken");
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.len(), forms.len());
    for request in &seen {
        assert_eq!(request.header("host"), Some(authority), "{}", request.head);
        assert_eq!(request.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("host:")).count(), 1);
        assert!(request.line().starts_with("GET /") && request.line().ends_with(" HTTP/1.1"), "{}", request.head);
    }
    assert_eq!(traps.sprung("::1").await, 0);
}

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_points() {
    let traps = Traps::set(&TRAPPED).await;
    let mut places: Vec<String> = hosts().iter().map(|host| format!("http://{host}:{}/", traps.port)).collect();
    places.extend([format!("//127.0.0.1:{}/", traps.port), "/else".to_owned(), "..".to_owned(), String::new()]);
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (all, at) = (places.clone(), Arc::clone(&next));
    let (base, seen) = answering("127.77.0.1:0", move |_| {
        let number = at.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let (status, place) = ([300, 301, 302, 303, 305, 307, 308][number % 7], &all[number]);
        format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {place}\r\nrefresh: 0; url={place}\r\ncontent-location: {place}\r\nalt-svc: h2=\"{place}\"\r\nlink: <{place}>; rel=preload\r\ncontent-length: 0\r\n\r\n")
    })
    .await;
    let client = Client::new(&base, &networks(&["127.77.0.1/32"]), LIMITS).unwrap();
    for place in &places {
        let answer = client.send(Request::new(Method::GET, None)).await.unwrap();
        assert!((300..=308).contains(&answer.status), "{place}");
    }
    assert_eq!(seen.lock().unwrap().len(), places.len(), "one request a call");
    assert!(places.len() >= 200, "{}", places.len());
    assert_eq!(traps.sprung("127.0.0.2").await, 0);
}

#[tokio::test]
async fn a_name_server_that_changes_or_mixes_its_answers_gains_nothing() {
    let traps = Traps::set(&TRAPPED).await;
    let (good, seen) = answering("127.77.0.1:0", |_| answer(200, "{}")).await;
    let url = |port: u16| Url::parse(&format!("http://rebind.example:{port}/")).unwrap();
    let allowed = networks(&["127.77.0.1/32"]);
    let good_url = url(good.port().unwrap());

    // The allowed address for the first call, forbidden ones from then on; one look-up a call.
    let script = Script::new(&[&["127.77.0.1"], &["127.0.0.1"], &["::1"], &["::ffff:127.0.0.1"], &["10.0.0.1", "127.77.0.2"]]);
    let client = Client::to(Target::new(&good_url, &allowed, LIMITS).lookup(script.clone())).unwrap();
    assert_eq!(client.send(Request::new(Method::GET, None)).await.unwrap().status, 200);
    for _ in 0..8 {
        no_connection("rebinding", &client.send(Request::new(Method::GET, None)).await.unwrap_err());
    }
    assert_eq!(*script.asked.lock().unwrap(), ["rebind.example"; 9]);

    // Mixed answers: the allowed one is used wherever it stands, and the others never, though they listen at that port.
    let trapped = url(traps.port);
    for mixed in [["127.0.0.1", "::1", "127.77.0.1"], ["127.77.0.1", "127.0.0.1", "::1"], ["127.0.0.2", "127.77.0.1", "127.255.255.254"]] {
        let script = Script::new(&[&mixed]);
        let client = Client::to(Target::new(&trapped, &allowed, LIMITS).lookup(script.clone())).unwrap();
        // Nothing listens on the allowed address there; the next address in line is a trap.
        let error = client.send(Request::new(Method::GET, None)).await.unwrap_err();
        assert!(matches!(&error, CallError::NotSent(why) if why.contains("127.77.0.1")), "{error:?}");
        assert_eq!(script.asked.lock().unwrap().len(), 1);
        let client = Client::to(Target::new(&good_url, &allowed, LIMITS).lookup(Script::new(&[&mixed]))).unwrap();
        assert_eq!(client.send(Request::new(Method::GET, None)).await.unwrap().status, 200);
    }
    // An answer of a thousand forbidden addresses, and none.
    let many: Vec<String> = (0..1_000).map(|n| format!("127.0.{}.{}", n / 250, n % 250 + 1)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for answers in [many.as_slice(), &[]] {
        let client = Client::to(Target::new(&trapped, &allowed, LIMITS).lookup(Script::new(&[answers]))).unwrap();
        let error = client.send(Request::new(Method::GET, None)).await.unwrap_err();
        assert!(error.is_surely_unsent() && error.to_string().len() < 300, "{error}");
    }
    assert_eq!(seen.lock().unwrap().len(), 4);
    assert_eq!(traps.sprung("127.1.2.3").await, 0);
}

#[tokio::test]
async fn public_addresses_pass_the_look_up_and_only_that_is_asked_of_them() {
    // Nothing is connected to: only what the resolver would give is looked at.
    let lookup: Arc<dyn Lookup> = Script::new(&[&["8.8.8.8", "10.0.0.1", "2606:4700::1111", "::1", "::ffff:8.8.8.8"]]);
    let policy = super::AddressPolicy::new(&[]);
    let found = super::address::resolve(&url::Host::Domain("public.example"), &policy, &lookup).await.unwrap();
    assert_eq!(found, ["8.8.8.8".parse::<std::net::IpAddr>().unwrap(), "2606:4700::1111".parse().unwrap()]);
}
