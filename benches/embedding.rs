//! The embeddings' figures on one thread: load, one text of 42 words, texts a second, memory.
//!
//! `cargo bench --bench embedding`. Bars: MiniLM 110 texts a second and 9 ms for one, static 5,000 texts a second.
//! The fastest batch is shown beside the median: on a machine that does other work, it is the nearer to the truth.

use std::{hint::black_box, path::Path, time::Instant};

use sluicegate::text::embedding::{Embedder, EmbeddingKind};

const WORDS: &str = "the finance team cannot open shared mailbox after migration outlook asks for password again and restart did \
    not help printer on third floor shows error vpn drops every ten minutes disk full server database customer invoice access \
    request laptop slow update failed certificate expired login account locked network please urgent since this morning";

/// Texts of 42 words, all different, the same on every run.
fn texts(count: usize) -> Vec<String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        words[(state >> 33) as usize % words.len()]
    };
    (0..count).map(|_| (0..42).map(|_| next()).collect::<Vec<_>>().join(" ")).collect()
}

/// Resident megabytes, where the system says so.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn measure(name: &str, kind: EmbeddingKind, count: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding");
    let before = resident();
    let start = Instant::now();
    let embedder = Embedder::load(&folder, kind).expect("the shipped model loads");
    let load = start.elapsed().as_secs_f64() * 1e3;
    let texts = texts(count);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    black_box(embedder.embed(&texts[..count / 10]));
    let mut single: Vec<f64> = texts
        .iter()
        .map(|text| {
            let start = Instant::now();
            black_box(embedder.embed_one(text));
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    single.sort_by(f64::total_cmp);
    let mut rates: Vec<f64> = texts
        .chunks(count / 10)
        .map(|batch| {
            let start = Instant::now();
            black_box(embedder.embed(batch));
            batch.len() as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let memory = before.zip(resident()).map_or_else(|| "?".to_owned(), |(before, after)| format!("{:.0}", after - before));
    println!("{name}: load {load:.0} ms, {memory} MB");
    println!("  one text   p50 {:.3} ms   p99 {:.3} ms   fastest {:.3} ms", single[count / 2], single[count * 99 / 100], single[0]);
    println!("  batches    median {:.0} texts/s   fastest {:.0} texts/s", rates[rates.len() / 2], rates[rates.len() - 1]);
}

fn main() {
    measure("static", EmbeddingKind::Static, 20_000);
    measure("minilm", EmbeddingKind::Minilm, 400);
}
