//! From a ticket to runbooks in order: exact triggers first, then a weighted combination of scorers.
//!
//! Words and meaning each name the runbooks worth a closer look; only those are scored in full, so the cost grows
//! slowly with the library. What a change of the library leaves alone is taken over, not made again.
//!
//! INVARIANT: a runbook whose `not_patterns` match is never a candidate. The same library and the same
//! query give the same ranking, ties broken by id, however the library came to be.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use super::{
    calibration::{Calibration, Features, Nearness},
    index::{Index, Scored, Texts, Wanted, rounded},
    parse::Sheet,
    query::Query,
    semantic::{Meaning, Passages, passages},
    trigger_index::TriggerIndex,
    triggers::{Fired, Trigger},
};
use crate::{
    domain::{
        name::RunbookId,
        recommendation::{Candidate, Evidence},
        runbook::Runbook,
    },
    text::embedding::EmbeddingKind,
};

/// How many candidates an answer shows.
const SHOWN: usize = 5;
/// Terms listed as evidence for one candidate.
const TERMS_SHOWN: usize = 6;
/// Runbooks that words, and again that meaning, bring to the closer look. A library of fewer is looked at whole.
const LOOKED_AT: usize = 256;
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

/// The runbooks made ready for ranking. A runbook keeps its slot until it goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matcher {
    slots: Vec<Option<Arc<Sheet>>>,
    places: BTreeMap<RunbookId, usize>,
    index: Index,
    passages: Option<Passages>,
    triggers: TriggerIndex,
}

/// One runbook's standing for one query, with what the calibration looks at.
#[derive(Debug, Clone)]
pub(crate) struct Standing<'a> {
    pub runbook: &'a Runbook,
    pub score: f64,
    pub features: Features,
    trigger: Trigger,
    /// Listed in full for the first five only.
    because: Vec<Evidence>,
}

impl Matcher {
    /// The matcher for `sheets`. What `self` has of a runbook whose searched text did not change is taken over.
    pub(crate) fn updated(&self, sheets: &BTreeMap<RunbookId, Arc<Sheet>>, meaning: Option<&Meaning>) -> Self {
        let mut next = self.clone();
        let keeps_vectors = match (&next.passages, meaning) {
            (Some(passages), Some(meaning)) => passages.is_of(meaning),
            (None, None) => true,
            _ => false,
        };
        if !keeps_vectors {
            next.passages = meaning.map(Passages::new);
        }
        let mut added = Vec::new();
        for (id, slot) in self.places.iter().map(|(id, slot)| (id, *slot)) {
            let Some(old) = &self.slots[slot] else { continue };
            if sheets.get(id).is_none_or(|new| !searched_alike(&old.runbook, &new.runbook)) {
                next.index.remove(slot, &texts(&old.runbook));
                next.slots[slot] = None;
                next.places.remove(id);
                if let Some(passages) = &mut next.passages {
                    passages.remove(slot);
                }
            }
        }
        let mut free: BTreeSet<usize> = (0..next.slots.len()).filter(|slot| next.slots[*slot].is_none()).collect();
        for (id, sheet) in sheets {
            let known = next.places.get(id).copied();
            let slot = known.or_else(|| free.pop_first()).unwrap_or(next.slots.len());
            if slot == next.slots.len() {
                next.slots.push(None);
            }
            if known.is_none() {
                next.index.insert(slot, &texts(&sheet.runbook));
                next.places.insert(id.clone(), slot);
            }
            if known.is_none() || !keeps_vectors {
                added.push((slot, &sheet.runbook));
            }
            next.slots[slot] = Some(Arc::clone(sheet));
        }
        next.index.settle();
        if let Some(passages) = &mut next.passages {
            passages.insert(&added);
        }
        next.triggers = TriggerIndex::new(next.sheets().map(|(slot, sheet)| (slot, &sheet.runbook.triggers)));
        next
    }

    fn sheets(&self) -> impl Iterator<Item = (usize, &Sheet)> {
        self.slots.iter().enumerate().filter_map(|(slot, sheet)| Some((slot, sheet.as_deref()?)))
    }

    /// Vectors that no file holds yet, and the file they belong into.
    pub(crate) fn to_keep(&self) -> Option<(PathBuf, Vec<u8>)> {
        self.passages.as_ref()?.to_keep()
    }

    #[cfg(test)]
    pub(crate) fn shares_vectors(&self, other: &Self, id: &RunbookId) -> bool {
        let stored = |matcher: &Self| matcher.passages.as_ref()?.stored(*matcher.places.get(id)?);
        matches!((stored(self), stored(other)), (Some(a), Some(b)) if Arc::ptr_eq(&a, &b))
    }

