//! Ranking in a library of thousands: load, load again after one change, and the time of one ranking.
//!
//! `cargo bench --bench runbooks -- [--runbooks 10000] [--embedding none|static|minilm]`. The runbooks are made from the
//! words of the shipped ones, each with an alert name, a pattern of its own and some 200 words. Each query is embedded
//! before it is timed, so that the figure is the matcher's. `minilm` embeds every passage first, which takes minutes.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use sluicegate::{
    runbook::{Known, Library, Meaning, Query},
    text::embedding::{CachedEmbedder, Embedder, EmbeddingKind},
};

const QUERIES: usize = 2_000;

/// Numbers that are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// Frequent words often, rare words seldom, as in prose.
    fn words<'a>(&mut self, vocabulary: &'a [String], count: usize) -> Vec<&'a str> {
        (0..count)
            .map(|_| {
                let limit = 1 + self.below(vocabulary.len());
                vocabulary[self.below(limit)].as_str()
            })
            .collect()
    }
}

fn vocabulary(shipped: &Library) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for runbook in shipped.iter() {
        for word in format!("{} {} {}", runbook.title, runbook.symptoms.join(" "), runbook.body).split(|c: char| !c.is_alphabetic()) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    counts.remove("");
    let mut words: Vec<(usize, String)> = counts.into_iter().map(|(word, count)| (count, word)).collect();
    words.sort_by(|a, b| b.cmp(a));
    words.into_iter().map(|(_, word)| word).collect()
}

fn runbook(number: usize, vocabulary: &[String], numbers: &mut Numbers) -> String {
    let title = numbers.words(vocabulary, 5).join(" ");
    let mut text = format!("---\nid: made-{number}\ntitle: \"{title} {number}\"\nowner: bench\nrisk: high\ntriggers:\n");
    let _ =
        writeln!(text, "  alertnames: [Made{number}]\n  patterns: ['(?i)\\b{}\\b.*\\bunit {number}\\b']", numbers.words(vocabulary, 1)[0]);
    let _ = writeln!(
        text,
        "symptoms: [\"{}\", \"{}\"]\n---\n",
        numbers.words(vocabulary, 10).join(" "),
        numbers.words(vocabulary, 10).join(" ")
    );
    for _ in 0..10 {
        let _ = writeln!(text, "{}.\n", numbers.words(vocabulary, 20).join(" "));
    }
    text
}

fn rank(library: &Library, text: &str) -> Duration {
    let (labels, attributes) = (BTreeMap::new(), BTreeMap::new());
    let query =
        Query { title: text, body: "", labels: &labels, attributes: &attributes, requester: None, category: None, span_of: &|_, _| None };
    // The first asks the embedder; the second finds the vector remembered.
    std::hint::black_box(library.rank(&query));
    let started = Instant::now();
    std::hint::black_box(library.rank(&query));
    started.elapsed()
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let count: usize = option("--runbooks").map_or(10_000, |text| text.parse().expect("--runbooks takes a number"));
    let embedding = option("--embedding").unwrap_or_else(|| "none".to_owned());
    let meaning = (embedding != "none").then(|| {
        let kind: EmbeddingKind = embedding.parse().expect("none, static or minilm");
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let embedder = Embedder::load(&root.join("models/embedding"), kind).expect("the embedding loads").with_threads(threads);
        Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, 16)), kept_in: None }
    });
    let known = Known { meaning, ..Known::default() };
    let shipped = Library::load(&root.join("runbooks"), &Known::default()).expect("the shipped runbooks load");
    let vocabulary = vocabulary(&shipped);
    let mut numbers = Numbers(7);
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..count {
        std::fs::write(folder.path().join(format!("made-{number}.md")), runbook(number, &vocabulary, &mut numbers)).expect("a file");
    }
    let timed = |what: &str, started: Instant| println!("{what:<44} {:>9.1} ms", started.elapsed().as_secs_f64() * 1e3);

    println!("{count} runbooks, embedding {embedding}");
    let before = resident_mb();
    let started = Instant::now();
    let library = Library::load(folder.path(), &known).expect("the made runbooks load");
    timed("load", started);
    println!("{:<44} {:>9} MB", "memory", resident_mb() - before);
    std::fs::write(folder.path().join("made-0.md"), runbook(0, &vocabulary, &mut numbers)).expect("a file");
    let started = Instant::now();
    let library = library.load_again(folder.path(), &known).expect("the changed runbooks load");
    timed("load again, one runbook changed", started);

    let mut times: Vec<Duration> = (0..QUERIES).map(|_| rank(&library, &numbers.words(&vocabulary, 42).join(" "))).collect();
    times.sort_unstable();
    for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
        let at = times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{:<44} {at:>9.2} ms", format!("{what} of one ranking, 42 words, vector known"));
    }
}
