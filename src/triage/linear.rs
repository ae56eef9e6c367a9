//! A hyperplane a class over sparse rows: one-vs-rest support vector machines, behind linfa's `Fit` and `Predict`, and ridge regression.
//!
//! L2-loss dual coordinate descent (Hsieh, Chang, Lin, Keerthi, Sundararajan 2008, algorithm 1; the problem
//! liblinear calls `-s 1`); without its bounds the same steps solve the regression. All classes walk through the rows together: a row's
//! weights for all classes lie side by side, so one pass over memory serves them all. linfa's own classifiers take dense arrays only.
//!
//! Rows that play no part rest for some passes (the paper's shrinking, for all classes of a row at once).
//!
//! Deterministic for a seed: one thread a problem, fixed order of summation, no clock.

use linfa::{
    dataset::{DatasetBase, Records},
    traits::{Fit, PredictInplace},
};
use ndarray::{Array1, Array2, ArrayView2};

use super::{TriageError, seed::Shuffle, sparse::SparseMatrix};

/// What to solve, and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinearParams {
    /// liblinear's C: the weight of a row's loss.
    pub(super) cost: f32,
    /// Passes over the rows at most.
    pub(super) epochs: usize,
    /// Stop when no projected gradient in a pass is larger.
    pub(super) tolerance: f32,
    pub(super) classes: usize,
    pub(super) seed: u64,
}

