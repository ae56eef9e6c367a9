//! The upper layers of MiniLM in floats, forwards and backwards: the part of it that is tuned to an operator's labels.
//!
//! A layer as in Vaswani et al. 2017 with the norm after the sum, GELU, and the widths of all-MiniLM-L6-v2. Texts stand one under
//! the other in one matrix, without padding; only attention looks at them one by one. All weights are one list of numbers, so that
//! a gradient is a list of the same length.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Slice, Zip, linalg::general_mat_mul};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::SimdUnaryOp;
use rten_tensor::NdTensorView;
use rten_vecmath::{Erf, Exp};

pub(super) const WIDTH: usize = 384;
const HEADS: usize = 12;
const HEAD: usize = WIDTH / HEADS;
/// The root of a head's width, over which a query's product with a key is taken.
pub(super) const SHRINK: f32 = 5.656_854;
const INNER: usize = 4 * WIDTH;

/// Layers that are tuned. Networks of three are right 0.4 points oftener than of two on `ata`, alone and out of fold, and take two fifths
/// more time; of four another 0.4 points oftener, but the heads on top of them not by more than chance.
pub(super) const TUNED: usize = 3;

/// A layer's weights by the names they have in the graph, with rows and columns.
pub(super) const PARTS: [(&str, usize, usize); 12] = [
    ("qkv_weight", WIDTH, 3 * WIDTH),
    ("qkv_bias", 1, 3 * WIDTH),
    ("out_weight", WIDTH, WIDTH),
    ("out_bias", 1, WIDTH),
    ("mid_w", 1, WIDTH),
    ("mid_b", 1, WIDTH),
    ("up_weight", WIDTH, INNER),
    ("up_bias", 1, INNER),
    ("down_weight", INNER, WIDTH),
    ("down_bias", 1, WIDTH),
    ("normed_w", 1, WIDTH),
    ("normed_b", 1, WIDTH),
];
/// Places in [`PARTS`]; a product's bias is the next one, and so is a norm's shift.
const QKV: usize = 0;
const OUT: usize = 2;
const MID: usize = 4;
const UP: usize = 6;
const DOWN: usize = 8;
const NORMED: usize = 10;

const fn start(part: usize) -> usize {
    let (mut at, mut sum) = (0, 0);
    while at < part {
        sum += PARTS[at].1 * PARTS[at].2;
        at += 1;
    }
    sum
}

/// Weights of a layer.
const LAYER: usize = start(PARTS.len());

/// Where a part of a layer stands.
pub(super) fn place(layer: usize, part: usize) -> Range<usize> {
    let (_, rows, columns) = PARTS[part];
    let first = layer * LAYER + start(part);
    first..first + rows * columns
}

/// What a layer takes in: the states of a text's tokens, as the layers below leave them, in the upper half of a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden(Vec<u16>);

impl Hidden {
    pub(super) fn new(states: &[f32]) -> Self {
        // To the nearest: the half that is left out rounds the half that stays.
        Self(states.iter().map(|state| (state.to_bits().wrapping_add(0x8000) >> 16) as u16).collect())
    }

    /// Its tokens, at least two.
    pub fn tokens(&self) -> usize {
        self.0.len() / WIDTH
    }

    fn states(&self) -> impl Iterator<Item = f32> + '_ {
        self.0.iter().map(|half| f32::from_bits(u32::from(*half) << 16))
    }
}

/// The last [`TUNED`] layers, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    weights: Vec<f32>,
}

/// What the way back needs of the way there.
struct Trace {
    input: Array2<f32>,
    qkv: Array2<f32>,
    /// A text's and a head's attention, one after the other.
    attention: Vec<Array2<f32>>,
    joined: Array2<f32>,
    mid: Normed,
    up: Array2<f32>,
    /// [`normal`] of each of them.
    share: Array2<f32>,
    gelu: Array2<f32>,
    normed: Normed,
}

/// A norm's output and what it made of its input.
struct Normed {
    out: Array2<f32>,
    unit: Array2<f32>,
    /// One over the deviation of each row.
    scale: Array1<f32>,
}

impl Layers {
    /// Numbers of the layers that are tuned.
    pub const NUMBERS: usize = TUNED * LAYER;

