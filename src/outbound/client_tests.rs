//! Real hostile servers: what each may cost, and that a trap beside them is never touched.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;
use crate::outbound::Lookup;

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };
/// For servers that never end; a busy machine must not run into it elsewhere.
const IMPATIENT: Limits = Limits { timeout: Duration::from_millis(400), ..LIMITS };

fn loopback() -> Vec<IpNet> {
    vec!["127.0.0.1/32".parse().unwrap()]
}

fn get(path: &str) -> Request {
    Request::new(Method::GET, Some(Path::parse(path).unwrap()))
}

/// Accepts connections for ever, counts them, and hands each to `behave` after its request head was read.
async fn server<F, Fut>(behave: F) -> (Url, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, String) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let behave = behave.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 8192];
                let read = stream.read(&mut head).await.unwrap_or(0);
                behave(stream, String::from_utf8_lossy(&head[..read]).into_owned()).await;
            });
        }
    });
    (url, count)
}

async fn trap() -> (Url, Arc<AtomicUsize>) {
    server(|_, _| async {}).await
}

#[tokio::test]
async fn an_answer_is_read_whole_and_the_request_goes_below_the_base() {
    let (mut url, _) = server(|mut stream, head| async move {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nRetry-After: 7\r\n\r\n{line}", line.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    url.set_path("/api/");
    let client = Client::new(&url, &loopback(), LIMITS).unwrap();
    let mut request = get("/printers/p%201");
    request.query = vec![("a b".into(), "&=#?/é".into())];
    let answer = client.send(request).await.unwrap();
    assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), "GET /api/printers/p%201?a%20b=%26%3D%23%3F%2F%C3%A9 HTTP/1.1");
    assert_eq!(answer.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (trap_url, trapped) = trap().await;
    for status in [301, 302, 303, 307, 308] {
        let to = trap_url.clone();
        let (url, _) = server(move |mut stream, _| {
            let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nRefresh: 0; url={to}\r\nContent-Length: 0\r\n\r\n");
            async move {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        let answer = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await.unwrap();
        assert_eq!(answer.status, status);
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_size_limit() {
    let (done, ended) = oneshot::channel::<usize>();
    let done = Arc::new(std::sync::Mutex::new(Some(done)));
    let (url, _) = server(move |mut stream, _| {
        let done = Arc::clone(&done);
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
            let mut sent = 0;
            while stream.write_all(chunk.as_bytes()).await.is_ok() {
                sent += chunk.len();
            }
            if let Some(done) = done.lock().unwrap().take() {
                let _ = done.send(sent);
            }
        }
    })
    .await;
    let error = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await.unwrap_err();
    assert!(matches!(&error, CallError::Unreadable { status: 200, why } if why.contains("65536")), "{error}");
    // The connection was dropped: the server could not write more than the limit and what the kernel buffers.
    assert!(ended.await.unwrap() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_server_that_never_answers_leaves_the_outcome_unknown() {
    let (url, count) = server(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let error = Client::new(&url, &loopback(), IMPATIENT).unwrap().send(get("/")).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1, "never a second connection");
}

#[tokio::test]
async fn a_connection_cut_after_the_request_leaves_the_outcome_unknown_and_is_not_retried() {
    let (url, count) = trap().await;
    let error = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_outlast_the_total_timeout() {
    let (url, _) = server(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
    let begun = std::time::Instant::now();
    let error = Client::new(&url, &loopback(), IMPATIENT).unwrap().send(get("/")).await.unwrap_err();
    assert!(matches!(error, CallError::Unreadable { status: 200, .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_closed_port_means_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await.unwrap_err();
    assert!(error.is_surely_unsent(), "{error:?}");
}

/// A name server under test control: one answer a look-up, the last one for ever.
struct Script(std::sync::Mutex<Vec<Vec<IpAddr>>>);

#[async_trait]
impl Lookup for Script {
    async fn lookup(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().unwrap();
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers.first().cloned().unwrap_or_default() })
    }
}

#[tokio::test]
async fn a_name_that_turns_to_a_forbidden_address_is_refused_before_any_connection() {
    let (trap_url, trapped) = trap().await;
    let (good_url, good) = server(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    })
    .await;
    let url = Url::parse(&format!("http://rebind.example:{}/", good_url.port().unwrap())).unwrap();
    // The allowed address first, then one that is loopback too but not listed.
    let lookup = Script(std::sync::Mutex::new(vec![vec!["127.0.0.1".parse().unwrap()], vec!["127.0.0.2".parse().unwrap()]]));
    let client = Client::to(Target::new(&url, &loopback(), LIMITS).lookup(Arc::new(lookup))).unwrap();
    assert_eq!(client.send(get("/")).await.unwrap().status, 204);
    let error = client.send(get("/")).await.unwrap_err();
    assert!(matches!(error, CallError::Forbidden(Refusal::Address { .. })), "{error:?}");
    assert_eq!((good.load(Ordering::SeqCst), trapped.load(Ordering::SeqCst)), (1, 0));
    drop(trap_url);
}

/// Ways to write this machine, its neighbours and other places a base URL must not reach.
const HOSTILE_HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "0x7f.1",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "00000177.1",
    "127.0.0.1.",
    "１２７.0.0.1",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "%31%32%37.0.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:10.0.0.1]",
    "[::ffff:0:10.0.0.1]",
    "10.0.0.1",
    "10.1",
    "0xa.0.0.1",
    "167772161",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "172.16.1",
    "192.168.0.1",
    "192.168.1",
    "0xc0a80001",
    "3232235521",
    "169.254.169.254",
    "169.254.43518",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "100.64.0.1",
    "100.127.0.1",
    "198.18.0.1",
    "198.19.1.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "loc%61lhost",
    "ｌｏｃａｌｈｏｓｔ",
    "ip6-localhost",
];

/// Whole URLs that are no base URL, or that only look like one.
const HOSTILE_URLS: &[&str] = &[
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:/run/x.sock",
    "ws://example.com/",
    "http+unix://%2Frun/",
    "dict://127.0.0.1/",
    "ldap://127.0.0.1/",
    "http://user@example.com/",
    "http://:pw@example.com/",
    "http://user:pw@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http:\\\\127.0.0.1\\",
    "http:/127.0.0.1/",
    "http:127.0.0.1",
    "http:///127.0.0.1/",
    "http://example.com/#x",
    "http://example.com:0/",
    "http://\t127.0.0.1/",
    "http://127.0.\n0.1/",
    " http://127.0.0.1/",
    "HtTp://127.0.0.1/",
    "http://127.0.0.1:80/",
    "http://127.0.0.1:080/",
    "http://127.0.0.1:65535/",
    "https://127.0.0.1/",
    "https://[::1]:443/",
    "http://0x7f.0.0.1:22/",
    "http://[::ffff:127.0.0.1]:80/",
];

#[tokio::test]
async fn no_hostile_host_or_url_makes_a_connection() {
    let (trap_url, trapped) = trap().await;
    let port = trap_url.port().unwrap();
    // Every name leads home, whatever the machine's own resolver says.
    let home: Arc<dyn Lookup> = Arc::new(Script(std::sync::Mutex::new(vec![vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]])));
    let mut texts: Vec<String> = HOSTILE_HOSTS.iter().map(|host| format!("http://{host}:{port}/")).collect();
    texts.extend(HOSTILE_URLS.iter().map(|url| (*url).to_owned()));
    texts.push(format!("http://127.0.0.1:{port}@example.com:{port}/"));
    assert!(texts.len() >= 100, "{}", texts.len());
    for text in &texts {
        // Text that is no URL at all is refused by the configuration's reader.
        let Ok(url) = Url::parse(text) else { continue };
        match Client::to(Target::new(&url, &[], LIMITS).lookup(Arc::clone(&home))) {
            Err(_) => {}
            Ok(client) => {
                let error = client.send(Request::new(Method::GET, None)).await.expect_err(text);
                assert!(matches!(error, CallError::Forbidden(_)), "{text}: {error:?}");
            }
        }
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
    // The trap works: the same port answers when its address is listed.
    let _ = Client::new(&trap_url, &loopback(), LIMITS).unwrap().send(get("/")).await;
    assert_eq!(trapped.load(Ordering::SeqCst), 1);
}

#[test]
fn the_error_of_a_base_url_does_not_show_its_password() {
    let url = Url::parse("http://user:hunter2@example.com/").unwrap();
    let error = Client::new(&url, &[], LIMITS).unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_secret_header_does_not_show_in_debug_output() {
    let request = Request::new(Method::GET, None).secret_header("authorization", "Bearer hunter2").unwrap();
    assert!(!format!("{request:?}").contains("hunter2"));
    let error = Request::new(Method::GET, None).header("x-a", "hunter2\r\nx-b: 1").unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}
