//! Figures of merit over predicted and true labels.

/// The place of the highest of `values`, the first of equals, and its value.
pub(super) fn highest(values: impl IntoIterator<Item = f64>) -> (usize, f64) {
    values.into_iter().enumerate().fold((0, f64::MIN), |best, (place, value)| if value > best.1 { (place, value) } else { best })
}

/// The share of answers that are right; 0 of none.
pub(super) fn accuracy(predicted: &[usize], truth: &[usize]) -> f64 {
    let right = predicted.iter().zip(truth).filter(|(predicted, truth)| predicted == truth).count();
    right as f64 / truth.len().max(1) as f64
}

/// The mean of F1 over classes that occur in the truth or the prediction (scikit-learn's `macro`).
pub(super) fn macro_f1(predicted: &[usize], truth: &[usize], classes: usize) -> f64 {
    let mut counts = vec![(0usize, 0usize, 0usize); classes];
    for (predicted, truth) in predicted.iter().zip(truth) {
        counts[*predicted].1 += 1;
        counts[*truth].2 += 1;
        counts[*predicted].0 += usize::from(predicted == truth);
    }
    let scores: Vec<f64> = counts
        .iter()
        .filter(|(_, predicted, actual)| predicted + actual > 0)
        .map(|(right, predicted, actual)| 2.0 * *right as f64 / (predicted + actual) as f64)
        .collect();
    if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
}

/// The value below which a share `q` of `values` lies; 0 of none.
pub(super) fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0).max(0.0) * q).round() as usize;
    values.get(at).copied().unwrap_or(0.0)
}

/// The chance that one of `own` scores above one of `foreign`; ties count half (Mann and Whitney 1947).
pub(super) fn auroc(own: &[f64], foreign: &[f64]) -> f64 {
    let mut sorted = foreign.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above: f64 = own
        .iter()
        .map(|score| {
            let (below, up_to) = (sorted.partition_point(|other| other < score), sorted.partition_point(|other| other <= score));
            (below + up_to) as f64 / 2.0
        })
        .sum();
    above / (own.len() * foreign.len()).max(1) as f64
}

/// Wilson's score interval for `right` of `all`, two-sided at 95 % (Wilson 1927); `0..=1` of none.
pub fn interval(right: usize, all: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if all == 0 {
        return (0.0, 1.0);
    }
    let (right, all) = (right as f64, all as f64);
    let centre = right + Z * Z / 2.0;
    let spread = Z * (right * (all - right) / all + Z * Z / 4.0).sqrt();
    (((centre - spread) / (all + Z * Z)).max(0.0), ((centre + spread) / (all + Z * Z)).min(1.0))
}

/// The chance of at least `heads` heads in `throws` of a fair coin: the exact one-sided McNemar test, where a throw is a
/// text that one of two models got right and the other wrong (McNemar 1947).
pub(super) fn sign_test(heads: usize, throws: usize) -> f64 {
    // The chances from all heads down, each from the one before; in logarithms, because 2^-throws may be no f64.
    let mut log = -(throws as f64) * std::f64::consts::LN_2;
    let mut sum = 0.0;
    for count in (heads..=throws).rev() {
        sum += libm::exp(log);
        log += libm::log(count as f64) - libm::log((throws - count + 1) as f64);
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_share_and_narrows_with_evidence() {
        let (low, high) = interval(90, 100);
        assert!((low - 0.8256).abs() < 1e-4 && (high - 0.9448).abs() < 1e-4, "{low} {high}");
        let (narrow, wide) = (interval(900, 1000), interval(9, 10));
        assert!(narrow.1 - narrow.0 < wide.1 - wide.0);
        assert_eq!(interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn the_sign_test_is_the_tail_of_a_fair_coin() {
        assert!((sign_test(5, 5) - 1.0 / 32.0).abs() < 1e-12);
        assert!((sign_test(4, 5) - 6.0 / 32.0).abs() < 1e-12);
        assert!((sign_test(0, 0) - 1.0).abs() < 1e-12);
        assert!((sign_test(0, 7) - 1.0).abs() < 1e-9);
        // 1,100 of 2,000 is 4.47 standard deviations up; 2^-2000 is no f64.
        let far = sign_test(1_100, 2_000);
        assert!((3e-6..6e-6).contains(&far), "{far}");
    }

    #[test]
    fn macro_f1_counts_every_class_alike() {
        // Class 0: precision 2/3, recall 1; class 1: precision 1, recall 1/2; class 2 never occurs.
        let score = macro_f1(&[0, 0, 0, 1], &[0, 0, 1, 1], 3);
        assert!((score - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn auroc_is_one_apart_half_alike_and_zero_reversed() {
        assert!((auroc(&[2.0, 3.0], &[0.0, 1.0]) - 1.0).abs() < 1e-12);
        assert!((auroc(&[1.0, 1.0], &[1.0]) - 0.5).abs() < 1e-12);
        assert!(auroc(&[0.0], &[1.0, 2.0]).abs() < 1e-12);
    }

    #[test]
    fn quantiles_are_values_that_occur() {
        assert!((quantile(&mut [3.0, 1.0, 2.0], 0.5) - 2.0).abs() < 1e-12);
        assert!(quantile(&mut [], 0.5).abs() < 1e-12);
    }
}
