//! Honest probabilities: a temperature and a confidence map a head, and thresholds that keep a promised accuracy.
//!
//! All of it is measured on out-of-fold predictions, never on rows a model was trained on.

use serde::{Deserialize, Serialize};

use super::measure::highest;

/// One out-of-fold prediction: was the best label right, and how sure was the head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) probability: f64,
    pub(super) correct: bool,
}

/// Above `threshold`, `coverage` of all texts are answered and `accuracy` of those answers are right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    pub promised: f64,
    pub threshold: f64,
    pub coverage: f64,
    pub accuracy: f64,
}

/// Softmax of `logits / temperature`, in place; sums to 1.
pub(super) fn softmax(logits: &mut [f64], temperature: f64) {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = libm::exp((*logit - most) / temperature);
        sum += *logit;
    }
    logits.iter_mut().for_each(|value| *value /= sum);
}

/// The sum of `-ln P(right class)` over `rows` of `(logits, right class)`.
pub(super) fn log_loss(rows: &[(Vec<f64>, usize)], temperature: f64) -> f64 {
    rows.iter()
        .map(|(logits, class)| {
            let mut shares = logits.clone();
            softmax(&mut shares, temperature);
            -libm::log(shares[*class].max(1e-300))
        })
        .sum()
}

/// The temperature with the least log loss on `rows` of `(logits, right class)` (Guo et al. 2017).
///
/// The loss is convex in the inverse temperature, so Newton's method finds the one minimum; where a step would leave the interval
/// that holds it, the interval is halved.
pub(super) fn temperature(rows: &[(Vec<f64>, usize)]) -> f64 {
    let (mut low, mut high) = (0.05, 20.0);
    let mut inverse: f64 = 1.0;
    for _ in 0..STEPS {
        let (slope, bend) = slope_and_bend(rows, inverse);
        if slope > 0.0 {
            high = inverse
        } else {
            low = inverse
        }
        let newton = inverse - slope / bend;
        // A bend of nothing makes no number.
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        let moved = (next - inverse).abs();
        inverse = next;
        if moved < 1e-9 * inverse {
            break;
        }
    }
    1.0 / inverse
}

/// Halving alone comes as near as this needs.
const STEPS: usize = 40;

/// The first and second derivative of the log loss by the inverse temperature: how far the logits are on the mean above the right
/// one, and how much they vary, as the probabilities have it.
fn slope_and_bend(rows: &[(Vec<f64>, usize)], inverse: f64) -> (f64, f64) {
    let (mut slope, mut bend) = (0.0, 0.0);
    for (logits, class) in rows {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for below in logits.iter().map(|logit| logit - most) {
            let share = libm::exp(below * inverse);
            sum += share;
            first += share * below;
            second += share * below * below;
        }
        let mean = first / sum;
        slope += mean - (logits[*class] - most);
        bend += second / sum - mean * mean;
    }
    (slope, bend)
}

/// What the best label's probability is made of the one that the temperature gave it: `σ(slope · logit + shift)` (Platt 1999).
///
/// A temperature is one number for all labels of all texts, and is drawn by what is far from deciding; this one is about
/// the one question that a reader has, whether the best label is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Confidence {
    pub(super) slope: f64,
    pub(super) shift: f64,
}

impl Confidence {
    /// Leaves what the temperature gave.
    pub(super) const AS_IS: Self = Self { slope: 1.0, shift: 0.0 };
    /// As many answers as this say nothing against [`Self::AS_IS`].
    const PRIOR: f64 = 10.0;
    /// More would turn a hint into a certainty, less would make all answers alike.
    const SLOPES: (f64, f64) = (0.2, 5.0);

    /// The map under which `outcomes` are most likely, by Newton's steps on a convex loss.
    pub(super) fn fit(outcomes: &[Outcome]) -> Self {
        let mut map = Self::AS_IS;
        for _ in 0..50 {
            let (slope_off, shift_off) = (Self::PRIOR * (map.slope - 1.0), Self::PRIOR * map.shift);
            let (mut first, mut second) = ((-slope_off, -shift_off), (Self::PRIOR, 0.0, Self::PRIOR));
            for outcome in outcomes {
                let logit = logit(outcome.probability);
                let said = sigmoid(map.slope * logit + map.shift);
                let (off, weight) = (f64::from(u8::from(outcome.correct)) - said, said * (1.0 - said));
                first = (first.0 + off * logit, first.1 + off);
                second = (second.0 + weight * logit * logit, second.1 + weight * logit, second.2 + weight);
            }
            let determinant = second.0 * second.2 - second.1 * second.1;
            let step = ((second.2 * first.0 - second.1 * first.1) / determinant, (second.0 * first.1 - second.1 * first.0) / determinant);
            map = Self { slope: (map.slope + step.0).clamp(Self::SLOPES.0, Self::SLOPES.1), shift: map.shift + step.1 };
            if step.0.abs() + step.1.abs() < 1e-9 {
                break;
            }
        }
        map
    }

