//! From a ticket to runbooks in order: exact triggers first, then a weighted combination of scorers.
//!
//! INVARIANT: a runbook whose `not_patterns` match is never a candidate. The same library and the same
//! query give the same ranking, ties broken by id.

use std::sync::Arc;

use super::{
    calibration::{Calibration, Features, Nearness},
    index::{Index, Scored, Texts, rounded},
    parse::Sheet,
    query::Query,
    semantic::{Meaning, Passages},
    triggers::{Compiled, Fired, Trigger},
};
use crate::{
    domain::{
        recommendation::{Candidate, Evidence},
        runbook::Runbook,
    },
    text::embedding::EmbeddingKind,
};

/// How many candidates an answer shows.
const SHOWN: usize = 5;
/// Terms listed as evidence for one candidate.
const TERMS_SHOWN: usize = 6;
/// Weights of the scorers, each scaled to `0..=1` over the library before it is weighted.
const LEXICAL: f64 = 1.0;
const CATEGORY: f64 = 0.35;

/// The answer for one ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// The best candidate when it fits with at least the threshold's probability; `None`: none fits.
    pub proposed: Option<Candidate>,
    /// Best first, at most five.
    pub candidates: Vec<Candidate>,
    /// Below this probability of fit nothing is proposed.
    pub threshold: f64,
}

/// The runbooks made ready for ranking.
#[derive(Debug)]
pub(crate) struct Matcher {
    index: Index,
    passages: Option<Passages>,
    triggers: Vec<Arc<Compiled>>,
}

/// One runbook's standing for one query, with what the calibration looks at.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// Position in the library's order.
    pub number: usize,
    pub score: f64,
    pub features: Features,
    trigger: Trigger,
    /// Terms are listed for the first five only.
    because: Vec<Evidence>,
}

impl Matcher {
    pub(crate) fn new<'a>(sheets: impl Iterator<Item = &'a Sheet> + Clone, meaning: Option<&Meaning>) -> Self {
        let documents: Vec<Texts> = sheets.clone().map(|sheet| texts(&sheet.runbook)).collect();
        Self {
            index: Index::new(&documents),
            passages: meaning.map(|meaning| Passages::new(sheets.clone().map(|sheet| &sheet.runbook), meaning)),
            triggers: sheets.map(|sheet| Arc::clone(&sheet.compiled)).collect(),
        }
    }

    /// Every runbook that is not ruled out and has any reason to be here, best first.
    pub(crate) fn standings<'a>(&self, runbooks: impl Iterator<Item = &'a Runbook>, query: &Query<'_>) -> Vec<Standing> {
        let text = searched(query);
        let lexical = self.index.score(&text);
        let best = lexical.iter().map(|scored| scored.score).fold(0.0, f64::max);
        let nearness = self.passages.as_ref().filter(|_| !text.trim().is_empty()).map(|passages| passages.score(&text));
        let weight = self.passages.as_ref().map_or(0.0, |passages| semantic_weight(passages.kind()));
        let mut rows: Vec<Row> = runbooks
            .zip(&self.triggers)
            .zip(lexical)
            .enumerate()
            .filter_map(|(number, ((runbook, triggers), lexical))| {
                let similarity = nearness.as_ref().map(|nearness| nearness[number]);
                let fired = triggers.fire(runbook, query);
                if fired.excluded || (fired.strongest == Trigger::None && lexical.score <= 0.0 && similarity.unwrap_or(0.0) <= 0.0) {
                    return None;
                }
                let agreement = agreement(runbook, query);
                let scaled = if best > 0.0 { lexical.score / best } else { 0.0 };
                let text = similarity.map_or(scaled, |similarity| combine(&[(LEXICAL, scaled), (weight, similarity)]));
                let score = rounded(combine(&[(1.0, text), (CATEGORY, agreement)]));
                Some(Row { number, fired, lexical, agreement, score, similarity })
            })
            .collect();
        rows.sort_by(|a, b| {
            let strength = b.fired.strongest.cmp(&a.fired.strongest);
            strength.then_with(|| b.score.total_cmp(&a.score)).then_with(|| a.number.cmp(&b.number))
        });
        let highest = Highest::of(rows.iter().map(|row| row.score));
        let nearest = Highest::of(rows.iter().map(|row| row.similarity.unwrap_or(0.0)));
        let most_words = Highest::of(rows.iter().map(|row| row.lexical.score));
        let top = rows.first().map_or(Trigger::None, |row| row.fired.strongest);
        let rivals = rows.iter().filter(|row| row.fired.strongest == top).count();
        rows.into_iter()
            .enumerate()
            .map(|(place, row)| {
                // Two runbooks picked with equal force say nothing of which one is right.
                let exact = if row.fired.strongest == top && rivals == 1 { top } else { Trigger::None };
                let meaning = row.similarity.map(|similarity| Nearness {
                    similarity,
                    margin: similarity - nearest.but(place),
                    both_first: nearest.place == place && most_words.place == place,
                });
                let features = Features::new(exact, row.score - highest.but(place), &row.lexical, row.agreement, meaning);
                let mut because = row.fired.because;
                if place < SHOWN {
                    let terms = self.index.explain(&text, row.number).into_iter().take(TERMS_SHOWN);
                    because.extend(terms.map(|(term, field, weight)| Evidence::Term { term, field: field.to_owned(), weight }));
                }
                Standing { number: row.number, score: row.score, features, trigger: row.fired.strongest, because }
            })
            .collect()
    }
}

