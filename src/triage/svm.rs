//! Stage 1: one-vs-rest linear support vector machines over sparse rows, behind linfa's `Fit` and `Predict`.
//!
//! L2-loss dual coordinate descent (Hsieh, Chang, Lin, Keerthi, Sundararajan 2008, algorithm 1; the problem
//! liblinear calls `-s 1`). All classes walk through the rows together: a row's weights for all classes lie side
//! by side, so one pass over memory serves them all. linfa's own classifiers take dense arrays only.
//!
//! Deterministic for a seed: one thread, fixed order of summation, no clock.

use linfa::{
    dataset::{DatasetBase, Records},
    traits::{Fit, PredictInplace},
};
use ndarray::{Array1, Array2};

use super::{TriageError, seed::Shuffle, sparse::SparseMatrix};

/// What to solve, and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SvmParams {
    /// liblinear's C: the weight of a row's loss.
    pub(super) cost: f32,
    /// Passes over the rows at most.
    pub(super) epochs: usize,
    /// Stop when no projected gradient in a pass is larger.
    pub(super) tolerance: f32,
    pub(super) classes: usize,
    pub(super) seed: u64,
}

/// A hyperplane a class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinearSvm {
    pub(super) classes: usize,
    /// `features × classes`, a feature's weights side by side.
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl LinearSvm {
    /// Adds each class's distance of `row` to its hyperplane, bias included, into `scores`.
    pub(super) fn scores_into(&self, row: impl Iterator<Item = (usize, f32)>, scores: &mut [f32]) {
        scores.copy_from_slice(&self.bias);
        for (column, value) in row {
            let weights = &self.weights[column * self.classes..(column + 1) * self.classes];
            for (score, weight) in scores.iter_mut().zip(weights) {
                *score += value * weight;
            }
        }
    }
}

impl Fit<SparseMatrix, Array1<usize>, TriageError> for SvmParams {
    type Object = LinearSvm;

    fn fit(&self, dataset: &DatasetBase<SparseMatrix, Array1<usize>>) -> Result<LinearSvm, TriageError> {
        let (rows, targets) = (dataset.records(), dataset.targets());
        if rows.nsamples() == 0 || rows.nsamples() != targets.len() || targets.iter().any(|class| *class >= self.classes) {
            return Err(TriageError::Training(format!("{} rows do not fit {} labels", rows.nsamples(), targets.len())));
        }
        Ok(self.solve(rows, targets))
    }
}

impl SvmParams {
    fn solve(&self, rows: &SparseMatrix, targets: &Array1<usize>) -> LinearSvm {
        let (count, classes) = (rows.nsamples(), self.classes);
        let mut svm = LinearSvm { classes, weights: vec![0.0; rows.nfeatures() * classes], bias: vec![0.0; classes] };
        let mut alphas = vec![0.0f32; count * classes];
        let diagonal = 0.5 / self.cost;
        // The bias is a feature that is 1 in every row, as in liblinear.
        let curvature: Vec<f32> = (0..count).map(|row| rows.row(row).map(|(_, v)| v * v).sum::<f32>() + 1.0 + diagonal).collect();
        let (mut scores, mut steps) = (vec![0.0f32; classes], vec![0.0f32; classes]);
        let mut order: Vec<usize> = (0..count).collect();
        let mut shuffle = Shuffle::new(self.seed);
        for _ in 0..self.epochs {
            shuffle.shuffle(&mut order);
            let mut largest = 0.0f32;
            for &row in &order {
                svm.scores_into(rows.row(row), &mut scores);
                let alphas = &mut alphas[row * classes..(row + 1) * classes];
                let mut moved = false;
                for class in 0..classes {
                    let side = if targets[row] == class { 1.0 } else { -1.0 };
                    let gradient = side * scores[class] - 1.0 + diagonal * alphas[class];
                    let projected = if alphas[class] == 0.0 { gradient.min(0.0) } else { gradient };
                    largest = largest.max(projected.abs());
                    let next = (alphas[class] - gradient / curvature[row]).max(0.0);
                    let step = if projected.abs() > 1e-6 { (next - alphas[class]) * side } else { 0.0 };
                    if step != 0.0 {
                        alphas[class] = next;
                        moved = true;
                    }
                    steps[class] = step;
                }
                if !moved {
                    continue;
                }
                for (bias, step) in svm.bias.iter_mut().zip(&steps) {
                    *bias += step;
                }
                for (column, value) in rows.row(row) {
                    for (weight, step) in svm.weights[column * classes..(column + 1) * classes].iter_mut().zip(&steps) {
                        *weight += value * step;
                    }
                }
            }
            if largest < self.tolerance {
                break;
            }
        }
        svm
    }
}

