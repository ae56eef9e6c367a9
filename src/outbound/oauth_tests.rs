//! A real token endpoint and a real target beside it: how often each is asked, and what is known when one fails.

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use url::Url;

use super::*;
use crate::{
    config::auth::ConnectorAuth,
    outbound::test_servers::{Seen, answer, answering, networks, raw, read_request},
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 * 1024 };

struct Pair {
    client: Client,
    token_requests: Arc<Mutex<Vec<Seen>>>,
    calls: Arc<Mutex<Vec<Seen>>>,
}

/// A target that answers as `call` says to whoever comes with a token, and an endpoint that answers as `token` says to
/// the request with that number from 1.
async fn pair(
    credentials_in: CredentialsIn,
    token: impl Fn(usize) -> String + Send + Sync + Clone + 'static,
    call: impl Fn(&Seen) -> String + Send + Sync + Clone + 'static,
) -> Pair {
    let asked = Arc::new(AtomicUsize::new(0));
    let (token_url, token_requests) = answering("127.0.0.1:0", move |_| token(asked.fetch_add(1, Ordering::SeqCst) + 1)).await;
    let (base, calls) = answering("127.0.0.1:0", call).await;
    Pair { client: client(&base, token_url.join("/oauth2/token?tenant=a").unwrap(), credentials_in, LIMITS), token_requests, calls }
}

fn client(base: &Url, token_url: Url, credentials_in: CredentialsIn, limits: Limits) -> Client {
    let auth = ConnectorAuth::OAuth2 {
        token_url,
        client_id: "our id".to_owned(),
        client_secret: Secret::new("hunter2:&ü"),
        scope: Some("jobs.read jobs.write".to_owned()),
        credentials_in,
        allow_addresses: networks(&["127.0.0.1/32"]),
    };
    Client::to(Target::new(base, &networks(&["127.0.0.1/32"]), limits).auth(Some(&auth))).unwrap()
}

fn granted(token: &str, expires_in: &str) -> String {
    answer(200, &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in},"scope":"x"}}"#))
}

fn get() -> Request {
    Request::new(Method::GET, None)
}

fn bearer(seen: &Seen) -> String {
    seen.header("authorization").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_token_is_asked_for_as_the_rfc_says_once_and_serves_every_call() {
    for credentials_in in [CredentialsIn::Header, CredentialsIn::Body] {
        let pair = pair(credentials_in, |number| granted(&format!("token-{number}"), "3600"), |_| answer(200, "{}")).await;
        for _ in 0..5 {
            assert_eq!(pair.client.send(get()).await.unwrap().status, 200);
        }
        let calls = pair.calls.lock().unwrap();
        assert!(calls.len() == 5 && calls.iter().all(|seen| bearer(seen) == "Bearer token-1"));
        let asked = pair.token_requests.lock().unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].line(), "POST /oauth2/token?tenant=a HTTP/1.1");
        assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
        let body = String::from_utf8(asked[0].body.clone()).unwrap();
        match credentials_in {
            CredentialsIn::Header => {
                assert_eq!(body, "grant_type=client_credentials&scope=jobs.read+jobs.write");
                let pair = BASE64_STANDARD.encode("our+id:hunter2%3A%26%C3%BC");
                assert_eq!(asked[0].header("authorization"), Some(format!("Basic {pair}").as_str()));
            }
            CredentialsIn::Body => {
                let expected =
                    "grant_type=client_credentials&scope=jobs.read+jobs.write&client_id=our+id&client_secret=hunter2%3A%26%C3%BC";
                assert_eq!((body.as_str(), asked[0].header("authorization")), (expected, None));
            }
        }
    }
}

