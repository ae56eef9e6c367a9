//! The findings: rules that never apply, that others make pointless, and values that an attribute never has.
//!
//! Each claim is proved over all situations of the schema by [`super::example`]; what is not proved is not said.
//! A rule whose evaluation may fail is left alone, because failing refuses and so always matters.
// INVARIANT: all rules that are reported as making no difference can be removed together, and no action is
// answered otherwise (`what_is_reported_can_be_removed_and_nothing_changes`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use cedar_policy::{ValidationMode, ValidationWarning, Validator};

use super::{
    condition::{self, Condition, Subject},
    example::{Answer, can_hold, example, range},
    situation::Range,
};
use crate::gate::{
    Place, PolicySet,
    policy::{Action, PolicyInfo, SCHEMA, SCHEMA_FILE},
};

/// Something to look at; the policies still load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: Place,
    /// Empty when it is about the folder.
    pub policy: String,
    pub kind: Kind,
    /// For people: why, and what to do.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about = if self.policy.is_empty() { String::new() } else { format!("policy `{}`: ", self.policy) };
        write!(f, "{}: {about}{} ({})", self.place, self.message, self.kind.as_str())
    }
}

/// What is odd. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No situation meets its conditions.
    NeverApplies,
    /// Another policy says the same.
    SameRule,
    /// Rules of the same effect speak wherever it does.
    Shadowed,
    /// A forbid of what no permit allows.
    ForbidsNothing,
    /// A permit of what is forbidden anyway.
    PermitsNothing,
    /// A comparison with a value that the attribute never has.
    ImpossibleValue,
    /// Texts that look like others, in Cedar's words.
    OddText,
    /// A copy of another schema.
    OtherSchema,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverApplies => "never-applies",
            Self::SameRule => "same-rule",
            Self::Shadowed => "shadowed",
            Self::ForbidsNothing => "forbids-nothing",
            Self::PermitsNothing => "permits-nothing",
            Self::ImpossibleValue => "impossible-value",
            Self::OddText => "odd-text",
            Self::OtherSchema => "other-schema",
        }
    }
}

/// Every finding, by place.
pub fn check(policies: &PolicySet) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |policy: &str, kind: Kind, message: String| {
        if let Some(info) = policies.policy(policy) {
            findings.push(Finding { place: info.place.clone(), policy: policy.to_owned(), kind, message });
        }
    };
    let impossible = warned(policies, &mut find);
    let mut rules = read(policies);
    rules.retain(|rule| !never_applies(rule, impossible.contains(&rule.info.id), &mut find));
    written_twice(&mut rules, &mut find);
    impossible_values(&rules, &mut find);
    pointless(&mut rules, &mut find);
    dead_actions(&rules, &mut find);
    findings.sort();
    findings.dedup();
    findings
}

/// As [`check`], and whether the copy of the schema in `dir`, which editors read, is the program's.
///
/// The copy is never used to decide, so an old one is no error: it only makes an editor complain wrongly.
pub fn check_folder(policies: &PolicySet, dir: &Path) -> Vec<Finding> {
    let mut findings = check(policies);
    if std::fs::read_to_string(dir.join(SCHEMA_FILE)).is_ok_and(|copy| copy != SCHEMA) {
        let message = "it is not the schema of this program version: replace it with the one that comes with the program".to_owned();
        findings.push(Finding {
            place: Place { file: SCHEMA_FILE.to_owned(), line: 0 },
            policy: String::new(),
            kind: Kind::OtherSchema,
            message,
        });
    }
    findings
}

/// A policy with its condition for each action it covers.
struct Rule<'p> {
    info: &'p PolicyInfo,
    /// Its JSON form.
    written: String,
    asked: BTreeMap<Action, Asked>,
    may_fail: bool,
}

struct Asked {
    parts: Vec<Condition>,
    all: Condition,
}

/// The rules in the order of their places.
fn read(policies: &PolicySet) -> Vec<Rule<'_>> {
    fn rule<'p>(policies: &PolicySet, info: &'p PolicyInfo) -> Option<Rule<'p>> {
        let json = policies.rule(&info.id)?;
        let mut may_fail = false;
        let asked = Action::ALL.into_iter().filter(|action| info.actions.contains(&action.as_str())).map(|action| {
            let read = condition::read(&json, action);
            may_fail |= read.may_fail;
            (action, Asked { all: Condition::All(read.parts.clone()), parts: read.parts })
        });
        let asked = asked.collect();
        Some(Rule { info, written: json.to_string(), asked, may_fail })
    }
    let mut rules: Vec<_> = policies.policies().filter_map(|info| rule(policies, info)).collect();
    rules.sort_by(|one, other| one.info.place.cmp(&other.info.place));
    rules
}

