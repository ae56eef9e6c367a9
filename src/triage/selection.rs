//! Model selection of a head: what training tries on held-out texts, and which of it a head gets.
//!
//! C of stage 1, the L2 weight of stage 2 and how far it leans on the scores it is given, and how much of the labels' frequency is
//! taken off. All by the answers of models that did not learn from the text.

use linfa::{dataset::DatasetBase, traits::Fit};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};

use super::{
    TriageError,
    calibration::{self, Confidence},
    head::HeadOptions,
    linear::{LinearParams, Wanted},
    logistic::{LogisticParams, scores_of},
    measure::{accuracy, highest, macro_f1},
    parallel,
    progress::Progress,
    seed,
    sparse::SparseMatrix,
};

/// Passes over the rows for a fold, which goes on from the solution for all rows.
pub(super) const REFIT_EPOCHS: usize = 8;
/// A log loss up to this many times the least one is as good.
const AS_GOOD: f64 = 1.02;
/// Texts that the L2 weight is chosen on, at most: it is a weight against all of them, and of more the same one is best.
const TRIAL_SAMPLE: usize = 12_000;
/// Held-out texts that the L2 weight is judged by, where there are so many: by fewer, chance chooses.
const JUDGES: usize = 5_000;
/// Steps of stage 2 at most.
const STEPS: usize = 200;
/// And while the L2 weight is chosen: the order of the losses shows early.
const TRIAL_STEPS: usize = 80;
/// Texts that C is chosen on, at most: of more it is the same.
const SAMPLE: usize = 6_000;

/// Accuracies this near are one: of such Cs the least is taken, whose margins stage 2 can do most with, and of such shares of the prior
/// the one that serves rare labels best.
const NEAR: f64 = 0.002;
/// Of a class's prior that are tried to be taken off.
const PRIOR_SHARES: [f64; 6] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3];
/// Shares that one score's part in a sum of two is tried in.
const SHARES: usize = 10;

/// What stage 2 learns from, a row a text.
pub(super) struct Stage2<'a> {
    /// A score a class of each that scores, stage 1 first, then the dense features.
    pub(super) inputs: Array2<f32>,
    pub(super) targets: &'a [usize],
    pub(super) classes: usize,
    /// One, or two.
    pub(super) scorers: usize,
}

