//! Sparse features of a text: word 1-2-grams and in-word character 3-5-grams, sublinear TF-IDF.
//!
//! The document frequencies are frozen at training: linfa's own TF-IDF takes them from the batch it transforms,
//! so it cannot serve single tickets. N-grams are kept by their 64-bit names; texts are not stored.
//! Columns are words first, then characters, the most frequent first in each: what a text needs lies close together.
// INVARIANT: no name stands twice; entries of a row rise by column; a column below `words` is a word or a pair.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::sparse::SparseMatrix;
use crate::{
    domain::classification::Span,
    text::{
        CleanTicket,
        tokens::{self, Gram, Name, Scratch},
    },
};

/// How the features are cut; stored with the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    /// An n-gram in fewer training texts is left out.
    pub(super) min_documents: u32,
}

/// The vocabulary with its frozen weights.
#[derive(Debug, Clone)]
pub(super) struct Vectorizer {
    pub(super) names: Vec<u64>,
    pub(super) idf: Vec<f32>,
    /// Columns before this one are words and pairs of words, the others characters.
    pub(super) words: usize,
    index: Index,
}

/// A text as the linear stages take it.
#[derive(Debug, Clone, Default)]
pub(super) struct SparseRow {
    pub(super) entries: Vec<(u32, f32)>,
    /// Share of the text's n-grams, words and characters alike, that the model knows; 0 for an empty text.
    pub(super) known: f32,
}

/// Where a known n-gram stands, for explanations.
#[derive(Debug)]
pub(super) struct Occurrence {
    pub(super) column: u32,
    /// The word or pair of words it belongs to, lower-cased.
    pub(super) word: String,
    pub(super) span: Span,
}

/// Open addressing over names that are mixed already; a quarter full to half full.
#[derive(Debug, Clone)]
struct Index {
    slots: Vec<(u64, u32)>,
}

const EMPTY: u32 = u32::MAX;

impl Index {
    fn new(names: &[u64]) -> Self {
        let size = (names.len() * 2).next_power_of_two().max(8);
        let mut slots = vec![(0, EMPTY); size];
        for (column, name) in (0u32..).zip(names) {
            let mut slot = *name as usize & (size - 1);
            while slots[slot].1 != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = (*name, column);
        }
        Self { slots }
    }

    fn get(&self, name: u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = name as usize & mask;
        loop {
            match self.slots[slot] {
                (_, EMPTY) => return None,
                (known, column) if known == name => return Some(column),
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// Names are hashes already.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, name: u64) {
        self.0 = name;
    }
}

/// In how many texts an n-gram stands.
#[derive(Debug, Default)]
struct Standing {
    texts: u32,
    /// The last text that was counted.
    last: u32,
    characters: bool,
}

/// Calls `found(name, is_characters)` for every n-gram of the ticket, the quick way where there is one.
fn each_name(text: &CleanTicket, scratch: &mut Scratch, mut found: impl FnMut(u64, bool)) {
    let [title, body] = text.fields();
    if title.text().is_ascii() && body.text().is_ascii() {
        for field in [title, body] {
            tokens::ascii_grams(field.text(), scratch, &mut found);
        }
    } else {
        each_gram(text, |name, characters, _| found(name, characters));
    }
}

/// Calls `found(name, is_characters, word, span)` for every n-gram of the ticket.
fn each_gram(text: &CleanTicket, mut found: impl FnMut(u64, bool, &mut dyn FnMut() -> (String, Span))) {
    for field in text.fields() {
        let words = tokens::words(field.text());
        let mut before: Option<&tokens::Word> = None;
        for word in &words {
            found(Name::start(Gram::Word).text(&word.text).finish(), false, &mut || (word.text.clone(), field.span(word.range.clone())));
            if let Some(before) = before {
                let name = Name::start(Gram::WordPair).text(&before.text).byte(0).text(&word.text).finish();
                found(name, false, &mut || (format!("{} {}", before.text, word.text), field.span(before.range.start..word.range.end)));
            }
            before = Some(word);
        }
        for chunk in tokens::chunks(field.text()) {
            tokens::character_grams(&chunk.text, |name| {
                found(name, true, &mut || {
                    let edge = |ch: char| !ch.is_alphanumeric();
                    let source = &field.text()[chunk.range.clone()];
                    let inner = source.trim_matches(edge);
                    if inner.is_empty() {
                        return (chunk.text.clone(), field.span(chunk.range.clone()));
                    }
                    let start = chunk.range.start + (source.len() - source.trim_start_matches(edge).len());
                    (inner.to_lowercase(), field.span(start..start + inner.len()))
                });
            });
        }
    }
}

impl Vectorizer {
    pub(super) fn new(names: Vec<u64>, idf: Vec<f32>, words: usize) -> Self {
        let index = Index::new(&names);
        Self { names, idf, words, index }
    }

    /// Learns vocabulary and frequencies from `texts`.
    pub(super) fn fit<'a>(texts: impl Iterator<Item = &'a CleanTicket>, cut: Cut) -> Self {
        let mut standing: HashMap<u64, Standing, BuildHasherDefault<Mixed>> = HashMap::default();
        let mut scratch = Scratch::default();
        let mut count = 0u32;
        for text in texts {
            count += 1;
            each_name(text, &mut scratch, |name, characters| {
                let entry = standing.entry(name).or_default();
                entry.characters = characters;
                if entry.last != count {
                    entry.last = count;
                    entry.texts += 1;
                }
            });
        }
        let mut kept: Vec<(bool, std::cmp::Reverse<u32>, u64)> = standing
            .into_iter()
            .filter(|(_, standing)| standing.texts >= cut.min_documents)
            .map(|(name, standing)| (standing.characters, std::cmp::Reverse(standing.texts), name))
            .collect();
        kept.sort_unstable();
        // scikit-learn's smoothed form, ln((1 + n) / (1 + df)) + 1.
        let weight = |texts: u32| (libm::log((1.0 + f64::from(count)) / (1.0 + f64::from(texts))) + 1.0) as f32;
        let idf = kept.iter().map(|(_, texts, _)| weight(texts.0)).collect();
        let words = kept.partition_point(|(characters, _, _)| !characters);
        Self::new(kept.into_iter().map(|(_, _, name)| name).collect(), idf, words)
    }

    pub(super) fn columns(&self) -> usize {
        self.names.len()
    }

    /// The features of one text. Words and characters are brought to length 1 each on its own.
    pub(super) fn row(&self, text: &CleanTicket) -> SparseRow {
        let mut columns: Vec<u32> = Vec::with_capacity(1024);
        let mut all = 0u32;
        each_name(text, &mut Scratch::default(), |name, _| {
            all += 1;
            columns.extend(self.index.get(name));
        });
        let known = if all == 0 { 0.0 } else { columns.len() as f32 / all as f32 };
        columns.sort_unstable();
        let mut entries: Vec<(u32, f32)> = Vec::with_capacity(columns.len());
        for run in columns.chunk_by(|a, b| a == b) {
            let frequency = if run.len() == 1 { 1.0 } else { 1.0 + libm::log(run.len() as f64) as f32 };
            entries.push((run[0], frequency * self.idf[run[0] as usize]));
        }
        let split = entries.partition_point(|(column, _)| (*column as usize) < self.words);
        let (words, characters) = entries.split_at_mut(split);
        for part in [words, characters] {
            let square: f32 = part.iter().map(|(_, value)| value * value).sum();
            let scale = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
            part.iter_mut().for_each(|(_, value)| *value *= scale);
        }
        SparseRow { entries, known }
    }

    pub(super) fn matrix<'a>(&self, texts: impl Iterator<Item = &'a CleanTicket>) -> SparseMatrix {
        let mut out = SparseMatrix::new(self.columns());
        for text in texts {
            out.push(&self.row(text).entries);
        }
        out
    }

