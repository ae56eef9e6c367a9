//! May a candidate take the place of the model in force? Both answer the same frozen texts.
//!
//! A text that both get right, or both wrong, says nothing of which is better. Of the others, those that the candidate lost
//! against those that it gained are an exact one-sided McNemar test, for each label and for each target as a whole. No
//! correction for the number of labels: a refusal too many costs a second look, a promotion too many costs wrong tickets.
// INVARIANT: the frozen texts are learned from by neither; `train` leaves out what is among them.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    TriageError,
    engine::Triage,
    examples::{self, Example},
    measure,
};
use crate::{domain::digest::Digest, text::CleanTicket};

/// What counts as a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromotionBar {
    /// Labels with fewer frozen texts are not looked at by themselves: nothing could be shown of them.
    pub floor: usize,
    /// A loss that chance gives less often than this is one, in `0..1`.
    pub level: f64,
}

/// One label, or a whole target: frozen texts, and how many of them each model got right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    pub texts: usize,
    pub right_before: usize,
    pub right_after: usize,
    /// Right before, wrong after.
    pub lost: usize,
    /// Wrong before, right after.
    pub gained: usize,
    /// How often chance alone gives such a loss between equal models.
    pub chance: f64,
}

/// The candidate against the model in force, target by target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Comparison {
    /// Of the frozen file.
    pub frozen: Digest,
    pub targets: BTreeMap<String, TargetChange>,
    /// Why the candidate must not take the place; empty when it may.
    pub refusals: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TargetChange {
    pub all: Change,
    /// By label.
    pub labels: BTreeMap<String, Change>,
}

#[derive(Default)]
struct Count {
    texts: usize,
    before: usize,
    after: usize,
    lost: usize,
    gained: usize,
}

impl Count {
    fn add(&mut self, before: bool, after: bool) {
        self.texts += 1;
        self.before += usize::from(before);
        self.after += usize::from(after);
        self.lost += usize::from(before && !after);
        self.gained += usize::from(!before && after);
    }

    fn change(&self) -> Change {
        let chance = measure::sign_test(self.lost, self.lost + self.gained);
        Change { texts: self.texts, right_before: self.before, right_after: self.after, lost: self.lost, gained: self.gained, chance }
    }
}

/// Compares `candidate` with `in_force` on the labelled texts in `frozen`.
///
/// # Errors
/// The file cannot be read or has a bad line, or none of its texts has a label of a target of the model in force.
pub fn compare(in_force: &Triage, candidate: &Triage, frozen: &Path, bar: PromotionBar) -> Result<Comparison, TriageError> {
    let (texts, digest) = examples::read(frozen)?;
    let mut refusals = Vec::new();
    let mut counts: BTreeMap<&str, (Count, BTreeMap<&str, Count>)> = BTreeMap::new();
    for Example { text, labels } in &texts {
        let (before, after) = (in_force.best(text), candidate.best(text));
        for (target, truth) in labels {
            let Some(said) = before.get(target.as_str()) else { continue };
            let right = |said: Option<&&str>| said.is_some_and(|said| said == truth);
            let (all, labels) = counts.entry(target).or_default();
            let (was, is) = (right(Some(said)), right(after.get(target.as_str())));
            all.add(was, is);
            labels.entry(truth).or_default().add(was, is);
        }
    }
    if counts.is_empty() {
        let why = format!("`{}` has no label of a target of the model in force, so nothing can be compared", frozen.display());
        return Err(TriageError::Training(why));
    }
    let targets: BTreeMap<String, TargetChange> = counts
        .into_iter()
        .map(|(target, (all, labels))| {
            let labels = labels.into_iter().map(|(label, count)| (label.to_owned(), count.change())).collect();
            (target.to_owned(), TargetChange { all: all.change(), labels })
        })
        .collect();
    for (target, change) in &targets {
        if !candidate.manifest().heads.contains_key(target) {
            refusals.push(format!("it has no target `{target}`, which the model in force has"));
            continue;
        }
        let mut judge = |what: String, change: &Change| {
            if change.chance <= bar.level {
                refusals.push(format!(
                    "{what}: {} of {} right, before {}; it loses {} and gains {}, which chance gives {:.1} times in 100",
                    change.right_after,
                    change.texts,
                    change.right_before,
                    change.lost,
                    change.gained,
                    change.chance * 100.0
                ));
            }
        };
        judge(format!("`{target}` as a whole"), &change.all);
        for (label, change) in change.labels.iter().filter(|(_, change)| change.texts >= bar.floor) {
            judge(format!("`{label}` of `{target}`"), change);
        }
    }
    Ok(Comparison { frozen: digest, targets, refusals })
}

/// Texts that nothing may learn from, by their words.
#[derive(Debug, Clone, Default)]
pub struct FrozenTexts(HashSet<Digest>);

impl FrozenTexts {
    /// # Errors
    /// The file cannot be read or has a bad line.
    pub fn load(path: &Path) -> Result<Self, TriageError> {
        Ok(Self(examples::read(path)?.0.iter().map(|example| words_of(&example.text)).collect()))
    }

    pub(super) fn has(&self, text: &CleanTicket) -> bool {
        self.0.contains(&words_of(text))
    }
}

/// The digest of the text's words, so that spaces, case and signs do not make another text of it.
fn words_of(text: &CleanTicket) -> Digest {
    let [title, body] = text.fields();
    let mut words = String::new();
    for word in
        [title.text(), body.text()].iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).filter(|word| !word.is_empty())
    {
        words.extend(word.chars().flat_map(char::to_lowercase));
        words.push(' ');
    }
    Digest::of(words.as_bytes())
}
