//! Tunes the last layers of MiniLM to the labels of a training.
//!
//! As it ships, MiniLM knows general English; which words of a ticket tell two of an operator's labels apart it learns here. One network
//! for all targets: a linear layer a target on the text's vector, cross-entropy, Adam (Kingma and Ba 2015). The scores that stage 2 learns
//! from are of networks that did not see the text. What answers is the mean of those networks, weight by weight (Wortsman et al. 2022, "Model
//! soups"): they begin at one point and end near each other. A network that learned all texts at once would be surer of itself than those
//! that the probabilities are calibrated by. `train` keeps the tuned network only where the heads are better with it. INVARIANT: the result
//! does not depend on the number of threads.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::{
    TriageError,
    logistic::Mix,
    measure::highest,
    model::EMBEDDING_SCALE,
    neighbours::Vectors,
    parallel,
    progress::Progress,
    seed::{self, Shuffle},
};
use crate::text::embedding::{Hidden, Layers};

/// Labelled texts; what fewer would gain was not measured.
pub(super) const FEWEST: usize = 1_000;
/// Of a text, for the tuning; the frame counts.
pub(super) const TOKENS: usize = 96;
/// Of all texts. Time and memory grow with them: some half an hour on two cores, and 600 MB. What more would gain was not measured.
pub(super) const MOST_TOKENS: usize = 400_000;
const FOLDS: usize = 5;
const EPOCHS: usize = 5;
/// Texts a step.
const BATCH: usize = 32;
/// Parts of a batch whose slopes are added in order, so that the sum is the same on any number of threads.
const SHARDS: usize = 2;
/// Numbers that one thread adds up, or walks, at a time.
const PART: usize = 1 << 16;
/// The largest step of Adam, reached after a tenth of all steps and falling to nothing, for the layers and for what stands on them.
const RATE: f32 = 2e-4;
const HEAD_RATE: f32 = 5e-3;
/// A batch's slope is made at most this long.
const LONGEST_SLOPE: f32 = 1.0;
/// How long a vector is before its target's layer.
const REACH: f32 = 8.0;

/// What is learned of one target.
pub(super) struct Task {
    pub(super) target: String,
    pub(super) labels: Vec<String>,
    /// The place in `labels` of each text's label, where it has one.
    pub(super) truth: Vec<Option<usize>>,
}

impl Task {
    /// The same of some of the texts.
    pub(super) fn of(&self, rows: &[usize]) -> Self {
        let truth = rows.iter().map(|row| self.truth[*row]).collect();
        Self { target: self.target.clone(), labels: self.labels.clone(), truth }
    }

    fn classes(&self) -> usize {
        self.labels.len()
    }
}

/// A target's layer on the text's vector: a score a class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scorer {
    /// `WIDTH + 1` rows, the last one added to every score.
    weights: Array2<f32>,
}

impl Scorer {
    /// Of vectors of length one.
    pub(super) fn scores(&self, vectors: ArrayView2<'_, f32>) -> Array2<f32> {
        scores(self.weights.view(), vectors)
    }

    /// The mix that is to the embedding, as its last inputs, what `mix` is to these scores, which stand in it after stage 1's.
    pub(super) fn through(&self, mix: &Mix) -> Mix {
        let classes = mix.bias.len();
        let (stage1, others) = mix.weights.split_at(classes * classes);
        let (through, others) = others.split_at(classes * classes);
        let through: Vec<&[f64]> = through.chunks_exact(classes).collect();
        let mixed = |row: ArrayView1<'_, f32>, factor: f64| {
            let mut out = vec![0.0; classes];
            for (weight, through) in row.iter().zip(&through) {
                out.iter_mut().zip(*through).for_each(|(out, through)| *out += f64::from(*weight) * factor * through);
            }
            out
        };
        let mut weights = [stage1, others].concat();
        let (rows, added) = self.weights.view().split_at(Axis(0), self.weights.nrows() - 1);
        rows.rows().into_iter().for_each(|row| weights.extend(mixed(row, f64::from(REACH) / EMBEDDING_SCALE)));
        let added = mixed(added.row(0), 1.0);
        Mix { weights, bias: mix.bias.iter().zip(added).map(|(bias, added)| bias + added).collect() }
    }
}

