//! The canonical form: the JSON of a ticket in our own words, for `POST /v1/tickets` and for any sender that
//! can be told what to send. Documented in `docs/senders/json.md`.
//!
//! Strict where real senders are treated tolerantly: an unknown field is refused with the nearest known one, and
//! everything that is wrong is reported at once, each with its JSON pointer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    super::json::{JsonError, escape, parse},
    Reading, fields, own,
};
use crate::domain::{
    priority::Level,
    ticket::{Report, Requester, TicketEvent, TicketKind},
    time::Timestamp,
    untrusted::Untrusted,
};

/// The fields of a ticket, as documented.
pub const FIELDS: [&str; 20] = [
    "actor",
    "attributes",
    "body",
    "body_is_html",
    "category_hint",
    "comment",
    "event",
    "external_id",
    "external_key",
    "impact",
    "kind",
    "labels",
    "reported_at",
    "requester",
    "tags",
    "title",
    "updated_at",
    "urgency",
    "url",
    // Editors' hint; read over.
    "$schema",
];
const REQUESTER_FIELDS: [&str; 4] = ["id", "email", "name", "organization"];
const KINDS: [(&str, TicketKind); 5] = [
    ("incident", TicketKind::Incident),
    ("service_request", TicketKind::ServiceRequest),
    ("problem", TicketKind::Problem),
    ("change", TicketKind::Change),
    ("alert", TicketKind::Alert),
];
const EVENTS: [(&str, TicketEvent); 3] =
    [("opened", TicketEvent::Opened), ("updated", TicketEvent::Updated), ("resolved", TicketEvent::Resolved)];
const LEVELS: [(&str, Level); 3] = [("low", Level::Low), ("medium", Level::Medium), ("high", Level::High)];

const LONGEST_TITLE: usize = 4096;
const MOST_ENTRIES: usize = 256;
const LONGEST_NAME: usize = 256;

/// One thing wrong with a ticket in the canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// RFC 6901, from the root of the body.
    pub pointer: String,
    /// Lower case, no full stop.
    pub message: String,
}

/// A body that is not a ticket in the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATicket {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("{}", list(.0))]
    Fields(Vec<FieldProblem>),
}

fn list(problems: &[FieldProblem]) -> String {
    problems.iter().map(|problem| format!("`{}` {}", problem.pointer, problem.message)).collect::<Vec<_>>().join("; ")
}

/// Reads a body that is one ticket in the canonical form.
///
/// # Errors
/// [`NotATicket`] with every problem, in the order of the pointers.
pub fn report(body: &[u8]) -> Result<Report, NotATicket> {
    report_at(&parse(body)?, "").map_err(NotATicket::Fields)
}

pub(super) fn read(body: &Value, own_actors: &BTreeSet<String>) -> Reading {
    match report_at(body, "") {
        Ok(report) => told_by_another(report, body, own_actors),
        Err(problems) => Reading::Unreadable { reason: list(&problems) },
    }
}

/// The report, unless what it tells of is our own doing: `actor` and `comment` of the ticket say so.
pub(super) fn told_by_another(report: Report, ticket: &Value, own_actors: &BTreeSet<String>) -> Reading {
    let (actor, comment) = (fields::text(ticket, "/actor"), fields::text(ticket, "/comment"));
    match own::doing(report.event, actor.as_deref(), comment.as_deref(), own_actors) {
        Some(reason) => Reading::Ignored { reason },
        None => Reading::Tickets(vec![report]),
    }
}