    /// The runbooks that have any reason to be here and are not ruled out, best first, as if `left_out` were not there.
    pub(crate) fn standings(&self, query: &Query<'_>, left_out: &dyn Fn(&Runbook) -> bool) -> Vec<Standing<'_>> {
        let text = searched(query);
        let wanted = Wanted::new(&text);
        let lexical = self.index.score(&wanted);
        let best = lexical.iter().map(|scored| scored.score).fold(0.0, f64::max);
        let meaning = self.passages.as_ref().filter(|_| !text.trim().is_empty()).map(|passages| (passages, passages.embed(&text)));
        let possible = self.triggers.possible(query);
        let mut slots = self.nearest(lexical.len(), |slot| lexical[slot].score);
        if let Some((passages, vector)) = &meaning {
            let coarse = passages.coarse(vector);
            slots.extend(self.nearest(coarse.len(), |slot| f64::from(coarse[slot])));
        }
        // What only a trigger brings is looked at when the trigger fires.
        let near = slots.clone();
        slots.extend(&possible);
        let weight = self.passages.as_ref().map_or(0.0, |passages| semantic_weight(passages.kind()));
        let mut rows: Vec<Row<'_>> = slots
            .into_iter()
            .filter_map(|slot| {
                let sheet = self.slots.get(slot)?.as_deref().filter(|sheet| !left_out(&sheet.runbook))?;
                let fires = possible.contains(&slot);
                let fired = if fires { sheet.compiled.fire(&sheet.runbook.triggers, query) } else { Fired::nothing() };
                if fired.excluded || (fired.strongest == Trigger::None && !near.contains(&slot)) {
                    return None;
                }
                let similarity = meaning.as_ref().map(|(passages, vector)| passages.nearest(vector, slot));
                let lexical = lexical.get(slot).copied().unwrap_or_default();
                if fired.strongest == Trigger::None && lexical.score <= 0.0 && similarity.unwrap_or(0.0) <= 0.0 {
                    return None;
                }
                let agreement = agreement(&sheet.runbook, query);
                let scaled = if best > 0.0 { lexical.score / best } else { 0.0 };
                let text = similarity.map_or(scaled, |similarity| combine(&[(LEXICAL, scaled), (weight, similarity)]));
                let score = rounded(combine(&[(1.0, text), (CATEGORY, agreement)]));
                Some(Row { slot, runbook: &sheet.runbook, fired, lexical, agreement, score, similarity })
            })
            .collect();
        rows.sort_by(|a, b| {
            let strength = b.fired.strongest.cmp(&a.fired.strongest);
            strength.then_with(|| b.score.total_cmp(&a.score)).then_with(|| a.runbook.id.cmp(&b.runbook.id))
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
                let nearness = row.similarity.map(|similarity| Nearness {
                    similarity,
                    margin: similarity - nearest.but(place),
                    both_first: nearest.place == place && most_words.place == place,
                });
                let features = Features::new(exact, row.score - highest.but(place), &row.lexical, row.agreement, nearness);
                let mut because = row.fired.because;
                if place < SHOWN {
                    let terms = self.index.explain(&wanted, row.slot).into_iter().take(TERMS_SHOWN);
                    because.extend(terms.map(|(term, field, weight)| Evidence::Term { term, field: field.to_owned(), weight }));
                    because.extend(match &meaning {
                        Some((passages, vector)) => {
                            let text = passages.nearest_passage(vector, row.slot, row.runbook);
                            text.zip(row.similarity).map(|(text, similarity)| Evidence::Passage { text, similarity })
                        }
                        None => self.passage_of_words(&wanted, row.runbook),
                    });
                }
                Standing { runbook: row.runbook, score: row.score, features, trigger: row.fired.strongest, because }
            })
            .collect()
    }

    /// The passage that has most of the query's weight in words; the first one of those alike.
    fn passage_of_words(&self, wanted: &Wanted, runbook: &Runbook) -> Option<Evidence> {
        let shares = passages(runbook).into_iter().map(|text| (self.index.share(wanted, &text), text));
        let best = shares.fold(None, |best: Option<(f64, String)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        });
        best.filter(|(similarity, _)| *similarity > 0.0).map(|(similarity, text)| Evidence::Passage { text, similarity })
    }

    /// The slots with the highest scores above zero, ties by id.
    fn nearest(&self, slots: usize, score: impl Fn(usize) -> f64) -> BTreeSet<usize> {
        let mut scored: Vec<(f64, usize)> = (0..slots).map(|slot| (score(slot), slot)).filter(|(score, _)| *score > 0.0).collect();
        if scored.len() > LOOKED_AT {
            let id = |slot: usize| self.slots[slot].as_ref().map(|sheet| &sheet.runbook.id);
            scored.select_nth_unstable_by(LOOKED_AT, |a, b| b.0.total_cmp(&a.0).then_with(|| id(a.1).cmp(&id(b.1))));
            scored.truncate(LOOKED_AT);
        }
        scored.into_iter().map(|(_, slot)| slot).collect()
    }
}

