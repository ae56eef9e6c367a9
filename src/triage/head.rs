//! One head: the two linear stages for one target, their training, answer and exact explanation.
//!
//! Stage 1 scores the n-grams (sparse one-vs-rest SVM; what a tuned MiniLM taught is folded into it). Stage 2, a multinomial logistic regression,
//! mixes the scores of stage 1, and those of a tuned MiniLM or of what it taught, with the dense features: structured ones and an embedding that is not
//! tuned. Stage 2 is trained on out-of-fold scores, so it never sees stage 1 on texts that stage 1 learned.
//!
//! Serving multiplies in a fixed order by itself: the matrix library picks its instructions by processor, and the
//! same ticket has to get the same bits everywhere.

use linfa::traits::Fit;
use ndarray::{Array2, Axis, concatenate};

use super::{
    TriageError,
    belonging::{Belonging, free_energy},
    calibration::{self, Bin, Confidence, Coverage, Outcome},
    evaluate::{Confusion, confusion},
    linear::{Hyperplanes, LinearParams, Wanted},
    logistic::Mix,
    measure::macro_f1,
    parallel,
    progress::Progress,
    seed,
    selection::{REFIT_EPOCHS, Stage2, best, choose_cost, prior_shift, split},
    sparse::SparseMatrix,
};

/// How a head is trained. The defaults are what was best on folds of several public ticket sets.
#[derive(Debug, Clone)]
pub(super) struct HeadOptions {
    /// Weights of a row's loss in stage 1 that are tried.
    pub(super) costs: &'static [f32],
    pub(super) epochs: usize,
    /// L2 weights of stage 2 that are tried.
    pub(super) alphas: &'static [f32],
    /// How far stage 2 leans on the scores, as shares of what is best for them alone, that are tried beside a half.
    pub(super) leans: &'static [f32],
    /// Of stage 1, for the scores that stage 2 learns from: the more, the more they are like those of all texts.
    pub(super) held: usize,
    /// Everywhere else, and there too where there are [`MANY`] texts.
    pub(super) folds: usize,
    pub(super) promised: f64,
    pub(super) seed: u64,
}

impl Default for HeadOptions {
    fn default() -> Self {
        Self {
            costs: &[0.5, 1.0, 2.0],
            epochs: 20,
            alphas: &[0.3, 1.0, 3.0, 10.0, 30.0, 100.0],
            leans: &[0.0, 1.0],
            held: 10,
            folds: 5,
            promised: 0.90,
            seed: 42,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub(super) target: String,
    pub(super) labels: Vec<String>,
    pub(super) stage1: Hyperplanes,
    pub(super) mix: Mix,
    pub(super) temperature: f64,
    pub(super) confidence: Confidence,
    pub(super) threshold: f64,
    pub(super) belonging: Belonging,
}

/// What training measured, on out-of-fold predictions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HeadMetrics {
    pub examples: usize,
    pub accuracy: f64,
    pub macro_f1: f64,
    pub ece: f64,
    pub coverage: Vec<Coverage>,
    /// By how sure the head was.
    pub bins: Vec<Bin>,
    /// In the order of the labels.
    pub classes: Vec<ClassMetrics>,
    pub confusion: Confusion,
}

impl HeadMetrics {
    /// The answers that were about as sure as `probability`; `None` when there were none.
    pub fn as_sure_as(&self, probability: f64) -> Option<&Bin> {
        self.bins.get(calibration::bin_of(probability)).filter(|bin| bin.answers > 0)
    }
}

/// One label's answers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ClassMetrics {
    pub label: String,
    /// Texts that have the label.
    pub examples: usize,
    /// Texts that were given it.
    pub answered: usize,
    /// Texts that have it and were given it.
    pub right: usize,
}

/// What a head is trained on: a row a text.
pub(super) struct Features {
    pub(super) rows: SparseMatrix,
    /// A score a class by another that scores, for texts that it did not learn from.
    pub(super) scores: Option<Array2<f32>>,
    pub(super) dense: Array2<f32>,
    /// To the nearest example that the model keeps, but for the text itself, as of an embedding that did not learn from it.
    pub(super) nearness: Vec<f64>,
}

/// A feature's part in a class's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    Column(u32),
    Dense(usize),
    Base,
}

