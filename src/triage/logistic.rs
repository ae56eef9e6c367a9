//! Stage 2: multinomial logistic regression that shrinks towards given scores and not towards nothing.
//!
//! The weights are those of a given start (scores of stage 1 and of a tuned embedding, each for its own class) plus a correction, and
//! only the correction has an L2 weight. Rare classes, too few to learn a correction from, keep the scores' answer: on long
//! tails that is worth several points of macro-F1. linfa's own regression can only shrink to zero.
//! Minimised by L-BFGS (Nocedal 1980) with a backtracking search.

use linfa::{dataset::DatasetBase, traits::Fit};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use rten_simd::SimdUnaryOp;
use rten_vecmath::Exp;

use super::TriageError;

/// What to minimise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LogisticParams {
    pub(super) classes: usize,
    /// L2 weight of the correction.
    pub(super) alpha: f32,
    /// What a score counts for its own class before any correction. The first inputs are these scores: one a class of the first of
    /// those that score, then one a class of the next.
    pub(super) leans: Vec<f32>,
    /// Steps at most.
    pub(super) steps: usize,
}

/// `inputs × classes` weights, an input's weights side by side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mix {
    pub(super) weights: Vec<f64>,
    pub(super) bias: Vec<f64>,
}

impl Mix {
    pub(super) fn logits(&self, inputs: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut logits = self.bias.clone();
        for (value, weights) in inputs.zip(self.weights.chunks_exact(self.bias.len())) {
            if value != 0.0 {
                logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += value * weight);
            }
        }
        logits
    }
}

impl Fit<Array2<f32>, Array1<usize>, TriageError> for LogisticParams {
    type Object = Mix;

    fn fit(&self, dataset: &DatasetBase<Array2<f32>, Array1<usize>>) -> Result<Mix, TriageError> {
        let (inputs, targets) = (dataset.records(), dataset.targets());
        if inputs.nrows() != targets.len()
            || inputs.ncols() < self.leans.len() * self.classes
            || targets.iter().any(|class| *class >= self.classes)
        {
            return Err(TriageError::Training(format!("stage 2: {:?} inputs do not fit {} labels", inputs.dim(), self.classes)));
        }
        let mut start = Array2::zeros((inputs.nrows(), self.classes));
        for (at, lean) in self.leans.iter().enumerate() {
            start.scaled_add(*lean, &scores_of(inputs, at, self.classes));
        }
        let mut point = vec![0.0f32; (inputs.ncols() + 1) * self.classes];
        descend(&mut point, self.steps, |point, slope| self.loss(inputs, &start, targets, point, slope));
        let split = inputs.ncols() * self.classes;
        let mut weights: Vec<f64> = point[..split].iter().map(|weight| f64::from(*weight)).collect();
        for (input, lean) in self.leans.iter().flat_map(|lean| std::iter::repeat_n(lean, self.classes)).enumerate() {
            weights[input * self.classes + input % self.classes] += f64::from(*lean);
        }
        let bias = point[split..].iter().map(|bias| f64::from(*bias)).collect();
        Ok(Mix { weights, bias })
    }
}

/// A score a class by the one that stands at `at` among those that score.
pub(super) fn scores_of(inputs: &Array2<f32>, at: usize, classes: usize) -> ArrayView2<'_, f32> {
    inputs.slice_axis(Axis(1), Slice::from(at * classes..(at + 1) * classes))
}