struct Row {
    number: usize,
    fired: Fired,
    lexical: Scored,
    agreement: f64,
    score: f64,
    similarity: Option<f64>,
}

/// The best score of all rows but one.
struct Highest {
    place: usize,
    first: f64,
    second: f64,
}

impl Highest {
    fn of(scores: impl Iterator<Item = f64>) -> Self {
        scores.enumerate().fold(Self { place: usize::MAX, first: 0.0, second: 0.0 }, |best, (place, score)| {
            if score > best.first {
                Self { place, first: score, second: best.first }
            } else {
                Self { second: best.second.max(score), ..best }
            }
        })
    }

    fn but(&self, place: usize) -> f64 {
        if place == self.place { self.second } else { self.first }
    }
}

/// What is searched for: the alert's name, the title and the body.
fn searched(query: &Query<'_>) -> String {
    // Senders that put the name into the title too do not get it counted twice.
    let name = query.label("alertname").filter(|name| !query.title.contains(name)).unwrap_or_default();
    format!("{name}\n{}\n{}", query.title, query.body)
}

/// Turns standings into an answer with probabilities.
pub(crate) fn answer(standings: Vec<Standing>, runbooks: &[&Runbook], calibration: &Calibration) -> Ranking {
    let candidates: Vec<Candidate> = standings
        .into_iter()
        .take(SHOWN)
        .map(|standing| {
            let runbook = runbooks[standing.number];
            Candidate {
                runbook: runbook.id.clone(),
                title: runbook.title.clone(),
                digest: runbook.digest,
                // An exact trigger stands above any text score: the console shows one number that sorts.
                score: standing.score + f64::from(standing.trigger as u8),
                fit: calibration.probability(&standing.features),
                because: standing.because,
            }
        })
        .collect();
    let proposed = candidates.first().filter(|best| best.fit >= calibration.threshold()).cloned();
    Ranking { proposed, candidates, threshold: calibration.threshold() }
}

/// What meaning counts beside words. A table of word pieces says little that the words do not; a sentence model does.
/// Chosen on development queries of alert runbooks and of support articles.
fn semantic_weight(kind: EmbeddingKind) -> f64 {
    match kind {
        EmbeddingKind::Static => 0.2,
        EmbeddingKind::Minilm => 0.5,
    }
}