impl Head {
    /// Trains both stages; `targets` are places in `labels`. The mix's inputs are stage 1's scores, the other scores and the dense features.
    pub(super) fn fit(
        target: &str,
        labels: Vec<String>,
        Features { rows, scores: others, dense, nearness }: Features,
        targets: &[usize],
        options: &HeadOptions,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Self, HeadMetrics), TriageError> {
        let classes = labels.len();
        if classes < 2 {
            return Err(TriageError::Training(format!("target `{target}` has {classes} label: at least two are needed")));
        }
        let params = LinearParams { cost: 1.0, epochs: options.epochs, tolerance: 0.05, classes, seed: options.seed };
        let params = LinearParams { cost: choose_cost(&rows, targets, &params, options, target, progress), ..params };
        let held = if targets.len() < MANY { options.held } else { options.folds };
        let fold_of = seed::stratified_folds(targets, classes, held, options.seed);
        progress(Progress::Stage(&format!("{target}: stage 1, all texts")));
        let all: Vec<usize> = (0..targets.len()).collect();
        let whole = params.solve(&rows, Wanted::Label(targets), &all, None);

        let own = Array2::<f32>::zeros((targets.len(), classes));
        let columns: Vec<_> = [Some(&own), others.as_ref(), Some(&dense)].into_iter().flatten().map(Array2::view).collect();
        let inputs = concatenate(Axis(1), &columns).map_err(|error| TriageError::Training(format!("{target}: {error}")))?;
        let mut stage2 = Stage2 { inputs, targets, classes, scorers: 1 + usize::from(others.is_some()) };
        progress(Progress::Stage(&format!("{target}: stage 1, {held} folds")));
        let refit = LinearParams { epochs: REFIT_EPOCHS, ..params };
        let scores: Vec<Vec<(usize, Vec<f32>)>> = parallel::map(held, |fold| {
            let (learn, hold) = split(&fold_of, fold);
            let planes = refit.solve(&rows, Wanted::Label(targets), &learn, Some(&whole)).planes;
            let score = |row: usize| {
                let mut scores = vec![0.0; classes];
                planes.scores_into(rows.row(row), &mut scores);
                (row, scores)
            };
            hold.into_iter().map(score).collect()
        });
        for (row, scores) in scores.into_iter().flatten() {
            stage2.inputs.row_mut(row).iter_mut().zip(scores).for_each(|(out, score)| *out = score);
        }
        drop(rows);
        let stage1 = whole.planes;

        let level = stage2.level(options.seed);
        // Other folds than stage 1's, so that a fold's texts do not share one stage-1 model.
        let fold_of = seed::stratified_folds(targets, classes, options.folds, options.seed ^ 0x5eed);
        let second = stage2.choose(&fold_of, options, target, progress)?;
        progress(Progress::Stage(&format!("{target}: stage 2, {} folds and all texts", options.folds)));
        let fitted = parallel::map(options.folds + 1, |fold| {
            let (learn, hold) = split(&fold_of, fold);
            let mix = second.fit(&stage2.of(&learn))?;
            let logits: Vec<_> = hold.into_iter().map(|row| (row, mix.logits(stage2.row(row)))).collect();
            Ok::<_, TriageError>((mix, logits))
        });
        let mut logits: Vec<(Vec<f64>, usize)> = vec![(Vec::new(), 0); targets.len()];
        let mut mix = None;
        for fitted in fitted {
            let (fitted, held) = fitted?;
            held.into_iter().for_each(|(row, held)| logits[row] = (held, targets[row]));
            // The last one held nothing out.
            mix = Some(fitted);
        }
        let mut mix = mix.ok_or_else(|| TriageError::Training("stage 2 has no fold".to_owned()))?;
        mix.weights.iter_mut().skip(classes * classes).take((stage2.scorers - 1) * classes * classes).for_each(|weight| *weight *= level);
        let shift = prior_shift(&logits, targets, classes, target, progress);
        let shifted = logits.iter_mut().map(|(logits, _)| logits).chain([&mut mix.bias]);
        shifted.for_each(|logits| logits.iter_mut().zip(&shift).for_each(|(logit, shift)| *logit += shift));

        let temperature = calibration::temperature(&logits);
        let outcomes = |confidence: Confidence| -> (Vec<(usize, f64)>, Vec<Outcome>) {
            let predictions: Vec<(usize, f64)> = logits.iter().map(|(logits, _)| best(logits, temperature, confidence)).collect();
            let outcome =
                |((label, probability), truth): (&(usize, f64), &usize)| Outcome { probability: *probability, correct: label == truth };
            let outcomes = predictions.iter().zip(targets).map(outcome).collect();
            (predictions, outcomes)
        };
        let confidence = Confidence::fit(&outcomes(Confidence::AS_IS).1);
        let (predictions, outcomes) = outcomes(confidence);
        let energies: Vec<f64> = logits.iter().map(|(logits, _)| free_energy(logits.iter().map(|logit| logit / temperature))).collect();
        let belonging = Belonging::fit(&energies, &nearness);
        let measures = energies.iter().zip(&nearness);
        let own = |(outcome, (energy, nearness)): (&Outcome, (&f64, &f64))| {
            (!belonging.is_foreign(belonging.of(*energy, *nearness))).then_some(*outcome)
        };
        let own: Vec<Outcome> = outcomes.iter().zip(measures).filter_map(own).collect();
        let threshold = |promised: f64| calibration::threshold(&own, outcomes.len(), promised);
        let coverage: Vec<Coverage> = [0.90, 0.95, 0.98].map(threshold).into();
        let predicted: Vec<usize> = predictions.iter().map(|(label, _)| *label).collect();
        let metrics = HeadMetrics {
            examples: targets.len(),
            accuracy: outcomes.iter().filter(|outcome| outcome.correct).count() as f64 / outcomes.len() as f64,
            macro_f1: macro_f1(&predicted, targets, classes),
            ece: calibration::expected_calibration_error(&outcomes),
            coverage,
            bins: calibration::bins(&outcomes),
            classes: class_metrics(&labels, &predicted, targets),
            confusion: confusion(&labels, &predicted, targets),
        };
        let threshold = threshold(options.promised).threshold;
        Ok((Self { target: target.to_owned(), labels, stage1, mix, temperature, confidence, threshold, belonging }, metrics))
    }