/// What Cedar's own validator finds odd; gives the ids of policies whose types rule out every request.
fn warned(policies: &PolicySet, find: &mut impl FnMut(&str, Kind, String)) -> BTreeSet<String> {
    let result = Validator::new(policies.schema().clone()).validate(policies.cedar(), ValidationMode::Strict);
    let mut impossible = BTreeSet::new();
    for warning in result.validation_warnings() {
        let policy = warning.policy_id().to_string();
        match warning {
            ValidationWarning::ImpossiblePolicy(_) => drop(impossible.insert(policy)),
            other => find(&policy, Kind::OddText, other.to_string()),
        }
    }
    impossible
}

fn never_applies(rule: &Rule<'_>, impossible: bool, find: &mut impl FnMut(&str, Kind, String)) -> bool {
    let mut never = |why: &str| {
        find(&rule.info.id, Kind::NeverApplies, format!("it can never apply: {why}: correct its condition or remove it"));
        true
    };
    let Some(first) = rule.asked.values().next() else {
        return never("none of the actions that the program asks for is in its scope");
    };
    if !rule.may_fail && rule.asked.values().all(|asked| example(&[&asked.all]).is_never()) {
        return never(&contradiction(&first.parts));
    }
    impossible && never("no ticket meets its conditions")
}

/// A smallest choice of `parts` that cannot hold together, in words.
fn contradiction(parts: &[Condition]) -> String {
    let mut kept: Vec<&Condition> = parts.iter().collect();
    let mut place = 0;
    while place < kept.len() {
        let without: Vec<&Condition> = kept.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, part)| *part).collect();
        if example(&without).is_never() { kept = without } else { place += 1 }
    }
    let said: Vec<String> = kept.iter().map(|part| format!("`{part}`")).collect();
    match &said[..] {
        [] => "its conditions contradict each other".to_owned(),
        [one] => format!("{one} is never true{}", known_values(kept[0])),
        several => format!("{} are never true together", several.join(" and ")),
    }
}

fn known_values(condition: &Condition) -> String {
    let Condition::Is(Subject::Attribute(name) | Subject::Member(name, _), _) = condition else { return String::new() };
    match range(name) {
        Some(Range::OneOf(known)) => format!(" (`{name}` is one of `{}`)", known.join("`, `")),
        Some(Range::SetOf(known)) => format!(" (`{name}` holds only `{}`)", known.join("`, `")),
        Some(Range::Whole(low, high)) => format!(" (`{name}` is {low} to {high})"),
        _ => String::new(),
    }
}

/// The same rule under two ids: changing one of them changes nothing.
fn written_twice(rules: &mut Vec<Rule<'_>>, find: &mut impl FnMut(&str, Kind, String)) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    rules.retain(|rule| match seen.get(&rule.written) {
        Some(first) => {
            find(&rule.info.id, Kind::SameRule, format!("it is the same rule as `{first}`: remove one"));
            false
        }
        None => seen.insert(rule.written.clone(), &rule.info.id).is_none(),
    });
}

/// Comparisons with a value that the attribute never has, most of them misspelt.
fn impossible_values(rules: &[Rule<'_>], find: &mut impl FnMut(&str, Kind, String)) {
    fn visit(condition: &Condition, found: &mut Vec<String>) {
        match condition {
            Condition::Not(inner) => visit(inner, found),
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| visit(part, found)),
            Condition::Is(subject, test) if can_hold(subject, test) == Some(false) => {
                found.push(format!("`{condition}` is never true{}: correct the value", known_values(condition)));
            }
            Condition::Is(..) | Condition::Always(_) => {}
        }
    }
    for rule in rules {
        let mut found = Vec::new();
        rule.asked.values().flat_map(|asked| &asked.parts).for_each(|part| visit(part, &mut found));
        found.dedup();
        found.into_iter().for_each(|message| find(&rule.info.id, Kind::ImpossibleValue, message));
    }
}

/// Rules without which every answer is the same; each one found is taken out before the next is looked at.
///
/// The later of two that cover each other is reported; forbids come first, so that a permit under a general forbid
/// is what is said to have no effect, and not the forbid.
fn pointless(rules: &mut Vec<Rule<'_>>, find: &mut impl FnMut(&str, Kind, String)) {
    for forbids in [true, false] {
        for place in (0..rules.len()).rev() {
            if rules[place].info.forbids != forbids || rules[place].may_fail {
                continue;
            }
            let reasons = rules[place].asked.keys().map(|action| Some((*action, pointless_for(rules, place, *action)?)));
            if let Some(why) = reasons.collect::<Option<Vec<_>>>() {
                find(&rules[place].info.id, why[0].1.0, said(&why));
                rules.remove(place);
            }
        }
    }
}

fn said(why: &[(Action, (Kind, String))]) -> String {
    match why {
        [(_, first), rest @ ..] if rest.iter().all(|(_, other)| other == first) => first.1.clone(),
        several => several.iter().map(|(action, (_, why))| format!("for `{}`, {why}", action.as_str())).collect::<Vec<_>>().join("; "),
    }
}

