//! Which corrections the next training learns from. Decided over all of them at once, so it needs no state of its own.
//!
//! Somebody who wants the model to fail has labels to give and nothing else. So: the last word of a person counts once; persons
//! who disagree about near-equal tickets have to settle it; what contradicts a model that was sure needs a second person;
//! an author who mostly does that is not learned from; and nobody, however right, gives more than a share of a label. What
//! does not pass is kept aside with the reason, for another person to keep or discard. The last wall is not here: a model
//! that lost on the frozen texts is not promoted.
// INVARIANT: a correction more of one person never makes more than the caps of that person pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{feedback::Feedback, name::PersonId, principal::Role};

/// The bounds. The defaults are what `docs/feedback.md` has figures for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeedbackRules {
    /// Of the examples that the model in force learned a label from, one person may add this share, in `0..=1`.
    pub share: f64,
    /// And so many in any case: new labels have few examples.
    pub least: usize,
    /// From this probability on the model counts as sure, in `0..=1`.
    pub sure: f64,
    /// Share of a person's corrections that may contradict a sure model, in `0..=1`; looked at from ten on.
    pub contrary: f64,
}

impl Default for FeedbackRules {
    fn default() -> Self {
        Self { share: 0.1, least: 5, sure: 0.9, contrary: 0.34 }
    }
}

/// Corrections of one person below which a share says nothing.
const FEWEST: usize = 10;

/// What becomes of one correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// The next training learns from it.
    Passes,
    /// Its author said something else of the same ticket later.
    Replaced,
    /// Kept aside until another person rules.
    Quarantined { reason: String },
    /// Another person keeps it: training learns from it.
    Kept,
    /// Another person discarded it.
    Discarded,
}

impl Standing {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Replaced => "replaced",
            Self::Quarantined { .. } => "quarantined",
            Self::Kept => "kept",
            Self::Discarded => "discarded",
        }
    }

    pub const fn is_learned_from(&self) -> bool {
        matches!(self, Self::Passes | Self::Kept)
    }
}

/// Who approves changes has more to answer for than who works tickets.
fn weight(correction: &Feedback) -> u32 {
    if correction.roles.iter().any(|role| matches!(role, Role::Approver | Role::Admin)) { 2 } else { 1 }
}

/// How many examples of each label the model in force learned from, by target and label.
pub type Learned = BTreeMap<String, BTreeMap<String, usize>>;

/// What becomes of each of `corrections`, place by place.
pub fn assess(corrections: &[Feedback], learned: &Learned, rules: &FeedbackRules) -> Vec<Standing> {
    let mut standings = vec![Standing::Passes; corrections.len()];
    let mut order: Vec<usize> = (0..corrections.len()).collect();
    order.sort_by_key(|place| (corrections[*place].at, corrections[*place].id));

    // The last word of each person on each ticket, in the order of time.
    let mut last: BTreeMap<(String, &str, &PersonId), usize> = BTreeMap::new();
    for place in &order {
        let correction = &corrections[*place];
        if let Some(before) = last.insert((correction.ticket.to_string(), &correction.target, &correction.by), *place) {
            standings[before] = Standing::Replaced;
        }
    }
    order.retain(|place| standings[*place] == Standing::Passes);
    for place in &order {
        if let Some(ruling) = &corrections[*place].ruling {
            standings[*place] = if ruling.kept { Standing::Kept } else { Standing::Discarded };
        }
    }
    let open: Vec<usize> = order.into_iter().filter(|place| standings[*place] == Standing::Passes).collect();

    let mut quarantine = |place: usize, reason: String| {
        if standings[place] == Standing::Passes {
            standings[place] = Standing::Quarantined { reason };
        }
    };
    let votes = Votes::count(open.iter().map(|place| &corrections[*place]));
    let mut by_author: BTreeMap<&PersonId, (Vec<usize>, usize)> = BTreeMap::new();
    for place in &open {
        let correction = &corrections[*place];
        let contrary = correction.probability >= rules.sure && correction.said.as_ref().is_some_and(|said| *said != correction.label);
        let author = by_author.entry(&correction.by).or_default();
        author.0.push(*place);
        author.1 += usize::from(contrary);
        match votes.of(correction) {
            Vote::Outvoted(label) => quarantine(*place, format!("others who weigh more say `{label}` of tickets like this")),
            Vote::Tied => quarantine(*place, "persons disagree about tickets like this".to_owned()),
            Vote::Alone if contrary => {
                let said = correction.said.as_deref().unwrap_or_default();
                let sure = correction.probability * 100.0;
                quarantine(*place, format!("the model was {sure:.0} % sure of `{said}`, and nobody else says `{}`", correction.label));
            }
            Vote::Alone | Vote::Agreed => {}
        }
    }
    for (person, (places, contrary)) in by_author {
        if places.len() >= FEWEST && contrary as f64 > rules.contrary * places.len() as f64 {
            let reason = format!("{contrary} of {} corrections of `{person}` contradict a model that was sure", places.len());
            places.into_iter().for_each(|place| quarantine(place, reason.clone()));
        }
    }
    // Last, so that what is aside already uses up no cap.
    let total: BTreeMap<&str, usize> = learned.iter().map(|(target, labels)| (target.as_str(), labels.values().sum())).collect();
    let most = |examples: usize| rules.least.max((examples as f64 * rules.share) as usize);
    let mut of_label: BTreeMap<(&PersonId, &str, &str), usize> = BTreeMap::new();
    let mut of_target: BTreeMap<(&PersonId, &str), usize> = BTreeMap::new();
    for place in open {
        let Feedback { by, target, label, .. } = &corrections[place];
        if standings[place] != Standing::Passes {
            continue;
        }
        let examples = learned.get(target).and_then(|labels| labels.get(label)).copied().unwrap_or(0);
        let (given, all) = (of_label.entry((by, target, label)).or_default(), of_target.entry((by, target)).or_default());
        let (most_of_label, most_of_target) = (most(examples), most(total.get(target.as_str()).copied().unwrap_or(0)));
        if *given >= most_of_label {
            standings[place] =
                Standing::Quarantined { reason: format!("`{by}` gave {given} examples of `{label}`, which is the most of one person") };
        } else if *all >= most_of_target {
            standings[place] =
                Standing::Quarantined { reason: format!("`{by}` gave {all} corrections of `{target}`, which is the most of one person") };
        } else {
            *given += 1;
            *all += 1;
        }
    }
    standings
}