    /// `None` of another count of numbers.
    pub fn new(weights: Vec<f32>) -> Option<Self> {
        (weights.len() == Self::NUMBERS).then_some(Self { weights })
    }

    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// As they are stored and as a digest of them is taken.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
    }

    pub fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    /// Numbers of a vector.
    pub const fn width(&self) -> usize {
        WIDTH
    }

    fn matrix(&self, layer: usize, part: usize) -> ArrayView2<'_, f32> {
        let (_, rows, columns) = PARTS[part];
        ArrayView2::from_shape((rows, columns), &self.weights[place(layer, part)]).expect("a part's place is as long as it has numbers")
    }

    fn row(&self, layer: usize, part: usize) -> ArrayView1<'_, f32> {
        ArrayView1::from(&self.weights[place(layer, part)])
    }

    fn product(&self, input: &Array2<f32>, layer: usize, part: usize) -> Array2<f32> {
        let mut out = Array2::zeros((input.nrows(), PARTS[part].2));
        multiply(input.view(), self.matrix(layer, part), 0.0, out.as_slice_mut().expect("it is new"));
        out += &self.row(layer, part + 1);
        out
    }

    /// The vector of each text: the mean over its tokens, length one.
    pub fn vectors(&self, texts: &[&Hidden]) -> Array2<f32> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.tokens()).collect();
        let mut states = stacked(texts, &lengths);
        for layer in 0..TUNED {
            states = self.forward(layer, states, &lengths).normed.out;
        }
        means(&states, &lengths).0
    }

    /// Adds to `gradient` the slope of a loss at these texts, of which `by_vectors` says the slope at their vectors.
    pub fn add_slope(&self, texts: &[&Hidden], by_vectors: impl FnOnce(&Array2<f32>) -> Array2<f32>, gradient: &mut [f32]) {
        let lengths: Vec<usize> = texts.iter().map(|text| text.tokens()).collect();
        let mut states = stacked(texts, &lengths);
        let mut traces = Vec::with_capacity(TUNED);
        for layer in 0..TUNED {
            let trace = self.forward(layer, states, &lengths);
            states = trace.normed.out.clone();
            traces.push(trace);
        }
        let (vectors, norms) = means(&states, &lengths);
        let mut slope = means_slope(&vectors, &norms, &by_vectors(&vectors), &lengths);
        for (layer, trace) in traces.iter().enumerate().rev() {
            slope = self.backward(layer, trace, &slope, &lengths, gradient);
        }
    }

    fn forward(&self, layer: usize, input: Array2<f32>, lengths: &[usize]) -> Trace {
        let qkv = self.product(&input, layer, QKV);
        let mut joined = Array2::zeros(input.dim());
        let mut attention = Vec::with_capacity(lengths.len() * HEADS);
        for (rows, head) in texts_and_heads(lengths) {
            let [query, key, value] = [0, 1, 2].map(|at| block(qkv.view(), &rows, columns(at, head)));
            let mut shares = query.dot(&key.t()) / SHRINK;
            shares.rows_mut().into_iter().for_each(|row| softmax(row.into_slice().expect("rows of a new matrix are whole")));
            general_mat_mul(1.0, &shares, &value, 0.0, &mut block_mut(&mut joined, &rows, columns(0, head)));
            attention.push(shares);
        }
        let mut sum = self.product(&joined, layer, OUT);
        sum += &input;
        let mid = self.norm(sum, layer, MID);
        let up = self.product(&mid.out, layer, UP);
        let share = normal(&up);
        let gelu = &up * &share;
        let mut sum = self.product(&gelu, layer, DOWN);
        sum += &mid.out;
        let normed = self.norm(sum, layer, NORMED);
        Trace { input, qkv, attention, joined, mid, up, share, gelu, normed }
    }

    /// The slope at a layer's input, of the slope at its output; adds its weights' to `gradient`.
    fn backward(&self, layer: usize, trace: &Trace, slope: &Array2<f32>, lengths: &[usize], gradient: &mut [f32]) -> Array2<f32> {
        let at_sum = self.norm_slope(&trace.normed, slope, layer, NORMED, gradient);
        let mut at_up = self.product_slope(&trace.gelu, &at_sum, layer, DOWN, gradient);
        let parts = Zip::from(&mut at_up).and(&trace.up).and(&trace.share);
        parts.and(&density(&trace.up)).for_each(|slope, value, share, density| *slope *= share + value * density);
        let mut at_mid = self.product_slope(&trace.mid.out, &at_up, layer, UP, gradient);
        at_mid += &at_sum;
        let at_sum = self.norm_slope(&trace.mid, &at_mid, layer, MID, gradient);
        let at_joined = self.product_slope(&trace.joined, &at_sum, layer, OUT, gradient);
        let mut at_qkv = Array2::zeros(trace.qkv.dim());
        for ((rows, head), shares) in texts_and_heads(lengths).zip(&trace.attention) {
            let [query, key, value] = [0, 1, 2].map(|at| block(trace.qkv.view(), &rows, columns(at, head)));
            let at_mixed = block(at_joined.view(), &rows, columns(0, head));
            let mut at_scores = at_mixed.dot(&value.t());
            for (mut slope, share) in at_scores.rows_mut().into_iter().zip(shares.rows()) {
                let mean = slope.dot(&share);
                slope.zip_mut_with(&share, |slope, share| *slope = share * (*slope - mean) / SHRINK);
            }
            let mut into = |at, left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>| {
                general_mat_mul(1.0, &left, &right, 0.0, &mut block_mut(&mut at_qkv, &rows, columns(at, head)));
            };
            into(0, at_scores.view(), key);
            into(1, at_scores.t(), query);
            into(2, shares.t(), at_mixed);
        }
        let mut at_input = self.product_slope(&trace.input, &at_qkv, layer, QKV, gradient);
        at_input += &at_sum;
        at_input
    }

    fn product_slope(&self, input: &Array2<f32>, slope: &Array2<f32>, layer: usize, part: usize, gradient: &mut [f32]) -> Array2<f32> {
        multiply(input.t(), slope.view(), 1.0, &mut gradient[place(layer, part)]);
        add_rows(slope, &mut gradient[place(layer, part + 1)]);
        let mut at_input = Array2::zeros(input.dim());
        multiply(slope.view(), self.matrix(layer, part).reversed_axes(), 0.0, at_input.as_slice_mut().expect("it is new"));
        at_input
    }

    fn norm(&self, mut sum: Array2<f32>, layer: usize, part: usize) -> Normed {
        let mut scale = Array1::zeros(sum.nrows());
        for (mut row, scale) in sum.rows_mut().into_iter().zip(&mut scale) {
            let mean = row.sum() / WIDTH as f32;
            row -= mean;
            *scale = 1.0 / (row.dot(&row) / WIDTH as f32 + EPSILON).sqrt();
            row *= *scale;
        }
        let mut out = &sum * &self.row(layer, part);
        out += &self.row(layer, part + 1);
        Normed { out, unit: sum, scale }
    }

    fn norm_slope(&self, normed: &Normed, slope: &Array2<f32>, layer: usize, part: usize, gradient: &mut [f32]) -> Array2<f32> {
        add_rows(&(slope * &normed.unit), &mut gradient[place(layer, part)]);
        add_rows(slope, &mut gradient[place(layer, part + 1)]);
        let mut slope = slope * &self.row(layer, part);
        for ((mut row, unit), scale) in slope.rows_mut().into_iter().zip(normed.unit.rows()).zip(&normed.scale) {
            let (mean, along) = (row.sum() / WIDTH as f32, row.dot(&unit) / WIDTH as f32);
            row.zip_mut_with(&unit, |slope, unit| *slope = scale * (*slope - mean - unit * along));
        }
        slope
    }
}

