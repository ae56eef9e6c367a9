//! One head: the two linear stages for one target, their training, answer and exact explanation.
//!
//! Stage 1 scores the n-grams (sparse one-vs-rest SVM). Stage 2, linfa's multinomial logistic regression,
//! mixes the scores of stage 1 with the dense features: structured ones and the text's embedding. Stage 2 is
//! trained on out-of-fold scores, so it never sees stage 1 on texts that stage 1 learned.
//!
//! Serving multiplies in a fixed order by itself: the matrix library picks its instructions by processor, and the
//! same ticket has to get the same bits everywhere.

use linfa::{
    dataset::{DatasetBase, Records},
    traits::{Fit, Predict},
};
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};

use super::{
    TriageError,
    calibration::{self, Coverage, Outcome},
    seed,
    sparse::SparseMatrix,
    svm::{LinearSvm, SvmParams},
};

/// How a head is trained. The defaults are what was best on folds of several public ticket sets.
#[derive(Debug, Clone)]
pub(super) struct HeadOptions {
    pub(super) cost: f32,
    pub(super) epochs: usize,
    /// L2 weights of stage 2 that are tried.
    pub(super) alphas: &'static [f64],
    pub(super) folds: usize,
    pub(super) promised: f64,
    pub(super) seed: u64,
}

impl Default for HeadOptions {
    fn default() -> Self {
        Self { cost: 1.0, epochs: 30, alphas: &[0.03, 0.1, 0.3, 1.0], folds: 5, promised: 0.90, seed: 42 }
    }
}

/// The second stage: `inputs × classes` weights, an input's weights side by side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mix {
    pub(super) weights: Vec<f64>,
    pub(super) bias: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub(super) target: String,
    pub(super) labels: Vec<String>,
    pub(super) svm: LinearSvm,
    pub(super) mix: Mix,
    pub(super) temperature: f64,
    pub(super) threshold: f64,
}

/// What training measured, on out-of-fold predictions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HeadMetrics {
    pub examples: usize,
    pub accuracy: f64,
    pub macro_f1: f64,
    pub ece: f64,
    pub coverage: Vec<Coverage>,
}

/// A feature's part in a class's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    Column(u32),
    Dense(usize),
    Base,
}

impl Head {
    /// Trains both stages. `dense` has a row a text; `targets` are places in `labels`.
    pub(super) fn fit(
        target: &str,
        labels: Vec<String>,
        rows: SparseMatrix,
        dense: &Array2<f64>,
        targets: &[usize],
        options: &HeadOptions,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(Self, HeadMetrics), TriageError> {
        let classes = labels.len();
        if classes < 2 {
            return Err(TriageError::Training(format!("target `{target}` has {classes} label: at least two are needed")));
        }
        let params = SvmParams { cost: options.cost, epochs: options.epochs, tolerance: 0.05, classes, seed: options.seed };
        let fold_of = seed::stratified_folds(targets, classes, options.folds, options.seed);
        let split = |fold: usize| -> (Vec<usize>, Vec<usize>) { (0..targets.len()).partition(|row| fold_of[*row] != fold) };
        let take = |chosen: &[usize]| Array1::from_iter(chosen.iter().map(|row| targets[*row]));

        let inputs = classes + dense.ncols();
        let mut stage2 = Array2::<f64>::zeros((targets.len(), inputs));
        stage2.slice_axis_mut(ndarray::Axis(1), ndarray::Slice::from(classes..)).assign(dense);
        for fold in 0..options.folds {
            progress(&format!("{target}: stage 1, fold {} of {}", fold + 1, options.folds));
            let (learn, hold) = split(fold);
            let svm = params.fit(&DatasetBase::new(rows.select(&learn), take(&learn)))?;
            let held = DatasetBase::new(rows.select(&hold), ());
            let scores: Array2<f32> = svm.predict(&held);
            for (row, scores) in hold.iter().zip(scores.rows()) {
                stage2.row_mut(*row).iter_mut().zip(scores).for_each(|(out, score)| *out = f64::from(*score));
            }
        }
        progress(&format!("{target}: stage 1, all texts"));
        let svm = params.fit(&DatasetBase::new(rows, Array1::from(targets.to_vec())))?;

        // Other folds than stage 1's, so that a fold's texts do not share one stage-1 model.
        let fold_of = seed::stratified_folds(targets, classes, options.folds, options.seed ^ 0x5eed);
        let alpha = choose_alpha(&stage2, targets, &fold_of, classes, options, target, progress)?;
        let mut logits: Vec<(Vec<f64>, usize)> = vec![(Vec::new(), 0); targets.len()];
        for fold in 0..options.folds {
            progress(&format!("{target}: stage 2, fold {} of {}", fold + 1, options.folds));
            let (learn, hold): (Vec<usize>, Vec<usize>) = (0..targets.len()).partition(|row| fold_of[*row] != fold);
            let mix = Mix::fit(stage2.select(ndarray::Axis(0), &learn), take(&learn), classes, alpha)?;
            for row in hold {
                logits[row] = (mix.logits(stage2.row(row).iter().copied()), targets[row]);
            }
        }
        progress(&format!("{target}: stage 2, all texts"));
        let mix = Mix::fit(stage2, Array1::from(targets.to_vec()), classes, alpha)?;

        let temperature = calibration::temperature(&logits);
        let predictions: Vec<(usize, f64)> = logits.iter().map(|(logits, _)| best(logits, temperature)).collect();
        let outcomes: Vec<Outcome> = predictions
            .iter()
            .zip(targets)
            .map(|((label, probability), truth)| Outcome { probability: *probability, correct: label == truth })
            .collect();
        let coverage: Vec<Coverage> = [0.90, 0.95, 0.98].map(|promised| calibration::threshold(&outcomes, promised)).into();
        let predicted: Vec<usize> = predictions.iter().map(|(label, _)| *label).collect();
        let metrics = HeadMetrics {
            examples: targets.len(),
            accuracy: outcomes.iter().filter(|outcome| outcome.correct).count() as f64 / outcomes.len() as f64,
            macro_f1: super::measure::macro_f1(&predicted, targets, classes),
            ece: calibration::expected_calibration_error(&outcomes),
            coverage,
        };
        let threshold = calibration::threshold(&outcomes, options.promised).threshold;
        Ok((Self { target: target.to_owned(), labels, svm, mix, temperature, threshold }, metrics))
    }

    /// Each class's score: logits over the temperature.
    pub(super) fn scores(&self, row: &[(u32, f32)], dense: &[f64]) -> Vec<f64> {
        let mut stage1 = vec![0.0f32; self.labels.len()];
        self.svm.scores_into(row.iter().map(|(column, value)| (*column as usize, *value)), &mut stage1);
        let inputs = stage1.iter().map(|score| f64::from(*score)).chain(dense.iter().copied());
        let mut logits = self.mix.logits(inputs);
        logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        logits
    }

    /// What each feature adds to the score of `class`; the parts sum to it.
    pub(super) fn parts(&self, row: &[(u32, f32)], dense: &[f64], class: usize) -> Vec<(Part, f64)> {
        let classes = self.labels.len();
        let weight = |input: usize| self.mix.weights[input * classes + class] / self.temperature;
        let through: Vec<f64> = (0..classes).map(weight).collect();
        let mut parts = Vec::with_capacity(row.len() + dense.len() + 1);
        for (column, value) in row {
            let weights = &self.svm.weights[*column as usize * classes..(*column as usize + 1) * classes];
            let sum: f64 = weights.iter().zip(&through).map(|(weight, through)| f64::from(*weight) * through).sum();
            parts.push((Part::Column(*column), f64::from(*value) * sum));
        }
        for (index, value) in dense.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            parts.push((Part::Dense(index), value * weight(classes + index)));
        }
        let base: f64 = self.svm.bias.iter().zip(&through).map(|(bias, through)| f64::from(*bias) * through).sum();
        parts.push((Part::Base, base + self.mix.bias[class] / self.temperature));
        parts
    }
}

