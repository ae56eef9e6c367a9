//! A runbook as the engine knows it: parsed, checked, and named by the digest of its bytes.
//!
//! The `runbook` room makes these from Markdown; nothing else does. Templates are cut into pieces when a
//! runbook is loaded, so a value that comes from a ticket is never read as a template.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    name::{ConnectorName, DirectoryName, ParameterName, PersonId, RunbookId, StepId},
    priority::Risk,
};

/// One version of one runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    pub id: RunbookId,
    pub title: String,
    /// The team that keeps it true.
    pub owner: String,
    /// Who wrote and edited this version; none of them may pre-approve or approve it.
    pub authors: BTreeSet<PersonId>,
    /// The day somebody last checked it.
    pub reviewed: Option<jiff::civil::Date>,
    /// Longer than this since `reviewed` and it is stale: shown as such, and never automatic.
    pub review_every: Option<Duration>,
    pub triggers: Triggers,
    pub symptoms: Vec<String>,
    /// Categories it applies to; empty means any.
    pub categories: BTreeSet<String>,
    pub parameters: BTreeMap<ParameterName, Parameter>,
    pub risk: Risk,
    pub reversible: bool,
    /// In the order written; rollbacks run only when a change names them.
    pub steps: Vec<Step>,
    pub examples: Examples,
    /// The Markdown below the front matter.
    pub body: String,
    /// SHA-256 of the file's bytes as read.
    pub digest: Digest,
}

impl Runbook {
    /// True when it has a `change` step: something the engine could run.
    pub fn is_executable(&self) -> bool {
        self.steps.iter().any(|step| step.kind == StepKind::Change)
    }

    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| &step.id == id)
    }

    /// True when its review is overdue at `today`; a runbook that was never reviewed always is.
    pub fn is_stale(&self, today: jiff::civil::Date) -> bool {
        match (self.reviewed, self.review_every) {
            (Some(reviewed), Some(every)) => {
                let due = jiff::Span::new()
                    .try_days(i64::try_from(every.as_secs() / 86_400).unwrap_or(i64::MAX))
                    .ok()
                    .and_then(|days| reviewed.checked_add(days).ok());
                due.is_some_and(|due| today > due)
            }
            _ => true,
        }
    }
}

/// What picks the runbook without any ranking.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Triggers {
    /// Equal to the ticket's label `alertname`.
    pub alertnames: BTreeSet<String>,
    /// All of these labels have exactly these values.
    pub labels: BTreeMap<String, String>,
    /// Regular expressions over title and body.
    pub patterns: Vec<String>,
    /// Any of these matches and the runbook is out, whatever else says yes: tells siblings apart.
    pub not_patterns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Examples {
    pub matching: Vec<String>,
    pub not_matching: Vec<String>,
}

/// A typed slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    #[serde(flatten)]
    pub kind: ParameterType,
    /// Where to look, in order.
    pub from: Vec<ParameterSource>,
    /// Anchored regular expression that the whole value matches.
    pub pattern: Option<String>,
    /// The closed list it must be in.
    pub one_of: Option<Directory>,
    pub required: bool,
    pub description: Option<String>,
}

/// Values are ASCII, anchored and length-capped whatever the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ParameterType {
    Hostname,
    Ip,
    Email,
    Username,
    Uuid,
    Integer {
        min: i64,
        max: i64,
    },
    Duration {
        max: Duration,
    },
    Enum {
        values: Vec<String>,
    },
    /// A path that starts with one of `under` and has no `..`.
    Path {
        under: Vec<String>,
    },
    String {
        max_length: usize,
    },
}

impl ParameterType {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Hostname => "hostname",
            Self::Ip => "ip",
            Self::Email => "email",
            Self::Username => "username",
            Self::Uuid => "uuid",
            Self::Integer { .. } => "integer",
            Self::Duration { .. } => "duration",
            Self::Enum { .. } => "enum",
            Self::Path { .. } => "path",
            Self::String { .. } => "string",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterSource {
    Label(String),
    Attribute(String),
    /// The requester's e-mail address or stable id, for "my account" tickets.
    Requester,
    Text,
}

/// Where a parameter's value must exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directory {
    /// A column of a file beside the runbooks, read at load.
    List {
        /// Path as written in the runbook.
        path: String,
        values: BTreeSet<String>,
    },
    /// A configured service that is asked for each value.
    Service { name: DirectoryName },
}

impl std::fmt::Display for Directory {
    /// As written in the runbook.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List { path, .. } => f.write_str(path),
            Self::Service { name } => write!(f, "directory:{name}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Looks, changes nothing; a failed expectation stops the run before any change.
    Precheck,
    Change,
    /// Proves that the change helped; polled until `within`.
    Verify,
    /// Undoes a change; runs only after a failure or on request.
    Rollback,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    pub kind: StepKind,
    pub connector: ConnectorName,
    /// What the connector is asked to do; for `http` a method name in lower case.
    pub operation: String,
    /// Arguments; strings in it are templates.
    pub with: Argument,
    /// CEL over `status`, `headers` and `body` of the answer; absent means any 2xx will do.
    pub expect: Option<String>,
    pub timeout: Duration,
    /// How long a verify may poll; zero for one look.
    pub within: Duration,
    /// Safe to send twice; only then is it retried.
    pub idempotent: bool,
    /// The rollback step of a change.
    pub rollback: Option<StepId>,
}

/// JSON whose strings are templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Template),
    List(Vec<Argument>),
    Object(BTreeMap<String, Argument>),
}

