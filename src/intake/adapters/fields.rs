//! Reading single fields of a sender's JSON: tolerant of numbers for ids and of `null` for absent.

use serde_json::Value;

use crate::domain::{priority::Level, time::Timestamp, untrusted::Untrusted};

/// Longest external id or key. Longer ones are refused, never cut: two cut ids could become one ticket.
pub(super) const LONGEST_ID: usize = 256;

/// A text, or the decimal form of a number; blank, absent and `null` are `None`.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn untrusted(value: &Value, pointer: &str) -> Option<Untrusted> {
    text(value, pointer).map(Untrusted::new)
}

/// An id, unless it is too long or has characters that no id has.
pub(super) fn id(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer).filter(|id| is_id(id))
}

pub(super) fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// An RFC 3339 time; anything else is `None`: a sender's odd clock must not lose its ticket.
pub(super) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer)?.parse().ok()
}

/// A link only where it is one that a browser opens as a page.
pub(super) fn link(value: &Value, pointer: &str) -> Option<Untrusted> {
    text(value, pointer).filter(|text| is_link(text)).map(Untrusted::new)
}

pub(super) fn is_link(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
}

/// A four-step priority as impact and urgency, so that the ITIL matrix gives P1 to P4 back.
pub(super) const fn of_four(step: Step) -> (Level, Level) {
    match step {
        Step::Urgent => (Level::High, Level::High),
        Step::High => (Level::Medium, Level::High),
        Step::Normal => (Level::Medium, Level::Medium),
        Step::Low => (Level::Low, Level::Low),
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Urgent,
    High,
    Normal,
    Low,
}

/// The reason of a body that lacks what it must have: every field at once.
pub(super) fn missing(sender: &str, pointers: &[String]) -> String {
    let list: Vec<String> = pointers.iter().map(|pointer| format!("`{pointer}`")).collect();
    format!("not a form of {sender} that is known: missing or unusable {}", list.join(", "))
}
