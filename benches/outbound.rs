//! What slow and hostile receivers cost intake: the latency of 202s while connectors call them, and while none does.
//!
//! `cargo bench --bench outbound [-- FOLDER]`. Rounds with and without calls alternate, since the machine is noisy; the
//! ratio of the two is the figure. Service, load and clients share this process; the receivers, which are elsewhere in
//! life, are a process of their own at the lowest priority.

mod service;

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use service::{RATE, Running, at, median, paced};
use sluicegate::outbound::{CallError, Client, Limits, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Calls under way at the same time.
const CALLERS: usize = 100;
/// A caller begins one call in this time, as a verify step that polls does; a slow call takes longer.
const PACE: Duration = Duration::from_secs(1);
const LIMITS: Limits = Limits { timeout: Duration::from_secs(3), response: 1024 * 1024 };
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 6;
/// The argument that makes this program the receivers.
const RECEIVE: &str = "--be-receivers";

/// What a receiver does after it has read a request.
#[derive(Clone, Copy)]
enum Receiver {
    /// Never answers.
    Silent,
    /// One byte a second.
    Drip,
    /// A body without end.
    Flood,
    /// Interim answers without end.
    Interim,
    /// Headers without end.
    Headers,
    /// Closes at once.
    Drop,
}

const RECEIVERS: [Receiver; 6] = [Receiver::Silent, Receiver::Drip, Receiver::Flood, Receiver::Interim, Receiver::Headers, Receiver::Drop];

async fn receive(mut stream: TcpStream, how: Receiver) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let (first, again) = match how {
        Receiver::Drop => return,
        Receiver::Silent => {
            let _ = stream.read(&mut request).await;
            return;
        }
        Receiver::Drip => {
            let mut second = tokio::time::interval(Duration::from_secs(1));
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" {
                second.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
            return;
        }
        Receiver::Flood => ("HTTP/1.1 200 OK\r\n\r\n", "x".repeat(16 * 1024)),
        Receiver::Interim => ("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(600)),
        Receiver::Headers => ("HTTP/1.1 200 OK\r\n", "x-header: value\r\n".repeat(900)),
    };
    let mut alive = stream.write_all(first.as_bytes()).await.is_ok();
    while alive {
        alive = stream.write_all(again.as_bytes()).await.is_ok();
    }
}

/// One listener for each kind of receiver; prints where, and serves until its standard input closes.
fn be_receivers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut accepting = JoinSet::new();
        for how in RECEIVERS {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
            println!("{}", listener.local_addr().expect("a bound listener"));
            accepting.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(receive(stream, how));
                }
            });
        }
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = ended.send(());
        });
        let _ = end.await;
    });
}

/// This program again, as receivers: the process, and where they listen.
fn receivers() -> (Child, Vec<SocketAddr>) {
    let this = std::env::current_exe().expect("a program knows where it is");
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(this).arg(RECEIVE).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("`nice` is on every Unix machine");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let addresses = lines.take(RECEIVERS.len()).map(|line| line.expect("a line").parse().expect("an address")).collect();
    (child, addresses)
}

/// Calls its receiver again and again while `on`; every call must fail, and within its limits.
async fn call(client: Client, on: Arc<AtomicBool>, calls: Arc<AtomicU64>) {
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        if !on.load(Ordering::Relaxed) {
            continue;
        }
        let begun = Instant::now();
        let ended = client.send(Request::new(Method::GET, None)).await;
        let expected = matches!(ended, Err(CallError::Unknown(_) | CallError::Unreadable { .. }));
        assert!(expected, "a hostile receiver was understood, or refused: {ended:?}");
        calls.fetch_add(1, Ordering::Relaxed);
        assert!(begun.elapsed() < LIMITS.timeout * 3, "a call took {:?}", begun.elapsed());
    }
}

fn main() {
    if std::env::args().any(|argument| argument == RECEIVE) {
        return be_receivers();
    }
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let data = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir_in(&folder).expect("the folder can be written");
    // Their standard input closes when this process ends.
    let (mut child, receivers) = receivers();
    sluicegate::cli::runtime().expect("a runtime").block_on(async {
        let service = Running::start(&data.path().join("store"), true, |_| {}).await;
        let (on, calls, numbers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(1)));
        let loopback = ["127.0.0.0/8".parse().expect("a network")];
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let base = format!("http://{}/", receivers[number % receivers.len()]).parse().expect("a URL");
            let client = Client::new(&base, &loopback, LIMITS).expect("an allowed address");
            callers.spawn(call(client, Arc::clone(&on), Arc::clone(&calls)));
        }
        paced(service.address, ROUND, &numbers).await;
        println!("{CALLERS} callers, {RATE} tickets/s, folder {}", folder.display());
        println!("{:>7} {:>9} {:>9} {:>9} {:>9} {:>7}", "round", "p50 ms", "p99 ms", "p50 with", "p99 with", "calls");
        let (mut all_without, mut all_with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=ROUNDS {
            on.store(false, Ordering::Relaxed);
            // Calls of the round before run into their timeout.
            tokio::time::sleep(LIMITS.timeout).await;
            let without = paced(service.address, ROUND, &numbers).await;
            on.store(true, Ordering::Relaxed);
            tokio::time::sleep(PACE).await;
            let before = calls.load(Ordering::Relaxed);
            let with = paced(service.address, ROUND, &numbers).await;
            let made = calls.load(Ordering::Relaxed) - before;
            println!(
                "{number:>7} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {made:>7}",
                at(&without, 0.5),
                at(&without, 0.99),
                at(&with, 0.5),
                at(&with, 0.99)
            );
            ratios.push(at(&with, 0.99) / at(&without, 0.99));
            all_without.extend(without);
            all_with.extend(with);
        }
        assert!(callers.try_join_next().is_none(), "a caller failed");
        all_without.sort_unstable();
        all_with.sort_unstable();
        println!(
            "p99 of all rounds {:.2} ms without, {:.2} ms with: ratio {:.3}; median of the rounds' ratios {:.3}",
            at(&all_without, 0.99),
            at(&all_with, 0.99),
            at(&all_with, 0.99) / at(&all_without, 0.99),
            median(ratios)
        );
        callers.shutdown().await;
        service.stop().await;
    });
    drop(child.stdin.take());
    let _ = child.wait();
}