/// As the model was trained.
const EPSILON: f32 = 1e-12;

/// `left × right`, and `keep` times what stood there, into `out`, row by row. By rten's kernel, which is twice as fast as ndarray's.
fn multiply(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>, keep: f32, out: &mut [f32]) {
    let options = GemmOptions { beta: keep, ..GemmOptions::default() };
    let (left, right) = (GemmInputA::Unpacked(matrix(&left)), GemmInputB::Unpacked(matrix(&right)));
    GemmExecutor::<f32>::new().gemm(out, left, right, options).expect("the layers' shapes fit each other");
}

/// A whole matrix, or one that is turned.
fn matrix<'a>(view: &'a ArrayView2<'_, f32>) -> NdTensorView<'a, f32, 2> {
    let (rows, columns) = view.dim();
    match view.as_slice() {
        Some(numbers) => NdTensorView::from_data([rows, columns], numbers),
        None => {
            let numbers = view.as_slice_memory_order().expect("a matrix without gaps");
            NdTensorView::from_data([columns, rows], numbers).transposed()
        }
    }
}

fn stacked(texts: &[&Hidden], lengths: &[usize]) -> Array2<f32> {
    let states = texts.iter().flat_map(|text| text.states()).collect();
    Array2::from_shape_vec((lengths.iter().sum(), WIDTH), states).expect("a text has whole tokens")
}

