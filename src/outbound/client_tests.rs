//! Real hostile servers: what each may cost, and that a trap beside them is never touched.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;
use crate::outbound::test_servers::{raw, read_request};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };
/// For servers that never end; a busy machine must not run into it elsewhere.
const IMPATIENT: Limits = Limits { timeout: Duration::from_millis(400), ..LIMITS };

fn loopback() -> Vec<IpNet> {
    vec!["127.0.0.1/32".parse().unwrap()]
}

fn get(path: &str) -> Request {
    Request::new(Method::GET, Some(Path::parse(path).unwrap()))
}

/// Accepts connections for ever, counts them, and hands each to `behave` after its request was read.
async fn server<F, Fut>(behave: F) -> (Url, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, String) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (address, count) = raw("127.0.0.1:0", move |mut stream| {
        let behave = behave.clone();
        async move {
            if let Some(request) = read_request(&mut stream).await {
                behave(stream, request.head).await;
            }
        }
    })
    .await;
    (Url::parse(&format!("http://{address}/")).unwrap(), count)
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

#[test]
fn the_error_of_a_base_url_does_not_show_its_user_or_password() {
    for url in ["http://user:hunter2@example.com/", "http://hunter2@example.com/", "ftp://:hunter2@example.com/"] {
        let error = Client::new(&Url::parse(url).unwrap(), &[], LIMITS).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_header_does_not_show_in_debug_output() {
    let request = Request::new(Method::GET, None).secret_header("authorization", "Bearer hunter2").unwrap();
    assert!(!format!("{request:?}").contains("hunter2"));
    let error = Request::new(Method::GET, None).header("x-a", "hunter2\r\nx-b: 1").unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

/// What a hostile server sends after the request, and how often it repeats the second part.
struct Hostile {
    what: &'static str,
    first: String,
    again: String,
    times: usize,
    expect: fn(&Result<Answer, CallError>) -> bool,
}

/// A gigabyte that says it is more: gzip of zeros is a thousandth of them.
fn bomb() -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".to_vec();
    bytes.extend(std::iter::repeat_n(0, 30_000));
    bytes
}

#[tokio::test]
async fn a_hostile_answer_costs_no_more_than_its_limit() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let cut: fn(&Result<Answer, CallError>) -> bool = |result| matches!(result, Err(CallError::Unreadable { status: 200, .. }));
    let unknown: fn(&Result<Answer, CallError>) -> bool = |result| matches!(result, Err(CallError::Unknown(_)));
    let hostile = |what, first: String, again: &str, times, expect| Hostile { what, first, again: again.to_owned(), times, expect };
    let endless = usize::MAX;
    let cases = [
        hostile("10 GB announced", format!("{ok}content-length: 10737418240\r\n\r\n"), &"x".repeat(8192), endless, cut),
        hostile("10 GB until the end of the connection", format!("{ok}\r\n"), &"x".repeat(8192), endless, cut),
        hostile(
            "one chunk of 16 exabytes",
            format!("{ok}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            &"x".repeat(8192),
            endless,
            cut,
        ),
        hostile("a chunk size that overflows", format!("{ok}transfer-encoding: chunked\r\n\r\n"), "f", endless, cut),
        hostile("a chunk size below nothing", format!("{ok}transfer-encoding: chunked\r\n\r\n-1\r\n"), "x", 1, cut),
        hostile("chunks of one byte", format!("{ok}transfer-encoding: chunked\r\n\r\n"), &"1\r\nx\r\n".repeat(1_000), endless, cut),
        hostile("endless chunk extensions", format!("{ok}transfer-encoding: chunked\r\n\r\n"), "1;x=y\r\nx\r\n", endless, cut),
        hostile("one extension without end", format!("{ok}transfer-encoding: chunked\r\n\r\n1;"), &"x".repeat(1_000), endless, cut),
        hostile("endless trailers", format!("{ok}transfer-encoding: chunked\r\n\r\n0\r\n"), "x-y: z\r\n", endless, cut),
        hostile("endless headers", ok.to_owned(), "x-y: z\r\n", endless, unknown),
        hostile("101 headers", format!("{ok}{}", "x-y: z\r\n".repeat(101)), "\r\n", 1, unknown),
        hostile("one header without end", format!("{ok}x: "), &"y".repeat(1_000), endless, unknown),
        hostile("a reason without end", "HTTP/1.1 200 ".to_owned(), &"y".repeat(1_000), endless, unknown),
        hostile("endless 100 Continue", String::new(), &"HTTP/1.1 100 Continue\r\n\r\n".repeat(100), endless, unknown),
        hostile("endless 103 Early Hints", String::new(), "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n", endless, unknown),
        hostile("endless 102 Processing", String::new(), "HTTP/1.1 102 Processing\r\n\r\n", endless, unknown),
        hostile("HTTP/0.9", "<html>hello</html>".to_owned(), "<p>", endless, unknown),
        hostile("SSH", "SSH-2.0-OpenSSH_9.9\r\n".to_owned(), "", 0, unknown),
        hostile("binary", "\u{0}\u{1}\u{2}\u{7f}".to_owned(), "\u{0}", endless, unknown),
        hostile("line feeds", String::new(), "\n", endless, unknown),
        hostile("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "", 0, unknown),
        hostile("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n".to_owned(), "", 0, unknown),
        hostile("a length below nothing", format!("{ok}content-length: -1\r\n\r\n"), "x", endless, unknown),
        hostile("two lengths", format!("{ok}content-length: 1\r\ncontent-length: 2\r\n\r\n"), "x", endless, unknown),
        hostile("a folded header", format!("{ok}x: y\r\n z: 1\r\n\r\n"), "x", 1, unknown),
        hostile("a header with NUL", format!("{ok}x: \u{0}\r\n\r\n"), "x", 1, unknown),
        hostile("half an answer", format!("{ok}content-length: 100\r\n\r\nhalf"), "", 0, cut),
        hostile("half a head", "HTTP/1.1 20".to_owned(), "", 0, unknown),
        hostile("nothing", String::new(), "", 0, unknown),
    ];
    for case in cases {
        let (done, ended) = oneshot::channel::<usize>();
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        let (first, again) = (case.first, case.again);
        let (url, count) = server(move |mut stream, _| {
            let (done, first, again) = (Arc::clone(&done), first.clone(), again.clone());
            async move {
                let mut sent = first.len();
                let mut alive = stream.write_all(first.as_bytes()).await.is_ok();
                for _ in 0..case.times {
                    alive = alive && stream.write_all(again.as_bytes()).await.is_ok();
                    if !alive {
                        break;
                    }
                    sent += again.len();
                }
                let done = done.lock().unwrap().take();
                done.map(|done| done.send(sent));
            }
        })
        .await;
        let begun = std::time::Instant::now();
        let result = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await;
        assert!((case.expect)(&result), "{}: {:?}", case.what, result.map(|answer| (answer.status, answer.body.len())));
        // Cut by a bound of size, not by the time that such a server would gladly take.
        assert!(begun.elapsed() < LIMITS.timeout / 2, "{} took {:?}", case.what, begun.elapsed());
        // What left the server: the wire's allowance and what the kernels buffer of a dropped connection.
        assert!(ended.await.unwrap() < 32 * 1024 * 1024, "{}", case.what);
        assert_eq!(count.load(Ordering::SeqCst), 1, "{}: one connection, no second try", case.what);
    }
}

#[tokio::test]
async fn a_compressed_answer_stays_compressed() {
    let (url, _) = server(|mut stream, head| async move {
        assert!(!head.to_ascii_lowercase().contains("accept-encoding"), "{head}");
        let body = bomb();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body).await;
    })
    .await;
    let answer = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await.unwrap();
    assert_eq!(answer.body, bomb());
}

#[tokio::test]
async fn an_answer_as_large_as_its_limit_is_read_in_chunks_of_any_usual_size() {
    for chunk in [16, 512, 65_536] {
        let (url, _) = server(move |mut stream, _| async move {
            let mut text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
            for _ in 0..LIMITS.response / chunk {
                text.push_str(&format!("{chunk:x}\r\n{}\r\n", "x".repeat(chunk)));
            }
            text.push_str("0\r\n\r\n");
            let _ = stream.write_all(text.as_bytes()).await;
        })
        .await;
        let answer = Client::new(&url, &loopback(), LIMITS).unwrap().send(get("/")).await.unwrap();
        assert_eq!(answer.body.len(), LIMITS.response);
    }
}

#[tokio::test]
async fn a_byte_a_second_in_any_part_of_an_answer_ends_with_the_timeout() {
    for (first, drip) in [
        ("", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"),
        ("HTTP/1.1 200 OK\r\n", "x-a: aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n1\r\na\r\n1\r\na\r\n"),
    ] {
        let (url, count) = server(move |mut stream, _| async move {
            let _ = stream.write_all(first.as_bytes()).await;
            let mut second = tokio::time::interval(Duration::from_secs(1));
            for byte in drip.bytes() {
                second.tick().await;
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        })
        .await;
        let begun = std::time::Instant::now();
        let error = Client::new(&url, &loopback(), IMPATIENT).unwrap().send(get("/")).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_) | CallError::Unreadable { status: 200, .. }), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn what_a_request_says_of_itself_is_the_clients_alone() {
    let (url, _) = server(|mut stream, head| async move {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len()).as_bytes()).await;
    })
    .await;
    let client = Client::new(&url, &loopback(), LIMITS).unwrap();
    let mut request = Request::new(Method::POST, Some(Path::parse("/x").unwrap()));
    for (name, value) in [("host", "evil.example"), ("connection", "keep-alive"), ("content-length", "99999")] {
        request = request.header(name, value).unwrap();
    }
    let head = String::from_utf8(client.send(request).await.unwrap().body).unwrap().to_ascii_lowercase();
    assert!(head.contains(&format!("host: {}\r\n", url.authority())), "{head}");
    assert!(head.contains("connection: close\r\n") && head.contains("content-length: 0\r\n"), "{head}");
    assert!(!head.contains("evil") && !head.contains("99999"), "{head}");
    let head = String::from_utf8(client.send(get("/")).await.unwrap().body).unwrap().to_ascii_lowercase();
    assert!(!head.contains("content-length"), "{head}");
}