    /// Gives the best of `shares` its probability and the others the rest, each its part of it. The best stays the best, and
    /// the sum 1.
    pub(super) fn apply(self, shares: &mut [f64]) {
        let (best, sure) = highest(shares.iter().copied());
        let others = || shares.iter().enumerate().filter(|(label, _)| *label != best).map(|(_, share)| *share);
        // Summed: of a best one near 1 the difference to 1 is mostly rounding.
        let (rest, second) = (others().sum::<f64>(), others().fold(0.0, f64::max));
        if rest < 1e-12 {
            return;
        }
        // A hair above where the second one would come level: no answer changes by saying how sure it is.
        let least = second / (rest + second) * (1.0 + 1e-9);
        let honest = sigmoid(self.slope * logit(sure) + self.shift).max(least);
        shares.iter_mut().for_each(|share| *share *= (1.0 - honest) / rest);
        shares[best] = honest;
    }
}

fn logit(probability: f64) -> f64 {
    let inside = probability.clamp(1e-9, 1.0 - 1e-9);
    libm::log(inside / (1.0 - inside))
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-value))
}

/// How many equal bins the probabilities `0..=1` are counted in.
pub(super) const BINS: usize = 15;

/// The bin of a probability.
pub(super) fn bin_of(probability: f64) -> usize {
    ((probability * BINS as f64) as usize).min(BINS - 1)
}

/// The answers whose probability lies in one of [`BINS`] equal bins, lowest first in their list.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Bin {
    pub answers: usize,
    /// The mean probability claimed; 0 without answers.
    pub claimed: f64,
    pub right: usize,
}

/// The answers by how sure the head was, for a calibration plot and for "at this score right 97 of 100".
pub(super) fn bins(outcomes: &[Outcome]) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    for outcome in outcomes {
        let bin = &mut bins[bin_of(outcome.probability)];
        bin.answers += 1;
        bin.claimed += outcome.probability;
        bin.right += usize::from(outcome.correct);
    }
    bins.iter_mut().for_each(|bin| bin.claimed /= bin.answers.max(1) as f64);
    bins
}

/// Expected calibration error over equal bins (Naeini et al. 2015).
pub(super) fn expected_calibration_error(outcomes: &[Outcome]) -> f64 {
    let gap: f64 = bins(outcomes).iter().map(|bin| (bin.claimed * bin.answers as f64 - bin.right as f64).abs()).sum();
    if outcomes.is_empty() { 0.0 } else { gap / outcomes.len() as f64 }
}

/// The calibration error that answers with exactly the claimed probabilities have by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByChance {
    pub mean: f64,
    /// One such set of answers in twenty has a larger one, about.
    pub high: f64,
}

/// What chance alone makes of [`expected_calibration_error`] where every claim is true: few answers miss honest claims by more.
///
/// A bin's answers are taken to be as sure as their mean. How far a binomial count lies from its mean, on average, is De
/// Moivre's formula (Diaconis and Zabell 1991); the sum over the bins is near enough to normal.
pub fn error_by_chance(bins: &[Bin]) -> ByChance {
    let all = bins.iter().map(|bin| bin.answers).sum::<usize>().max(1) as f64;
    let (mut mean, mut variance) = (0.0, 0.0);
    for bin in bins.iter().filter(|bin| bin.claimed > 0.0 && bin.claimed < 1.0) {
        let (count, share) = (bin.answers as f64, bin.claimed);
        let above = (count * share).floor() + 1.0;
        let ways = libm::lgamma(count + 1.0) - libm::lgamma(above + 1.0) - libm::lgamma(count - above + 1.0);
        let off = 2.0 * above * libm::exp(ways + above * libm::log(share) + (count - above + 1.0) * libm::log(1.0 - share));
        mean += off;
        variance += count * share * (1.0 - share) - off * off;
    }
    ByChance { mean: mean / all, high: (mean + 1.645 * variance.max(0.0).sqrt()) / all }
}