fn scores(weights: ArrayView2<'_, f32>, vectors: ArrayView2<'_, f32>) -> Array2<f32> {
    let (rows, bias) = weights.split_at(Axis(0), vectors.ncols());
    let mut out = vectors.dot(&rows) * REACH;
    out += &bias;
    out
}

/// A tuned network, and what those say that it is the mean of.
pub(super) struct Tuned {
    pub(super) layers: Layers,
    pub(super) scorers: Vec<Scorer>,
    /// The texts that it learned from.
    rows: Vec<usize>,
    /// Which network did not learn from each of them.
    fold_of: Vec<usize>,
    /// The scores of them all: by each network, of each task.
    scores: Vec<Vec<Array2<f32>>>,
    /// How near each of them was to the nearest example that is kept, but itself, by the network that did not learn from it.
    nearness: Vec<f64>,
}

/// What networks say of texts that they learned from and of some that they did not, and which those are.
pub(super) struct Teachers {
    /// By each network, a row a text and a column a class.
    pub(super) scores: Vec<Array2<f32>>,
    /// The network that did not learn from each text.
    pub(super) fold_of: Vec<usize>,
}

impl Tuned {
    /// The scores of the task `at` of all texts, of networks that did not learn from the text. `vectors` are those of the tuned one.
    pub(super) fn scores(&self, at: usize, vectors: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut scores = self.scorers[at].scores(vectors.mapv(|value| value / EMBEDDING_SCALE as f32).view());
        for (place, (row, fold)) in self.rows.iter().zip(&self.fold_of).enumerate() {
            scores.row_mut(*row).assign(&self.scores[*fold][at].row(place));
        }
        scores
    }

    /// What the networks say of the task `at` to the texts `chosen`, which are among those they learned from.
    pub(super) fn teachers(&self, at: usize, chosen: &[usize]) -> Teachers {
        let places: Vec<usize> = chosen.iter().filter_map(|row| self.rows.binary_search(row).ok()).collect();
        Teachers {
            scores: self.scores.iter().map(|network| network[at].select(Axis(0), &places)).collect(),
            fold_of: places.iter().map(|place| self.fold_of[*place]).collect(),
        }
    }

    /// Puts how near the texts it learned from were, when they were held out, in the place of how near they are.
    pub(super) fn set_nearness(&self, all: &mut [f64]) {
        self.rows.iter().zip(&self.nearness).for_each(|(row, nearness)| all[*row] = *nearness);
    }
}

/// Tunes `shipped` to `tasks`; a row of `texts` for each row of their truth. `rows` names them among all texts; `kept` are the places of
/// examples that are kept.
pub(super) fn tune(
    shipped: &Layers,
    texts: &[Hidden],
    rows: Vec<usize>,
    tasks: &[Task],
    kept: &[usize],
    seed: u64,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Tuned, TriageError> {
    let most = tasks.iter().max_by_key(|task| task.truth.iter().flatten().count());
    let most = most.ok_or_else(|| TriageError::Training("there is no target to tune MiniLM to".to_owned()))?;
    // Texts without the label are spread as evenly as a class of their own.
    let strata: Vec<usize> = most.truth.iter().map(|class| class.unwrap_or(most.classes())).collect();
    let fold_of = seed::stratified_folds(&strata, most.classes() + 1, FOLDS, seed ^ 0x7e4e);
    let mut mean = Network::nothing(shipped, tasks);
    let mut scores = Vec::with_capacity(FOLDS);
    let mut nearness = vec![0.0; texts.len()];
    let all: Vec<usize> = (0..texts.len()).collect();
    let itself: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(at, row)| (*row, at)).collect();
    for fold in 0..FOLDS {
        progress(Progress::Stage(&format!("tuning MiniLM without fold {} of {FOLDS}", fold + 1)));
        let (learn, hold): (Vec<usize>, Vec<usize>) = all.iter().partition(|row| fold_of[**row] != fold);
        let network = Network::learn(shipped, texts, tasks, &learn, seed, progress);
        mean.add(&network, 1.0 / FOLDS as f32);
        let vectors = network.vectors(texts, &all);
        let vector = |row: &usize| vectors.row(*row).to_vec();
        let examples = Vectors::of(kept.iter().map(vector));
        for row in &hold {
            nearness[*row] = examples.nearness(&vector(row), itself.get(row).copied());
        }
        let said: Vec<Array2<f32>> = network.scorers.iter().map(|scorer| scorer.scores(vectors.view())).collect();
        for (task, scores) in tasks.iter().zip(&said) {
            let judged = hold.iter().filter_map(|row| Some((*row, task.truth[*row]?)));
            let right = judged.clone().filter(|(row, truth)| highest(scores.row(*row).iter().copied().map(f64::from)).0 == *truth);
            let share = right.count() as f64 / judged.count().max(1) as f64;
            progress(Progress::Stage(&format!("{}: tuned MiniLM alone: accuracy {share:.4}", task.target)));
        }
        scores.push(said);
    }
    let Network { layers, scorers } = mean;
    Ok(Tuned { layers, scorers, rows, fold_of, scores, nearness })
}