/// Why the rule at `place` changes no answer to `action`; `None` when it may.
fn pointless_for(rules: &[Rule<'_>], place: usize, action: Action) -> Option<(Kind, String)> {
    let (rule, mine) = (&rules[place], &rules[place].asked.get(&action)?.all);
    // A rule that may fail cannot be relied on to speak; that it might is enough for a forbid to matter.
    let forbids = speaking(rules, place, action, true, false);
    let alike = speaking(rules, place, action, rule.info.forbids, false);
    let covers = |other: &Condition| example(&[mine, &Condition::Not(Box::new(other.clone()))]).is_never();
    let case = || match example(&[mine]) {
        Answer::Example(example) => format!("wherever it applies, as with `{example}`,"),
        _ => "wherever it applies,".to_owned(),
    };
    if rule.info.forbids {
        let permits = speaking(rules, place, action, false, true);
        let nothing = |why: &str| Some((Kind::ForbidsNothing, format!("it can never forbid anything: {why}")));
        if permits.is_empty() {
            return nothing(&format!(
                "nothing permits `{}`, so all of it is refused anyway: remove it, or write the permit",
                action.as_str()
            ));
        }
        let permitted = any(&permits);
        if example(&[mine, &permitted]).is_never() {
            return nothing(&format!("no permit of `{}` allows what it forbids: remove it, or correct its condition", action.as_str()));
        }
        if let Some((other, _)) = alike.iter().find(|(_, other)| covers(other)) {
            return Some((Kind::Shadowed, format!("{} `{other}` forbids too: remove it, or narrow `{other}`", case())));
        }
        let rest = Condition::Not(Box::new(any(&alike)));
        return example(&[mine, &permitted, &rest]).is_never().then(|| {
            (
                Kind::Shadowed,
                format!("{} one of `{}` forbids too: remove it, or narrow one of them", case(), needed(&[mine, &permitted], &alike)),
            )
        });
    }
    if let Some((other, _)) = forbids.iter().find(|(_, other)| covers(other)) {
        return Some((Kind::PermitsNothing, format!("`{other}` forbids everything that it permits: remove it, or narrow `{other}`")));
    }
    if let Some((other, _)) = alike.iter().find(|(_, other)| covers(other)) {
        return Some((Kind::Shadowed, format!("{} `{other}` permits too: remove it, or narrow `{other}`", case())));
    }
    if covers(&any(&forbids)) {
        let message = format!("one of `{}` forbids whatever it permits: remove it, or narrow one of them", needed(&[mine], &forbids));
        return Some((Kind::PermitsNothing, message));
    }
    let all = [forbids, alike].concat();
    covers(&any(&all)).then(|| {
        let message = format!("{} one of `{}` decides already: remove it, or narrow one of them", case(), needed(&[mine], &all));
        (Kind::Shadowed, message)
    })
}

/// The other rules of one effect on `action`, each with its condition.
fn speaking<'r>(rules: &'r [Rule<'_>], except: usize, action: Action, forbids: bool, unsure: bool) -> Vec<(&'r str, &'r Condition)> {
    let others = rules.iter().enumerate().filter(|(place, _)| *place != except).map(|(_, rule)| rule);
    let wanted = others.filter(|rule| rule.info.forbids == forbids && (unsure || !rule.may_fail));
    wanted.filter_map(|rule| Some((rule.info.id.as_str(), &rule.asked.get(&action)?.all))).collect()
}

fn any(rules: &[(&str, &Condition)]) -> Condition {
    Condition::Any(rules.iter().map(|(_, condition)| (*condition).clone()).collect())
}

/// The ids of a smallest choice of `rules` of which one speaks wherever all of `mine` hold.
fn needed(mine: &[&Condition], rules: &[(&str, &Condition)]) -> String {
    let mut kept = rules.to_vec();
    for (id, _) in rules {
        let without: Vec<_> = kept.iter().filter(|(other, _)| other != id).copied().collect();
        let rest = Condition::Not(Box::new(any(&without)));
        if example(&[mine, &[&rest]].concat()).is_never() {
            kept = without;
        }
    }
    kept.iter().map(|(id, _)| *id).collect::<Vec<_>>().join("`, `")
}

/// Actions that permits speak of and that can still never be allowed.
///
/// A permit over several actions is not pointless while one of them is left, so `pointless` does not report it.
fn dead_actions(rules: &[Rule<'_>], find: &mut impl FnMut(&str, Kind, String)) {
    for action in Action::ALL {
        let permits = speaking(rules, usize::MAX, action, false, true);
        let forbids = speaking(rules, usize::MAX, action, true, false);
        if permits.is_empty() || !example(&[&any(&permits), &Condition::Not(Box::new(any(&forbids)))]).is_never() {
            continue;
        }
        for (permit, _) in &permits {
            let forbids = needed(&[&any(&permits)], &forbids);
            let action = action.as_str();
            let message = format!("for `{action}` it permits nothing, because `{forbids}` forbids all of it: narrow one of them");
            find(permit, Kind::PermitsNothing, message);
        }
    }
}