/// Each text's rows, and with each of them every head.
fn texts_and_heads(lengths: &[usize]) -> impl Iterator<Item = (Range<usize>, usize)> + '_ {
    rows(lengths).flat_map(|rows| (0..HEADS).map(move |head| (rows.clone(), head)))
}

fn rows(lengths: &[usize]) -> impl Iterator<Item = Range<usize>> + '_ {
    lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end - length..*end)
    })
}

/// A head's columns in the queries (0), the keys (1) or the values (2).
fn columns(at: usize, head: usize) -> Range<usize> {
    at * WIDTH + head * HEAD..at * WIDTH + (head + 1) * HEAD
}

fn block<'a>(mut matrix: ArrayView2<'a, f32>, rows: &Range<usize>, columns: Range<usize>) -> ArrayView2<'a, f32> {
    matrix.slice_axis_inplace(Axis(0), Slice::from(rows.clone()));
    matrix.slice_axis_inplace(Axis(1), Slice::from(columns));
    matrix
}

fn block_mut<'a>(matrix: &'a mut Array2<f32>, rows: &Range<usize>, columns: Range<usize>) -> ArrayViewMut2<'a, f32> {
    let mut matrix = matrix.view_mut();
    matrix.slice_axis_inplace(Axis(0), Slice::from(rows.clone()));
    matrix.slice_axis_inplace(Axis(1), Slice::from(columns));
    matrix
}

fn add_rows(matrix: &Array2<f32>, into: &mut [f32]) {
    into.iter_mut().zip(matrix.sum_axis(Axis(0))).for_each(|(into, sum)| *into += sum);
}

fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value -= most);
    Exp::default().map_mut(row);
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

/// The share of a normal distribution below each value.
fn normal(values: &Array2<f32>) -> Array2<f32> {
    let mut shares = values * std::f32::consts::FRAC_1_SQRT_2;
    Erf::default().map_mut(shares.as_slice_mut().expect("it is new"));
    shares.mapv_inplace(|erf| 0.5 * (1.0 + erf));
    shares
}

/// The density of a normal distribution at each value.
fn density(values: &Array2<f32>) -> Array2<f32> {
    let mut densities = values.mapv(|value| -0.5 * value * value);
    Exp::default().map_mut(densities.as_slice_mut().expect("it is new"));
    densities *= 0.398_942_3;
    densities
}

/// Each text's mean over its tokens scaled to length one, and the lengths they had.
fn means(states: &Array2<f32>, lengths: &[usize]) -> (Array2<f32>, Vec<f32>) {
    let mut vectors = Array2::zeros((lengths.len(), WIDTH));
    let mut norms = Vec::with_capacity(lengths.len());
    for (rows, mut vector) in rows(lengths).zip(vectors.rows_mut()) {
        vector += &block(states.view(), &rows, 0..WIDTH).sum_axis(Axis(0));
        vector /= rows.len() as f32;
        let norm = vector.dot(&vector).sqrt().max(EPSILON);
        vector /= norm;
        norms.push(norm);
    }
    (vectors, norms)
}