/// The lower end of Wilson's score interval for `right` of `all`, one-sided at 95 %.
fn lower_bound(right: usize, all: usize) -> f64 {
    const Z: f64 = 1.644_853_626_951_472;
    let (right, all) = (right as f64, all as f64);
    let centre = right + Z * Z / 2.0;
    let spread = Z * (right * (all - right) / all + Z * Z / 4.0).sqrt();
    (centre - spread) / (all + Z * Z)
}

/// The lowest threshold whose accuracy keeps `promised` on its lower confidence bound.
///
/// `outcomes` are those of `all` texts that the head may answer; it abstains from the others whatever the threshold.
/// Nothing keeps the promise: the threshold is above 1, so the head always abstains. All of them keep it: no less sure one was seen that
/// would break it, and the threshold is at most what is promised.
pub(super) fn threshold(outcomes: &[Outcome], all: usize, promised: f64) -> Coverage {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let mut best = Coverage { promised, threshold: 1.01, coverage: 0.0, accuracy: 0.0 };
    let (mut answered, mut right) = (0, 0);
    for tie in sorted.chunk_by(|a, b| a.probability == b.probability) {
        answered += tie.len();
        right += tie.iter().filter(|outcome| outcome.correct).count();
        if lower_bound(right, answered) >= promised {
            best.threshold = tie[0].probability;
            best.coverage = answered as f64 / all as f64;
            best.accuracy = right as f64 / answered as f64;
            if answered == outcomes.len() {
                best.threshold = best.threshold.min(promised);
            }
        }
    }
    best
}

