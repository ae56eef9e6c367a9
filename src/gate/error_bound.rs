//! How often a runbook's automatic decisions may be wrong, said with a confidence.
//!
//! Before automation: the one-sided Clopper-Pearson upper bound on the error rate of n judged decisions with
//! k wrong ones (C. Clopper, E. Pearson, "The use of confidence or fiducial limits illustrated in the case
//! of the binomial", Biometrika 26, 1934). The bound is exact: its coverage is never below the confidence.
//! While automation is on, [`super::sequential`] watches.
//!
//! Own arithmetic instead of a statistics library: the usual way through log-gamma calls the platform's
//! mathematical library, whose last bits differ between machines. Here there are only additions,
//! multiplications and divisions, which IEEE 754 fixes, so a verdict is the same everywhere.
// INVARIANT: more wrong decisions never lower the bound, more right ones never raise it, and the bound is
// never below the rate observed.

use super::facts::{ErrorRecord, PerMillion};

/// A confidence below one half would put the "upper" bound under the observed rate, so it counts as one half.
const LARGEST_ALPHA: f64 = 0.5;

/// Halvings of the bracket in [`upper`]: 2⁻²¹ is below the millionth that facts and messages show.
const HALVINGS: u32 = 21;

/// True when the upper bound on the error rate is at most the limit.
///
/// Asks for no bound, only for the tail at the limit, so it needs no search and has no tolerance.
pub fn within_limit(record: &ErrorRecord) -> bool {
    if record.limit == PerMillion::ONE {
        return true;
    }
    let limit = record.limit.as_f64();
    let alpha = alpha(record.confidence);
    // The bound is at least the observed rate and above zero; it is 1 when nothing was right.
    alpha > 0.0
        && record.wrong < record.decisions
        && record.wrong as f64 / (record.decisions as f64) < limit
        && Binomial::new(record.decisions, record.wrong).at_most_k(limit) <= alpha
}

/// The upper bound on the error rate, rounded up to the millionth; 1 with no decision that was right.
pub fn upper(decisions: u64, wrong: u64, confidence: PerMillion) -> PerMillion {
    let alpha = alpha(confidence);
    if wrong >= decisions || alpha <= 0.0 {
        return PerMillion::ONE;
    }
    let binomial = Binomial::new(decisions, wrong);
    let (mut low, mut high) = (wrong as f64 / decisions as f64, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if binomial.at_most_k(middle) > alpha { low = middle } else { high = middle }
    }
    PerMillion::at_least(high)
}

/// Right decisions still needed, with no further wrong one, until `record` is within its limit.
///
/// `None` when no number of them is enough, or more than ten million would be needed.
pub fn decisions_needed(record: &ErrorRecord) -> Option<u64> {
    const MOST: u64 = 10_000_000;
    let holds = |more: u64| within_limit(&ErrorRecord { decisions: record.decisions.saturating_add(more), ..*record });
    if record.wrong > record.decisions || !holds(MOST) {
        return None;
    }
    let (mut low, mut high) = (0, MOST);
    while low < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(high)
}

fn alpha(confidence: PerMillion) -> f64 {
    // From the integers, so that 0.95 gives the double nearest to 0.05 and not 1 - 0.95.
    (f64::from(PerMillion::ONE.millionths() - confidence.millionths()) / 1e6).min(LARGEST_ALPHA)
}

/// P(X ≤ k) of a binomial X over n trials, for rates above k / n.
struct Binomial {
    n: u64,
    k: u64,
    /// n choose k.
    ways: Scaled,
}

impl Binomial {
    fn new(n: u64, k: u64) -> Self {
        let fewer = k.min(n - k);
        let ways = (0..fewer).fold(Scaled::ONE, |ways, i| ways.times((n - i) as f64 / (i + 1) as f64));
        Self { n, k, ways }
    }

    /// Above the observed rate the terms fall from i = k down to 0, so the sum starts with the largest and
    /// ends when a term no longer changes it.
    fn at_most_k(&self, rate: f64) -> f64 {
        if rate >= 1.0 {
            return 0.0;
        }
        let largest = self.ways.product(Scaled::power(rate, self.k)).product(Scaled::power(1.0 - rate, self.n - self.k));
        let odds = (1.0 - rate) / rate;
        let (mut term, mut sum) = (1.0f64, 1.0f64);
        for i in (1..=self.k).rev() {
            term *= i as f64 / (self.n - i + 1) as f64 * odds;
            let next = sum + term;
            if next <= sum {
                break;
            }
            sum = next;
        }
        largest.times(sum).value()
    }
}

/// A positive number with an exponent of its own: (1 - p)^n and n choose k leave a double's range.
#[derive(Debug, Clone, Copy)]
struct Scaled {
    /// Within `SMALL..=LARGE`.
    number: f64,
    /// In units of 2²⁵⁶.
    scale: i64,
}

impl Scaled {
    const ONE: Self = Self { number: 1.0, scale: 0 };
    const LARGE: f64 = f64::from_bits((1023 + 256) << 52);
    const SMALL: f64 = f64::from_bits((1023 - 256) << 52);

    fn times(self, by: f64) -> Self {
        self.product(Self { number: by, scale: 0 })
    }

    // Both numbers are inside 2^±257, so their product is a normal double.
    fn product(self, other: Self) -> Self {
        let mut product = Self { number: self.number * other.number, scale: self.scale + other.scale };
        while product.number > Self::LARGE {
            product = Self { number: product.number * Self::SMALL, scale: product.scale + 1 };
        }
        while product.number < Self::SMALL && product.number > 0.0 {
            product = Self { number: product.number * Self::LARGE, scale: product.scale - 1 };
        }
        product
    }

