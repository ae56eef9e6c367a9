//! Which values each attribute of a situation can have: the schema says the types, this table the ranges.
//!
//! Only `policy check` uses it; a verdict never does.
// INVARIANT: the table names exactly the attributes of the schema's `Situation`, with its types
// (`the_table_of_ranges_is_the_schemas_situation`), and `context` makes nothing outside of it
// (`every_situation_is_inside_the_ranges`).

use super::condition::{Condition, Subject, Test};

/// The values of one attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Truth,
    /// One of these texts and no other.
    OneOf(&'static [&'static str]),
    /// Any text: names that senders, models and operators choose.
    AnyText,
    /// Whole numbers, both ends included.
    Whole(i64, i64),
    /// Any set of texts.
    Texts,
    /// Any set of these texts.
    SetOf(&'static [&'static str]),
}

const MILLION: i64 = 1_000_000;

/// The attributes of the context.
pub(super) const SITUATION: [(&str, Range); 29] = [
    ("tenant", Range::AnyText),
    ("phase", Range::OneOf(&["proposal", "execution"])),
    ("source", Range::AnyText),
    ("ticket_kind", Range::OneOf(&["incident", "service_request", "problem", "change", "alert"])),
    ("category", Range::AnyText),
    ("category_probability", Range::Whole(0, MILLION)),
    ("priority", Range::Whole(1, 4)),
    ("risk", Range::OneOf(&["low", "medium", "high"])),
    ("language", Range::AnyText),
    ("flags", Range::Texts),
    ("environment", Range::AnyText),
    ("service", Range::AnyText),
    ("has_requester", Range::Truth),
    ("requester_known", Range::Truth),
    ("requester_vip", Range::Truth),
    ("requester_flagged", Range::Truth),
    ("requester_entitled", Range::OneOf(&["yes", "no", "unknown"])),
    ("requester_groups", Range::Texts),
    ("requester_tickets_hour", Range::Whole(0, u32::MAX as i64)),
    ("runbook_reversible", Range::Truth),
    ("runbook_idempotent", Range::Truth),
    ("pre_approved", Range::Truth),
    ("fit", Range::Whole(0, MILLION)),
    ("mode", Range::OneOf(&["shadow", "suggest", "auto"])),
    ("windows", Range::Texts),
    ("peak", Range::Truth),
    ("similar_tickets", Range::Whole(0, u32::MAX as i64)),
    ("weekday", Range::Whole(1, 7)),
    ("hour", Range::Whole(0, 23)),
];

/// The one attribute of a person.
pub(super) const ROLES: (&str, Range) = ("principal.roles", Range::SetOf(&["responder", "approver", "auditor", "operator", "admin"]));

/// The attribute of the context with this name, under the table's own name.
pub(super) fn attribute(name: &str) -> Option<(&'static str, Range)> {
    SITUATION.into_iter().find(|(known, _)| *known == name)
}

/// What holds in every situation whatever the ticket, as `context` builds it: where nobody asked, nothing is known
/// of a requester, and a peak season is a window in force.
pub(super) fn always(mentioned: &dyn Fn(&Subject) -> bool) -> Vec<Condition> {
    let truth = |name| Condition::Is(Subject::Attribute(name), Test::Holds);
    let text = |name, value: &str| Condition::Is(Subject::Attribute(name), Test::Text(value.to_owned()));
    let empty = |name| Condition::Is(Subject::Attribute(name), Test::Exactly(Vec::new()));
    // Each is left out when its left side is not spoken of: the solver may then choose that it does not hold.
    let implied = |name, left: Condition, right: Condition| {
        mentioned(&Subject::Attribute(name)).then(|| Condition::Any(vec![Condition::Not(Box::new(left)), right]))
    };
    let asked = || truth("has_requester");
    [
        implied("requester_known", truth("requester_known"), asked()),
        implied("requester_vip", truth("requester_vip"), asked()),
        implied("requester_flagged", truth("requester_flagged"), asked()),
        implied("requester_entitled", Condition::Not(Box::new(text("requester_entitled", "unknown"))), asked()),
        implied("requester_groups", Condition::Not(Box::new(empty("requester_groups"))), asked()),
        implied("peak", truth("peak"), Condition::Not(Box::new(empty("windows")))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
