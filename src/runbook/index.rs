//! The lexical scorer: BM25 over weighted fields (BM25F, Robertson, Zaragoza and Taylor 2004), over words and pairs of
//! neighbouring words.
//!
//! Term frequencies of the fields are normalised by field length, weighted, and summed before saturation, so a
//! word in the title counts more and a long body cannot drown it. Sums run in a fixed order; scores are
//! rounded, so that the last bits of a machine's logarithm cannot turn a ranking.
// INVARIANT: an index that documents came to and went from scores as one made of the remaining documents alone.

use std::collections::{BTreeMap, HashMap};

use super::words;
use crate::text::tokens::{Gram, Name};

/// Saturation of term frequency; higher than the usual 1.2 because weighted frequencies are larger.
const K1: f64 = 3.0;
/// What a pair of words counts beside a word. Pairs raised recall at 1 by 2 points on alert texts and by 5 on support
/// texts; they say what the words of a sibling only say apart.
const PAIR: f64 = 0.7;

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

/// Documents by slot. A slot stays with its document for as long as the document stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// Name of a term → where it stands, by slot.
    postings: HashMap<u64, Vec<Posting>>,
    /// Terms in each field, by slot; `None` where no document is.
    lengths: Vec<Option<[u32; FIELDS.len()]>>,
    totals: [u64; FIELDS.len()],
    documents: usize,
    /// What one occurrence in each field is worth, by slot; made by [`Index::settle`].
    worth: Vec<[f64; FIELDS.len()]>,
}

#[derive(Debug, Clone, Copy)]
struct Posting {
    slot: u32,
    /// How often in each field, at most 255 times.
    frequency: [u8; FIELDS.len()],
}

/// One document's score with what made it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scored {
    pub score: f64,
    /// Part of the query's weight in rare words that the document has, `0..=1`.
    pub coverage: f64,
    /// The same for words in the title alone.
    pub title_coverage: f64,
    /// The same for pairs of words.
    pub pair_coverage: f64,
}

/// A query cut into terms, words before pairs, each in alphabetical order.
pub(crate) struct Wanted(Vec<WantedTerm>);

struct WantedTerm {
    text: String,
    name: u64,
    times: u32,
    is_pair: bool,
}

impl Wanted {
    pub(crate) fn new(query: &str) -> Self {
        let mut wanted: BTreeMap<(bool, String), u32> = BTreeMap::new();
        let terms = words::terms(query);
        for pair in terms.windows(2) {
            *wanted.entry((true, format!("{} {}", pair[0], pair[1]))).or_default() += 1;
        }
        for term in terms {
            *wanted.entry((false, term)).or_default() += 1;
        }
        let term = |((is_pair, text), times): ((bool, String), u32)| WantedTerm { name: name(&text, is_pair), text, times, is_pair };
        Self(wanted.into_iter().map(term).collect())
    }
}

/// A word, or two words with a blank between them.
fn name(text: &str, is_pair: bool) -> u64 {
    Name::start(if is_pair { Gram::WordPair } else { Gram::Word }).text(text).finish()
}

/// How often each term stands in each field, and how many terms a field has.
fn counted(texts: &Texts) -> (HashMap<u64, [u8; FIELDS.len()]>, [u32; FIELDS.len()]) {
    let mut frequencies: HashMap<u64, [u8; FIELDS.len()]> = HashMap::new();
    let mut lengths = [0; FIELDS.len()];
    for (field, text) in texts.iter().enumerate() {
        let terms = words::terms(text);
        let pairs = terms.windows(2).map(|pair| Name::start(Gram::WordPair).text(&pair[0]).byte(b' ').text(&pair[1]).finish());
        for term in terms.iter().map(|term| name(term, false)).chain(pairs) {
            let count = &mut frequencies.entry(term).or_default()[field];
            *count = count.saturating_add(1);
            lengths[field] += 1;
        }
    }
    (frequencies, lengths)
}

impl Index {
    /// Puts a document into an empty slot.
    pub(crate) fn insert(&mut self, slot: usize, texts: &Texts) {
        let (frequencies, lengths) = counted(texts);
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        for (term, frequency) in frequencies {
            let postings = self.postings.entry(term).or_default();
            let at = postings.partition_point(|posting| posting.slot < number);
            postings.insert(at, Posting { slot: number, frequency });
        }
        if self.lengths.len() <= slot {
            self.lengths.resize(slot + 1, None);
        }
        self.lengths[slot] = Some(lengths);
        self.documents += 1;
        for (total, length) in self.totals.iter_mut().zip(lengths) {
            *total += u64::from(length);
        }
    }

