//! Durable signed tickets over HTTP: 202s a second and their latency, beside the disk's raw sync rate.
//!
//! `cargo bench --bench intake [-- FOLDER]`. The service and the load share this process and this machine, as in
//! the figures of docs/performance.md; triage workers run, as they do in production.

mod service;

use std::{
    fs::OpenOptions,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use service::{Running, at, exchange, request};
use tokio::net::TcpStream;

const SECONDS: u64 = 6;

/// `fdatasync` calls a second on a file of the folder that is written 4 KiB at a time.
fn raw_syncs(folder: &Path) -> f64 {
    let path = folder.join("raw-sync");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).expect("the folder can be written");
    let (started, mut count) = (Instant::now(), 0u32);
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all(&[0; 4096]).expect("the disk has room");
        file.sync_data().expect("the disk syncs");
        count += 1;
    }
    std::fs::remove_file(path).expect("the file is ours");
    f64::from(count) / started.elapsed().as_secs_f64()
}

async fn load(address: SocketAddr, connections: u64, numbers: &Arc<AtomicU64>) -> (f64, Vec<Duration>, u64) {
    let (started, end) = (Instant::now(), Instant::now() + Duration::from_secs(SECONDS));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let numbers = Arc::clone(numbers);
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the service listens");
            stream.set_nodelay(true).expect("a TCP stream");
            let (mut times, mut refused, mut buffer) = (Vec::new(), 0, Vec::with_capacity(4096));
            while Instant::now() < end {
                let request = request(numbers.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                match exchange(&mut stream, &request, &mut buffer).await.expect("the service answers") {
                    202 => times.push(sent.elapsed()),
                    _ => refused += 1,
                }
            }
            (times, refused)
        });
    }
    let (mut all, mut refused) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (times, no) = done.expect("a client does not panic");
        all.extend(times);
        refused += no;
    }
    let seconds = started.elapsed().as_secs_f64();
    all.sort_unstable();
    (all.len() as f64 / seconds, all, refused)
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let data = tempfile::Builder::new().prefix("sluicegate-bench-").tempdir_in(&folder).expect("the folder can be written");
    let runtime = sluicegate::cli::runtime().expect("a runtime");
    println!("folder {}", folder.display());
    println!("{:>11} {:>7} {:>9} {:>8} {:>8} {:>9} {:>14}", "connections", "triage", "202/s", "p50 ms", "p99 ms", "refused", "raw syncs/s");
    for (connections, triage) in [(64, false), (64, true), (512, false), (512, true)] {
        let raw = raw_syncs(data.path());
        let store = data.path().join(format!("{connections}-{triage}"));
        let (rate, times, refused) = runtime.block_on(async {
            let started = Running::start(&store, triage, |_| {}).await;
            let numbers = Arc::new(AtomicU64::new(1));
            let measured = load(started.address, connections, &numbers).await;
            started.stop().await;
            measured
        });
        let triage = if triage { "on" } else { "off" };
        println!("{connections:>11} {triage:>7} {rate:>9.0} {:>8.2} {:>8.2} {refused:>9} {raw:>14.0}", at(&times, 0.5), at(&times, 0.99));
    }
}
