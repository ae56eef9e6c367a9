//! One head: the two linear stages for one target, their training, answer and exact explanation.
//!
//! Stage 1 scores the n-grams (sparse one-vs-rest SVM). Stage 2, a multinomial logistic regression,
//! mixes the scores of stage 1, and those of a tuned embedding, with the dense features: structured ones and an embedding that is not
//! tuned. Stage 2 is trained on out-of-fold scores, so it never sees stage 1 on texts that stage 1 learned.
//!
//! Serving multiplies in a fixed order by itself: the matrix library picks its instructions by processor, and the
//! same ticket has to get the same bits everywhere.

use linfa::{dataset::DatasetBase, traits::Fit};
use ndarray::{Array1, Array2, Axis, concatenate};

use super::{
    TriageError,
    calibration::{self, Bin, Confidence, Coverage, Outcome},
    evaluate::{Confusion, confusion},
    logistic::{LogisticParams, Mix, scores_of},
    measure::{accuracy, highest, macro_f1},
    parallel,
    progress::Progress,
    seed,
    sparse::SparseMatrix,
    svm::{LinearSvm, SvmParams},
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
    pub(super) svm: LinearSvm,
    pub(super) mix: Mix,
    pub(super) temperature: f64,
    pub(super) confidence: Confidence,
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
    /// A score a class by another one, for texts that it did not learn from.
    pub(super) scores: Option<Array2<f32>>,
    pub(super) dense: Array2<f32>,
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
        Features { rows, scores: others, dense }: Features,
        targets: &[usize],
        options: &HeadOptions,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Self, HeadMetrics), TriageError> {
        let classes = labels.len();
        if classes < 2 {
            return Err(TriageError::Training(format!("target `{target}` has {classes} label: at least two are needed")));
        }
        let params = SvmParams { cost: 1.0, epochs: options.epochs, tolerance: 0.05, classes, seed: options.seed };
        let params = SvmParams { cost: choose_cost(&rows, targets, &params, options, target, progress), ..params };
        let held = if targets.len() < MANY { options.held } else { options.folds };
        let fold_of = seed::stratified_folds(targets, classes, held, options.seed);
        progress(Progress::Stage(&format!("{target}: stage 1, all texts")));
        let all: Vec<usize> = (0..targets.len()).collect();
        let whole = params.solve(&rows, targets, &all, None);

        let own = Array2::<f32>::zeros((targets.len(), classes));
        let scorers = 1 + usize::from(others.is_some());
        let columns: Vec<_> = [Some(&own), others.as_ref(), Some(&dense)].into_iter().flatten().map(Array2::view).collect();
        let mut stage2 = concatenate(Axis(1), &columns).map_err(|error| TriageError::Training(format!("{target}: {error}")))?;
        progress(Progress::Stage(&format!("{target}: stage 1, {held} folds")));
        let refit = SvmParams { epochs: REFIT_EPOCHS, ..params };
        let scores: Vec<Vec<(usize, Vec<f32>)>> = parallel::map(held, |fold| {
            let (learn, hold) = split(&fold_of, fold);
            let svm = refit.solve(&rows, targets, &learn, Some(&whole)).svm;
            let score = |row: usize| {
                let mut scores = vec![0.0; classes];
                svm.scores_into(rows.row(row), &mut scores);
                (row, scores)
            };
            hold.into_iter().map(score).collect()
        });
        for (row, scores) in scores.into_iter().flatten() {
            stage2.row_mut(row).iter_mut().zip(scores).for_each(|(out, score)| *out = score);
        }
        drop(rows);
        let svm = whole.svm;

        let level = if scorers > 1 { level(&mut stage2, targets, classes, options) } else { 1.0 };
        // Other folds than stage 1's, so that a fold's texts do not share one stage-1 model.
        let fold_of = seed::stratified_folds(targets, classes, options.folds, options.seed ^ 0x5eed);
        let second = choose(&stage2, targets, &fold_of, (classes, scorers), options, target, progress)?;
        progress(Progress::Stage(&format!("{target}: stage 2, {} folds and all texts", options.folds)));
        let fitted = parallel::map(options.folds + 1, |fold| {
            let (learn, hold) = split(&fold_of, fold);
            let mix = second.fit(&part(&stage2, targets, &learn))?;
            let logits: Vec<_> =
                hold.into_iter().map(|row| (row, mix.logits(stage2.row(row).iter().map(|value| f64::from(*value))))).collect();
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
        mix.weights.iter_mut().skip(classes * classes).take((scorers - 1) * classes * classes).for_each(|weight| *weight *= level);
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
        let coverage: Vec<Coverage> = [0.90, 0.95, 0.98].map(|promised| calibration::threshold(&outcomes, promised)).into();
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
        let threshold = calibration::threshold(&outcomes, options.promised).threshold;
        Ok((Self { target: target.to_owned(), labels, svm, mix, temperature, confidence, threshold }, metrics))
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

/// A log loss up to this many times the least one is as good.
const AS_GOOD: f64 = 1.02;
/// Of so many texts a fifth less teaches all but the same.
const MANY: usize = 20_000;
/// Passes over the rows for a fold, which goes on from the solution for all rows.
const REFIT_EPOCHS: usize = 8;
/// Texts that the L2 weight is chosen on, at most: it is a weight against all of them, and of more the same one is best.
const TRIAL_SAMPLE: usize = 12_000;
/// Held-out texts that the L2 weight is judged by, where there are so many: by fewer, chance chooses.
const JUDGES: usize = 5_000;
/// Steps of stage 2 at most.
const STEPS: usize = 200;
/// And while the L2 weight is chosen: the order of the losses shows early.
const TRIAL_STEPS: usize = 80;

fn part(stage2: &Array2<f32>, targets: &[usize], rows: &[usize]) -> DatasetBase<Array2<f32>, Array1<usize>> {
    DatasetBase::new(stage2.select(Axis(0), rows), Array1::from_iter(rows.iter().map(|row| targets[*row])))
}

/// The rows to learn from and the rows of `fold`, which are held out.
fn split(fold_of: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    (0..fold_of.len()).partition(|row| fold_of[*row] != fold)
}

/// At most `most` of the rows, drawn by `seed`, in order.
fn some_of(mut rows: Vec<usize>, most: usize, seed: u64) -> Vec<usize> {
    seed::Shuffle::new(seed).shuffle(&mut rows);
    rows.truncate(most);
    rows.sort_unstable();
    rows
}

/// Texts that C is chosen on, at most: of more it is the same.
const SAMPLE: usize = 6_000;

/// Accuracies this near are one: of such Cs the least, whose margins stage 2 can do most with, and of such priors the one that rare
/// labels do best with.
const NEAR: f64 = 0.002;

/// The C of stage 1 with the best accuracy over the folds of a sample, or a smaller one that is as good.
fn choose_cost(
    rows: &SparseMatrix,
    targets: &[usize],
    params: &SvmParams,
    options: &HeadOptions,
    target: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> f32 {
    let sample = some_of((0..targets.len()).collect(), SAMPLE, options.seed ^ 0xc057);
    let truth: Vec<usize> = sample.iter().map(|row| targets[*row]).collect();
    let rows = rows.select(&sample);
    let fold_of = seed::stratified_folds(&truth, params.classes, options.folds, options.seed ^ 0xc057);
    let all: Vec<usize> = (0..truth.len()).collect();
    let predicted: Vec<Vec<(usize, usize)>> = parallel::map(options.costs.len(), |at| {
        let params = SvmParams { cost: options.costs[at], ..params.clone() };
        let whole = params.solve(&rows, &truth, &all, None);
        let refit = SvmParams { epochs: REFIT_EPOCHS, ..params };
        let mut answers = Vec::with_capacity(truth.len());
        for fold in 0..options.folds {
            let (learn, hold) = split(&fold_of, fold);
            let svm = refit.solve(&rows, &truth, &learn, Some(&whole)).svm;
            let mut scores = vec![0.0; params.classes];
            for row in hold {
                svm.scores_into(rows.row(row), &mut scores);
                answers.push((row, highest(scores.iter().copied().map(f64::from)).0));
            }
        }
        answers.sort_unstable();
        answers
    });
    let mut tried: Vec<(f32, f64)> = Vec::new();
    for (cost, answers) in options.costs.iter().zip(predicted) {
        let predicted: Vec<usize> = answers.into_iter().map(|(_, label)| label).collect();
        let accuracy = accuracy(&predicted, &truth);
        let f1 = macro_f1(&predicted, &truth, params.classes);
        progress(Progress::Stage(&format!("{target}: C {cost}: accuracy {accuracy:.4}, macro-F1 {f1:.4}")));
        tried.push((*cost, accuracy));
    }
    let best = tried.iter().map(|(_, accuracy)| *accuracy).fold(f64::MIN, f64::max);
    tried.into_iter().find(|(_, accuracy)| *accuracy + NEAR >= best).map_or(1.0, |(cost, _)| cost)
}

/// The L2 weight and the lean on the scores of the `scorers` that do best on folds, as many as hold [`JUDGES`] texts, all at their best temperature.
///
/// Best is the highest mean of accuracy and macro-F1 among those whose log loss is as good as the least: log loss alone
/// gives up rare classes for a little certainty about the frequent ones. No more folds than that, because stage 2 is the costly one.
fn choose(
    stage2: &Array2<f32>,
    targets: &[usize],
    fold_of: &[usize],
    (classes, scorers): (usize, usize),
    options: &HeadOptions,
    target: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<LogisticParams, TriageError> {
    let full = full_leans(stage2, targets, (classes, scorers), options);
    let folds = (JUDGES * options.folds).div_ceil(targets.len().max(1)).min(options.folds);
    let parts: Vec<_> = (0..folds)
        .map(|fold| {
            let (learn, hold) = split(fold_of, fold);
            (part(stage2, targets, &some_of(learn, TRIAL_SAMPLE, options.seed ^ 0x7a1)), hold)
        })
        .collect();
    let mut seen: Vec<(f64, f64, LogisticParams)> = Vec::new();
    let mut attempt = |tried: Vec<(f32, f32)>| -> Result<LogisticParams, TriageError> {
        let params = |(alpha, lean): (f32, f32)| {
            let leans = full.iter().map(|full| lean * full).collect();
            LogisticParams { classes, alpha, leans, steps: TRIAL_STEPS }
        };
        let mut answers = parallel::map(tried.len() * folds, |at| {
            let (data, hold) = &parts[at % folds];
            let mix = params(tried[at / folds]).fit(data)?;
            let logits = |row: &usize| (mix.logits(stage2.row(*row).iter().map(|value| f64::from(*value))), targets[*row]);
            Ok::<Vec<_>, TriageError>(hold.iter().map(logits).collect())
        })
        .into_iter();
        let mut rows: Vec<Vec<(Vec<f64>, usize)>> = vec![Vec::new(); tried.len()];
        for rows in &mut rows {
            for answer in answers.by_ref().take(folds) {
                rows.extend(answer?);
            }
        }
        let measured = parallel::map(tried.len(), |at| {
            let rows = &rows[at];
            let temperature = calibration::temperature(rows);
            let (predicted, truth): (Vec<usize>, Vec<usize>) =
                rows.iter().map(|(logits, truth)| (best(logits, temperature, Confidence::AS_IS).0, *truth)).unzip();
            let loss = calibration::log_loss(rows, temperature) / rows.len().max(1) as f64;
            (loss, accuracy(&predicted, &truth), macro_f1(&predicted, &truth, classes))
        });
        for ((alpha, lean), (loss, accuracy, f1)) in tried.into_iter().zip(measured) {
            progress(Progress::Stage(&format!(
                "{target}: L2 weight {alpha}, lean {lean}: log loss {loss:.4}, accuracy {accuracy:.4}, macro-F1 {f1:.4}"
            )));
            seen.push((loss, accuracy + f1, LogisticParams { steps: STEPS, ..params((alpha, lean)) }));
        }
        let least = seen.iter().map(|(loss, _, _)| *loss).fold(f64::INFINITY, f64::min);
        let alike = seen.iter().filter(|(loss, _, _)| *loss <= least * AS_GOOD);
        let chosen = alike.reduce(|chosen, other| if other.1 > chosen.1 { other } else { chosen });
        chosen.map(|(_, _, params)| params.clone()).ok_or_else(|| TriageError::Training("stage 2 has nothing to try".to_owned()))
    };
    // First the L2 weight at half a lean, then the lean with that weight and the next larger one.
    let alpha = attempt(options.alphas.iter().map(|alpha| (*alpha, 0.5)).collect())?.alpha;
    attempt(options.leans.iter().flat_map(|lean| [(alpha, *lean), (alpha * 3.0, *lean)]).collect())
}

/// What each of the scores counts when they alone are summed, at the least log loss.
fn full_leans(stage2: &Array2<f32>, targets: &[usize], (classes, scorers): (usize, usize), options: &HeadOptions) -> Vec<f32> {
    let rows = some_of((0..targets.len()).collect(), TRIAL_SAMPLE, options.seed ^ 0x7a1);
    let summed = |leans: &[f64]| -> Vec<(Vec<f64>, usize)> {
        let sum = |row: usize| {
            let mut sum = vec![0.0; classes];
            for (at, lean) in leans.iter().enumerate() {
                let scores = scores_of(stage2, at, classes);
                sum.iter_mut().zip(scores.row(row)).for_each(|(sum, score)| *sum += lean * f64::from(*score));
            }
            sum
        };
        rows.iter().map(|row| (sum(*row), targets[*row])).collect()
    };
    if scorers == 1 {
        return vec![(1.0 / calibration::temperature(&summed(&[1.0]))) as f32];
    }
    // They are on one scale: a share is a share of what counts.
    let tried = parallel::map(SHARES + 1, |share| {
        let share = share as f64 / SHARES as f64;
        let leans = [1.0 - share, share];
        let rows = summed(&leans);
        let temperature = calibration::temperature(&rows);
        (calibration::log_loss(&rows, temperature), leans.map(|lean| (lean / temperature) as f32))
    });
    tried.into_iter().min_by(|one, other| one.0.total_cmp(&other.0)).map_or(Vec::new(), |(_, leans)| leans.to_vec())
}

/// Brings the other scores to the scale of stage 1's, where either has the same temperature alone, so that one L2 weight fits both;
/// gives what they were multiplied by.
fn level(stage2: &mut Array2<f32>, targets: &[usize], classes: usize, options: &HeadOptions) -> f64 {
    let rows = some_of((0..targets.len()).collect(), TRIAL_SAMPLE, options.seed ^ 0x7a1);
    let [first, second] = [0, 1].map(|at| {
        let scores = scores_of(stage2, at, classes);
        let alone: Vec<(Vec<f64>, usize)> =
            rows.iter().map(|row| (scores.row(*row).iter().copied().map(f64::from).collect(), targets[*row])).collect();
        calibration::temperature(&alone)
    });
    let level = first / second;
    stage2.slice_axis_mut(Axis(1), ndarray::Slice::from(classes..2 * classes)).mapv_inplace(|score| score * level as f32);
    level
}

/// What is added to each class's logit so that rare ones are answered oftener: a share of minus the log of its part of the texts
/// (Menon et al. 2021, "Long-tail learning via logit adjustment").
///
/// The share is the one with the best macro-F1 among those that cost next to no accuracy.
fn prior_shift(
    logits: &[(Vec<f64>, usize)],
    targets: &[usize],
    classes: usize,
    target: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Vec<f64> {
    let mut counts = vec![0.0f64; classes];
    targets.iter().for_each(|class| counts[*class] += 1.0);
    let temperature = calibration::temperature(logits);
    let shift = |share: f64| -> Vec<f64> {
        counts.iter().map(|count| -share * temperature * (count.max(1.0) / targets.len() as f64).ln()).collect()
    };
    let mut tried: Vec<(f64, f64, f64)> = Vec::new();
    for share in PRIOR_SHARES {
        let shift = shift(share);
        let predicted: Vec<usize> =
            logits.iter().map(|(logits, _)| highest(logits.iter().zip(&shift).map(|(logit, shift)| logit + shift)).0).collect();
        let (accuracy, f1) = (accuracy(&predicted, targets), macro_f1(&predicted, targets, classes));
        progress(Progress::Stage(&format!("{target}: {share} of the prior taken off: accuracy {accuracy:.4}, macro-F1 {f1:.4}")));
        tried.push((share, accuracy, f1));
    }
    let best = tried.iter().map(|(_, accuracy, _)| *accuracy).fold(f64::MIN, f64::max);
    let near = tried.into_iter().filter(|(_, accuracy, _)| accuracy + NEAR >= best);
    let chosen = near.reduce(|chosen, other| if other.2 > chosen.2 { other } else { chosen });
    shift(chosen.map_or(0.0, |(share, _, _)| share))
}

/// Of a class's prior that are tried to be taken off.
const PRIOR_SHARES: [f64; 6] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3];

/// Shares that one score's part in a sum of two is tried in.
const SHARES: usize = 10;

fn best(logits: &[f64], temperature: f64, confidence: Confidence) -> (usize, f64) {
    let mut shares = logits.to_vec();
    calibration::softmax(&mut shares, temperature);
    confidence.apply(&mut shares);
    highest(shares)
}