struct Network {
    layers: Layers,
    scorers: Vec<Scorer>,
}

impl Network {
    /// Every weight is nought.
    fn nothing(shipped: &Layers, tasks: &[Task]) -> Self {
        let mut layers = shipped.clone();
        layers.weights_mut().fill(0.0);
        let scorers = tasks.iter().map(|task| Scorer { weights: Array2::zeros((shipped.width() + 1, task.classes())) }).collect();
        Self { layers, scorers }
    }

    /// A vector a row of `rows` of the texts.
    fn vectors(&self, texts: &[Hidden], rows: &[usize]) -> Array2<f32> {
        let parts: Vec<&[usize]> = rows.chunks(BATCH).collect();
        let vectors =
            parallel::map(parts.len(), |part| self.layers.vectors(&parts[part].iter().map(|row| &texts[*row]).collect::<Vec<_>>()));
        let mut out = Array2::zeros((rows.len(), self.layers.width()));
        out.rows_mut().into_iter().zip(vectors.iter().flat_map(Array2::rows)).for_each(|(mut out, vector)| out.assign(&vector));
        out
    }

    /// Adds `share` of the other's weights.
    fn add(&mut self, other: &Self, share: f32) {
        self.layers.weights_mut().iter_mut().zip(other.layers.weights()).for_each(|(sum, weight)| *sum += share * weight);
        for (sum, other) in self.scorers.iter_mut().zip(&other.scorers) {
            sum.weights.scaled_add(share, &other.weights);
        }
    }

