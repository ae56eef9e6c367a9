//! A situation in which a condition holds, or the certainty that there is none.
//!
//! The literals that a condition compares an attribute with cut its range into parts that no comparison tells
//! apart; one value of each part stands for all of it (E. Weyuker, T. Ostrand, "Theories of program testing and the
//! application of revealing subdomains", IEEE TSE 6, 1980). Over those finitely many values the search is
//! complete: it branches on what is not decided yet and turns back as soon as the condition is false.
// INVARIANT: `Answer::Never` is said only after every combination was excluded, so a condition read exactly is
// decided exactly, and one with opaque parts is never called impossible wrongly.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    condition::{Condition, Order, Subject, Test},
    situation::{self, ROLES, Range},
};

/// Combinations looked at before the search gives up; hundreds of rules over a few attributes stay far below.
const MOST: u32 = 100_000;

/// A value that stands for all that the condition does not tell apart from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Truth(bool),
    /// `None`: a text that the condition does not name.
    Text(Option<String>),
    Number(i64),
}

/// One situation, as far as the condition looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Example(pub BTreeMap<Subject, Value>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Example(Example),
    Never,
    /// Too many combinations.
    Undecided,
}

impl Answer {
    pub(super) fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// A situation in which all of `goals` hold.
pub(super) fn example(goals: &[&Condition]) -> Answer {
    let mut named = Named::default();
    goals.iter().for_each(|goal| named.read(goal));
    let always = situation::always(&|subject| named.subjects.contains(subject));
    let asked = named.subjects.clone();
    always.iter().for_each(|axiom| named.read(axiom));
    let all =
        Condition::All(goals.iter().map(|goal| named.grounded(goal)).chain(always.iter().map(|axiom| named.grounded(axiom))).collect());
    let mut space = Space::default();
    let goal = space.compiled(&all, &named);
    let mut chosen = vec![None; space.subjects.len()];
    let mut left = MOST;
    match space.search(&goal, &mut chosen, &mut left) {
        Some(true) => {
            let of = |(subject, values): (&Subject, &Vec<Value>), choice: Option<usize>| {
                let shown = match subject {
                    Subject::Member(name, _) => asked.contains(subject) || asked.contains(&Subject::Attribute(name)),
                    _ => asked.contains(subject),
                };
                Some((subject.clone(), values[choice.filter(|_| shown)?].clone()))
            };
            let subjects = space.subjects.iter().map(|(subject, values)| (subject, values));
            Answer::Example(Example(subjects.zip(chosen).filter_map(|(subject, choice)| of(subject, choice)).collect()))
        }
        Some(false) => Answer::Never,
        None => Answer::Undecided,
    }
}

/// Whether `test` holds for some value of the range of `subject`; `None` when the range has no bounds.
pub(super) fn can_hold(subject: &Subject, test: &Test) -> Option<bool> {
    let (Subject::Attribute(name) | Subject::Member(name, _)) = subject else { return None };
    match (range(name)?, test) {
        (Range::SetOf(known), Test::Holds) => match subject {
            Subject::Member(_, Some(element)) => Some(known.contains(&element.as_str())),
            _ => None,
        },
        (Range::OneOf(known), Test::Text(text)) => Some(known.contains(&text.as_str())),
        (Range::Whole(low, high), Test::Number(order, number)) => Some(match order {
            Order::Less => low < *number,
            Order::LessEqual => low <= *number,
            Order::Equal => (low..=high).contains(number),
            Order::Greater => high > *number,
            Order::GreaterEqual => high >= *number,
        }),
        _ => None,
    }
}

pub(super) fn range(name: &str) -> Option<Range> {
    if name == ROLES.0 { Some(ROLES.1) } else { situation::attribute(name).map(|(_, range)| range) }
}

/// What conditions speak of.
#[derive(Default)]
struct Named {
    subjects: BTreeSet<Subject>,
    texts: BTreeMap<Subject, BTreeSet<String>>,
    numbers: BTreeMap<Subject, BTreeSet<i64>>,
    elements: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Named {
    fn read(&mut self, condition: &Condition) {
        match condition {
            Condition::Always(_) => {}
            Condition::Not(inner) => self.read(inner),
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| self.read(part)),
            Condition::Is(subject, test) => {
                self.subjects.insert(subject.clone());
                if let Subject::Member(name, Some(element)) = subject {
                    self.elements.entry(name).or_default().insert(element.clone());
                }
                match (test, subject) {
                    (Test::Text(text), _) => drop(self.texts.entry(subject.clone()).or_default().insert(text.clone())),
                    (Test::Number(_, number), _) => drop(self.numbers.entry(subject.clone()).or_default().insert(*number)),
                    (Test::Exactly(set), Subject::Attribute(name)) => self.elements.entry(name).or_default().extend(set.iter().cloned()),
                    _ => {}
                }
            }
        }
    }