    /// Each class's score: logits over the temperature.
    pub(super) fn scores(&self, row: &[(u32, f32)], dense: &[f64]) -> Vec<f64> {
        let mut stage1 = vec![0.0f32; self.labels.len()];
        self.stage1.scores_into(row.iter().map(|(column, value)| (*column as usize, *value)), &mut stage1);
        let inputs = stage1.iter().map(|score| f64::from(*score)).chain(dense.iter().copied());
        let mut logits = self.mix.logits(inputs);
        logits.iter_mut().for_each(|logit| *logit /= self.temperature);
        logits
    }

    /// The calibrated probability of every label, of its scores.
    pub(super) fn probabilities(&self, mut scores: Vec<f64>) -> Vec<f64> {
        calibration::softmax(&mut scores, 1.0);
        self.confidence.apply(&mut scores);
        scores
    }

    /// What each feature adds to the score of `class`; the parts sum to it.
    pub(super) fn parts(&self, row: &[(u32, f32)], dense: &[f64], class: usize) -> Vec<(Part, f64)> {
        let classes = self.labels.len();
        let weight = |input: usize| self.mix.weights[input * classes + class] / self.temperature;
        let through: Vec<f64> = (0..classes).map(weight).collect();
        let mut parts = Vec::with_capacity(row.len() + dense.len() + 1);
        for (column, value) in row {
            let weights = &self.stage1.weights[*column as usize * classes..(*column as usize + 1) * classes];
            let sum: f64 = weights.iter().zip(&through).map(|(weight, through)| f64::from(*weight) * through).sum();
            parts.push((Part::Column(*column), f64::from(*value) * sum));
        }
        for (index, value) in dense.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            parts.push((Part::Dense(index), value * weight(classes + index)));
        }
        let base: f64 = self.stage1.bias.iter().zip(&through).map(|(bias, through)| f64::from(*bias) * through).sum();
        parts.push((Part::Base, base + self.mix.bias[class] / self.temperature));
        parts
    }
}

/// Each label's answers; a truth beyond the labels is none of theirs.
pub(super) fn class_metrics(labels: &[String], predicted: &[usize], truth: &[usize]) -> Vec<ClassMetrics> {
    let mut classes: Vec<ClassMetrics> =
        labels.iter().map(|label| ClassMetrics { label: label.clone(), examples: 0, answered: 0, right: 0 }).collect();
    for (predicted, truth) in predicted.iter().zip(truth) {
        classes[*predicted].answered += 1;
        if let Some(class) = classes.get_mut(*truth) {
            class.examples += 1;
            class.right += usize::from(predicted == truth);
        }
    }
    classes
}

/// Of so many texts a fifth less teaches all but the same.
const MANY: usize = 20_000;
