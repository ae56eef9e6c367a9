//! Figures of merit over predicted and true labels.

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

#[cfg(test)]
mod tests {
    use super::*;

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
