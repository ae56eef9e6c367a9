//! Some of the texts that the model learned from, so that its reading of a ticket's meaning can be shown: the nearest of them.
//!
//! Shown, never counted: no score depends on them. A label keeps a few examples, each as a vector of bytes and a short excerpt with
//! secrets and personal data taken out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    examples::Example,
    seed::Shuffle,
    similar::{cosine, quantise},
};
use crate::{
    domain::classification::NearExample,
    text::{CleanTicket, redact},
};

/// Examples kept of one label, and of all: a model stays small, and a look at all of them takes well under a millisecond.
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

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Neighbours {
    pub(super) kept: Vec<Kept>,
    /// A row of bytes for each, as [`quantise`] makes them.
    pub(super) vectors: Vec<u8>,
    pub(super) dimensions: usize,
}

/// One text's row.
fn excerpt(text: &CleanTicket) -> String {
    let [title, body] = text.fields();
    let joined = [title.text(), body.text()].join(" ");
    redact(joined.trim()).chars().take(EXCERPT).collect()
}

impl Neighbours {
    /// A few examples of every label of every target, by chance of the seed; `vector` gives the one of a row.
    pub(super) fn choose(examples: &[Example], vector: impl Fn(usize) -> Vec<f32>, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..examples.len()).collect();
        Shuffle::new(seed ^ 0x4ea7).shuffle(&mut order);
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut found = Self::default();
        for row in order {
            let example = &examples[row];
            let wanted = example
                .labels
                .iter()
                .any(|(target, label)| counts.get(&(target.as_str(), label.as_str())).copied().unwrap_or(0) < OF_LABEL);
            if !wanted || found.kept.len() == MOST {
                continue;
            }
            for (target, label) in &example.labels {
                *counts.entry((target, label)).or_default() += 1;
            }
            let quantised = quantise(&vector(row)).vector;
            found.dimensions = quantised.len();
            found.vectors.extend(quantised);
            found.kept.push(Kept { excerpt: excerpt(&example.text), labels: example.labels.clone() });
        }
        found
    }

    /// The nearest of those that have a label of `target`, nearest first.
    pub(super) fn nearest(&self, target: &str, query: &[f32]) -> Vec<NearExample> {
        if self.dimensions == 0 || query.len() != self.dimensions {
            return Vec::new();
        }
        let rows = self.vectors.chunks_exact(self.dimensions).zip(&self.kept);
        let mut near: Vec<(f64, &Kept, &String)> =
            rows.filter_map(|(row, kept)| Some((cosine(query, row), kept, kept.labels.get(target)?))).collect();
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
