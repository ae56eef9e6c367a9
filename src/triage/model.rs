//! A trained model: one vocabulary, one list of structured features, a head for each target.
//!
//! A text whose n-grams the model does not know is foreign to it: every head abstains. Each also abstains from what is unlike all that it
//! learned from.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    belonging::free_energy,
    head::{Head, Part},
    neighbours::Neighbours,
    signals::SignalSet,
    vectorizer::{SparseRow, Vectorizer},
};
use crate::{
    domain::classification::{Contribution, Estimate, SignalHit, Span},
    text::{CleanTicket, embedding::CachedEmbedder},
};

/// Labels an estimate lists at most.
const RANKED: usize = 5;
/// Contributions an estimate lists at most.
const BECAUSE: usize = 10;

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) vectorizer: Vectorizer,
    /// Names of the structured features, like `signal:phishing`.
    pub(super) structured: Vec<String>,
    /// Below this share of known n-grams a text is out of domain.
    pub(super) known_floor: f32,
    /// Joins the dense features after the structured ones.
    pub(super) embedding: Option<Arc<CachedEmbedder>>,
    /// Shown beside an answer, and how near a text is to them tells foreign ones; no label's score depends on them.
    pub(super) neighbours: Neighbours,
    pub(super) heads: Vec<Head>,
}

/// One text's features.
#[derive(Debug, Clone)]
pub(super) struct Features {
    pub(super) row: SparseRow,
    /// Structured features, then the embedding.
    pub(super) dense: Vec<f64>,
    /// To each example that the model keeps; none without an embedding.
    cosines: Vec<f64>,
}

impl Features {
    /// To the nearest example that the model keeps; 0 without one.
    fn nearness(&self) -> f64 {
        self.cosines.iter().copied().reduce(f64::max).unwrap_or(0.0)
    }
}

/// What a head says of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// Calibrated, of every label, in the order of the head's labels.
    pub(super) probabilities: Vec<f64>,
    /// How much the text belongs to what the head learned from.
    pub(super) belonging: f64,
    /// It belongs too little to be given a label, or hardly a word of it is known.
    pub(super) foreign: bool,
}

/// The structured features that a model trained with `signals` has.
pub(super) fn structured_names(signals: &SignalSet) -> Vec<String> {
    signals.names().map(|name| format!("signal:{name}")).collect()
}

/// The structured features `names` of one text: 1 for a signal that fired.
///
/// By name, so that a signal added since the training counts as absent and a removed one as silent.
pub(super) fn structured_values(names: &[String], signals: &[SignalHit]) -> Vec<f64> {
    let fired = |name: &String| name.strip_prefix("signal:").is_some_and(|name| signals.iter().any(|hit| hit.signal == name));
    names.iter().map(|name| f64::from(u8::from(fired(name)))).collect()
}

/// The text as the embedding takes it: title, then body.
pub(super) fn passage(text: &CleanTicket) -> String {
    let [title, body] = text.fields();
    [title.text(), body.text()].join(" ").trim().to_owned()
}

/// A vector of length one, made as large as the scores beside it, so that one L2 weight suits both.
pub(super) fn scaled(vector: &[f32]) -> impl Iterator<Item = f64> + '_ {
    vector.iter().map(|value| f64::from(*value) * EMBEDDING_SCALE)
}

pub(super) const EMBEDDING_SCALE: f64 = 4.0;

impl Model {
    pub(super) fn features(&self, text: &CleanTicket, signals: &[SignalHit]) -> Features {
        let mut dense = structured_values(&self.structured, signals);
        let mut cosines = Vec::new();
        if let Some(embedder) = &self.embedding {
            let vector = embedder.embed_one(&passage(text));
            dense.extend(scaled(&vector));
            cosines = self.neighbours.vectors.cosines(&vector);
        }
        Features { row: self.vectorizer.row(text), dense, cosines }
    }

    pub(super) fn head(&self, target: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.target == target)
    }

    pub(super) fn answer(&self, head: &Head, features: &Features) -> Answer {
        let scores = head.scores(&features.row.entries, &features.dense);
        let belonging = head.belonging.of(free_energy(scores.iter().copied()), features.nearness());
        let unread = features.row.entries.is_empty() || features.row.known < self.known_floor;
        Answer { probabilities: head.probabilities(scores), belonging, foreign: unread || head.belonging.is_foreign(belonging) }
    }

    /// The head's answer with its reasons.
    pub(super) fn estimate(&self, head: &Head, text: &CleanTicket, features: &Features) -> Estimate {
        let Answer { probabilities, foreign, .. } = self.answer(head, features);
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // Ties fall to the label that comes first, so the answer never depends on the sort.
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
        let ranked: Vec<(String, f64)> =
            order.iter().take(RANKED).map(|label| (head.labels[*label].clone(), probabilities[*label])).collect();
        let sure = ranked.first().is_some_and(|(_, probability)| *probability >= head.threshold) && !foreign;
        let mut because = order.first().map_or_else(Vec::new, |class| self.contributions(head, text, features, *class));
        because.retain(|contribution| contribution.feature != BASE);
        because.truncate(BECAUSE);
        Estimate {
            label: if sure { ranked.first().map(|(label, _)| label.clone()) } else { None },
            ranked,
            threshold: head.threshold,
            foreign,
            because,
            near: self.neighbours.nearest(&head.target, &features.cosines),
        }
    }

    /// What each word, pair of words and structured feature adds to the score of `class`, strongest first.
    ///
    /// A character n-gram counts for the words it stands in, in equal parts. The weights sum to the score.
    pub(super) fn contributions(&self, head: &Head, text: &CleanTicket, features: &Features, class: usize) -> Vec<Contribution> {
        let mut by_column: BTreeMap<u32, (f64, usize)> = BTreeMap::new();
        let mut named: BTreeMap<String, (f64, Vec<Span>)> = BTreeMap::new();
        for (part, weight) in head.parts(&features.row.entries, &features.dense, class) {
            match part {
                Part::Column(column) => {
                    by_column.insert(column, (weight, 0));
                }
                Part::Dense(index) => {
                    let name = self.structured.get(index).map_or(MEANING, String::as_str);
                    named.entry(name.to_owned()).or_default().0 += weight;
                }
                Part::Base => named.entry(BASE.to_owned()).or_default().0 += weight,
            }
        }
        let occurrences = self.vectorizer.occurrences(text);
        for occurrence in &occurrences {
            if let Some((_, count)) = by_column.get_mut(&occurrence.column) {
                *count += 1;
            }
        }
        for occurrence in occurrences {
            if let Some((weight, count)) = by_column.get(&occurrence.column) {
                let entry = named.entry(occurrence.word).or_default();
                entry.0 += weight / (*count as f64);
                entry.1.push(occurrence.span);
            }
        }
        let mut out: Vec<Contribution> = named
            .into_iter()
            .map(|(feature, (weight, mut spans))| {
                spans.sort();
                spans.dedup();
                Contribution { feature, weight, spans }
            })
            .collect();
        out.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()).then_with(|| a.feature.cmp(&b.feature)));
        out
    }
}

/// The embedding's part of a score.
pub(super) const MEANING: &str = "(meaning of the text)";
/// The part of a score that every text gets.
pub(super) const BASE: &str = "(base rate)";
