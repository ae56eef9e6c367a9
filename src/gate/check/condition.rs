//! What one policy asks of a situation, read from Cedar's own JSON form of the policy.
//!
//! Comparisons of one attribute with literals are read exactly. Anything else (arithmetic, one attribute against
//! another, `like`, extension types) becomes [`Subject::Opaque`]: a condition that may hold or not, whatever the
//! rest says. So what is found impossible here is impossible; what is found possible may not be.
//! Never decides a request: Cedar alone does that.

use std::fmt;

use serde_json::Value as Json;

use super::situation::{self, ROLES, Range};
use crate::gate::policy::Action;

/// Something of a situation that can vary by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// An attribute of the context, or [`ROLES`].
    Attribute(&'static str),
    /// Whether a set has this element; `None` is any element that no rule names.
    Member(&'static str, Option<String>),
    /// The person who wants to approve, by identity.
    Person,
    /// The runbook, by id.
    Runbook,
    /// A condition that is not understood, by its JSON form.
    Opaque(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessEqual,
    Equal,
    Greater,
    GreaterEqual,
}

/// What is asked of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Holds,
    Text(String),
    Number(Order, i64),
    /// The set has these elements and no other.
    Exactly(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Always(bool),
    Is(Subject, Test),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// A policy's condition for one action.
pub(super) struct Read {
    /// The parts of the scope and of each `when` and `unless`, all of which must hold.
    pub parts: Vec<Condition>,
    /// Its evaluation may fail, which refuses: nothing is said of such a rule.
    pub may_fail: bool,
}

/// Operators that cannot fail in a policy that passed strict validation, because every attribute is always there.
const SAFE: [&str; 18] =
    ["Value", "Var", "Set", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "!", ".", "contains", "containsAll", "containsAny", "in", "is"];
const SAFE_TOO: [&str; 4] = ["has", "like", "isEmpty", "if-then-else"];

/// Reads `policy`, the JSON form of a policy that covers `action`.
pub(super) fn read(policy: &Json, action: Action) -> Read {
    let reader = Reader { action };
    let mut parts = vec![reader.scope("principal", &policy["principal"]), reader.scope("resource", &policy["resource"])];
    let mut may_fail = false;
    for clause in policy["conditions"].as_array().into_iter().flatten() {
        let body = &clause["body"];
        may_fail |= can_fail(body);
        match clause["kind"].as_str() {
            Some("when") => parts.extend(conjuncts(reader.condition(body))),
            _ => parts.push(not(reader.condition(body))),
        }
    }
    parts.retain(|part| *part != Condition::Always(true));
    Read { parts, may_fail }
}

fn can_fail(expression: &Json) -> bool {
    match only(expression) {
        Some(("Value", _)) => false,
        Some((operator, operands)) if SAFE.contains(&operator) || SAFE_TOO.contains(&operator) => match operands {
            Json::Array(items) => items.iter().any(can_fail),
            Json::Object(members) => members.values().filter(|member| member.is_object()).any(can_fail),
            _ => false,
        },
        _ => true,
    }
}

fn not(condition: Condition) -> Condition {
    match condition {
        Condition::Always(holds) => Condition::Always(!holds),
        Condition::Not(inner) => *inner,
        other => Condition::Not(Box::new(other)),
    }
}

fn conjuncts(condition: Condition) -> Vec<Condition> {
    match condition {
        Condition::All(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The one operator of an expression and its operands.
fn only(expression: &Json) -> Option<(&str, &Json)> {
    let members = expression.as_object()?;
    let (operator, operands) = members.iter().next()?;
    (members.len() == 1).then_some((operator.as_str(), operands))
}

fn literal(expression: &Json) -> Option<&Json> {
    match only(expression)? {
        ("Value", value) => Some(value),
        _ => None,
    }
}

/// The expressions of a set that is written out.
fn elements(expression: &Json) -> Option<&Vec<Json>> {
    match only(expression)? {
        ("Set", Json::Array(items)) => Some(items),
        _ => None,
    }
}

fn texts(expression: &Json) -> Option<Vec<String>> {
    elements(expression)?.iter().map(|item| literal(item)?.as_str().map(str::to_owned)).collect()
}

/// Type and id of an entity literal.
fn entity(value: &Json) -> Option<(&str, &str)> {
    let named = value.get("__entity").unwrap_or(value);
    Some((named["type"].as_str()?, named["id"].as_str()?))
}

struct Reader {
    action: Action,
}

impl Reader {
    fn scope(&self, variable: &str, constraint: &Json) -> Condition {
        let within = |entity: &Json| self.is_entity(variable, entity).unwrap_or_else(|| opaque(constraint));
        match constraint["op"].as_str() {
            Some("All") => Condition::Always(true),
            Some("==" | "in") => within(&constraint["entity"]),
            Some("is") => match constraint.get("in") {
                _ if constraint["entity_type"].as_str() != Some(self.kind(variable)) => Condition::Always(false),
                Some(named) => within(&named["entity"]),
                None => Condition::Always(true),
            },
            _ => opaque(constraint),
        }
    }

    fn kind(&self, variable: &str) -> &'static str {
        match (variable, self.action) {
            ("principal", Action::Approve) => "Person",
            ("principal", _) => "Engine",
            ("action", _) => "Action",
            _ => "Runbook",
        }
    }

    /// `variable == entity`; no entity of the schema but the actions has a parent, so it is also `variable in entity`.
    fn is_entity(&self, variable: &str, named: &Json) -> Option<Condition> {
        let (kind, id) = entity(named)?;
        if kind != self.kind(variable) {
            return Some(Condition::Always(false));
        }
        Some(match kind {
            "Person" => Condition::Is(Subject::Person, Test::Text(id.to_owned())),
            "Runbook" => Condition::Is(Subject::Runbook, Test::Text(id.to_owned())),
            "Engine" => Condition::Always(id == "sluicegate"),
            _ => Condition::Always(id == self.action.as_str()),
        })
    }

    fn condition(&self, expression: &Json) -> Condition {
        self.exact(expression).unwrap_or_else(|| opaque(expression))
    }

    fn exact(&self, expression: &Json) -> Option<Condition> {
        let (operator, operands) = only(expression)?;
        let (left, right) = (&operands["left"], &operands["right"]);
        Some(match operator {
            "Value" => Condition::Always(operands.as_bool()?),
            "." => match self.attribute(expression)? {
                (name, Range::Truth) => Condition::Is(Subject::Attribute(name), Test::Holds),
                _ => return None,
            },
            "!" => not(self.condition(&operands["arg"])),
            "&&" => Condition::All([conjuncts(self.condition(left)), conjuncts(self.condition(right))].concat()),
            "||" => Condition::Any(vec![self.condition(left), self.condition(right)]),
            "if-then-else" => {
                let (test, then, otherwise) =
                    (self.condition(&operands["if"]), self.condition(&operands["then"]), self.condition(&operands["else"]));
                Condition::Any(vec![Condition::All(vec![test.clone(), then]), Condition::All(vec![not(test), otherwise])])
            }
            "==" => self.equal(left, right)?,
            "!=" => not(self.equal(left, right)?),
            "<" | "<=" | ">" | ">=" => self.ordered(operator, left, right)?,
            "contains" => match (self.attribute(left), self.attribute(right)) {
                (Some((name, Range::Texts | Range::SetOf(_))), _) => member(name, literal(right)?.as_str()?.to_owned()),
                (None, Some(_)) => Condition::Any(elements(left)?.iter().map(|one| self.equal(right, one)).collect::<Option<_>>()?),
                _ => return None,
            },
            "containsAll" => match self.attribute(left)? {
                (name, Range::Texts | Range::SetOf(_)) => Condition::All(texts(right)?.into_iter().map(|one| member(name, one)).collect()),
                _ => return None,
            },
            "containsAny" => {
                let (set, named) = if texts(right).is_some() { (left, right) } else { (right, left) };
                match self.attribute(set)? {
                    (name, Range::Texts | Range::SetOf(_)) => {
                        Condition::Any(texts(named)?.into_iter().map(|one| member(name, one)).collect())
                    }
                    _ => return None,
                }
            }
            "isEmpty" => match self.attribute(&operands["arg"])? {
                (name, Range::Texts | Range::SetOf(_)) => Condition::Is(Subject::Attribute(name), Test::Exactly(Vec::new())),
                _ => return None,
            },
            "in" => {
                let variable = left["Var"].as_str()?;
                match only(right)? {
                    ("Value", named) => self.within(variable, named)?,
                    ("Set", Json::Array(items)) => {
                        Condition::Any(items.iter().map(|item| self.within(variable, literal(item)?)).collect::<Option<_>>()?)
                    }
                    _ => return None,
                }
            }
            "is" if operands.get("in").is_none() => {
                Condition::Always(operands["entity_type"].as_str()? == self.kind(left["Var"].as_str()?))
            }
            "has" => match left["Var"].as_str()? {
                "context" => Condition::Always(situation::attribute(operands["attr"].as_str()?).is_some()),
                "principal" => Condition::Always(self.action == Action::Approve && operands["attr"] == "roles"),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn within(&self, variable: &str, named: &Json) -> Option<Condition> {
        match (variable, entity(named)?) {
            ("action", ("Action", "execute")) => Some(Condition::Always(self.action != Action::Approve)),
            _ => self.is_entity(variable, named),
        }
    }

    fn attribute(&self, expression: &Json) -> Option<(&'static str, Range)> {
        let (".", operands) = only(expression)? else { return None };
        match (operands["left"]["Var"].as_str()?, operands["attr"].as_str()?) {
            ("context", name) => situation::attribute(name),
            ("principal", "roles") => Some(ROLES),
            _ => None,
        }
    }

    fn equal(&self, left: &Json, right: &Json) -> Option<Condition> {
        for (one, other) in [(left, right), (right, left)] {
            if let (Some(variable), Some(value)) = (one["Var"].as_str(), literal(other)) {
                return self.is_entity(variable, value);
            }
            let Some((name, range)) = self.attribute(one) else { continue };
            let subject = Subject::Attribute(name);
            match range {
                Range::Texts | Range::SetOf(_) => return texts(other).map(|set| Condition::Is(subject, Test::Exactly(set))),
                Range::OneOf(_) | Range::AnyText => {
                    if let Some(text) = literal(other).and_then(Json::as_str) {
                        return Some(Condition::Is(subject, Test::Text(text.to_owned())));
                    }
                }
                Range::Whole(..) => {
                    if let Some(number) = literal(other).and_then(Json::as_i64) {
                        return Some(Condition::Is(subject, Test::Number(Order::Equal, number)));
                    }
                }
                Range::Truth => {}
            }
        }
        // Two conditions: both hold or neither does.
        let (one, other) = (self.exact(left)?, self.exact(right)?);
        let neither = Condition::All(vec![not(one.clone()), not(other.clone())]);
        Some(Condition::Any(vec![Condition::All(vec![one, other]), neither]))
    }

    fn ordered(&self, operator: &str, left: &Json, right: &Json) -> Option<Condition> {
        let order = |swapped: bool| match (operator, swapped) {
            ("<", false) | (">", true) => Order::Less,
            ("<=", false) | (">=", true) => Order::LessEqual,
            (">", false) | ("<", true) => Order::Greater,
            _ => Order::GreaterEqual,
        };
        for (one, other, swapped) in [(left, right, false), (right, left, true)] {
            if let (Some((name, Range::Whole(..))), Some(number)) = (self.attribute(one), literal(other).and_then(Json::as_i64)) {
                return Some(Condition::Is(Subject::Attribute(name), Test::Number(order(swapped), number)));
            }
        }
        None
    }
}

fn member(name: &'static str, element: String) -> Condition {
    Condition::Is(Subject::Member(name, Some(element)), Test::Holds)
}

fn opaque(expression: &Json) -> Condition {
    Condition::Is(Subject::Opaque(expression.to_string()), Test::Holds)
}

impl Order {
    pub(super) fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            Self::Equal => left == right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Equal => "==",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => f.write_str(name),
            Self::Member(name, Some(element)) => write!(f, "{name}.contains({element:?})"),
            Self::Member(name, None) => write!(f, "{name} has another element"),
            Self::Person => f.write_str("principal"),
            Self::Runbook => f.write_str("resource"),
            Self::Opaque(_) => f.write_str("a condition that is not looked into"),
        }
    }
}

/// As an operator would write it, without `context.`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: &[Self], by: &str, none: &str| match parts {
            [] => none.to_owned(),
            [one] => one.to_string(),
            several => format!("({})", several.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)),
        };
        match self {
            Self::Always(holds) => write!(f, "{holds}"),
            Self::Is(subject, Test::Holds) => write!(f, "{subject}"),
            Self::Is(Subject::Person, Test::Text(id)) => write!(f, "principal == Person::{id:?}"),
            Self::Is(Subject::Runbook, Test::Text(id)) => write!(f, "resource == Runbook::{id:?}"),
            Self::Is(subject, Test::Text(text)) => write!(f, "{subject} == {text:?}"),
            Self::Is(subject, Test::Number(order, number)) => write!(f, "{subject} {} {number}", order.sign()),
            Self::Is(subject, Test::Exactly(set)) => write!(f, "{subject} == {set:?}"),
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::All(parts) => f.write_str(&joined(parts, " && ", "true")),
            Self::Any(parts) => f.write_str(&joined(parts, " || ", "false")),
        }
    }
}