    /// Every place of every known n-gram.
    pub(super) fn occurrences(&self, text: &CleanTicket) -> Vec<Occurrence> {
        let mut out = Vec::new();
        each_gram(text, |name, _, place| {
            if let Some(column) = self.index.get(name) {
                let (word, span) = place();
                out.push(Occurrence { column, word, span });
            }
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::clean_fields;

    fn texts() -> Vec<CleanTicket> {
        ["printer on floor two prints nothing", "the printer is jammed", "vpn drops every hour", "vpn does not connect"]
            .map(|text| clean_fields("", text, false))
            .into()
    }

    #[test]
    fn a_row_does_not_depend_on_the_texts_it_is_served_with() {
        let texts = texts();
        let vectorizer = Vectorizer::fit(texts.iter(), Cut { min_documents: 1 });
        let alone = vectorizer.row(&texts[0]).entries;
        let together: Vec<(u32, f32)> = vectorizer.matrix(texts.iter()).row(0).map(|(column, value)| (column as u32, value)).collect();
        assert_eq!(alone, together);
        let length: f32 = alone.iter().map(|(_, value)| value * value).sum();
        assert!((length - 2.0).abs() < 1e-4, "words and characters have length 1 each: {length}");
    }

    #[test]
    fn rare_grams_are_left_out_and_unknown_text_is_told() {
        let texts = texts();
        let all = Vectorizer::fit(texts.iter(), Cut { min_documents: 1 });
        let some = Vectorizer::fit(texts.iter(), Cut { min_documents: 2 });
        assert!(some.columns() < all.columns() && some.columns() > 0);
        assert!((all.row(&texts[0]).known - 1.0).abs() < f32::EPSILON);
        assert!(all.row(&clean_fields("", "qqqq xxxx zzzz", false)).known < 0.1);
        assert!(all.row(&clean_fields("", "", false)).entries.is_empty());
    }

    #[test]
    fn an_occurrence_names_the_word_and_its_bytes() {
        let texts = texts();
        let vectorizer = Vectorizer::fit(texts.iter(), Cut { min_documents: 1 });
        let original = "(Printer), again: printer";
        let found = vectorizer.occurrences(&clean_fields("", original, false));
        assert!(!found.is_empty());
        for occurrence in found.iter().filter(|o| o.word == "printer") {
            assert_eq!(original[occurrence.span.start..occurrence.span.end].to_lowercase(), "printer");
        }
    }
}
