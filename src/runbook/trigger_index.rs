//! Which runbooks' triggers are worth trying on a ticket: names and labels by look-up, patterns by the letters they need.
//!
//! A pattern can only match a text that has one of the literals it needs (the idea of RE2's FilteredRE2); one
//! automaton finds all literals of all patterns in one pass, so thousands of patterns cost what a few do.
// INVARIANT: a runbook that is left out has no trigger that fires and no `not_patterns` that match.

use std::collections::{BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, MatchKind};
use regex_syntax::hir::{Hir, HirKind, literal::Extractor};

use super::query::Query;
use crate::domain::runbook::Triggers;

/// Shorter literals are in every text.
const SHORTEST: usize = 2;
/// More literals for one pattern are no filter.
const MOST: usize = 256;

#[derive(Debug, Clone, Default)]
pub(crate) struct TriggerIndex {
    alertnames: HashMap<String, Vec<usize>>,
    /// One label of each set of labels, with its value: the others are compared when it is there.
    labels: HashMap<(String, String), Vec<usize>>,
    literals: Option<AhoCorasick>,
    /// Slots of each literal of the automaton.
    slots: Vec<Vec<usize>>,
    /// Slots whose patterns have no literal to wait for.
    always: BTreeSet<usize>,
}

impl TriggerIndex {
    pub(crate) fn new<'a>(triggers: impl Iterator<Item = (usize, &'a Triggers)>) -> Self {
        let mut index = Self::default();
        let mut literals: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (slot, triggers) in triggers {
            for name in &triggers.alertnames {
                index.alertnames.entry(name.clone()).or_default().push(slot);
            }
            if let Some((name, value)) = triggers.labels.iter().next() {
                index.labels.entry((name.clone(), value.clone())).or_default().push(slot);
            }
            for pattern in triggers.patterns.iter().chain(&triggers.not_patterns) {
                match needed(pattern) {
                    Some(needed) => needed.into_iter().for_each(|literal| literals.entry(literal).or_default().push(slot)),
                    None => drop(index.always.insert(slot)),
                }
            }
        }
        let mut literals: Vec<(Vec<u8>, Vec<usize>)> = literals.into_iter().collect();
        literals.sort();
        let automaton =
            AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(literals.iter().map(|(l, _)| l));
        match automaton {
            Ok(automaton) => {
                index.literals = Some(automaton);
                index.slots = literals.into_iter().map(|(_, slots)| slots).collect();
            }
            // Too many literals for one automaton: then every pattern is tried.
            Err(_) => index.always.extend(literals.into_iter().flat_map(|(_, slots)| slots)),
        }
        index
    }

    /// The slots whose triggers may fire or rule out.
    pub(crate) fn possible(&self, query: &Query<'_>) -> BTreeSet<usize> {
        let mut possible = self.always.clone();
        if let Some(slots) = query.label("alertname").and_then(|name| self.alertnames.get(name)) {
            possible.extend(slots);
        }
        if !self.labels.is_empty() {
            for (name, value) in query.labels {
                possible.extend(self.labels.get(&(name.clone(), value.as_untrusted().to_owned())).into_iter().flatten());
            }
        }
        if let Some(automaton) = &self.literals {
            let mut seen = vec![false; self.slots.len()];
            for (_, text) in query.fields() {
                for found in automaton.find_overlapping_iter(text) {
                    if !std::mem::replace(&mut seen[found.pattern().as_usize()], true) {
                        possible.extend(&self.slots[found.pattern().as_usize()]);
                    }
                }
            }
        }
        possible
    }
}

/// Literals of which every match has one, in ASCII lower case; `None` when there is no such list.
///
/// Of a pattern like `disk.*(inode|i-node)` each part has a list of its own; the one with the longest literals is taken,
/// because it is in the fewest texts.
fn needed(pattern: &str) -> Option<BTreeSet<Vec<u8>>> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let mut parts: Vec<Vec<Hir>> = vec![Vec::new()];
    flatten(&hir, &mut parts);
    let shortest = |literals: &BTreeSet<Vec<u8>>| literals.iter().map(Vec::len).min().unwrap_or(0);
    parts
        .into_iter()
        .filter_map(|part| {
            let literals = Extractor::new().limit_total(MOST).extract(&Hir::concat(part));
            let literals: BTreeSet<Vec<u8>> = literals.literals()?.iter().map(|l| l.as_bytes().to_ascii_lowercase()).collect();
            (shortest(&literals) >= SHORTEST).then_some(literals)
        })
        .max_by_key(|literals| (shortest(literals), std::cmp::Reverse(literals.len())))
}

/// The pattern as runs of neighbours that every match has, cut where anything may stand between.
fn flatten(hir: &Hir, parts: &mut Vec<Vec<Hir>>) {
    match hir.kind() {
        HirKind::Concat(inner) => inner.iter().for_each(|hir| flatten(hir, parts)),
        HirKind::Capture(capture) => flatten(&capture.sub, parts),
        HirKind::Repetition(_) => parts.push(Vec::new()),
        // A border takes no letters.
        HirKind::Look(_) | HirKind::Empty => {}
        HirKind::Literal(_) | HirKind::Class(_) | HirKind::Alternation(_) => {
            parts.last_mut().expect("there is always one run").push(hir.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runbook::{query::text_query, triggers::Compiled};

    fn patterns(patterns: &[&str]) -> Triggers {
        Triggers { patterns: patterns.iter().map(|p| (*p).to_owned()).collect(), ..Triggers::default() }
    }

    #[test]
    fn a_pattern_waits_for_its_letters_in_any_case() {
        let all = [patterns(&[r"(?i)\bspooler\b.*\b(stopped|hung)\b"]), patterns(&[r"(?i)(vpn|tunnel)"]), patterns(&["[0-9]+.*[a-z]"])];
        let index = TriggerIndex::new(all.iter().enumerate());
        let possible = |text: &str| text_query(text, None, |query| index.possible(query)).into_iter().collect::<Vec<_>>();
        assert_eq!(possible("The SPOOLER hung"), [0, 2]);
        assert_eq!(possible("my Tunnel drops"), [1, 2]);
        assert_eq!(possible("nothing"), [2], "a pattern that needs no letters is always tried");
    }

    #[test]
    fn most_shipped_patterns_wait_for_letters() {
        let library = crate::runbook::library::shipped();
        let all: Vec<&Triggers> = library.iter().map(|runbook| &runbook.triggers).collect();
        let index = TriggerIndex::new(all.iter().copied().enumerate());
        assert!(index.always.len() * 4 < all.len(), "{} of {} are always tried", index.always.len(), all.len());
    }

    proptest! {
        #[test]
        fn what_is_left_out_would_not_have_fired(
            words in proptest::collection::vec("[abkſß]{1,4}", 1..4),
            text in "[abkABKſKß ]{0,30}",
            between in proptest::sample::select(vec!["", "a.*", "(ab)?", "b+", "(?:a|kb) ", "[ab]{2}", "\\b"]),
            insensitive in any::<bool>(),
        ) {
            let pattern = format!("{}{}(?:{})", if insensitive { "(?i)" } else { "" }, between, words.join("|"));
            let triggers = patterns(&[&pattern]);
            let compiled = Compiled::new(&triggers).unwrap();
            let index = TriggerIndex::new(std::iter::once((0, &triggers)));
            let (possible, fires) = text_query(&text, None, |query| {
                (index.possible(query).contains(&0), compiled.fire(&triggers, query).strongest > crate::runbook::triggers::Trigger::None)
            });
            prop_assert!(possible || !fires, "{} in {}", pattern, text);
        }
    }
}
