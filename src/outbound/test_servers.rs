//! Servers for tests of this room, all on loopback: one that behaves as told, one with TLS, and traps.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::Lookup;

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// Reads one request with the body that its length names; `None` when the other side closed first.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut seen = Seen { head: String::from_utf8_lossy(&bytes[..end]).into_owned(), body: bytes.split_off(end) };
    let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while seen.body.len() < length {
        if stream.read_buf(&mut seen.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(seen)
}

pub(super) fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Accepts connections for ever, counts them, and hands each to `behave`.
pub(super) async fn raw<F, Fut>(address: &str, behave: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(behave.clone()(stream));
        }
    });
    (address, count)
}

/// Answers each request as `respond` says, and keeps what it saw.
pub(super) async fn answering(
    address: &str,
    respond: impl Fn(&Seen) -> String + Send + Sync + Clone + 'static,
) -> (Url, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let behave = move |mut stream: TcpStream| {
        let (respond, kept) = (respond.clone(), Arc::clone(&kept));
        async move {
            let Some(request) = read_request(&mut stream).await else { return };
            let text = respond(&request);
            kept.lock().unwrap().push(request);
            let _ = stream.write_all(text.as_bytes()).await;
        }
    };
    let (address, _) = raw(address, behave).await;
    (Url::parse(&format!("http://{address}/")).unwrap(), seen)
}

/// Listeners on one port of many addresses that nothing may be sent to; says how many connections came.
pub(super) struct Traps {
    pub port: u16,
    count: Arc<AtomicUsize>,
}

impl Traps {
    /// On every address of `addresses`, at a port that is free on all of them.
    pub async fn set(addresses: &[&str]) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        'port: loop {
            let first = TcpListener::bind((addresses[0], 0)).await.unwrap();
            let port = first.local_addr().unwrap().port();
            let mut listeners = vec![first];
            for address in &addresses[1..] {
                match TcpListener::bind((*address, port)).await {
                    Ok(listener) => listeners.push(listener),
                    Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => continue 'port,
                    Err(why) => panic!("this machine has no {address}, which these tests need: {why}"),
                }
            }
            for listener in listeners {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        count.fetch_add(1, Ordering::SeqCst);
                        drop(stream);
                    }
                });
            }
            return Self { port, count };
        }
    }

    /// Connections since they were set. Connects to one of them first: what came before it has then been counted.
    pub async fn sprung(&self, probe: &str) -> usize {
        let before = self.count.load(Ordering::SeqCst);
        drop(TcpStream::connect((probe, self.port)).await.expect("the trap listens"));
        while self.count.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
        self.count.fetch_sub(1, Ordering::SeqCst) - 1
    }
}

/// A name server under test control: one answer a look-up, the last one for ever.
pub(super) struct Script {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    pub asked: Mutex<Vec<String>>,
}

impl Script {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(parse).collect()), asked: Mutex::default() })
    }
}

#[async_trait]
impl Lookup for Script {
    async fn lookup(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers.first().cloned().unwrap_or_default() })
    }
}

pub(super) fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}