/// As [`report`], of a value that stands at `root` in its body.
pub(super) fn report_at(value: &Value, root: &str) -> Result<Report, Vec<FieldProblem>> {
    let mut reader = Reader { problems: Vec::new() };
    let Some(object) = value.as_object() else {
        reader.wrong(root, "is not an object: expected a ticket with `external_id`, `title` and `body`");
        return Err(reader.problems);
    };
    reader.known(object, root, &FIELDS);
    // Who did it, and what they wrote, say whether the sender tells of ourselves; they are no part of the ticket.
    reader.text(object, root, "actor");
    reader.text(object, root, "comment");
    let report = Report {
        external_id: reader.required(object, root, "external_id").map(|id| reader.id(root, "external_id", id)).unwrap_or_default(),
        external_key: reader.text(object, root, "external_key").map(|key| reader.id(root, "external_key", key)),
        url: reader.link(object, root),
        kind: reader.choice(object, root, "kind", &KINDS).unwrap_or_default(),
        event: reader.choice(object, root, "event", &EVENTS).unwrap_or_default(),
        title: reader.title(object, root),
        body: reader.required(object, root, "body").map(Untrusted::new).unwrap_or_default(),
        body_is_html: reader.boolean(object, root, "body_is_html"),
        requester: reader.requester(object, root),
        impact: reader.choice(object, root, "impact", &LEVELS),
        urgency: reader.choice(object, root, "urgency", &LEVELS),
        category_hint: reader.text(object, root, "category_hint").map(Untrusted::new),
        labels: reader.entries(object, root, "labels"),
        attributes: reader.entries(object, root, "attributes"),
        tags: reader.tags(object, root),
        reported_at: reader.time(object, root, "reported_at"),
        updated_at: reader.time(object, root, "updated_at"),
    };
    if reader.problems.is_empty() {
        return Ok(report);
    }
    reader.problems.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    Err(reader.problems)
}

/// Reads on after a problem, so that the sender learns all of them at once.
struct Reader {
    problems: Vec<FieldProblem>,
}

impl Reader {
    fn wrong(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(FieldProblem { pointer: pointer.into(), message: message.into() });
    }