/// Scores of all classes, a row a sample.
impl PredictInplace<SparseMatrix, Array2<f32>> for LinearSvm {
    fn predict_inplace<'a>(&'a self, rows: &'a SparseMatrix, scores: &mut Array2<f32>) {
        let mut buffer = vec![0.0; self.classes];
        for row in 0..rows.nsamples() {
            self.scores_into(rows.row(row), &mut buffer);
            scores.row_mut(row).iter_mut().zip(&buffer).for_each(|(out, score)| *out = *score);
        }
    }

    fn default_target(&self, rows: &SparseMatrix) -> Array2<f32> {
        Array2::zeros((rows.nsamples(), self.classes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linfa::traits::Predict;

    /// Rows of class `c` have feature `c` and one of two features that tell nothing.
    fn example() -> DatasetBase<SparseMatrix, Array1<usize>> {
        let mut rows = SparseMatrix::new(5);
        let mut targets = Vec::new();
        for n in 0..60usize {
            rows.push(&[((n % 3) as u32, 1.0), (3 + (n % 2) as u32, 0.5)]);
            targets.push(n % 3);
        }
        DatasetBase::new(rows, Array1::from(targets))
    }

    fn params() -> SvmParams {
        SvmParams { cost: 1.0, epochs: 200, tolerance: 1e-4, classes: 3, seed: 7 }
    }

    #[test]
    fn separable_classes_are_told_apart_with_a_margin() {
        let data = example();
        let scores: Array2<f32> = params().fit(&data).unwrap().predict(&data);
        for (row, class) in data.targets().iter().enumerate() {
            for other in 0..3 {
                assert!((scores[(row, other)] > 0.5) == (other == *class), "row {row}: {}", scores.row(row));
            }
        }
    }

    #[test]
    fn at_the_solution_no_small_move_lowers_the_primal_objective() {
        let data = example();
        let svm = params().fit(&data).unwrap();
        let objective = |svm: &LinearSvm| -> f64 {
            let norm: f64 = svm.weights.iter().chain(&svm.bias).map(|w| f64::from(*w).powi(2)).sum::<f64>() / 2.0;
            let scores: Array2<f32> = svm.predict(&data);
            let loss: f64 = scores
                .indexed_iter()
                .map(|((row, class), score)| {
                    let side = if data.targets()[row] == class { 1.0 } else { -1.0 };
                    (1.0 - side * f64::from(*score)).max(0.0).powi(2)
                })
                .sum();
            norm + loss
        };
        let best = objective(&svm);
        for index in 0..svm.weights.len() {
            for step in [-0.02, 0.02] {
                let mut other = svm.clone();
                other.weights[index] += step;
                assert!(objective(&other) > best - 1e-6, "weight {index} {step}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        assert_eq!(params().fit(&example()).unwrap(), params().fit(&example()).unwrap());
    }

    #[test]
    fn labels_outside_the_classes_are_refused() {
        let data = DatasetBase::new(example().records().clone(), Array1::from(vec![9; 60]));
        assert!(params().fit(&data).is_err());
    }
}
