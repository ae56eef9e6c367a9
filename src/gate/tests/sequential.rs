//! The promises of the sequential test, by simulation; `examples/sequential_test.rs` measures more and draws it.

use super::specimen::Dice;
use crate::gate::{facts::PerMillion, sequential::Watch};

const STREAMS: usize = 10_000;
const FIVE_PERCENT: PerMillion = PerMillion::new(50_000);

/// Outcomes until demotion, ascending, for the streams that are demoted within `most`. The rate in millionths of the
/// n-th outcome is `rate(n)`, the limit 5 %, the chance of a false demotion 5 %.
fn demotions(seed: u64, streams: usize, most: u64, rate: impl Fn(u64) -> u64) -> Vec<u64> {
    let mut dice = Dice::new(seed);
    let mut one = || {
        let mut watch = Watch::new(FIVE_PERCENT, FIVE_PERCENT);
        (1..=most).find(|n| {
            watch.observe(dice.below(1_000_000) < rate(*n));
            watch.demoted()
        })
    };
    let mut found: Vec<u64> = (0..streams).filter_map(|_| one()).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_runbook_exactly_at_its_limit_is_demoted_no_more_often_than_promised() {
    let demoted = demotions(1, STREAMS, 1_000, |_| 50_000).len();
    assert!(demoted <= STREAMS / 20, "{demoted} of {STREAMS}");
    // A test that never demotes would keep this promise too.
    assert!(demoted >= STREAMS / 200, "{demoted} of {STREAMS}");
}

#[test]
fn a_runbook_at_half_its_limit_is_hardly_ever_demoted() {
    let demoted = demotions(2, STREAMS, 1_000, |_| 25_000).len();
    assert!(demoted <= STREAMS / 200, "{demoted} of {STREAMS}");
}

#[test]
fn a_doubled_error_rate_is_found_and_a_fivefold_one_soon() {
    for (rate, median, ninety) in [(100_000, 160, 430), (250_000, 17, 44)] {
        let found = demotions(rate, STREAMS, 3_000, |_| rate);
        assert!(found.len() > STREAMS * 999 / 1_000, "{} of {STREAMS} found", found.len());
        let (half, most) = (found[STREAMS / 2], found[STREAMS * 9 / 10]);
        assert!(half <= median && most <= ninety, "{rate}: median {half}, 90 % {most}");
    }
}

#[test]
fn a_long_good_past_does_not_hide_a_bad_present() {
    let found = demotions(3, 500, 4_000, |n| if n <= 2_000 { 10_000 } else { 250_000 });
    let late: Vec<u64> = found.into_iter().filter(|at| *at > 2_000).map(|at| at - 2_000).collect();
    assert!(late.len() >= 490 && late[late.len() / 2] < 120, "{} found, median {}", late.len(), late[late.len() / 2]);
}