enum Vote<'a> {
    /// Nobody else said anything of tickets like this.
    Alone,
    /// Somebody else says the same, and nobody of more weight another.
    Agreed,
    Outvoted(&'a str),
    Tied,
}

/// Who says what of near-equal tickets. Each person has one vote for a label, however many tickets they say it of.
struct Votes<'a>(BTreeMap<(String, &'a str), ByLabel<'a>>);

/// The persons who say a label, with their weights.
type ByLabel<'a> = BTreeMap<&'a str, BTreeMap<&'a PersonId, u32>>;

impl<'a> Votes<'a> {
    fn count(corrections: impl Iterator<Item = &'a Feedback>) -> Self {
        let mut votes: BTreeMap<(String, &str), ByLabel<'_>> = BTreeMap::new();
        for correction in corrections {
            let labels = votes.entry((correction.shape.to_string(), &correction.target)).or_default();
            labels.entry(&correction.label).or_default().insert(&correction.by, weight(correction));
        }
        Self(votes)
    }

    fn of(&self, correction: &Feedback) -> Vote<'a> {
        let Some(labels) = self.0.get(&(correction.shape.to_string(), correction.target.as_str())) else { return Vote::Alone };
        let weigh = |label: &str| labels.get(label).map_or(0, |persons| persons.values().sum::<u32>());
        let mine = weigh(&correction.label);
        let others = labels.keys().filter(|label| **label != correction.label);
        let strongest = others.map(|label| (weigh(label), *label)).max();
        let persons: BTreeSet<&PersonId> =
            labels.get(correction.label.as_str()).into_iter().flat_map(|persons| persons.keys().copied()).collect();
        match strongest {
            Some((weight, label)) if weight > mine => Vote::Outvoted(label),
            Some((weight, _)) if weight == mine => Vote::Tied,
            _ if persons.len() > 1 => Vote::Agreed,
            _ => Vote::Alone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        digest::Digest,
        feedback::Ruling,
        id::{FeedbackId, TicketId},
        name::TenantId,
        time::Timestamp,
    };

