//! From a ticket to runbooks in order: exact triggers first, then a weighted combination of scorers.
//!
//! INVARIANT: a runbook whose `not_patterns` match is never a candidate. The same library and the same
//! query give the same ranking, ties broken by id.

use std::sync::Arc;

use super::{
    calibration::{Calibration, Features},
    index::{Index, Scored, Texts, rounded},
    parse::Sheet,
    query::Query,
    triggers::{Compiled, Fired, Trigger},
};
use crate::domain::{
    recommendation::{Candidate, Evidence},
    runbook::Runbook,
};

/// How many candidates an answer shows.
const SHOWN: usize = 5;
/// Terms listed as evidence for one candidate.
const TERMS_SHOWN: usize = 6;
/// Weights of the scorers, each scaled to `0..=1` over the library before it is weighted.
const LEXICAL: f64 = 1.0;
const CATEGORY: f64 = 0.15;

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
    because: Vec<Evidence>,
}

impl Matcher {
    pub(crate) fn new<'a>(sheets: impl Iterator<Item = &'a Sheet> + Clone) -> Self {
        let documents: Vec<Texts> = sheets.clone().map(|sheet| texts(&sheet.runbook)).collect();
        Self { index: Index::new(&documents), triggers: sheets.map(|sheet| Arc::clone(&sheet.compiled)).collect() }
    }

    /// Every runbook that is not ruled out and has any reason to be here, best first.
    pub(crate) fn standings<'a>(&self, runbooks: impl Iterator<Item = &'a Runbook>, query: &Query<'_>) -> Vec<Standing> {
        let lexical = self.index.score(&format!("{}\n{}", query.title, query.body));
        let mut rows: Vec<(usize, Fired, Scored, f64)> = runbooks
            .zip(&self.triggers)
            .zip(lexical)
            .enumerate()
            .map(|(number, ((runbook, triggers), scored))| (number, triggers.fire(runbook, query), scored, agreement(runbook, query)))
            .filter(|(_, fired, scored, _)| !fired.excluded && (fired.strongest > Trigger::None || scored.score > 0.0))
            .collect();
        let best = rows.iter().map(|(_, _, scored, _)| scored.score).fold(0.0, f64::max);
        let combined = |scored: &Scored, agreement: f64| {
            let lexical = if best > 0.0 { scored.score / best } else { 0.0 };
            rounded(combine(&[(LEXICAL, lexical), (CATEGORY, agreement)]))
        };
        rows.sort_by(|a, b| {
            let score = |row: &(usize, Fired, Scored, f64)| combined(&row.2, row.3);
            b.1.strongest.cmp(&a.1.strongest).then_with(|| score(b).total_cmp(&score(a))).then_with(|| a.0.cmp(&b.0))
        });
        let scores: Vec<f64> = rows.iter().map(|row| combined(&row.2, row.3)).collect();
        let top = rows.first().map_or(Trigger::None, |row| row.1.strongest);
        let rivals = rows.iter().filter(|row| row.1.strongest == top && top > Trigger::None).count();
        rows.into_iter()
            .enumerate()
            .map(|(place, (number, fired, scored, agreement))| {
                let other = scores.iter().enumerate().filter(|(index, _)| *index != place).map(|(_, s)| *s).fold(0.0, f64::max);
                // Two runbooks picked with equal force say nothing of which one is right.
                let exact = if fired.strongest == top && rivals == 1 { fired.strongest } else { Trigger::None };
                let features = Features::new(exact, scores[place] - other, &scored, agreement);
                let mut because = fired.because;
                because.extend(
                    scored.terms.iter().take(TERMS_SHOWN).map(|(term, field, weight)| Evidence::Term {
                        term: term.clone(),
                        field: (*field).to_owned(),
                        weight: rounded(*weight),
                    }),
                );
                Standing { number, score: scores[place], features, trigger: fired.strongest, because }
            })
            .collect()
    }
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