    fn learn(
        shipped: &Layers,
        texts: &[Hidden],
        tasks: &[Task],
        rows: &[usize],
        seed: u64,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Self {
        let mut layers = shipped.clone();
        let depth = shipped.weights().len();
        // Layers and scorers have one slope and one Adam; the scorers' numbers stand behind the layers'.
        let width = shipped.width() + 1;
        let ends: Vec<usize> = tasks
            .iter()
            .scan(0, |end, task| {
                *end += width * task.classes();
                Some(*end)
            })
            .collect();
        let mut heads = vec![0.0f32; ends.last().copied().unwrap_or(0)];
        let view = |heads: &[f32], at: usize| -> Array2<f32> {
            let part = &heads[ends[at] - width * tasks[at].classes()..ends[at]];
            Array2::from_shape_vec((width, tasks[at].classes()), part.to_vec())
                .expect("a scorer has a row for each number of a vector and one more")
        };
        let mut adam = Adam::new(depth + heads.len());
        let mut slopes: [Vec<f32>; SHARDS] = std::array::from_fn(|_| vec![0.0; depth + heads.len()]);
        let steps = EPOCHS * rows.len().div_ceil(BATCH);
        let mut order = rows.to_vec();
        let mut shuffle = Shuffle::new(seed ^ 0xada3);
        let mut step = 0;
        for _ in 0..EPOCHS {
            shuffle.shuffle(&mut order);
            for batch in order.chunks(BATCH) {
                let scorers: Vec<Array2<f32>> = (0..tasks.len()).map(|at| view(&heads, at)).collect();
                let shards = dealt(batch, texts);
                slopes.par_iter_mut().zip(&shards).for_each(|(slope, rows)| {
                    slope.fill(0.0);
                    // A last batch may be one text.
                    if rows.is_empty() {
                        return;
                    }
                    let (deep, shallow) = slope.split_at_mut(depth);
                    let texts: Vec<&Hidden> = rows.iter().map(|row| &texts[*row]).collect();
                    let by_vectors = |vectors: &Array2<f32>| loss_slope(vectors, rows, tasks, &scorers, batch.len(), shallow);
                    layers.add_slope(&texts, by_vectors, deep);
                });
                let slope = summed(&mut slopes);
                step += 1;
                let pace = (step as f32 / (0.1 * steps as f32)).min(1.0) * (1.0 - (step - 1) as f32 / steps as f32);
                adam.walk(step, layers.weights_mut(), 0, &slope[..depth], pace * RATE);
                adam.walk(step, &mut heads, depth, &slope[depth..], pace * HEAD_RATE);
                progress(Progress::Part { done: step, of: steps });
            }
        }
        let scorers = (0..tasks.len()).map(|at| Scorer { weights: view(&heads, at) }).collect();
        Self { layers, scorers }
    }
}

/// The rows of a batch in [`SHARDS`] parts that have about as many tokens each.
fn dealt(batch: &[usize], texts: &[Hidden]) -> [Vec<usize>; SHARDS] {
    let mut rows = batch.to_vec();
    rows.sort_by_key(|row| std::cmp::Reverse(texts[*row].tokens()));
    let mut shards: [Vec<usize>; SHARDS] = Default::default();
    // Back and forth: who got the longer one of a round gets the shorter one of the next.
    for (round, rows) in rows.chunks(SHARDS).enumerate() {
        for (at, row) in rows.iter().enumerate() {
            shards[if round % 2 == 0 { at } else { SHARDS - 1 - at }].push(*row);
        }
    }
    shards
}

/// The sum of the slopes, in the first of them, made at most [`LONGEST_SLOPE`] long.
fn summed(slopes: &mut [Vec<f32>; SHARDS]) -> &[f32] {
    let [sum, others @ ..] = slopes;
    let squares = sum.par_chunks_mut(PART).enumerate().map(|(at, sum)| {
        for other in others.iter() {
            sum.iter_mut().zip(&other[at * PART..]).for_each(|(sum, slope)| *sum += slope);
        }
        sum.iter().map(|slope| f64::from(*slope) * f64::from(*slope)).sum()
    });
    // One after the other: a sum of floats depends on their order.
    let squares: Vec<f64> = squares.collect();
    let length = squares.into_iter().sum::<f64>().sqrt() as f32;
    let shrink = (LONGEST_SLOPE / length.max(f32::MIN_POSITIVE)).min(1.0);
    sum.par_chunks_mut(PART).for_each(|part| part.iter_mut().for_each(|slope| *slope *= shrink));
    sum
}

/// The slope of the mean cross-entropy at the vectors of `rows`; adds the scorers' to `slope`.
fn loss_slope(
    vectors: &Array2<f32>,
    rows: &[usize],
    tasks: &[Task],
    scorers: &[Array2<f32>],
    batch: usize,
    slope: &mut [f32],
) -> Array2<f32> {
    let mut at_vectors = Array2::zeros(vectors.dim());
    let mut first = 0;
    for (task, weights) in tasks.iter().zip(scorers) {
        let mut wrong = scores(weights.view(), vectors.view());
        for (mut scores, row) in wrong.rows_mut().into_iter().zip(rows) {
            let Some(truth) = task.truth[*row] else {
                scores.fill(0.0);
                continue;
            };
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.mapv_inplace(|score| libm::expf(score - most));
            scores /= scores.sum() * batch as f32;
            scores[truth] -= 1.0 / batch as f32;
        }
        let by_weight = vectors.t().dot(&wrong) * REACH;
        let by_bias = wrong.sum_axis(Axis(0));
        slope[first..].iter_mut().zip(by_weight.iter().chain(&by_bias)).for_each(|(sum, slope)| *sum += slope);
        first += weights.len();
        let (rows, _) = weights.view().split_at(Axis(0), vectors.ncols());
        at_vectors += &(wrong.dot(&rows.t()) * REACH);
    }
    at_vectors
}

/// The means of a slope and of its square, falling off with every step.
struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Adam {
    const KEEP: f32 = 0.9;
    const KEEP_SQUARE: f32 = 0.999;
    const LEAST: f32 = 1e-8;

    fn new(numbers: usize) -> Self {
        Self { mean: vec![0.0; numbers], square: vec![0.0; numbers] }
    }

    /// Moves `weights`, whose means begin at `first`, down `slope`. `step` counts from one.
    fn walk(&mut self, step: usize, weights: &mut [f32], first: usize, slope: &[f32], rate: f32) {
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let (young, young_square) = (1.0 - Self::KEEP.powi(power), 1.0 - Self::KEEP_SQUARE.powi(power));
        let means = self.mean[first..].par_iter_mut().zip(&mut self.square[first..]);
        weights.par_iter_mut().zip(slope).zip(means).with_min_len(PART).for_each(|((weight, slope), (mean, square))| {
            *mean = Self::KEEP * *mean + (1.0 - Self::KEEP) * slope;
            *square = Self::KEEP_SQUARE * *square + (1.0 - Self::KEEP_SQUARE) * slope * slope;
            *weight -= rate * (*mean / young) / ((*square / young_square).sqrt() + Self::LEAST);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::text::embedding::{Embedder, EmbeddingKind};

    /// Texts of two labels, and a second target that half of them lack.
    fn labelled() -> (Layers, Vec<Hidden>, [Task; 2]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding");
        let embedder = Embedder::load(&folder, EmbeddingKind::Minilm).unwrap();
        let texts: Vec<String> = (0..24)
            .map(|at| {
                if at % 2 == 0 { format!("the printer on floor {at} is out of toner") } else { format!("vpn drops on laptop {at} at home") }
            })
            .collect();
        let hidden = embedder.below(&texts.iter().map(String::as_str).collect::<Vec<_>>(), TOKENS);
        let truth: Vec<Option<usize>> = (0..texts.len()).map(|at| Some(at % 2)).collect();
        let labels = |count: usize| (0..count).map(|at| at.to_string()).collect();
        let tasks = [
            Task { target: "order".to_owned(), labels: labels(2), truth: truth.clone() },
            Task { target: "half".to_owned(), labels: labels(3), truth: (0..texts.len()).map(|at| (at < 12).then_some(at % 3)).collect() },
        ];
        let layers = Embedder::shipped_layers(&folder).unwrap();
        (layers, hidden, tasks)
    }

    fn right(scores: &Array2<f32>, truth: &[Option<usize>]) -> usize {
        scores.rows().into_iter().zip(truth).filter(|(scores, truth)| usize::from(scores[1] > scores[0]) == truth.unwrap()).count()
    }

    #[test]
    fn texts_are_told_apart_by_networks_that_did_not_learn_from_them_and_by_the_mean_of_these() {
        let (layers, hidden, tasks) = labelled();
        let tuned = tune(&layers, &hidden, (0..hidden.len()).collect(), &tasks, &[0, 1], 7, &mut |_| {}).unwrap();
        let vectors = tuned.layers.vectors(&hidden.iter().collect::<Vec<_>>());
        let held_out = [0, 1].map(|task| tuned.scores(task, (&vectors * EMBEDDING_SCALE as f32).view()));
        assert!(right(&held_out[0], &tasks[0].truth) > 20, "{:?}", held_out[0]);
        assert_eq!(held_out[1].dim(), (24, 3));
        assert!(right(&tuned.scorers[0].scores(vectors.view()), &tasks[0].truth) > 22);
        // Each is near the kept one of its label; a kept one is not near itself.
        assert!(tuned.nearness[2..].iter().all(|near| *near > 0.5), "{:?}", tuned.nearness);
        assert!(tuned.nearness[..2].iter().all(|near| *near < 0.5), "{:?}", tuned.nearness);
        // Not compared as a whole: to print both would take minutes.
        assert!(tuned.layers != layers);
    }

    #[test]
    fn the_same_seed_tunes_the_same_on_one_thread_and_on_three() {
        let (layers, hidden, tasks) = labelled();
        let rows: Vec<usize> = (0..hidden.len()).collect();
        let learned = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let network = pool.install(|| Network::learn(&layers, &hidden, &tasks, &rows, 7, &mut |_| {}));
            (network.layers, network.scorers)
        };
        assert!(learned(1) == learned(3));
    }

    #[test]
    fn every_weight_of_what_answers_is_the_mean_of_the_networks() {
        let layers = Embedder::shipped_layers(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding")).unwrap();
        let task = Task { target: "order".to_owned(), labels: vec!["a".to_owned(), "b".to_owned()], truth: Vec::new() };
        let network = |value: f32| {
            let mut network = Network::nothing(&layers, std::slice::from_ref(&task));
            network.layers.weights_mut().fill(value);
            network.scorers[0].weights.fill(-value);
            network
        };
        let mut mean = Network::nothing(&layers, std::slice::from_ref(&task));
        [1.0, 4.0].into_iter().for_each(|value| mean.add(&network(value), 0.5));
        assert!(mean.layers.weights().iter().all(|weight| *weight == 2.5));
        assert!(mean.scorers[0].weights.iter().all(|weight| *weight == -2.5));
    }

    #[test]
    fn a_batch_of_one_text_is_learned_from() {
        let (layers, hidden, tasks) = labelled();
        let network = Network::learn(&layers, &hidden, &tasks, &[3], 7, &mut |_| {});
        let scores = network.scorers[0].scores(network.layers.vectors(&[&hidden[3]]).view());
        assert!(scores[[0, 1]] > scores[[0, 0]], "{scores}");
    }

    #[test]
    fn a_batch_is_dealt_whole_and_the_parts_have_about_as_many_tokens() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding");
        let texts: Vec<String> = (0..31).map(|at| "printer ".repeat(1 + at * at % 41)).collect();
        let hidden =
            Embedder::load(&folder, EmbeddingKind::Minilm).unwrap().below(&texts.iter().map(String::as_str).collect::<Vec<_>>(), TOKENS);
        let batch: Vec<usize> = (0..texts.len()).rev().collect();
        let shards = dealt(&batch, &hidden);
        let tokens = shards.each_ref().map(|rows| rows.iter().map(|row| hidden[*row].tokens()).sum::<usize>());
        let longest = hidden.iter().map(Hidden::tokens).max().unwrap();
        assert!(tokens[0].abs_diff(tokens[1]) <= longest, "{tokens:?}");
        let mut rows = shards.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..texts.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_text_that_was_learned_from_has_the_scores_and_nearness_it_had_when_it_was_held_out_and_every_other_one_those_of_its_vector() {
        let layers = Embedder::shipped_layers(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding")).unwrap();
        let scorer = Scorer { weights: Array2::from_shape_vec((3, 1), vec![1.0, 2.0, 0.5]).unwrap() };
        let said = [7.0, 9.0].map(|score| vec![Array2::from_elem((1, 1), score)]);
        let tuned = Tuned { layers, scorers: vec![scorer], rows: vec![1], fold_of: vec![1], scores: said.into(), nearness: vec![0.7] };
        let vectors = Array2::from_shape_vec((3, 2), vec![0.6, 0.8, 0.0, 1.0, 1.0, 0.0]).unwrap() * EMBEDDING_SCALE as f32;
        let scores = tuned.scores(0, vectors.view());
        let expected = [REACH * 2.2 + 0.5, 9.0, REACH + 0.5];
        assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-4), "{scores:?}");
        let mut nearness = [0.1, 0.2, 0.3];
        tuned.set_nearness(&mut nearness);
        assert_eq!(nearness, [0.1, 0.7, 0.3]);
        let teachers = tuned.teachers(0, &[1]);
        assert_eq!((teachers.fold_of, teachers.scores.len()), (vec![1], 2));
        assert_eq!(teachers.scores[0], Array2::from_elem((1, 1), 7.0));
    }

    #[test]
    fn a_mix_through_the_scorer_gives_the_logits_that_the_mix_gives_of_its_scores() {
        let scorer = Scorer { weights: Array2::from_shape_fn((5, 3), |(row, column)| (row as f32 - 1.5) * (column as f32 + 0.5)) };
        let mix = Mix { weights: (0..24).map(|at| f64::from(at) / 7.0 - 1.0).collect(), bias: vec![0.5, -0.5, 0.25] };
        let (vector, others) = (Array2::from_shape_vec((1, 4), vec![0.5, -0.5, 0.1, 0.7]).unwrap(), [2.0, -1.0, 0.5, 1.5, -2.0]);
        let scores = scorer.scores(vector.view());
        let (stage1, structured) = others.split_at(3);
        let both = scores.iter().copied().map(f64::from).chain(structured.iter().copied());
        let direct = mix.logits(stage1.iter().copied().chain(both));
        let scaled = crate::triage::model::scaled(vector.as_slice().unwrap());
        let through = scorer.through(&mix).logits(others.into_iter().chain(scaled));
        for (direct, through) in direct.iter().zip(&through) {
            assert!((direct - through).abs() < 1e-5, "{direct} {through}");
        }
    }
}
