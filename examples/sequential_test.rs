//! Measures the sequential test behind demotion (`sluicegate::gate::sequential`) over simulated outcomes: how often
//! it demotes a runbook that keeps its limit, and how soon it finds one that does not.
//!
//! `cargo run --release --example sequential_test` prints the tables of `docs/automation.md` and writes
//! `docs/figures/sequential-test.svg`. Every stream has a fixed seed, so the figures are the same everywhere.

use std::{fmt::Write as _, path::Path};

use sluicegate::gate::{facts::PerMillion, sequential::Watch};

const STREAMS: u64 = 10_000;
/// Outcomes in one stream: at ten automatic runs a day more than two and a half years.
const OUTCOMES: u64 = 10_000;
/// The chance to demote a runbook that keeps its limit.
const ALPHA: u32 = 50_000;
/// The limit of the plot and of most rows, in millionths.
const LIMIT: u32 = 50_000;

/// SplitMix64 (G. Steele et al., "Fast splittable pseudorandom number generators", 2014).
struct Stream(u64);

impl Stream {
    fn wrong(&mut self, rate: f64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64) < rate * (1u64 << 53) as f64
    }
}

/// Says after each outcome whether the runbook is demoted.
trait Test {
    fn demotes(&mut self, wrong: bool) -> bool;
}

impl Test for Watch {
    fn demotes(&mut self, wrong: bool) -> bool {
        self.observe(wrong);
        self.demoted()
    }
}

/// What the sequential test is not: the exact test for a number of outcomes fixed beforehand (Clopper-Pearson's
/// lower bound above the limit), looked at after every outcome. Shown for contrast.
struct FixedSize<'a> {
    /// By outcomes so far: the fewest wrong ones that are improbable at the limit.
    fewest: &'a [u64],
    outcomes: usize,
    wrong: u64,
}

impl Test for FixedSize<'_> {
    fn demotes(&mut self, wrong: bool) -> bool {
        self.outcomes += 1;
        self.wrong += u64::from(wrong);
        self.wrong >= self.fewest[self.outcomes]
    }
}

/// For each n the least k with P(X ≥ k) ≤ α, X binomial over n with the limit as rate.
fn fewest_wrong(limit: f64, alpha: f64) -> Vec<u64> {
    let ln_factorial: Vec<f64> = std::iter::once(0.0)
        .chain((1..=OUTCOMES).scan(0.0, |sum, n| {
            *sum += (n as f64).ln();
            Some(*sum)
        }))
        .collect();
    let exactly = |n: u64, k: u64| {
        let ways = ln_factorial[n as usize] - ln_factorial[k as usize] - ln_factorial[(n - k) as usize];
        (ways + k as f64 * limit.ln() + (n - k) as f64 * (1.0 - limit).ln()).exp()
    };
    // `tail` is P(X ≥ least); one more trial adds the chance that it lifts X from least - 1.
    let (mut least, mut tail) = (1u64, 0.0);
    let mut found = vec![1];
    for n in 1..=OUTCOMES {
        if least <= n {
            tail += limit * exactly(n - 1, least - 1);
        }
        while tail > alpha {
            tail -= exactly(n, least);
            least += 1;
        }
        found.push(least);
    }
    found
}

/// After how many outcomes each stream was demoted, ascending; streams that were not are left out.
fn demotions<T: Test>(seed: u64, rate: impl Fn(u64) -> f64, new: impl Fn() -> T) -> Vec<u64> {
    let mut found: Vec<u64> = (0..STREAMS)
        .filter_map(|n| {
            // Far apart, so that no two streams share a stretch.
            let mut stream = Stream((seed * STREAMS + n).wrapping_mul(0x2545_f491_4f6c_dd1d));
            let mut test = new();
            (1..=OUTCOMES).find(|outcome| test.demotes(stream.wrong(rate(outcome - 1))))
        })
        .collect();
    found.sort_unstable();
    found
}

fn watch(limit: u32) -> Watch {
    Watch::new(PerMillion::new(limit), PerMillion::new(ALPHA))
}

/// The outcome by which so many of the streams are demoted.
fn quantile(found: &[u64], part: f64) -> String {
    let place = (part * STREAMS as f64).ceil() as usize - 1;
    found.get(place).map_or_else(|| "-".to_owned(), u64::to_string)
}

fn share(found: &[u64], of: u64) -> f64 {
    found.partition_point(|at| *at <= of) as f64 / STREAMS as f64
}