/// The slope at the states, of the slope at the vectors.
fn means_slope(vectors: &Array2<f32>, norms: &[f32], slope: &Array2<f32>, lengths: &[usize]) -> Array2<f32> {
    let mut out = Array2::zeros((lengths.iter().sum(), WIDTH));
    for (((rows, vector), slope), norm) in rows(lengths).zip(vectors.rows()).zip(slope.rows()).zip(norms) {
        let along = slope.dot(&vector);
        let each = (&slope - &(&vector * along)) / (norm * rows.len() as f32);
        block_mut(&mut out, &rows, 0..WIDTH).rows_mut().into_iter().for_each(|mut row| row.assign(&each));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::embedding::{Embedder, EmbeddingKind};

    const TEXTS: [&str; 3] = ["the vpn drops every ten minutes", "printer", "cannot log in since the update, error 809 on each attempt"];

    fn folder() -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding")
    }

    fn hidden() -> (Embedder, Layers, Vec<Hidden>) {
        let embedder = Embedder::load(&folder(), EmbeddingKind::Minilm).unwrap();
        let hidden = embedder.below(&TEXTS, 64);
        (embedder, Embedder::shipped_layers(&folder()).unwrap(), hidden)
    }

    fn cosine(a: ArrayView1<'_, f32>, b: &[f32]) -> f32 {
        a.dot(&ArrayView1::from(b))
    }

    #[test]
    fn layers_in_floats_give_the_vectors_of_the_graph_they_were_taken_from() {
        let (embedder, layers, hidden) = hidden();
        let vectors = layers.vectors(&hidden.iter().collect::<Vec<_>>());
        for (vector, whole) in vectors.rows().into_iter().zip(embedder.embed(&TEXTS)) {
            assert!(cosine(vector, &whole) > 0.995, "{}", cosine(vector, &whole));
        }
    }

    #[test]
    fn a_text_has_the_same_vector_whatever_stands_beside_it() {
        let (_, layers, hidden) = hidden();
        let together = layers.vectors(&hidden.iter().collect::<Vec<_>>());
        for (hidden, together) in hidden.iter().zip(together.rows()) {
            assert!(cosine(together, layers.vectors(&[hidden]).as_slice().unwrap()) > 0.999_99);
        }
    }

    #[test]
    fn other_layers_put_into_the_graph_give_their_vectors() {
        let (_, mut layers, hidden) = hidden();
        // Every part moves, each number by its own amount, far enough that the old vectors are wrong.
        layers.weights_mut().iter_mut().enumerate().for_each(|(at, weight)| *weight += 0.02 * ((at * 7_919) % 13) as f32 / 13.0 - 0.01);
        let tuned = Embedder::load_tuned(&folder(), &layers).unwrap();
        let shipped = Embedder::load(&folder(), EmbeddingKind::Minilm).unwrap();
        let vectors = layers.vectors(&hidden.iter().collect::<Vec<_>>());
        for ((vector, tuned), shipped) in vectors.rows().into_iter().zip(tuned.embed(&TEXTS)).zip(shipped.embed(&TEXTS)) {
            let (near, far) = (cosine(vector, &tuned), cosine(vector, &shipped));
            assert!(near > 0.99 && far < near, "{near} {far}");
        }
    }

    #[test]
    fn the_slope_is_that_of_small_moves_of_every_part() {
        let (_, layers, hidden) = hidden();
        let hidden: Vec<&Hidden> = hidden.iter().collect();
        // Some loss that feels every number of every vector.
        let factor = Array2::from_shape_fn((TEXTS.len(), WIDTH), |(row, column)| ((row * 31 + column * 17) % 23) as f32 / 23.0 - 0.5);
        let loss = |layers: &Layers| -> f64 { (&layers.vectors(&hidden) * &factor).iter().copied().map(f64::from).sum() };
        let mut slope = vec![0.0; Layers::NUMBERS];
        layers.add_slope(&hidden, |_| factor.clone(), &mut slope);
        for layer in 0..TUNED {
            for (part, (name, ..)) in PARTS.iter().enumerate() {
                // Along the slope of this part alone the loss grows as fast as the slope is long.
                let place = place(layer, part);
                let length = slope[place.clone()].iter().map(|slope| f64::from(*slope).powi(2)).sum::<f64>().sqrt();
                let step = 2e-3 / length;
                let moved = |sign: f64| {
                    let mut moved = layers.clone();
                    let weights = moved.weights_mut()[place.clone()].iter_mut();
                    weights.zip(&slope[place.clone()]).for_each(|(weight, slope)| *weight += (sign * step) as f32 * slope / length as f32);
                    loss(&moved)
                };
                let measured = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                assert!((measured / length - 1.0).abs() < 0.02, "layer {layer}, {name}: {measured} where the slope says {length}");
            }
        }
    }
}