/// What a threshold gives on other texts than it was picked on, of which the head may answer `outcomes`.
pub(super) fn reached(outcomes: &[Outcome], all: usize, picked: Coverage) -> Coverage {
    let (mut answered, mut right) = (0, 0);
    for outcome in outcomes.iter().filter(|outcome| outcome.probability >= picked.threshold) {
        answered += 1;
        right += usize::from(outcome.correct);
    }
    Coverage {
        coverage: f64::from(answered) / all.max(1) as f64,
        accuracy: if answered == 0 { 0.0 } else { f64::from(right as u32) / f64::from(answered) },
        ..picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_temperature_has_less_log_loss_and_none_is_out_of_bounds() {
        let rows: Vec<(Vec<f64>, usize)> =
            (0..200).map(|at| (vec![f64::from(at % 7), f64::from(at % 5), 2.0], usize::from(at % 3 == 0))).collect();
        let best = temperature(&rows);
        assert!([0.999, 1.001].iter().all(|factor| log_loss(&rows, best * factor) > log_loss(&rows, best)), "{best}");
        // Always right wants to be ever surer, always wrong ever less sure, and equal logits say nothing.
        let always = |class: usize| temperature(&[(vec![1.0, 0.0], class)]);
        assert!((always(0) - 0.05).abs() < 1e-6 && (always(1) - 20.0).abs() < 1e-3, "{} {}", always(0), always(1));
        assert!((0.05..=20.0).contains(&temperature(&[(vec![1.0, 1.0], 0)])));
    }

    #[test]
    fn an_overconfident_head_is_cooled_to_what_it_knows() {
        // Right three times in four while claiming nearly 1.
        let rows: Vec<_> = (0..400).map(|n| (vec![8.0, 0.0], usize::from(n % 4 == 0))).collect();
        let warm = temperature(&rows);
        let mut shares = vec![8.0, 0.0];
        softmax(&mut shares, warm);
        assert!((shares[0] - 0.75).abs() < 0.01, "{shares:?} at {warm}");
    }

    #[test]
    fn a_confidence_map_makes_outcomes_honest_and_changes_no_answer() {
        // Four of ten are right where it claims a fifth, seven where it claims nine tenths.
        let outcome = |probability, right: usize, n: usize| Outcome { probability, correct: n % 10 < right };
        let outcomes: Vec<_> = (0..4000).map(|n| if n % 20 < 10 { outcome(0.2, 4, n) } else { outcome(0.9, 7, n) }).collect();
        let map = Confidence::fit(&outcomes);
        for claimed in [0.2, 0.9] {
            let mut shares = vec![claimed, (1.0 - claimed) * 0.6, (1.0 - claimed) * 0.4];
            shares.rotate_left(1);
            map.apply(&mut shares);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
        }
        let said = |claimed: f64| sigmoid(map.slope * logit(claimed) + map.shift);
        assert!((said(0.2) - 0.4).abs() < 0.01 && (said(0.9) - 0.7).abs() < 0.01, "{map:?}");
        // Few outcomes say little, even where all of them are against what was claimed.
        let few = Confidence::fit(&outcomes[..4]);
        assert!(few.slope.mul_add(logit(0.2), few.shift) < logit(0.4) && few.slope.mul_add(logit(0.9), few.shift) > logit(0.8), "{few:?}");
        assert_eq!(Confidence::fit(&[]), Confidence::AS_IS);
    }

    proptest::proptest! {
        #[test]
        fn the_best_label_stays_the_best_whatever_the_map(
            logits in proptest::collection::vec(-20.0f64..20.0, 1..9), slope in 0.2f64..5.0, shift in -5.0f64..5.0,
        ) {
            let mut shares = logits;
            softmax(&mut shares, 1.0);
            let order = |shares: &[f64]| {
                let mut order: Vec<usize> = (0..shares.len()).collect();
                order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]).then(a.cmp(b)));
                order
            };
            let before = shares.clone();
            Confidence { slope, shift }.apply(&mut shares);
            let best = order(&before)[0];
            proptest::prop_assert_eq!(order(&shares)[0], best, "{:?} became {:?}", before, shares);
            proptest::prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && shares.iter().all(|share| (0.0..=1.0).contains(share)));
        }
    }

    #[test]
    fn the_calibration_error_is_the_gap_between_claim_and_truth() {
        let outcome = |probability, correct| Outcome { probability, correct };
        let honest: Vec<_> = (0..100).map(|n| outcome(0.8, n % 5 != 0)).collect();
        assert!(expected_calibration_error(&honest) < 1e-9);
        let boastful: Vec<_> = (0..100).map(|n| outcome(0.99, n % 5 != 0)).collect();
        assert!((expected_calibration_error(&boastful) - 0.19).abs() < 1e-9);
    }

    #[test]
    fn chance_alone_gives_the_calibration_error_that_drawn_answers_have() {
        let claims: Vec<f64> = (0..600).map(|n| 0.3 + 0.69 * f64::from(n) / 600.0).collect();
        let mut draw = crate::triage::seed::Shuffle::new(7);
        let mut errors: Vec<f64> = (0..2_000)
            .map(|_| {
                let drawn = |probability: &f64| Outcome { probability: *probability, correct: draw.share() < *probability };
                expected_calibration_error(&claims.iter().map(drawn).collect::<Vec<_>>())
            })
            .collect();
        let (drawn, high) = (errors.iter().sum::<f64>() / 2_000.0, crate::triage::measure::quantile(&mut errors, 0.95));
        let outcomes: Vec<_> = claims.iter().map(|claim| Outcome { probability: *claim, correct: true }).collect();
        let by_chance = error_by_chance(&bins(&outcomes));
        assert!((by_chance.mean / drawn - 1.0).abs() < 0.03, "{by_chance:?}, drawn {drawn}");
        assert!((by_chance.high / high - 1.0).abs() < 0.05, "{by_chance:?}, drawn {high}");
        assert_eq!(error_by_chance(&[]), ByChance { mean: 0.0, high: 0.0 });
        // A sure claim leaves nothing to chance; one answer claimed with a half is always off by a half.
        assert_eq!(error_by_chance(&[Bin { answers: 9, claimed: 1.0, right: 9 }]).mean, 0.0);
        assert!((error_by_chance(&[Bin { answers: 1, claimed: 0.5, right: 1 }]).mean - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_threshold_needs_enough_evidence_for_its_promise() {
        let outcomes = |right: usize, wrong: usize| -> Vec<Outcome> {
            (0..right)
                .map(|n| Outcome { probability: 0.9 + n as f64 * 1e-6, correct: true })
                .chain((0..wrong).map(|_| Outcome { probability: 0.3, correct: false }))
                .collect()
        };
        assert!(threshold(&outcomes(20, 10), 30, 0.95).threshold > 1.0, "20 of 20 do not show 95 %");
        let kept = threshold(&outcomes(200, 100), 300, 0.95);
        assert!((0.3..=0.9).contains(&kept.threshold), "{kept:?}");
        assert!(kept.accuracy >= 0.95 && kept.coverage > 0.6);
        // All right and all but certain: a new text that is a little less so is answered too.
        assert_eq!(threshold(&outcomes(200, 0), 200, 0.85).threshold, 0.85);
        assert_eq!(threshold(&outcomes(200, 0), 200, 0.95).threshold, 0.9);
        // The same answers, and as many texts again that are never answered.
        let half = threshold(&outcomes(200, 100), 600, 0.95);
        assert_eq!((half.threshold, half.accuracy, half.coverage), (kept.threshold, kept.accuracy, kept.coverage / 2.0));
    }
}