/// The weighted mean of scores between 0 and 1.
fn combine(parts: &[(f64, f64)]) -> f64 {
    parts.iter().map(|(weight, score)| weight * score).sum::<f64>() / parts.iter().map(|(weight, _)| weight).sum::<f64>()
}

/// 1 when the ticket's category is one the runbook is for, 0 when it is not, ½ when either does not say.
fn agreement(runbook: &Runbook, query: &Query<'_>) -> f64 {
    match query.category {
        Some(category) if !runbook.categories.is_empty() => f64::from(u8::from(runbook.categories.contains(category))),
        _ => 0.5,
    }
}

/// What of a runbook is searched: its names, its symptoms and examples, its prose.
fn texts(runbook: &Runbook) -> Texts {
    let names = runbook.triggers.alertnames.iter().map(String::as_str);
    let title = std::iter::once(runbook.title.as_str()).chain(names).collect::<Vec<_>>().join("\n");
    let symptoms = runbook.symptoms.iter().chain(&runbook.examples.matching).map(String::as_str).collect::<Vec<_>>().join("\n");
    [title, symptoms, runbook.body.clone()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{
        domain::{name::RunbookId, recommendation::Evidence, untrusted::Untrusted},
        runbook::{
            Query,
            library::shipped,
            query::{same_span, text_query},
        },
    };

    fn id(text: &str) -> RunbookId {
        RunbookId::new(text).unwrap()
    }

    #[test]
    fn an_alert_name_beats_any_words() {
        let labels = BTreeMap::from([("alertname".to_owned(), Untrusted::from("KubeNodeNotReady"))]);
        let nothing = BTreeMap::new();
        let query = Query {
            title: "printer spooler queue print jobs",
            body: "",
            labels: &labels,
            attributes: &nothing,
            requester: None,
            category: None,
            span_of: &same_span,
        };
        let ranking = shipped().rank(&query);
        let best = ranking.proposed.unwrap();
        assert_eq!(best.runbook, id("cordon-node"));
        assert_eq!(best.because[0], Evidence::AlertName { name: "KubeNodeNotReady".to_owned() });
        assert!(ranking.candidates.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }

    #[test]
    fn siblings_are_told_apart_and_not_patterns_rule_out() {
        let library = shipped();
        let first = |text: &str| text_query(text, None, |query| library.rank(query)).candidates[0].runbook.clone();
        assert_eq!(first("disk full on app-02"), id("clean-temporary-files"));
        assert_eq!(first("no space left on device on app-02 but df shows space, inodes at 100%"), id("clear-session-files"));
        let toner = text_query("spooler stopped, and order toner", None, |query| library.rank(query));
        assert!(toner.candidates.iter().all(|c| c.runbook != id("restart-print-spooler")), "{toner:?}");
    }

    #[test]
    fn nothing_is_proposed_for_what_no_runbook_is_for_and_five_are_still_shown() {
        let library = shipped();
        for text in ["what is for lunch in the canteen on friday", "the coffee machine on the third floor leaks", "xyzzy", ""] {
            let ranking = text_query(text, None, |query| library.rank(query));
            assert_eq!(ranking.proposed, None, "{text}");
            assert!(ranking.candidates.len() <= 5);
        }
        let ranking = text_query("my printer at the office on the third floor is slow", None, |query| library.rank(query));
        assert_eq!(ranking.candidates.len(), 5);
    }

    #[test]
    fn probabilities_stay_within_bounds_and_a_ranking_repeats_itself() {
        let library = shipped();
        for runbook in library.iter() {
            for example in &runbook.examples.matching {
                let ask = || text_query(example, runbook.categories.first().map(String::as_str), |query| library.rank(query));
                let ranking = ask();
                assert!(ranking.candidates.iter().all(|c| (0.0..=1.0).contains(&c.fit) && c.score.is_finite()));
                assert_eq!(ranking, ask());
                assert_eq!(ranking.proposed.map(|c| c.runbook), Some(runbook.id.clone()), "{example}");
            }
        }
    }
}
