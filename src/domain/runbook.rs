//! A runbook as the engine knows it: parsed, checked, and named by the digest of its bytes.
//!
//! The `runbook` room makes these from Markdown; nothing else does.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    name::{ConnectorName, DirectoryName, OutputName, ParameterName, PersonId, RunbookId, StepId},
    priority::Risk,
    template::{Argument, Hole, Value, Values},
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
    /// How long a run may take before no further precheck or change begins.
    pub time_limit: Duration,
    /// In the order written; rollbacks run only when a change names them.
    pub steps: Vec<Step>,
    pub examples: Examples,
    /// The Markdown below the front matter.
    pub body: String,
    /// SHA-256 of the file's bytes as read.
    pub digest: Digest,
}

impl Runbook {
    /// Of a runbook that names none.
    pub const USUAL_TIME_LIMIT: Duration = Duration::from_secs(30 * 60);

    /// True when it has a `change` step: something the engine could run.
    pub fn is_executable(&self) -> bool {
        self.steps.iter().any(|step| step.kind == StepKind::Change)
    }

    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| &step.id == id)
    }

    /// What fills the holes of its steps before any of them ran: `parameters`, each in the type it is declared with.
    pub fn values(&self, parameters: &BTreeMap<ParameterName, String>) -> Values {
        let typed = |name: &ParameterName, text: &String| match self.parameters.get(name).map(|parameter| &parameter.kind) {
            Some(ParameterType::Integer { .. }) => text.parse().map_or_else(|_| Value::Text(text.clone()), Value::Integer),
            _ => Value::Text(text.clone()),
        };
        parameters.iter().map(|(name, text)| (Hole::Parameter(name.clone()), typed(name, text))).collect()
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
    /// How long a verify may poll, zero for one look; for a step that starts a job at the other side, how long the
    /// job may take, zero for the engine's own bound.
    pub within: Duration,
    /// Safe to send twice; only then is it retried.
    pub idempotent: bool,
    /// The rollback step of a change.
    pub rollback: Option<StepId>,
    /// What later steps may use of its answer.
    pub outputs: BTreeMap<OutputName, Output>,
}

/// A typed value taken from the answer of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// CEL over `status`, `headers` and `body` of the answer.
    pub value: String,
    #[serde(flatten)]
    pub kind: ParameterType,
    /// Anchored regular expression that the whole value matches.
    pub pattern: Option<String>,
}