    fn given(number: u128, by: &str, label: &str, probability: f64) -> Feedback {
        let at = Timestamp::from_millis(number as i64);
        Feedback {
            form: Feedback::FORM,
            id: FeedbackId::new(at, number),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, number),
            ticket_version: 1,
            shape: Digest::of(&number.to_le_bytes()),
            target: "category".to_owned(),
            label: label.to_owned(),
            said: Some("mail".to_owned()),
            probability,
            model: Digest::of(b"model"),
            by: PersonId::new(by).unwrap(),
            roles: vec![Role::Responder],
            at,
            ruling: None,
            revision: 1,
        }
    }

    fn learned(examples: usize) -> Learned {
        let labels = ["mail", "vpn", "printer"].map(|label| (label.to_owned(), examples));
        BTreeMap::from([("category".to_owned(), labels.into_iter().collect())])
    }

    fn judged(corrections: &[Feedback]) -> Vec<&'static str> {
        assess(corrections, &learned(100), &FeedbackRules::default()).iter().map(Standing::as_str).collect()
    }

    #[test]
    fn a_correction_of_an_unsure_answer_passes_and_the_last_word_counts() {
        let first = given(1, "ana", "vpn", 0.5);
        let mut second = Feedback { label: "printer".to_owned(), ..given(2, "ana", "printer", 0.5) };
        second.ticket = first.ticket;
        assert_eq!(judged(&[second, first]), ["passes", "replaced"]);
    }

    #[test]
    fn what_contradicts_a_sure_model_needs_a_second_person() {
        let alone = given(1, "ana", "vpn", 0.97);
        assert_eq!(judged(std::slice::from_ref(&alone)), ["quarantined"]);
        let other = Feedback { shape: alone.shape, ..given(2, "ben", "vpn", 0.97) };
        assert_eq!(judged(&[alone, other]), ["passes", "passes"]);
    }

    #[test]
    fn persons_who_disagree_wait_and_an_approver_outvotes_a_responder() {
        let one = given(1, "ana", "vpn", 0.5);
        let mut other = Feedback { shape: one.shape, ..given(2, "ben", "printer", 0.5) };
        assert_eq!(judged(&[one.clone(), other.clone()]), ["quarantined", "quarantined"]);
        other.roles = vec![Role::Approver];
        assert_eq!(judged(&[one, other]), ["quarantined", "passes"]);
    }

    #[test]
    fn nobody_gives_more_than_their_share_of_a_label() {
        let flood: Vec<Feedback> = (1..=40).map(|number| given(number, "ana", "vpn", 0.5)).collect();
        assert_eq!(judged(&flood).iter().filter(|standing| **standing == "passes").count(), 10);
        let many: Vec<Feedback> =
            (1..=90).map(|number| given(number, "ana", ["vpn", "printer", "mail"][number as usize % 3], 0.5)).collect();
        assert_eq!(judged(&many).iter().filter(|standing| **standing == "passes").count(), 30);
    }

    #[test]
    fn an_author_who_mostly_contradicts_a_sure_model_is_not_learned_from() {
        let mut all: Vec<Feedback> = (1..=6).map(|number| given(number, "eve", "vpn", 0.99)).collect();
        all.extend((7..=12).map(|number| given(number, "eve", "vpn", 0.5)));
        all.extend((13..=20).map(|number| given(number, "ana", "vpn", 0.5)));
        let standings = judged(&all);
        assert!(standings[..12].iter().all(|standing| *standing == "quarantined"), "{standings:?}");
        assert!(standings[12..].iter().all(|standing| *standing == "passes"));
    }

    #[test]
    fn what_another_person_ruled_stands_and_uses_up_no_cap() {
        let ruling =
            |kept| Some(Ruling { kept, by: PersonId::new("olu").unwrap(), at: Timestamp::from_millis(9), reason: "seen".to_owned() });
        let kept = Feedback { ruling: ruling(true), ..given(1, "ana", "vpn", 0.99) };
        let discarded = Feedback { ruling: ruling(false), ..given(2, "ana", "vpn", 0.2) };
        assert_eq!(judged(&[kept, discarded]), ["kept", "discarded"]);
    }

    proptest::proptest! {
        #[test]
        fn no_flood_of_one_person_passes_the_caps(labels in proptest::collection::vec((0usize..3, 0.0f64..1.0), 1..200)) {
            let flood: Vec<Feedback> = labels.iter().enumerate().map(|(number, (label, probability))| given(number as u128 + 1, "eve", ["mail", "vpn", "printer"][*label], *probability)).collect();
            let standings = judged(&flood);
            for label in ["mail", "vpn", "printer"] {
                let passed = flood.iter().zip(&standings).filter(|(one, standing)| one.label == label && **standing == "passes").count();
                proptest::prop_assert!(passed <= 10);
            }
        }
    }
}