    fn power(base: f64, mut exponent: u64) -> Self {
        let (mut square, mut power) = (Self::ONE.times(base), Self::ONE);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = power.product(square);
            }
            square = square.product(square);
            exponent >>= 1;
        }
        power
    }

    /// Zero or infinity when a double cannot hold it.
    fn value(self) -> f64 {
        let step = if self.scale > 0 { Self::LARGE } else { Self::SMALL };
        // Five steps leave the range of a double from any number inside 2^±257.
        (0..self.scale.unsigned_abs().min(8)).fold(self.number, |value, _| value * step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const C95: PerMillion = PerMillion::new(950_000);

    fn record(decisions: u64, wrong: u64, limit: u32) -> ErrorRecord {
        ErrorRecord { decisions, wrong, confidence: C95, limit: PerMillion::new(limit), demoted: false }
    }

    /// S. Wilks, "Determination of sample sizes for setting tolerance limits", 1941: the fewest samples with
    /// k exceptions that show "at most 5 %" with 95 % confidence, as tabulated for reactor safety.
    #[test]
    fn the_fewest_decisions_for_five_per_cent_are_those_of_wilks_table() {
        for (wrong, fewest) in [59, 93, 124, 153, 181, 208, 234, 260, 286, 311].into_iter().enumerate() {
            let wrong = wrong as u64;
            assert!(within_limit(&record(fewest, wrong, 50_000)), "{wrong} of {fewest}");
            assert!(!within_limit(&record(fewest - 1, wrong, 50_000)), "{wrong} of {}", fewest - 1);
            assert_eq!(decisions_needed(&record(wrong, wrong, 50_000)), Some(fewest - wrong));
        }
    }

    /// With k = 0 the bound is 1 - α^(1/n); with k = n - 1 it is (1 - α)^(1/n).
    #[test]
    fn the_bound_has_its_closed_forms_at_both_ends() {
        for n in [1u64, 2, 10, 59, 300, 10_000, 1_000_000] {
            let none = 1.0 - 0.05f64.powf(1.0 / n as f64);
            let nearly_all = 0.95f64.powf(1.0 / n as f64);
            assert!((upper(n, 0, C95).as_f64() - none).abs() < 2e-6, "{n}");
            assert!((upper(n, n - 1, C95).as_f64() - nearly_all).abs() < 2e-6, "{n}");
        }
    }

    /// Worked out in rational arithmetic, without any rounding, by bisection of the binomial sum.
    #[test]
    fn the_bound_agrees_with_exact_arithmetic() {
        for (n, k, confidence, expected) in EXACT {
            let bound = upper(n, k, PerMillion::configured(confidence).unwrap()).as_f64();
            assert!(bound >= expected - 1e-9 && bound - expected < 2e-6, "{k} of {n}: {bound} and not {expected}");
        }
    }

    const EXACT: [(u64, u64, f64, f64); 8] = [
        (20, 0, 0.95, 0.139_108_34),
        (20, 3, 0.95, 0.343_663_80),
        (50, 2, 0.99, 0.157_704_05),
        (100, 5, 0.95, 0.102_253_38),
        (100, 50, 0.9, 0.568_583_17),
        (200, 1, 0.999, 0.045_228_63),
        (300, 7, 0.95, 0.043_378_68),
        (7, 6, 0.95, 0.992_699_17),
    ];

    #[test]
    fn no_record_allows_nothing_unless_any_rate_is_accepted() {
        assert!(!within_limit(&record(0, 0, 999_999)));
        assert!(!within_limit(&record(5, 9, 999_999)), "more wrong than decided");
        assert!(within_limit(&record(0, 0, 1_000_000)));
        assert_eq!(upper(0, 0, C95), PerMillion::ONE);
        let certain = ErrorRecord { confidence: PerMillion::ONE, ..record(1_000_000, 0, 500_000) };
        assert!(!within_limit(&certain), "nothing is shown with certainty");
        assert_eq!(decisions_needed(&certain), None);
    }

    #[test]
    fn huge_records_neither_overflow_nor_underflow() {
        let bound = upper(100_000_000, 1_000_000, C95).as_f64();
        assert!(bound > 0.01 && bound < 0.010_02, "{bound}");
        assert!(within_limit(&record(u64::MAX / 2, 3, 1)));
    }

    proptest! {
        #[test]
        fn the_bound_moves_the_right_way_and_agrees_with_the_limit(
            n in 1u64..5_000, part in 0.0f64..1.0, limit in 1u32..1_000_000, confidence in 500_000u32..999_999,
        ) {
            let k = (n as f64 * part) as u64;
            let c = PerMillion::new(confidence);
            let bound = upper(n, k, c);
            prop_assert!(bound >= PerMillion::at_most(k as f64 / n as f64));
            prop_assert!(upper(n + 1, k + 1, c) >= bound, "one more wrong");
            prop_assert!(upper(n + 1, k, c) <= bound, "one more right");
            prop_assert!(upper(n, k, PerMillion::new(confidence + 1)) >= bound, "more confidence");
            let record = ErrorRecord { decisions: n, wrong: k, confidence: c, limit: PerMillion::new(limit), demoted: false };
            // Rounding up to the millionth leaves one value of the limit open.
            if limit.abs_diff(bound.millionths()) > 1 {
                prop_assert_eq!(within_limit(&record), bound.millionths() <= limit);
            }
        }
    }
}