impl Stage2<'_> {
    pub(super) fn of(&self, rows: &[usize]) -> DatasetBase<Array2<f32>, Array1<usize>> {
        DatasetBase::new(self.inputs.select(Axis(0), rows), Array1::from_iter(rows.iter().map(|row| self.targets[*row])))
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = f64> {
        self.inputs.row(row).into_iter().map(|value| f64::from(*value))
    }

    fn scores(&self, at: usize) -> ArrayView2<'_, f32> {
        scores_of(&self.inputs, at, self.classes)
    }

    /// The sum of the scores times `leans` of a sample of the texts, with their classes.
    fn summed(&self, leans: &[f64], seed: u64) -> Vec<(Vec<f64>, usize)> {
        let sum = |row: usize| {
            let mut sum = vec![0.0; self.classes];
            for (at, lean) in leans.iter().enumerate().filter(|(_, lean)| **lean != 0.0) {
                sum.iter_mut().zip(self.scores(at).row(row)).for_each(|(sum, score)| *sum += lean * f64::from(*score));
            }
            sum
        };
        let rows = some_of((0..self.targets.len()).collect(), TRIAL_SAMPLE, seed ^ 0x7a1);
        rows.into_iter().map(|row| (sum(row), self.targets[row])).collect()
    }

    /// Brings the second scores to the scale of the first, where either has the same temperature alone, so that one L2 weight fits
    /// both; gives what they were multiplied by.
    pub(super) fn level(&mut self, seed: u64) -> f64 {
        if self.scorers < 2 {
            return 1.0;
        }
        let [first, second] = [[1.0, 0.0], [0.0, 1.0]].map(|only| calibration::temperature(&self.summed(&only, seed)));
        let level = first / second;
        let second = Slice::from(self.classes..2 * self.classes);
        self.inputs.slice_axis_mut(Axis(1), second).mapv_inplace(|score| score * level as f32);
        level
    }

    /// What each of the scores counts when they alone are summed, at the least log loss.
    fn full_leans(&self, seed: u64) -> Vec<f32> {
        let at_best = |leans: &[f64]| {
            let rows = self.summed(leans, seed);
            let temperature = calibration::temperature(&rows);
            let leans: Vec<f32> = leans.iter().map(|lean| (lean / temperature) as f32).collect();
            (calibration::log_loss(&rows, temperature), leans)
        };
        if self.scorers < 2 {
            return at_best(&[1.0]).1;
        }
        // They are on one scale: a share is a share of what counts.
        let shares: Vec<f64> = (0..=SHARES).map(|share| share as f64 / SHARES as f64).collect();
        let tried = parallel::map(shares.len(), |at| at_best(&[1.0 - shares[at], shares[at]]));
        tried.into_iter().min_by(|one, other| one.0.total_cmp(&other.0)).map_or(Vec::new(), |(_, leans)| leans)
    }

    /// The L2 weight and the lean on the scores that do best on folds, as many as hold [`JUDGES`] texts, all at their best temperature.
    ///
    /// Best is the highest mean of accuracy and macro-F1 among those whose log loss is as good as the least: log loss alone
    /// gives up rare classes for a little certainty about the frequent ones. No more folds than that, because stage 2 is the costly one.
    pub(super) fn choose(
        &self,
        fold_of: &[usize],
        options: &HeadOptions,
        target: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<LogisticParams, TriageError> {
        let full = self.full_leans(options.seed);
        let folds = (JUDGES * options.folds).div_ceil(self.targets.len().max(1)).min(options.folds);
        let parts: Vec<_> = (0..folds)
            .map(|fold| {
                let (learn, hold) = split(fold_of, fold);
                (self.of(&some_of(learn, TRIAL_SAMPLE, options.seed ^ 0x7a1)), hold)
            })
            .collect();
        let mut seen: Vec<(f64, f64, LogisticParams)> = Vec::new();
        let mut attempt = |tried: Vec<(f32, f32)>| -> Result<LogisticParams, TriageError> {
            let params = |(alpha, lean): (f32, f32)| {
                let leans = full.iter().map(|full| lean * full).collect();
                LogisticParams { classes: self.classes, alpha, leans, steps: TRIAL_STEPS }
            };
            let mut answers = parallel::map(tried.len() * folds, |at| {
                let (data, hold) = &parts[at % folds];
                let mix = params(tried[at / folds]).fit(data)?;
                let logits = |row: &usize| (mix.logits(self.row(*row)), self.targets[*row]);
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
                (loss, accuracy(&predicted, &truth), macro_f1(&predicted, &truth, self.classes))
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
}

/// The rows to learn from and the rows of `fold`, which are held out.
pub(super) fn split(fold_of: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    (0..fold_of.len()).partition(|row| fold_of[*row] != fold)
}

/// At most `most` of the rows, drawn by `seed`, in order.
fn some_of(mut rows: Vec<usize>, most: usize, seed: u64) -> Vec<usize> {
    seed::Shuffle::new(seed).shuffle(&mut rows);
    rows.truncate(most);
    rows.sort_unstable();
    rows
}

/// The C of stage 1 with the best accuracy over the folds of a sample, or a smaller one that is as good.
pub(super) fn choose_cost(
    rows: &SparseMatrix,
    targets: &[usize],
    params: &LinearParams,
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
        let params = LinearParams { cost: options.costs[at], ..params.clone() };
        let whole = params.solve(&rows, Wanted::Label(&truth), &all, None);
        let refit = LinearParams { epochs: REFIT_EPOCHS, ..params };
        let mut answers = Vec::with_capacity(truth.len());
        for fold in 0..options.folds {
            let (learn, hold) = split(&fold_of, fold);
            let planes = refit.solve(&rows, Wanted::Label(&truth), &learn, Some(&whole)).planes;
            let mut scores = vec![0.0; params.classes];
            for row in hold {
                planes.scores_into(rows.row(row), &mut scores);
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

/// What is added to each class's logit so that rare ones are answered oftener: a share of minus the log of its part of the texts
/// (Menon et al. 2021, "Long-tail learning via logit adjustment").
///
/// The share is the one with the best macro-F1 among those whose accuracy is [`NEAR`] the best.
pub(super) fn prior_shift(
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

pub(super) fn best(logits: &[f64], temperature: f64, confidence: Confidence) -> (usize, f64) {
    let mut shares = logits.to_vec();
    calibration::softmax(&mut shares, temperature);
    confidence.apply(&mut shares);
    highest(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 5;

    /// Two that score three classes: the first is right two times in three, the second nearly always and speaks ten times as loud.
    fn stage2(targets: &[usize]) -> Stage2<'_> {
        let inputs = Array2::from_shape_fn((targets.len(), 7), |(row, column)| match column {
            0..3 => f32::from(u8::from((targets[row] + usize::from(row % 3 == 0)) % 3 == column)),
            3..6 => 10.0 * f32::from(u8::from((targets[row] + usize::from(row % 20 == 0)) % 3 == column - 3)),
            _ => 0.5,
        });
        Stage2 { inputs, targets, classes: 3, scorers: 2 }
    }

    #[test]
    fn scores_on_one_scale_have_one_temperature_alone_and_the_better_ones_count_more() {
        let targets: Vec<usize> = (0..300).map(|row| row % 7 % 3).collect();
        let mut stage2 = stage2(&targets);
        let before = stage2.inputs.clone();
        let level = stage2.level(SEED);
        let [first, second] = [[1.0, 0.0], [0.0, 1.0]].map(|only| calibration::temperature(&stage2.summed(&only, SEED)));
        assert!((first / second - 1.0).abs() < 1e-3, "{first} {second}");
        for (column, (before, after)) in before.columns().into_iter().zip(stage2.inputs.columns()).enumerate() {
            let factor = if (3..6).contains(&column) { level as f32 } else { 1.0 };
            assert!(before.iter().zip(after).all(|(before, after)| before * factor == *after), "column {column}");
        }
        let leans = stage2.full_leans(SEED);
        let counts = [leans[0], leans[1] * 10.0 * level as f32];
        assert!(counts[1] > 1.5 * counts[0] && counts[0] > 0.0, "{counts:?}");
        // Of one that scores, the lean is one over its temperature.
        let alone = Stage2 { scorers: 1, ..stage2 };
        assert_eq!(alone.full_leans(SEED), [(1.0 / first) as f32]);
    }

    /// A rare class whose texts fall short of the frequent one's score by `short`.
    fn logits(short: f64) -> (Vec<(Vec<f64>, usize)>, Vec<usize>) {
        let targets: Vec<usize> = (0..1000).map(|row| usize::from(row % 50 == 0)).collect();
        let logits = |class: &usize| if *class == 1 { vec![short, 0.0] } else { vec![3.0, 0.0] };
        (targets.iter().map(|class| (logits(class), *class)).collect(), targets)
    }

    #[test]
    fn a_rare_class_that_falls_little_short_is_answered_and_no_accuracy_is_given_for_one_that_falls_far_short() {
        let answers = |(logits, targets): (Vec<(Vec<f64>, usize)>, Vec<usize>)| {
            let shift = prior_shift(&logits, &targets, 2, "group", &mut |_| {});
            let answered: Vec<usize> =
                logits.iter().map(|(logits, _)| highest(logits.iter().zip(&shift).map(|(logit, shift)| logit + shift)).0).collect();
            (accuracy(&answered, &targets), macro_f1(&answered, &targets, 2))
        };
        assert_eq!(answers(logits(0.05)), (1.0, 1.0));
        // As far short as the frequent class's own texts are ahead: nothing tells them apart.
        let (accuracy, _) = answers(logits(3.0));
        assert_eq!(accuracy, 0.98);
    }

    #[test]
    fn labels_that_are_equally_frequent_have_no_prior_to_take_off() {
        let targets: Vec<usize> = (0..90).map(|row| row % 3).collect();
        let logits: Vec<(Vec<f64>, usize)> = targets.iter().map(|class| (vec![0.4, 0.5, 0.3], *class)).collect();
        let shift = prior_shift(&logits, &targets, 3, "group", &mut |_| {});
        assert!(shift.iter().all(|part| *part == shift[0]), "{shift:?}");
    }
}