/// The L2 weight with the least log loss on the first fold, each at its best temperature.
///
/// One fold, because stage 2 is the costly one and the loss is flat around its minimum.
fn choose_alpha(
    stage2: &Array2<f64>,
    targets: &[usize],
    fold_of: &[usize],
    classes: usize,
    options: &HeadOptions,
    target: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<f64, TriageError> {
    let (learn, hold): (Vec<usize>, Vec<usize>) = (0..targets.len()).partition(|row| fold_of[*row] != 0);
    let truth = Array1::from_iter(learn.iter().map(|row| targets[*row]));
    let records = stage2.select(ndarray::Axis(0), &learn);
    let mut chosen = (f64::INFINITY, options.alphas.first().copied().unwrap_or(1.0));
    for alpha in options.alphas {
        let mix = Mix::fit(records.clone(), truth.clone(), classes, *alpha)?;
        let rows: Vec<_> = hold.iter().map(|row| (mix.logits(stage2.row(*row).iter().copied()), targets[*row])).collect();
        let temperature = calibration::temperature(&rows);
        let loss = calibration::log_loss(&rows, temperature);
        let right = rows.iter().filter(|(logits, truth)| best(logits, temperature).0 == *truth).count();
        progress(&format!("{target}: L2 weight {alpha}: log loss {:.4}, {right} of {} right", loss / rows.len().max(1) as f64, rows.len()));
        if loss < chosen.0 {
            chosen = (loss, *alpha);
        }
    }
    Ok(chosen.1)
}

fn best(logits: &[f64], temperature: f64) -> (usize, f64) {
    let mut shares = logits.to_vec();
    calibration::softmax(&mut shares, temperature);
    shares.iter().copied().enumerate().fold((0, f64::MIN), |best, (label, share)| if share > best.1 { (label, share) } else { best })
}

/// The logit of a class that a fold has no example of: out of the race, and finite.
const UNSEEN: f64 = -30.0;

impl Mix {
    fn fit(records: Array2<f64>, targets: Array1<usize>, classes: usize, alpha: f64) -> Result<Self, TriageError> {
        let inputs = records.nfeatures();
        let fitted = MultiLogisticRegression::default()
            .alpha(alpha)
            .max_iterations(100)
            .gradient_tolerance(1e-3)
            .fit(&DatasetBase::new(records, targets))
            .map_err(|error| TriageError::Training(format!("stage 2 did not converge: {error}")))?;
        let mut mix = Self { weights: vec![0.0; inputs * classes], bias: vec![UNSEEN; classes] };
        for (place, class) in fitted.classes().iter().enumerate() {
            mix.bias[*class] = fitted.intercept()[place];
            for input in 0..inputs {
                mix.weights[input * classes + class] = fitted.params()[(input, place)];
            }
        }
        Ok(mix)
    }

    fn logits(&self, inputs: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut logits = self.bias.clone();
        for (value, weights) in inputs.zip(self.weights.chunks_exact(self.bias.len())) {
            if value != 0.0 {
                logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += value * weight);
            }
        }
        logits
    }
}
