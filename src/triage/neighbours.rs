//! Some of the texts that the model learned from, so that its reading of a ticket's meaning can be shown: the nearest of them.
//!
//! They are shown, and tell how far a text is from all of them ([`super::belonging`]); no label's score depends on them. A label keeps a few examples, each as a vector of bytes and a short excerpt with
//! secrets and personal data taken out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    examples::Example,
    seed::Shuffle,
    similar::{product, products, quantise},
};
use crate::{
    domain::classification::NearExample,
    text::{CleanTicket, redact},
};

/// Examples kept of one label, and of all: a model stays small, and a look at all of them takes a tenth of a millisecond.
const OF_LABEL: usize = 12;
const MOST: usize = 2_000;
/// Characters of an excerpt.
const EXCERPT: usize = 80;
/// Nearest examples that an estimate shows.
const SHOWN: usize = 3;

/// What is kept of one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) excerpt: String,
    /// By target.
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Neighbours {
    pub(super) kept: Vec<Kept>,
    /// One for each.
    pub(super) vectors: Vectors,
}

/// Vectors of bytes, as [`quantise`] makes them, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Vectors {
    pub(super) bytes: Vec<u8>,
    pub(super) dimensions: usize,
    /// Of each.
    lengths: Vec<f64>,
}

impl Vectors {
    pub(super) fn new(bytes: Vec<u8>, dimensions: usize) -> Self {
        let lengths = bytes.chunks_exact(dimensions.max(1)).map(|row| f64::from(product(row, row)).sqrt()).collect();
        Self { bytes, dimensions, lengths }
    }

    pub(super) fn of<V: AsRef<[f32]>>(vectors: impl IntoIterator<Item = V>) -> Self {
        let (mut bytes, mut dimensions) = (Vec::new(), 0);
        for vector in vectors {
            let quantised = quantise(vector.as_ref()).vector;
            dimensions = quantised.len();
            bytes.extend(quantised);
        }
        Self::new(bytes, dimensions)
    }

    /// How near `vector` is to each: the cosine, 0 where either is nothing. None where the dimensions differ.
    pub(super) fn cosines(&self, vector: &[f32]) -> Vec<f64> {
        let query = quantise(vector).vector;
        let rows = if query.len() == self.dimensions { self.bytes.as_slice() } else { &[] };
        let ours = f64::from(product(&query, &query)).sqrt();
        let cosine = move |(product, theirs): (i32, &f64)| {
            let length = ours * theirs;
            if length > 0.0 { f64::from(product) / length } else { 0.0 }
        };
        products(&query, rows).into_iter().zip(&self.lengths).map(cosine).collect()
    }

    /// How near `vector` is to the nearest of them, but for the one at `itself`; 0 where there is none.
    pub(super) fn nearness(&self, vector: &[f32], itself: Option<usize>) -> f64 {
        let others = self.cosines(vector).into_iter().enumerate().filter(|(at, _)| Some(*at) != itself);
        others.map(|(_, cosine)| cosine).reduce(f64::max).unwrap_or(0.0)
    }
}

/// One text's row.
fn excerpt(text: &CleanTicket) -> String {
    let [title, body] = text.fields();
    let joined = [title.text(), body.text()].join(" ");
    redact(joined.trim()).chars().take(EXCERPT).collect()
}

impl Neighbours {
    /// The rows of a few examples of every label of every target, by chance of the seed.
    pub(super) fn choose(examples: &[Example], seed: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..examples.len()).collect();
        Shuffle::new(seed ^ 0x4ea7).shuffle(&mut order);
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut chosen = Vec::new();
        for row in order {
            let example = &examples[row];
            let wanted = example
                .labels
                .iter()
                .any(|(target, label)| counts.get(&(target.as_str(), label.as_str())).copied().unwrap_or(0) < OF_LABEL);
            if !wanted || chosen.len() == MOST {
                continue;
            }
            for (target, label) in &example.labels {
                *counts.entry((target, label)).or_default() += 1;
            }
            chosen.push(row);
        }
        chosen
    }

    /// Of the `chosen` rows of the examples, with a vector for each.
    pub(super) fn new(examples: &[Example], chosen: &[usize], vectors: Vectors) -> Self {
        let kept = |row: &usize| Kept { excerpt: excerpt(&examples[*row].text), labels: examples[*row].labels.clone() };
        Self { kept: chosen.iter().map(kept).collect(), vectors }
    }

    /// The nearest of those that have a label of `target`, nearest first, by how near each is.
    pub(super) fn nearest(&self, target: &str, cosines: &[f64]) -> Vec<NearExample> {
        let rows = cosines.iter().zip(&self.kept);
        let mut near: Vec<(f64, &Kept, &String)> =
            rows.filter_map(|(cosine, kept)| Some((*cosine, kept, kept.labels.get(target)?))).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.excerpt.cmp(&b.1.excerpt)));
        near.truncate(SHOWN);
        let shown = |(similarity, kept, label): (f64, &Kept, &String)| NearExample {
            excerpt: kept.excerpt.clone(),
            label: label.clone(),
            // Thousandths: what is shown, and the same on every machine.
            similarity: (similarity * 1e3).round() / 1e3,
        };
        near.into_iter().map(shown).collect()
    }
}