struct Row<'a> {
    slot: usize,
    runbook: &'a Runbook,
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
pub(crate) fn answer(standings: Vec<Standing<'_>>, calibration: &Calibration) -> Ranking {
    let candidates: Vec<Candidate> = standings
        .into_iter()
        .take(SHOWN)
        .map(|standing| {
            let runbook = standing.runbook;
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
        EmbeddingKind::Minilm => 1.5,
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

/// True when both are found by the same words.
fn searched_alike(a: &Runbook, b: &Runbook) -> bool {
    a.title == b.title
        && a.triggers.alertnames == b.triggers.alertnames
        && a.symptoms == b.symptoms
        && a.examples.matching == b.examples.matching
        && a.body == b.body
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
    use std::{collections::BTreeMap, path::Path, sync::Arc};

    use crate::{
        domain::{name::RunbookId, recommendation::Evidence, untrusted::Untrusted},
        runbook::{
            Known, Library, Meaning, Query,
            library::shipped,
            query::{same_span, text_query},
        },
        text::embedding::{CachedEmbedder, Embedder, EmbeddingKind},
    };

    fn id(text: &str) -> RunbookId {
        RunbookId::new(text).unwrap()
    }

    fn write(folder: &Path, id: &str, body: &str) {
        let text = format!("---\nid: {id}\ntitle: Look after {id}\nowner: team\nrisk: high\n---\n{body}\n");
        std::fs::write(folder.join(format!("{id}.md")), text).unwrap();
    }

    #[test]
    fn a_changed_runbook_alone_is_made_again_and_ranks_as_in_a_library_loaded_anew() {
        let embedder = Embedder::load(Path::new("models/embedding"), EmbeddingKind::Static).unwrap();
        let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let meaning = Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, 64)), kept_in: Some(kept.path().to_owned()) };
        let known = Known { meaning: Some(meaning), ..Known::default() };
        for (id, body) in
            [("spooler", "print queue stuck"), ("tunnel", "vpn drops"), ("inodes", "no inodes left"), ("certificate", "tls expires")]
        {
            write(folder.path(), id, body);
        }
        let first = Library::load(folder.path(), &known).unwrap();
        let (file, bytes) = first.to_keep().unwrap();
        std::fs::write(file, bytes).unwrap();
        assert!(Library::load(folder.path(), &known).unwrap().to_keep().is_none(), "all vectors come from the file");

        assert!(first.load_again(folder.path(), &known).unwrap().to_keep().is_none(), "nothing changed, nothing is written again");

        write(folder.path(), "tunnel", "wireguard handshake fails");
        std::fs::remove_file(folder.path().join("spooler.md")).unwrap();
        write(folder.path(), "toner", "printer wants toner");
        let again = first.load_again(folder.path(), &known).unwrap();
        let anew = Library::load(folder.path(), &known).unwrap();
        assert_eq!(again.digest(), anew.digest());
        for id in ["inodes", "certificate"] {
            assert!(again.shares_vectors(&first, &self::id(id)), "{id} was made again");
        }
        assert!(!again.shares_vectors(&first, &self::id("tunnel")));
        for text in ["print queue stuck", "vpn drops", "wireguard", "printer toner", "look after inodes", "tls", ""] {
            let rank = |library: &Library| text_query(text, None, |query| library.rank(query));
            assert_eq!(rank(&again), rank(&anew), "{text}");
            assert!(rank(&again).candidates.iter().all(|candidate| candidate.runbook != self::id("spooler")));
        }
    }

    #[test]
    fn evidence_names_the_terms_and_the_passage() {
        let embedder = Embedder::load(Path::new("models/embedding"), EmbeddingKind::Static).unwrap();
        let meaning = Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, 64)), kept_in: None };
        let near = Library::load(Path::new("runbooks"), &Known { meaning: Some(meaning), ..Known::default() }).unwrap();
        for library in [&near, shipped()] {
            names_its_evidence(library);
        }
    }

    fn names_its_evidence(library: &Library) {
        let ranking = text_query("nothing comes out of the printer, jobs are waiting", None, |query| library.rank(query));
        for candidate in &ranking.candidates {
            let passages: Vec<&str> = candidate
                .because
                .iter()
                .filter_map(|e| if let Evidence::Passage { text, .. } = e { Some(text.as_str()) } else { None })
                .collect();
            let runbook = library.get(&candidate.runbook).unwrap();
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let whole = words(&format!(
                "{}. {} {} {}",
                runbook.title,
                runbook.symptoms.join(" "),
                runbook.body,
                runbook.examples.matching.join(" ")
            ));
            assert_eq!(passages.len(), 1, "{candidate:?}");
            assert!(words(passages[0]).iter().all(|word| whole.contains(word)), "{} is not in {}", passages[0], runbook.id);
        }
        let best = &ranking.candidates[0];
        assert!(
            best.because.iter().any(|e| matches!(e, Evidence::Term { term, .. } if term.contains("jobs") || term.contains("comes"))),
            "{best:?}"
        );
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