    /// Takes a document out; `texts` are the ones it was put in with.
    pub(crate) fn remove(&mut self, slot: usize, texts: &Texts) {
        let Some(lengths) = self.lengths.get_mut(slot).and_then(Option::take) else { return };
        for term in counted(texts).0.into_keys() {
            if let Some(postings) = self.postings.get_mut(&term) {
                postings.retain(|posting| posting.slot as usize != slot);
                if postings.is_empty() {
                    self.postings.remove(&term);
                }
            }
        }
        self.documents -= 1;
        for (total, length) in self.totals.iter_mut().zip(lengths) {
            *total -= u64::from(length);
        }
    }

    fn postings(&self, term: &WantedTerm) -> &[Posting] {
        self.postings.get(&term.name).map(Vec::as_slice).unwrap_or_default()
    }

    fn idf(&self, term: &WantedTerm, with_term: usize) -> f64 {
        let (all, with_term) = (self.documents as f64, with_term as f64);
        ((all - with_term + 0.5) / (with_term + 0.5)).ln_1p() * if term.is_pair { PAIR } else { 1.0 }
    }

    /// Makes the index ready to be asked, after documents came or went: the mean length, which all share, has moved.
    pub(crate) fn settle(&mut self) {
        let count = self.documents.max(1) as f64;
        let means = self.totals.map(|total| (total as f64 / count).max(1.0));
        let worth = |lengths: [u32; FIELDS.len()]| {
            std::array::from_fn(|field| {
                let FieldSpec { weight, length_discount, .. } = FIELDS[field];
                weight / (1.0 - length_discount + length_discount * f64::from(lengths[field]) / means[field])
            })
        };
        self.worth = self.lengths.iter().map(|lengths| lengths.map_or([0.0; FIELDS.len()], worth)).collect();
    }

    /// The score of every document for a query, by slot; an empty slot scores nothing.
    pub(crate) fn score(&self, wanted: &Wanted) -> Vec<Scored> {
        let mut scored = vec![Scored::default(); self.lengths.len()];
        let (mut words, mut pairs) = (0.0, 0.0);
        for term in &wanted.0 {
            let postings = self.postings(term);
            let idf = self.idf(term, postings.len());
            *(if term.is_pair { &mut pairs } else { &mut words }) += idf;
            let weight = weight(idf, term.times);
            for posting in postings {
                let entry = &mut scored[posting.slot as usize];
                entry.score += value(weight, &self.parts(posting));
                if term.is_pair {
                    entry.pair_coverage += idf;
                } else {
                    entry.coverage += idf;
                    if posting.frequency[0] > 0 {
                        entry.title_coverage += idf;
                    }
                }
            }
        }
        let share = |part: f64, whole: f64| if whole > 0.0 { rounded(part / whole) } else { 0.0 };
        for entry in &mut scored {
            *entry = Scored {
                score: rounded(entry.score),
                coverage: share(entry.coverage, words),
                title_coverage: share(entry.title_coverage, words),
                pair_coverage: share(entry.pair_coverage, pairs),
            };
        }
        scored
    }

    /// (term, field with the largest part, part of the score) for one document, largest first.
    pub(crate) fn explain(&self, wanted: &Wanted, slot: usize) -> Vec<(String, &'static str, f64)> {
        let mut terms = Vec::new();
        for term in &wanted.0 {
            let postings = self.postings(term);
            let Ok(at) = postings.binary_search_by_key(&slot, |posting| posting.slot as usize) else { continue };
            let parts = self.parts(&postings[at]);
            let best = (1..FIELDS.len()).fold(0, |best, field| if parts[field] > parts[best] { field } else { best });
            let part = rounded(value(weight(self.idf(term, postings.len()), term.times), &parts));
            terms.push((term.text.clone(), FIELDS[best].name, part));
        }
        terms.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        terms
    }

    /// The part of the query's weight that `text` has, `0..=1`.
    pub(crate) fn share(&self, wanted: &Wanted, text: &str) -> f64 {
        let (terms, _) = counted(&[text.to_owned(), String::new(), String::new()]);
        let (mut had, mut whole) = (0.0, 0.0);
        for term in &wanted.0 {
            let idf = self.idf(term, self.postings(term).len());
            whole += idf;
            had += if terms.contains_key(&term.name) { idf } else { 0.0 };
        }
        if whole > 0.0 { rounded(had / whole) } else { 0.0 }
    }