    /// Comparisons of whole sets as conditions on their elements.
    fn grounded(&self, condition: &Condition) -> Condition {
        match condition {
            Condition::Not(inner) => Condition::Not(Box::new(self.grounded(inner))),
            Condition::All(parts) => Condition::All(parts.iter().map(|part| self.grounded(part)).collect()),
            Condition::Any(parts) => Condition::Any(parts.iter().map(|part| self.grounded(part)).collect()),
            Condition::Is(Subject::Attribute(name), Test::Exactly(set)) => {
                let closed = match range(name) {
                    Some(Range::SetOf(known)) => Some(known),
                    _ => None,
                };
                let named = self.elements.get(name).into_iter().flatten().cloned().map(Some);
                let rest: Vec<Option<String>> = match closed {
                    Some(known) => known.iter().map(|one| Some((*one).to_owned())).collect(),
                    None => vec![None],
                };
                let elements: BTreeSet<Option<String>> = named.chain(rest).collect();
                let member = |element: Option<String>| {
                    let wanted = element.as_ref().is_some_and(|element| set.contains(element));
                    let is = Condition::Is(Subject::Member(name, element), Test::Holds);
                    if wanted { is } else { Condition::Not(Box::new(is)) }
                };
                Condition::All(elements.into_iter().map(member).collect())
            }
            other => other.clone(),
        }
    }

    /// One value of each part of the subject's range; the one that most comparisons do not name comes first.
    fn values(&self, subject: &Subject) -> Vec<Value> {
        let texts = |known: Option<&[&str]>| match known {
            Some(known) => known.iter().map(|text| Value::Text(Some((*text).to_owned()))).collect(),
            None => std::iter::once(Value::Text(None))
                .chain(self.texts.get(subject).into_iter().flatten().map(|text| Value::Text(Some(text.clone()))))
                .collect(),
        };
        let either = || vec![Value::Truth(false), Value::Truth(true)];
        match subject {
            Subject::Opaque(_) => either(),
            Subject::Person | Subject::Runbook => texts(None),
            Subject::Member(name, Some(element)) => match range(name) {
                Some(Range::SetOf(known)) if !known.contains(&element.as_str()) => vec![Value::Truth(false)],
                _ => either(),
            },
            Subject::Member(_, None) => either(),
            Subject::Attribute(name) => match range(name) {
                Some(Range::OneOf(known)) => texts(Some(known)),
                Some(Range::AnyText) => texts(None),
                Some(Range::Whole(low, high)) => {
                    let near = self
                        .numbers
                        .get(subject)
                        .into_iter()
                        .flatten()
                        .flat_map(|&number| [number.saturating_sub(1), number, number.saturating_add(1)]);
                    let parts: BTreeSet<i64> = near.chain([low, high]).filter(|number| (low..=high).contains(number)).collect();
                    parts.into_iter().map(Value::Number).collect()
                }
                _ => either(),
            },
        }
    }
}

/// A condition over numbered subjects with numbered values.
enum Goal {
    Always(bool),
    /// Holds for these of the subject's values.
    Is(usize, Vec<bool>),
    Not(Box<Goal>),
    All(Vec<Goal>),
    Any(Vec<Goal>),
}

#[derive(Default)]
struct Space {
    subjects: Vec<(Subject, Vec<Value>)>,
}

impl Space {
    fn compiled(&mut self, condition: &Condition, named: &Named) -> Goal {
        match condition {
            Condition::Always(holds) => Goal::Always(*holds),
            Condition::Not(inner) => Goal::Not(Box::new(self.compiled(inner, named))),
            Condition::All(parts) => Goal::All(parts.iter().map(|part| self.compiled(part, named)).collect()),
            Condition::Any(parts) => Goal::Any(parts.iter().map(|part| self.compiled(part, named)).collect()),
            Condition::Is(subject, test) => {
                let place = self.subjects.iter().position(|(known, _)| known == subject).unwrap_or_else(|| {
                    self.subjects.push((subject.clone(), named.values(subject)));
                    self.subjects.len() - 1
                });
                let holds = |value: &Value| match (value, test) {
                    (Value::Truth(truth), _) => *truth,
                    (Value::Text(text), Test::Text(wanted)) => text.as_ref() == Some(wanted),
                    (Value::Number(number), Test::Number(order, limit)) => order.holds(*number, *limit),
                    _ => false,
                };
                Goal::Is(place, self.subjects[place].1.iter().map(holds).collect())
            }
        }
    }