    fn known(&mut self, object: &Map<String, Value>, root: &str, fields: &[&str]) {
        for key in object.keys().filter(|key| !fields.contains(&key.as_str())) {
            let nearest = fields.iter().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b))).unwrap_or(&"");
            let short: String = key.chars().take(64).collect();
            self.wrong(format!("{root}/{}", escape(&short)), format!("is not a known field: did you mean `{nearest}`?"));
        }
    }

    /// `null` is absent.
    fn text(&mut self, object: &Map<String, Value>, root: &str, name: &str) -> Option<String> {
        match object.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                self.wrong(format!("{root}/{name}"), format!("is {}: expected a string", kind_of(other)));
                None
            }
        }
    }

    fn required(&mut self, object: &Map<String, Value>, root: &str, name: &str) -> Option<String> {
        if matches!(object.get(name), None | Some(Value::Null)) {
            self.wrong(format!("{root}/{name}"), "is missing");
        }
        self.text(object, root, name)
    }

    fn id(&mut self, root: &str, name: &str, id: String) -> String {
        if !fields::is_id(&id) {
            self.wrong(
                format!("{root}/{name}"),
                format!("is not an id: expected 1 to {} bytes without spaces or control characters", fields::LONGEST_ID),
            );
        }
        id
    }

    fn title(&mut self, object: &Map<String, Value>, root: &str) -> Untrusted {
        let title = self.required(object, root, "title");
        if title.as_deref().is_some_and(|title| title.trim().is_empty() || title.len() > LONGEST_TITLE) {
            self.wrong(format!("{root}/title"), format!("is blank or longer than {LONGEST_TITLE} bytes"));
        }
        title.map(Untrusted::new).unwrap_or_default()
    }

    fn link(&mut self, object: &Map<String, Value>, root: &str) -> Option<Untrusted> {
        let url = self.text(object, root, "url")?;
        if !fields::is_link(&url) {
            self.wrong(format!("{root}/url"), "is not an http or https URL");
        }
        Some(Untrusted::new(url))
    }

    fn choice<T: Copy>(&mut self, object: &Map<String, Value>, root: &str, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(object, root, name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            let short: String = text.chars().take(40).collect();
            self.wrong(format!("{root}/{name}"), format!("is `{short}`: choose from {}", words.join(", ")));
        }
        found
    }

    fn boolean(&mut self, object: &Map<String, Value>, root: &str, name: &str) -> bool {
        match object.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.wrong(format!("{root}/{name}"), format!("is {}: expected `true` or `false`", kind_of(other)));
                false
            }
        }
    }

    fn time(&mut self, object: &Map<String, Value>, root: &str, name: &str) -> Option<Timestamp> {
        let text = self.text(object, root, name)?;
        let time = text.parse();
        if let Err(error) = &time {
            let error: &crate::domain::time::NotATime = error;
            self.wrong(format!("{root}/{name}"), error.to_string());
        }
        time.ok()
    }

    fn requester(&mut self, object: &Map<String, Value>, root: &str) -> Option<Requester> {
        let root = format!("{root}/requester");
        let object = match object.get("requester") {
            None | Some(Value::Null) => return None,
            Some(Value::Object(object)) => object,
            Some(other) => {
                self.wrong(root, format!("is {}: expected an object with `id`", kind_of(other)));
                return None;
            }
        };
        self.known(object, &root, &REQUESTER_FIELDS);
        let id = self.required(object, &root, "id");
        if id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            self.wrong(format!("{root}/id"), "is blank");
        }
        Some(Requester {
            id: id.map(Untrusted::new).unwrap_or_default(),
            email: self.text(object, &root, "email").map(Untrusted::new),
            name: self.text(object, &root, "name").map(Untrusted::new),
            organization: self.text(object, &root, "organization").map(Untrusted::new),
        })
    }

    fn entries(&mut self, object: &Map<String, Value>, root: &str, name: &str) -> BTreeMap<String, Untrusted> {
        let root = format!("{root}/{name}");
        let mut entries = BTreeMap::new();
        match object.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Object(object)) if object.len() > MOST_ENTRIES => {
                self.wrong(root, format!("has {} entries: at most {MOST_ENTRIES}", object.len()));
            }
            Some(Value::Object(object)) => {
                for (key, value) in object {
                    let short: String = key.chars().take(64).collect();
                    let pointer = format!("{root}/{}", escape(&short));
                    if key.trim().is_empty() || key.len() > LONGEST_NAME {
                        self.wrong(&pointer, format!("has a blank name or one longer than {LONGEST_NAME} bytes"));
                    }
                    match value {
                        Value::String(text) => drop(entries.insert(key.clone(), Untrusted::new(text))),
                        Value::Number(number) => drop(entries.insert(key.clone(), Untrusted::new(number.to_string()))),
                        Value::Bool(value) => drop(entries.insert(key.clone(), Untrusted::new(value.to_string()))),
                        other => self.wrong(pointer, format!("is {}: expected a string, a number or a boolean", kind_of(other))),
                    }
                }
            }
            Some(other) => self.wrong(root, format!("is {}: expected an object", kind_of(other))),
        }
        entries
    }

    fn tags(&mut self, object: &Map<String, Value>, root: &str) -> BTreeSet<Untrusted> {
        let root = format!("{root}/tags");
        let mut tags = BTreeSet::new();
        match object.get("tags") {
            None | Some(Value::Null) => {}
            Some(Value::Array(values)) if values.len() > MOST_ENTRIES => {
                self.wrong(root, format!("has {} entries: at most {MOST_ENTRIES}", values.len()));
            }
            Some(Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    match value {
                        Value::String(text) if !text.trim().is_empty() => drop(tags.insert(Untrusted::new(text))),
                        other => self.wrong(format!("{root}/{index}"), format!("is {}: expected a text that is not blank", kind_of(other))),
                    }
                }
            }
            Some(other) => self.wrong(root, format!("is {}: expected an array of strings", kind_of(other))),
        }
        tags
    }
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