/// What the scores of rows are to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The row's class: 1 or more for it and -1 or less for every other one. Squared hinge loss, a support vector machine.
    Label(&'a [usize]),
    /// These, a row a row and a column a class. Squared loss, ridge regression.
    Scores(ArrayView2<'a, f32>),
}

/// A hyperplane a class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hyperplanes {
    pub(super) classes: usize,
    /// `features × classes`, a feature's weights side by side.
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Hyperplanes {
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

    fn step(&mut self, row: impl Iterator<Item = (usize, f32)>, steps: &[f32]) {
        for (bias, step) in self.bias.iter_mut().zip(steps) {
            *bias += step;
        }
        for (column, value) in row {
            for (weight, step) in self.weights[column * self.classes..(column + 1) * self.classes].iter_mut().zip(steps) {
                *weight += value * step;
            }
        }
    }
}

impl Fit<SparseMatrix, Array1<usize>, TriageError> for LinearParams {
    type Object = Hyperplanes;

    fn fit(&self, dataset: &DatasetBase<SparseMatrix, Array1<usize>>) -> Result<Hyperplanes, TriageError> {
        let (rows, targets) = (dataset.records(), dataset.targets());
        if rows.nsamples() == 0 || rows.nsamples() != targets.len() || targets.iter().any(|class| *class >= self.classes) {
            return Err(TriageError::Training(format!("{} rows do not fit {} labels", rows.nsamples(), targets.len())));
        }
        let all: Vec<usize> = (0..rows.nsamples()).collect();
        Ok(self.solve(rows, Wanted::Label(&targets.to_vec()), &all, None).planes)
    }
}

/// A solution with what it takes to go on from it.
#[derive(Debug, Clone)]
pub(super) struct Solution {
    pub(super) planes: Hyperplanes,
    /// `rows × classes`: what each row counts in each class's weights.
    parts: Vec<f32>,
}

/// Passes that a row without a part in the solution sits out.
const REST: u8 = 3;

impl LinearParams {
    /// The solution for the rows `chosen`; `start` is where to go on from, its other rows taken out of it first.
    ///
    /// The problem is strictly convex, so the start changes the way to the solution and not the solution: leaving
    /// out a fold of a solved problem takes a few passes instead of many (DeCoste and Wagstaff 2000).
    pub(super) fn solve(&self, rows: &SparseMatrix, wanted: Wanted<'_>, chosen: &[usize], start: Option<&Solution>) -> Solution {
        match wanted {
            Wanted::Label(labels) => self.descend::<true>(rows, |row, class| if labels[row] == class { 1.0 } else { -1.0 }, chosen, start),
            Wanted::Scores(scores) => self.descend::<false>(rows, |row, class| scores[[row, class]], chosen, start),
        }
    }

    /// With the `HINGE` a score beyond what is wanted is no loss.
    fn descend<const HINGE: bool>(
        &self,
        rows: &SparseMatrix,
        wanted: impl Fn(usize, usize) -> f32,
        chosen: &[usize],
        start: Option<&Solution>,
    ) -> Solution {
        let (count, classes) = (rows.nsamples(), self.classes);
        let mut solution = start.cloned().unwrap_or_else(|| Solution {
            planes: Hyperplanes { classes, weights: vec![0.0; rows.nfeatures() * classes], bias: vec![0.0; classes] },
            parts: vec![0.0f32; count * classes],
        });
        let (mut scores, mut steps) = (vec![0.0f32; classes], vec![0.0f32; classes]);
        if start.is_some() {
            let mut out = vec![true; count];
            chosen.iter().for_each(|row| out[*row] = false);
            for row in (0..count).filter(|row| out[*row]) {
                let parts = &mut solution.parts[row * classes..(row + 1) * classes];
                steps.iter_mut().zip(parts).for_each(|(step, part)| *step = -std::mem::take(part));
                solution.planes.step(rows.row(row), &steps);
            }
        }
        let Solution { planes, parts } = &mut solution;
        let diagonal = 0.5 / self.cost;
        // The bias is a feature that is 1 in every row, as in liblinear.
        let curvature: Vec<f32> = (0..count).map(|row| rows.row(row).map(|(_, v)| v * v).sum::<f32>() + 1.0 + diagonal).collect();
        let mut order = chosen.to_vec();
        let mut rest = vec![0u8; count];
        let mut shuffle = Shuffle::new(self.seed);
        for _ in 0..self.epochs {
            shuffle.shuffle(&mut order);
            let (mut largest, mut rested) = (0.0f32, false);
            for &row in &order {
                if rest[row] > 0 {
                    rest[row] -= 1;
                    rested = true;
                    continue;
                }
                planes.scores_into(rows.row(row), &mut scores);
                let parts = &mut parts[row * classes..(row + 1) * classes];
                let mut most = 0.0f32;
                for class in 0..classes {
                    let wanted = wanted(row, class);
                    let gradient = scores[class] - wanted + diagonal * parts[class];
                    let beyond = HINGE && parts[class] == 0.0 && gradient * wanted > 0.0;
                    most = most.max(if beyond { 0.0 } else { gradient.abs() });
                    let next = parts[class] - gradient / curvature[row];
                    // A part on the other side of its label would be a reward for a loss.
                    let next = if HINGE && next * wanted < 0.0 { 0.0 } else { next };
                    steps[class] = next - parts[class];
                    parts[class] = next;
                }
                largest = largest.max(most);
                if most == 0.0 {
                    rest[row] = REST;
                } else {
                    planes.step(rows.row(row), &steps);
                }
            }
            if largest < self.tolerance {
                if !rested {
                    break;
                }
                // Only a pass over every row says that this is the solution.
                rest.fill(0);
            }
        }
        solution
    }
}

/// Scores of all classes, a row a sample.
impl PredictInplace<SparseMatrix, Array2<f32>> for Hyperplanes {
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

    fn params() -> LinearParams {
        LinearParams { cost: 1.0, epochs: 200, tolerance: 1e-4, classes: 3, seed: 7 }
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
        let planes = params().fit(&data).unwrap();
        let objective = |planes: &Hyperplanes| -> f64 {
            let norm: f64 = planes.weights.iter().chain(&planes.bias).map(|w| f64::from(*w).powi(2)).sum::<f64>() / 2.0;
            let scores: Array2<f32> = planes.predict(&data);
            let loss: f64 = scores
                .indexed_iter()
                .map(|((row, class), score)| {
                    let side = if data.targets()[row] == class { 1.0 } else { -1.0 };
                    (1.0 - side * f64::from(*score)).max(0.0).powi(2)
                })
                .sum();
            norm + loss
        };
        let best = objective(&planes);
        for index in 0..planes.weights.len() {
            for step in [-0.02, 0.02] {
                let mut other = planes.clone();
                other.weights[index] += step;
                assert!(objective(&other) > best - 1e-6, "weight {index} {step}");
            }
        }
    }

    #[test]
    fn a_regression_has_the_normal_equations_solution() {
        let (rows, wanted) =
            (example().records().clone(), Array2::from_shape_fn((60, 3), |(row, class)| (row % 7) as f32 - 2.0 * class as f32));
        let params = LinearParams { tolerance: 1e-5, epochs: 2_000, ..params() };
        let all: Vec<usize> = (0..60).collect();
        let planes = params.solve(&rows, Wanted::Scores(wanted.view()), &all, None).planes;
        // Half the square of the weights and C times the square of what is amiss: the slope is nought at the solution.
        let scores: Array2<f32> = planes.predict(&DatasetBase::new(rows.clone(), Array1::from(vec![0usize; 60])));
        for class in 0..3 {
            let mut slope: Vec<f32> = (0..5).map(|column| planes.weights[column * 3 + class]).collect();
            let mut at_bias = planes.bias[class];
            for row in 0..60 {
                let amiss = 2.0 * params.cost * (scores[[row, class]] - wanted[[row, class]]);
                rows.row(row).for_each(|(column, value)| slope[column] += amiss * value);
                at_bias += amiss;
            }
            assert!(slope.iter().chain([&at_bias]).all(|slope| slope.abs() < 0.01), "class {class}: {slope:?} {at_bias}");
        }
    }

    #[test]
    fn going_on_from_the_whole_gives_what_starting_from_nothing_gives() {
        let data = example();
        let (rows, targets) = (data.records(), data.targets().to_vec());
        let params = LinearParams { tolerance: 1e-5, epochs: 500, ..params() };
        let all: Vec<usize> = (0..60).collect();
        let targets = Wanted::Label(&targets);
        let whole = params.solve(rows, targets, &all, None);
        let part: Vec<usize> = (0..60).filter(|row| row % 5 != 0).collect();
        let on = params.solve(rows, targets, &part, Some(&whole)).planes;
        let anew = params.solve(rows, targets, &part, None).planes;
        for (a, b) in on.weights.iter().zip(&anew.weights) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
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