    /// The weighted, length-normalised frequency in each field.
    fn parts(&self, posting: &Posting) -> [f64; FIELDS.len()] {
        let worth = &self.worth[posting.slot as usize];
        std::array::from_fn(|field| worth[field] * f64::from(posting.frequency[field]))
    }
}

/// One term's part of a score.
fn value(weight: f64, parts: &[f64; FIELDS.len()]) -> f64 {
    let frequency: f64 = parts.iter().sum();
    weight * frequency / (K1 + frequency)
}

/// What a term of the query is worth before saturation. Said three times it matters more than once, not three times as much.
fn weight(idf: f64, times: u32) -> f64 {
    idf * (1.0 + f64::from(times).ln()) * (K1 + 1.0)
}

/// Nine decimals: far more than a ranking needs, far fewer than where machines differ.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(title: &str, body: &str) -> Texts {
        [title.to_owned(), String::new(), body.to_owned()]
    }

    fn index(documents: &[Texts]) -> Index {
        let mut index = Index::default();
        documents.iter().enumerate().for_each(|(slot, texts)| index.insert(slot, texts));
        index.settle();
        index
    }

    fn scores(index: &Index, query: &str) -> Vec<f64> {
        index.score(&Wanted::new(query)).iter().map(|scored| scored.score).collect()
    }

    #[test]
    fn a_rare_word_in_the_title_outweighs_common_words_in_a_body() {
        let index = index(&[
            texts("Inode exhaustion", "df -i shows no free inodes"),
            texts("Disk full", "disk space full on the file system, disk space disk space"),
            texts("Memory", "the disk is fine, space too"),
        ]);
        let scores = scores(&index, "disk out of inode space");
        assert!(scores[0] > scores[1] || scores[1] > scores[2], "{scores:?}");
        assert!(scores[0] > scores[2], "{scores:?}");
    }

    #[test]
    fn words_that_stand_together_beat_the_same_words_apart() {
        let index = index(&[
            texts("Disk", "the node is slow, the pool has pressure on memory"),
            texts("Disk", "the pool is slow, the node has memory pressure now"),
        ]);
        let scores = scores(&index, "memory pressure");
        assert!(scores[1] > scores[0], "{scores:?}");
    }

    #[test]
    fn unknown_words_lower_the_coverage_and_score_nothing() {
        let index = index(&[texts("printer spooler", "restart it")]);
        let known = index.score(&Wanted::new("printer spooler"))[0];
        let half = index.score(&Wanted::new("printer spooler quantum entanglement"))[0];
        assert!(known.coverage > half.coverage && known.pair_coverage > half.pair_coverage);
        assert_eq!(scores(&index, "quantum"), [0.0]);
        let parts: f64 = index.explain(&Wanted::new("printer spooler"), 0).iter().map(|(_, _, value)| value).sum();
        assert!((parts - known.score).abs() < 1e-6, "the terms shown make the score");
        assert_eq!(scores(&index, "").len(), 1);
    }

    proptest! {
        #[test]
        fn an_index_that_changed_scores_like_one_made_anew(
            bodies in proptest::collection::vec("([a-e] ){0,12}", 1..12),
            changes in proptest::collection::vec((0..12usize, proptest::option::of("([a-f] ){0,12}")), 0..20),
            query in "([a-g] ){1,8}",
        ) {
            let mut held: BTreeMap<usize, Texts> = bodies.iter().enumerate().map(|(slot, body)| (slot, texts(&body[..body.len() / 2], body))).collect();
            let mut changed = index(&held.values().cloned().collect::<Vec<_>>());
            for (slot, body) in changes {
                if let Some(old) = held.remove(&slot) {
                    changed.remove(slot, &old);
                }
                if let Some(body) = body {
                    changed.insert(slot, &texts("a b", &body));
                    held.insert(slot, texts("a b", &body));
                }
            }
            changed.settle();
            let anew = index(&held.values().cloned().collect::<Vec<_>>());
            let wanted = Wanted::new(&query);
            let (changed, anew) = (changed.score(&wanted), anew.score(&wanted));
            for (place, slot) in held.keys().enumerate() {
                prop_assert_eq!(changed[*slot].score.to_bits(), anew[place].score.to_bits());
                prop_assert_eq!(changed[*slot].coverage.to_bits(), anew[place].coverage.to_bits());
            }
        }
    }
}