fn main() -> std::io::Result<()> {
    println!("| limit | true rate | demoted within 1,000 | within {OUTCOMES} | median | 90 % |");
    println!("|---|---|---|---|---|---|");
    let mut curves = Vec::new();
    let mut seed = 1;
    for limit in [10_000, LIMIT, 100_000] {
        for times in [0.5, 1.0, 1.5, 2.0, 3.0, 5.0] {
            let rate = f64::from(limit) / 1e6 * times;
            let found = demotions(seed, |_| rate, || watch(limit));
            seed += 1;
            println!(
                "| {} % | {} % ({times} × limit) | {:.2} % | {:.2} % | {} | {} |",
                f64::from(limit) / 1e4,
                (rate * 1e4).round() / 1e2,
                share(&found, 1_000) * 1e2,
                share(&found, OUTCOMES) * 1e2,
                quantile(&found, 0.5),
                quantile(&found, 0.9),
            );
            if limit == LIMIT && [0.5, 1.0, 2.0, 5.0].contains(&times) {
                curves.push((format!("{} % wrong", (rate * 1e4).round() / 1e2), found));
            }
        }
    }

    println!("\n| good past at a fifth of the limit | then | median | 90 % |");
    println!("|---|---|---|---|");
    let limit = f64::from(LIMIT) / 1e6;
    for past in [0, 100, 1_000, 4_000] {
        let found = demotions(seed, |n| if n < past { limit / 5.0 } else { limit * 2.0 }, || watch(LIMIT));
        seed += 1;
        let after: Vec<u64> = found.iter().filter(|at| **at > past).map(|at| at - past).collect();
        println!("| {past} outcomes | {} % wrong | {} | {} |", limit * 2e2, quantile(&after, 0.5), quantile(&after, 0.9));
    }

    let fewest = fewest_wrong(limit, f64::from(ALPHA) / 1e6);
    let looked = demotions(seed, |_| limit, || FixedSize { fewest: &fewest, outcomes: 0, wrong: 0 });
    println!("\na test of fixed size looked at after every outcome, exactly at the limit: {:.2} % demoted", share(&looked, OUTCOMES) * 1e2);
    curves.push(("5 % wrong, fixed-size test".to_owned(), looked));

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures/sequential-test.svg");
    std::fs::write(&file, plot(&curves))?;
    println!("wrote {}", file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&file).display());
    Ok(())
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Left, top, right, bottom of the plot.
const FRAME: (f64, f64, f64, f64) = (64.0, 48.0, 560.0, 360.0);

fn x(outcomes: f64) -> f64 {
    FRAME.0 + (FRAME.2 - FRAME.0) * (outcomes.log10() - 1.0) / ((OUTCOMES as f64).log10() - 1.0)
}

fn y(share: f64) -> f64 {
    FRAME.3 - (FRAME.3 - FRAME.1) * share
}

/// Share of streams demoted over outcomes, with its own background, so that it reads on light and dark pages.
fn plot(curves: &[(String, Vec<u64>)]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">Share of runbooks demoted, by outcomes since automation was switched on</title>\n\
         <desc id=\"desc\">Limit 5 %, chance of a false demotion 5 %, {STREAMS} simulated streams a line. A doubled error is found by most \
         streams within a few hundred outcomes; a runbook at its limit stays under the promise for good, which a test of fixed size does not.</desc>\n\
         <style>\n\
         :root {{ --back: #ffffff; --ink: #1f2328; --faint: #d0d7de; --c0: #1a7f37; --c1: #0969da; --c2: #9a6700; --c3: #cf222e; --c4: #6e7781 }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --back: #0d1117; --ink: #e6edf3; --faint: #30363d; --c0: #3fb950; --c1: #58a6ff; --c2: #d29922; --c3: #ff7b72; --c4: #8b949e }} }}\n\
         text {{ font: 13px system-ui, sans-serif; fill: var(--ink) }} .grid {{ stroke: var(--faint) }} .line {{ fill: none; stroke-width: 2.2 }}\n\
         .promise {{ stroke: var(--ink); stroke-dasharray: 2 4 }}\n\
         </style>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"var(--back)\"/>\n\
         <text x=\"{}\" y=\"24\" font-weight=\"600\">Share of runbooks demoted (limit 5 %)</text>\n",
        FRAME.0
    );
    let mut draw = |text: std::fmt::Arguments<'_>| svg.write_fmt(text).expect("a String takes everything");
    for tenth in [0, 2, 4, 6, 8, 10] {
        let (at, label) = (y(f64::from(tenth) / 10.0), tenth * 10);
        draw(format_args!("<path class=\"grid\" d=\"M{} {at:.1}H{}\"/>", FRAME.0, FRAME.2));
        draw(format_args!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label} %</text>\n", FRAME.0 - 8.0, at + 4.0));
    }
    for outcomes in [10, 100, 1_000, 10_000] {
        let at = x(f64::from(outcomes));
        draw(format_args!("<path class=\"grid\" d=\"M{at:.1} {}V{}\"/>", FRAME.1, FRAME.3));
        draw(format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{outcomes}</text>\n", FRAME.3 + 20.0));
    }
    let middle = f64::midpoint(FRAME.0, FRAME.2);
    draw(format_args!(
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">outcomes since automation was switched on</text>\n",
        HEIGHT - 16.0
    ));
    let promise = y(f64::from(ALPHA) / 1e6);
    draw(format_args!("<path class=\"promise\" d=\"M{} {promise:.1}H{}\"/>\n", FRAME.0, FRAME.2));

    // Labels stand at the ends of their lines, pushed apart from the bottom up so that none covers another.
    let mut labels: Vec<(f64, usize)> = curves.iter().enumerate().map(|(n, (_, found))| (y(share(found, OUTCOMES)), n)).collect();
    labels.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut lowest = f64::INFINITY;
    for (at, n) in labels {
        let (name, found) = &curves[n];
        let points: Vec<String> = (0..=120)
            .map(|step| 10f64.powf(1.0 + f64::from(step) / 40.0).round())
            .map(|outcomes| format!("{:.1} {:.1}", x(outcomes), y(share(found, outcomes as u64))))
            .collect();
        // A dash of its own for each line: colour alone does not tell them apart for everybody.
        let dash = ["none", "9 3", "3 3", "none", "12 3 2 3"][n % 5];
        draw(format_args!("<path class=\"line\" stroke=\"var(--c{})\" stroke-dasharray=\"{dash}\" d=\"M{}\"/>\n", n % 5, points.join("L")));
        lowest = (at + 4.0).min(lowest - 18.0);
        draw(format_args!("<text x=\"{}\" y=\"{lowest:.1}\" style=\"fill:var(--c{})\">{name}</text>\n", FRAME.2 + 8.0, n % 5));
    }
    draw(format_args!("</svg>\n"));
    svg
}