impl LogisticParams {
    /// The loss at `point`, its slope into `slope`.
    fn loss(&self, inputs: &Array2<f32>, start: &Array2<f32>, targets: &Array1<usize>, point: &[f32], slope: &mut [f32]) -> f64 {
        let (columns, classes) = (inputs.ncols(), self.classes);
        let (weights, bias) = point.split_at(columns * classes);
        let matrix = ArrayView2::from_shape((columns, classes), weights).expect("the point has a weight for each input and class");
        let mut logits = inputs.dot(&matrix);
        logits += start;
        let mut loss = 0.0;
        for (mut row, target) in logits.rows_mut().into_iter().zip(targets) {
            row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row -= most;
            loss -= f64::from(row[*target]);
        }
        Exp::default().map_mut(logits.as_slice_memory_order_mut().expect("it is new"));
        for (mut row, target) in logits.rows_mut().into_iter().zip(targets) {
            let sum = row.sum();
            loss += f64::from(libm::logf(sum));
            row /= sum;
            row[*target] -= 1.0;
        }
        let (by_weight, by_bias) = slope.split_at_mut(columns * classes);
        let gradient = inputs.t().dot(&logits);
        for ((out, gradient), weight) in by_weight.iter_mut().zip(&gradient).zip(weights) {
            *out = gradient + self.alpha * weight;
        }
        by_bias.iter_mut().zip(&logits.sum_axis(Axis(0))).for_each(|(out, sum)| *out = *sum);
        loss + 0.5 * f64::from(self.alpha) * dot(weights, weights)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Pairs of step and change of slope that are remembered.
const MEMORY: usize = 10;
/// A step that gains less than this share of the loss is the last.
const GAIN: f64 = 2e-6;

/// Walks `point` down `loss` for at most `steps` steps.
fn descend(point: &mut [f32], steps: usize, mut loss: impl FnMut(&[f32], &mut [f32]) -> f64) {
    let mut slope = vec![0.0f32; point.len()];
    let mut height = loss(point, &mut slope);
    let mut memory: Vec<(Vec<f32>, Vec<f32>, f64)> = Vec::new();
    for _ in 0..steps {
        let mut way = slope.clone();
        let mut factors = Vec::with_capacity(memory.len());
        for (step, change, product) in memory.iter().rev() {
            let factor = dot(step, &way) / product;
            way.iter_mut().zip(change).for_each(|(way, change)| *way -= factor as f32 * change);
            factors.push(factor);
        }
        let scale =
            memory.last().map_or_else(|| 1.0 / dot(&slope, &slope).sqrt().max(1.0), |(_, change, product)| product / dot(change, change));
        way.iter_mut().for_each(|way| *way *= scale as f32);
        for ((step, change, product), factor) in memory.iter().zip(factors.iter().rev()) {
            let back = factor - dot(change, &way) / product;
            way.iter_mut().zip(step).for_each(|(way, step)| *way += back as f32 * step);
        }
        let fall = dot(&slope, &way);
        if fall <= 0.0 {
            return;
        }
        let (mut length, mut next, mut next_slope) = (1.0f64, vec![0.0f32; point.len()], vec![0.0f32; point.len()]);
        let lower = loop {
            next.iter_mut().zip(point.iter()).zip(&way).for_each(|((next, point), way)| *next = point - length as f32 * way);
            let lower = loss(&next, &mut next_slope);
            // Armijo's condition.
            if lower <= height - 1e-4 * length * fall {
                break lower;
            }
            length *= 0.5;
            if length < 1e-6 {
                return;
            }
        };
        let step: Vec<f32> = next.iter().zip(point.iter()).map(|(next, point)| next - point).collect();
        let change: Vec<f32> = next_slope.iter().zip(&slope).map(|(next, slope)| next - slope).collect();
        let product = dot(&step, &change);
        if product > 1e-10 * dot(&change, &change) {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((step, change, product));
        }
        point.copy_from_slice(&next);
        slope = next_slope;
        if height - lower < GAIN * lower.abs() {
            return;
        }
        height = lower;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> DatasetBase<Array2<f32>, Array1<usize>> {
        // Three classes; the third input tells them apart better than the scores, which are wrong one time in five.
        let inputs = Array2::from_shape_fn((90, 4), |(row, column)| match column {
            3 => (row % 3) as f32 - 1.0,
            class => f32::from(u8::from((row + usize::from(row % 5 == 0)) % 3 == class)) - 0.5,
        });
        DatasetBase::new(inputs, Array1::from_iter((0..90).map(|row| row % 3)))
    }

    fn params() -> LogisticParams {
        LogisticParams { classes: 3, alpha: 1.0, leans: vec![2.0], steps: 300 }
    }

    #[test]
    fn at_the_solution_no_small_move_lowers_the_loss() {
        let data = data();
        let mix = params().fit(&data).unwrap();
        let loss = |mix: &Mix| -> f64 {
            let rows = data.records().rows().into_iter().zip(data.targets());
            let told: f64 = rows
                .map(|(row, target)| {
                    let logits = mix.logits(row.iter().map(|value| f64::from(*value)));
                    logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[*target]
                })
                .sum();
            let away = |(at, weight): (usize, &f64)| (weight - if at / 3 == at % 3 && at < 9 { 2.0 } else { 0.0 }).powi(2);
            told + 0.5 * mix.weights.iter().enumerate().map(away).sum::<f64>()
        };
        let best = loss(&mix);
        for index in 0..mix.weights.len() {
            for step in [-0.05, 0.05] {
                let mut other = mix.clone();
                other.weights[index] += step;
                assert!(loss(&other) > best - 1e-6, "weight {index} {step}");
            }
        }
    }

    #[test]
    fn a_very_large_l2_weight_leaves_stage_1_as_it_is() {
        let mix = LogisticParams { alpha: 1e6, ..params() }.fit(&data()).unwrap();
        for (at, weight) in mix.weights.iter().enumerate() {
            let start = if at < 9 && at / 3 == at % 3 { 2.0 } else { 0.0 };
            assert!((weight - start).abs() < 1e-3, "{at}: {weight}");
        }
    }

    #[test]
    fn targets_outside_the_classes_are_refused() {
        let data = DatasetBase::new(data().records().clone(), Array1::from(vec![7; 90]));
        assert!(params().fit(&data).is_err());
    }
}
