//! The lexical scorer: BM25 over weighted fields (BM25F, Robertson, Zaragoza and Taylor 2004).
//!
//! Term frequencies of the fields are normalised by field length, weighted, and summed before saturation, so a
//! word in the title counts more and a long body cannot drown it. Sums run in a fixed order; scores are
//! rounded, so that the last bits of a machine's logarithm cannot turn a ranking.

use std::collections::BTreeMap;

use super::words;

/// Saturation of term frequency; higher than the usual 1.2 because weighted frequencies are larger.
const K1: f64 = 3.0;

/// A field of a document: how much a word there counts, and how much its length is discounted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldSpec {
    pub name: &'static str,
    pub weight: f64,
    pub length_discount: f64,
}

/// The fields of every indexed document, in the order of the texts given.
pub(crate) const FIELDS: [FieldSpec; 3] = [
    FieldSpec { name: "title", weight: 6.0, length_discount: 0.3 },
    FieldSpec { name: "symptoms", weight: 2.5, length_discount: 0.5 },
    FieldSpec { name: "body", weight: 1.0, length_discount: 0.7 },
];

/// The texts of one document, one for each of [`FIELDS`].
pub(crate) type Texts = [String; FIELDS.len()];

#[derive(Debug, Default)]
pub(crate) struct Index {
    documents: usize,
    /// Term → documents that have it, ascending, with the frequency in each field.
    postings: BTreeMap<String, Vec<(u32, [u32; FIELDS.len()])>>,
    lengths: Vec<[u32; FIELDS.len()]>,
    mean_lengths: [f64; FIELDS.len()],
}

/// One document's score with what made it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scored {
    pub score: f64,
    /// Part of the query's weight in rare words that the document has, `0..=1`.
    pub coverage: f64,
    /// The same for words in the title alone.
    pub title_coverage: f64,
}

/// The terms of a query with how often each is said.
fn wanted(query: &str) -> BTreeMap<String, u32> {
    let mut wanted = BTreeMap::new();
    for term in words::terms(query) {
        *wanted.entry(term).or_default() += 1;
    }
    wanted
}

impl Index {
    pub(crate) fn new<'a>(documents: impl IntoIterator<Item = &'a Texts>) -> Self {
        let mut index = Self::default();
        for texts in documents {
            index.add(texts);
        }
        let count = index.documents.max(1) as f64;
        for field in 0..FIELDS.len() {
            let total: u64 = index.lengths.iter().map(|lengths| u64::from(lengths[field])).sum();
            index.mean_lengths[field] = (total as f64 / count).max(1.0);
        }
        index
    }

    fn add(&mut self, texts: &Texts) {
        let document = u32::try_from(self.documents).unwrap_or(u32::MAX);
        let mut frequencies: BTreeMap<String, [u32; FIELDS.len()]> = BTreeMap::new();
        let mut lengths = [0; FIELDS.len()];
        for (field, text) in texts.iter().enumerate() {
            for term in words::terms(text) {
                frequencies.entry(term).or_default()[field] += 1;
                lengths[field] += 1;
            }
        }
        for (term, frequency) in frequencies {
            self.postings.entry(term).or_default().push((document, frequency));
        }
        self.lengths.push(lengths);
        self.documents += 1;
    }

    fn idf(&self, with_term: usize) -> f64 {
        let (all, with_term) = (self.documents as f64, with_term as f64);
        ((all - with_term + 0.5) / (with_term + 0.5)).ln_1p()
    }

    /// The score of every document for `query`, by document number.
    pub(crate) fn score(&self, query: &str) -> Vec<Scored> {
        let mut scored = vec![Scored::default(); self.documents];
        let mut whole = 0.0;
        for (term, times) in wanted(query) {
            let postings = self.postings.get(&term).map(Vec::as_slice).unwrap_or_default();
            let idf = self.idf(postings.len());
            whole += idf;
            for (document, frequency) in postings {
                let number = *document as usize;
                let entry = &mut scored[number];
                entry.score += value(idf, times, &self.parts(number, frequency));
                entry.coverage += idf;
                if frequency[0] > 0 {
                    entry.title_coverage += idf;
                }
            }
        }
        for entry in &mut scored {
            entry.score = rounded(entry.score);
            if whole > 0.0 {
                entry.coverage = rounded(entry.coverage / whole);
                entry.title_coverage = rounded(entry.title_coverage / whole);
            }
        }
        scored
    }

    /// (term, field with the largest part, part of the score) for one document, largest first.
    pub(crate) fn explain(&self, query: &str, document: usize) -> Vec<(String, &'static str, f64)> {
        let mut terms = Vec::new();
        for (term, times) in wanted(query) {
            let Some(postings) = self.postings.get(&term) else { continue };
            let Ok(at) = postings.binary_search_by_key(&document, |(number, _)| *number as usize) else { continue };
            let parts = self.parts(document, &postings[at].1);
            let best = (1..FIELDS.len()).fold(0, |best, field| if parts[field] > parts[best] { field } else { best });
            terms.push((term, FIELDS[best].name, rounded(value(self.idf(postings.len()), times, &parts))));
        }
        terms.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        terms
    }

    /// The weighted, length-normalised frequency in each field.
    fn parts(&self, document: usize, frequency: &[u32; FIELDS.len()]) -> [f64; FIELDS.len()] {
        std::array::from_fn(|field| {
            let spec = FIELDS[field];
            let length = f64::from(self.lengths[document][field]) / self.mean_lengths[field];
            spec.weight * f64::from(frequency[field]) / (1.0 - spec.length_discount + spec.length_discount * length)
        })
    }
}

/// One term's part of a score.
fn value(idf: f64, times: u32, parts: &[f64; FIELDS.len()]) -> f64 {
    let frequency: f64 = parts.iter().sum();
    // A word said three times matters more than once, not three times as much.
    let emphasis = 1.0 + f64::from(times).ln();
    idf * emphasis * frequency * (K1 + 1.0) / (K1 + frequency)
}

/// Nine decimals: far more than a ranking needs, far fewer than where machines differ.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(title: &str, body: &str) -> Texts {
        [title.to_owned(), String::new(), body.to_owned()]
    }

    #[test]
    fn a_rare_word_in_the_title_outweighs_common_words_in_a_body() {
        let index = Index::new(&[
            texts("Inode exhaustion", "df -i shows no free inodes"),
            texts("Disk full", "disk space full on the file system, disk space disk space"),
            texts("Memory", "the disk is fine, space too"),
        ]);
        let scores: Vec<f64> = index.score("disk out of inode space").iter().map(|s| s.score).collect();
        assert!(scores[0] > scores[1] || scores[1] > scores[2], "{scores:?}");
        assert!(scores[0] > scores[2], "{scores:?}");
    }

    #[test]
    fn unknown_words_lower_the_coverage_and_score_nothing() {
        let index = Index::new(&[texts("printer spooler", "restart it")]);
        let known = &index.score("printer spooler")[0];
        let half = &index.score("printer spooler quantum entanglement")[0];
        assert!(known.coverage > half.coverage);
        assert_eq!(index.score("quantum")[0].score, 0.0);
        let parts: f64 = index.explain("printer spooler", 0).iter().map(|(_, _, value)| value).sum();
        assert!((parts - known.score).abs() < 1e-6, "the terms shown make the score");
        assert_eq!(index.score("").len(), 1);
    }
}