    /// `Some(true)` with `chosen` filled as far as needed, `Some(false)` when nothing helps, `None` when `left` ran out.
    fn search(&self, goal: &Goal, chosen: &mut [Option<usize>], left: &mut u32) -> Option<bool> {
        match known(goal, chosen) {
            Known::Yes => Some(true),
            Known::No => Some(false),
            Known::DependsOn(subject) => {
                for value in 0..self.subjects[subject].1.len() {
                    *left = left.checked_sub(1)?;
                    chosen[subject] = Some(value);
                    match self.search(goal, chosen, left) {
                        Some(false) => {}
                        found => return found,
                    }
                }
                chosen[subject] = None;
                Some(false)
            }
        }
    }
}

/// What is known of a condition while some subjects have no value yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    DependsOn(usize),
}

fn known(goal: &Goal, chosen: &[Option<usize>]) -> Known {
    let sure = |holds| if holds { Known::Yes } else { Known::No };
    // One part that is `decisive` decides; else it depends on the first part that is not known.
    let joined = |parts: &[Goal], decisive: Known, otherwise: Known| {
        let mut open = None;
        for part in parts {
            match known(part, chosen) {
                found if found == decisive => return decisive,
                Known::DependsOn(subject) => open = open.or(Some(subject)),
                _ => {}
            }
        }
        open.map_or(otherwise, Known::DependsOn)
    };
    match goal {
        Goal::Always(holds) => sure(*holds),
        Goal::Is(subject, holds) => chosen[*subject].map_or(Known::DependsOn(*subject), |value| sure(holds[value])),
        Goal::Not(inner) => match known(inner, chosen) {
            Known::Yes => Known::No,
            Known::No => Known::Yes,
            open => open,
        },
        Goal::All(parts) => joined(parts, Known::No, Known::Yes),
        Goal::Any(parts) => joined(parts, Known::Yes, Known::No),
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<String> = self
            .0
            .iter()
            .filter(|(subject, _)| !matches!(subject, Subject::Opaque(_) | Subject::Member(_, None)))
            .map(|(subject, value)| match value {
                Value::Truth(true) => subject.to_string(),
                Value::Truth(false) => format!("!{subject}"),
                Value::Text(Some(text)) => Condition::Is(subject.clone(), Test::Text(text.clone())).to_string(),
                Value::Text(None) => format!("any other {subject}"),
                Value::Number(number) => format!("{subject} == {number}"),
            })
            .collect();
        if said.is_empty() { f.write_str("any situation") } else { f.write_str(&said.join(", ")) }
    }
}