#[tokio::test]
async fn sixty_four_calls_at_once_ask_for_one_token_and_share_one_failure() {
    let all = async |pair: &Pair| {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let client = pair.client.clone();
            tasks.spawn(async move { client.send(get()).await });
        }
        tasks.join_all().await
    };
    let good = pair(CredentialsIn::Header, |number| granted(&format!("token-{number}"), "3600"), |_| answer(200, "{}")).await;
    assert!(all(&good).await.iter().all(Result::is_ok));
    assert_eq!((good.token_requests.lock().unwrap().len(), good.calls.lock().unwrap().len()), (1, 64));

    let bad = pair(CredentialsIn::Header, |_| answer(503, "{}"), |_| answer(200, "{}")).await;
    assert!(all(&bad).await.iter().all(|result| matches!(result, Err(CallError::NotSent(_)))));
    // A call that came after the first failure may ask again; not every one of 64 does.
    assert!(bad.token_requests.lock().unwrap().len() <= 16, "{}", bad.token_requests.lock().unwrap().len());
    assert_eq!(bad.calls.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_token_at_its_end_is_fetched_anew_and_a_failure_is_not_remembered() {
    let none = pair(CredentialsIn::Header, |number| granted(&format!("token-{number}"), "0"), |_| answer(200, "{}")).await;
    for number in 1..=3 {
        none.client.send(get()).await.unwrap();
        assert_eq!(bearer(none.calls.lock().unwrap().last().unwrap()), format!("Bearer token-{number}"));
    }
    let flaky = |number| if number == 1 { answer(500, "") } else { granted("token", "\"3600\"") };
    let flaky = pair(CredentialsIn::Header, flaky, |_| answer(200, "{}")).await;
    assert!(flaky.client.send(get()).await.unwrap_err().is_surely_unsent());
    for _ in 0..3 {
        assert_eq!(flaky.client.send(get()).await.unwrap().status, 200);
    }
    assert_eq!(flaky.token_requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_fetched_anew_and_the_request_sent_once_more() {
    // The target forgets every token but the newest that its test names.
    let good = Arc::new(Mutex::new("Bearer token-1".to_owned()));
    let newest = Arc::clone(&good);
    let call = move |seen: &Seen| answer(if bearer(seen) == *newest.lock().unwrap() { 200 } else { 401 }, "{}");
    let pair = pair(CredentialsIn::Header, |number| granted(&format!("token-{number}"), "3600"), call).await;
    let post = || Request::new(Method::POST, None).json(&serde_json::json!({"n": 1}));
    assert_eq!(pair.client.send(post()).await.unwrap().status, 200);
    *good.lock().unwrap() = "Bearer token-2".to_owned();
    assert_eq!(pair.client.send(post()).await.unwrap().status, 200);
    {
        let calls = pair.calls.lock().unwrap();
        assert_eq!(calls.iter().map(bearer).collect::<Vec<_>>(), ["Bearer token-1", "Bearer token-1", "Bearer token-2"]);
        assert!(calls.iter().all(|seen| seen.body == br#"{"n":1}"#), "the same body each time");
    }
    // A token that is refused though new: its 401 is the answer, and there is one more call at most.
    *good.lock().unwrap() = "nobody".to_owned();
    assert_eq!(pair.client.send(post()).await.unwrap().status, 401);
    assert_eq!(pair.client.send(post()).await.unwrap().status, 401);
    assert_eq!(pair.token_requests.lock().unwrap().len(), 4);
    assert_eq!(pair.calls.lock().unwrap().len(), 7, "1, 2, 2 and 2");
}

#[tokio::test]
async fn a_token_fetched_for_this_very_call_and_refused_is_not_tried_again() {
    let pair = pair(CredentialsIn::Header, |number| granted(&format!("token-{number}"), "3600"), |_| answer(401, "{}")).await;
    assert_eq!(pair.client.send(get()).await.unwrap().status, 401);
    assert_eq!((pair.token_requests.lock().unwrap().len(), pair.calls.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn no_other_answer_and_no_silence_sends_a_request_again() {
    for status in [200, 201, 302, 400, 403, 407, 409, 419, 429, 500, 502, 503] {
        let pair = pair(CredentialsIn::Header, |_| granted("token", "3600"), move |_| answer(status, "{}")).await;
        for calls in 1..=2 {
            assert_eq!(pair.client.send(get()).await.unwrap().status, status);
            assert_eq!(pair.calls.lock().unwrap().len(), calls);
        }
    }
    // A 401 whose body never comes is no whole answer.
    for text in ["", "HTTP/1.1 401 Unauthorized\r\ncontent-length: 10\r\n\r\nhalf"] {
        let pair = pair(CredentialsIn::Header, |_| granted("token", "3600"), move |_| text.to_owned()).await;
        for calls in 1..=2 {
            let error = pair.client.send(get()).await.unwrap_err();
            assert!(!error.is_surely_unsent(), "{error:?}");
            assert_eq!(pair.calls.lock().unwrap().len(), calls);
        }
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_no_secret_is_shown() {
    let long = format!(r#"{{"access_token":"{}","token_type":"bearer"}}"#, "x".repeat(100_000));
    for (text, says) in [
        (answer(400, r#"{"error":"invalid_client","error_description":"hunter2 is wrong"}"#), "answered 400 with `invalid_client`"),
        (answer(401, r#"{"error":"hunter2"}"#), "answered 401"),
        (answer(302, ""), "answered 302"),
        (answer(500, "hunter2"), "answered 500"),
        (answer(201, r#"{"access_token":"hunter2"}"#), "answered 201"),
        (answer(200, "hunter2"), "no token"),
        (answer(200, r#"{"access_token":"hunter2","token_type":"mac"}"#), "another type"),
        (answer(200, r#"{"access_token":"","token_type":"bearer"}"#), "no header can carry"),
        (answer(200, r#"{"access_token":"hunter2\r\nx: y","token_type":"bearer"}"#), "no header can carry"),
        (answer(200, r#"{"access_token":"hunter2 é","token_type":"bearer"}"#), "no header can carry"),
        (answer(200, r#"{"access_token":["hunter2"],"token_type":"bearer"}"#), "no token"),
        (answer(200, &long), "larger than 65536 bytes"),
        (String::new(), "the token endpoint"),
    ] {
        let pair = pair(CredentialsIn::Body, move |_| text.clone(), |_| answer(200, "{}")).await;
        let error = pair.client.send(get()).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(pair.calls.lock().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_token_endpoint_that_never_answers_takes_no_more_time_than_the_call_may() {
    let (address, _) = raw("127.0.0.1:0", |mut stream: TcpStream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (base, calls) = answering("127.0.0.1:0", |_| answer(200, "{}")).await;
    let limits = Limits { timeout: Duration::from_millis(500), ..LIMITS };
    let client = client(&base, Url::parse(&format!("http://{address}/")).unwrap(), CredentialsIn::Header, limits);
    let begun = std::time::Instant::now();
    let error = client.send(get()).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(calls.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_cancelled_fetch_does_not_hold_up_the_next() {
    let first = Arc::new(AtomicUsize::new(0));
    let (address, _) = raw("127.0.0.1:0", move |mut stream: TcpStream| {
        let number = first.fetch_add(1, Ordering::SeqCst);
        async move {
            read_request(&mut stream).await;
            if number == 0 {
                std::future::pending::<()>().await;
            }
            let _ = stream.write_all(granted("token", "3600").as_bytes()).await;
        }
    })
    .await;
    let (base, _) = answering("127.0.0.1:0", |_| answer(200, "{}")).await;
    let client = client(&base, Url::parse(&format!("http://{address}/")).unwrap(), CredentialsIn::Header, LIMITS);
    assert!(tokio::time::timeout(Duration::from_millis(300), client.send(get())).await.is_err());
    assert_eq!(client.send(get()).await.unwrap().status, 200);
}