/// Text with named holes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Literal(String),
    Hole(ParameterName),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` opens `{{{{` and does not close it with `}}}}`")]
    Unclosed(String),
    #[error("`{{{{{0}}}}}` is not a parameter: {1}")]
    BadName(String, super::name::NotAName),
    #[error("no value for parameter `{0}`")]
    Missing(ParameterName),
}

impl Template {
    /// # Errors
    /// A hole that does not close or whose name cannot be a parameter's.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let close = rest[open..].find("}}").ok_or_else(|| TemplateError::Unclosed(text.to_owned()))? + open;
            if open > 0 {
                pieces.push(Piece::Literal(rest[..open].to_owned()));
            }
            let name = rest[open + 2..close].trim();
            pieces.push(Piece::Hole(ParameterName::new(name).map_err(|why| TemplateError::BadName(name.to_owned(), why))?));
            rest = &rest[close + 2..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The text with its holes as `{{name}}`, for people to read.
    pub fn written(&self) -> String {
        self.0.iter().fold(String::new(), |text, piece| match piece {
            Piece::Literal(literal) => text + literal,
            Piece::Hole(name) => format!("{text}{{{{{name}}}}}"),
        })
    }

    /// The holes in the order written.
    pub fn holes(&self) -> impl Iterator<Item = &ParameterName> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(name) => Some(name),
            Piece::Literal(_) => None,
        })
    }

    /// The text with each hole filled by `encode(value)`; literals stand as written.
    ///
    /// One pass: a value that looks like a hole stays text.
    ///
    /// # Errors
    /// A hole that `values` has no value for.
    pub fn render(&self, values: &BTreeMap<ParameterName, String>, encode: impl Fn(&str) -> String) -> Result<String, TemplateError> {
        self.0.iter().try_fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Hole(name) => text.push_str(&encode(values.get(name).ok_or_else(|| TemplateError::Missing(name.clone()))?)),
            }
            Ok(text)
        })
    }
}

impl Argument {
    /// Every hole in every template of this argument.
    pub fn holes(&self) -> Vec<&ParameterName> {
        match self {
            Self::Text(template) => template.holes().collect(),
            Self::List(items) => items.iter().flat_map(Self::holes).collect(),
            Self::Object(fields) => fields.values().flat_map(Self::holes).collect(),
            Self::Null | Self::Bool(_) | Self::Number(_) => Vec::new(),
        }
    }

    /// The JSON with every hole as `{{name}}`, for people to read.
    pub fn written(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(template) => Value::String(template.written()),
            Self::List(items) => Value::Array(items.iter().map(Self::written).collect()),
            Self::Object(fields) => Value::Object(fields.iter().map(|(key, value)| (key.clone(), value.written())).collect()),
        }
    }

    /// # Errors
    /// A string in `value` that is not a template.
    pub fn parse(value: &serde_json::Value) -> Result<Self, TemplateError> {
        use serde_json::Value;
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(Template::parse(text)?),
            Value::Array(items) => Self::List(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => Self::Object(
                fields.iter().map(|(key, value)| Ok((key.clone(), Self::parse(value)?))).collect::<Result<_, TemplateError>>()?,
            ),
        })
    }

    /// The JSON with every hole filled as text. JSON encoding is the serialiser's, so a value cannot leave its string.
    ///
    /// # Errors
    /// A hole that `values` has no value for.
    pub fn render(&self, values: &BTreeMap<ParameterName, String>) -> Result<serde_json::Value, TemplateError> {
        use serde_json::Value;
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(template) => Value::String(template.render(values, str::to_owned)?),
            Self::List(items) => Value::Array(items.iter().map(|item| item.render(values)).collect::<Result<_, _>>()?),
            Self::Object(fields) => Value::Object(
                fields.iter().map(|(key, value)| Ok((key.clone(), value.render(values)?))).collect::<Result<_, TemplateError>>()?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<ParameterName, String> {
        pairs.iter().map(|(name, value)| (ParameterName::new(*name).unwrap(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_value_that_looks_like_a_hole_stays_text() {
        let template = Template::parse("/printers/{{ host }}/restart").unwrap();
        let filled = template.render(&values(&[("host", "{{other}}"), ("other", "x")]), str::to_owned).unwrap();
        assert_eq!(filled, "/printers/{{other}}/restart");
    }

    #[test]
    fn a_value_cannot_leave_its_json_string() {
        let argument = Argument::parse(&serde_json::json!({"user": "{{u}}", "force": true})).unwrap();
        let filled = argument.render(&values(&[("u", "a\",\"admin\":\"yes")])).unwrap();
        assert_eq!(filled, serde_json::json!({"user": "a\",\"admin\":\"yes", "force": true}));
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_templates() {
        let argument = Argument::parse(&serde_json::json!({"path": "/a/{{ h }}/b", "n": [1, true, null, "{{x}}"]})).unwrap();
        assert_eq!(argument.written(), serde_json::json!({"path": "/a/{{h}}/b", "n": [1, true, null, "{{x}}"]}));
        assert_eq!(Argument::parse(&argument.written()).unwrap(), argument);
    }

    #[test]
    fn holes_must_close_have_a_name_and_a_value() {
        assert!(matches!(Template::parse("a {{b"), Err(TemplateError::Unclosed(_))));
        assert!(matches!(Template::parse("{{a|shell}}"), Err(TemplateError::BadName(..))));
        let lone = Template::parse("{{a}}").unwrap();
        assert_eq!(lone.render(&values(&[]), str::to_owned).unwrap_err().to_string(), "no value for parameter `a`");
    }
}
