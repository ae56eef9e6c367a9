//! What triage assigns, with how sure it is and which words decided.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    priority::{Priority, Risk},
    ticket::TicketKind,
};

/// A part of the ticket's original text: bytes `start..end` of `field`, on character borders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Span {
    pub field: Field,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Title,
    Body,
}

/// How much one feature moved the winning class, in logits; contributions of one estimate sum to its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Contribution {
    /// The feature for people: a word, a pair of words, `signal:NAME`.
    pub feature: String,
    pub weight: f64,
    /// Where it stands in the original text; empty for what is no text.
    pub spans: Vec<Span>,
}

/// One head's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    /// The label, or `None` when the head abstains and a person decides.
    pub label: Option<String>,
    /// The most likely labels with calibrated probabilities in `0..=1`, best first; at most five.
    pub ranked: Vec<(String, f64)>,
    /// Below this probability the head abstains.
    pub threshold: f64,
    /// The text is unlike all that the head learned from: it abstains, however likely a label seems.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// The strongest contributions to the best label, largest absolute weight first; at most ten.
    pub because: Vec<Contribution>,
    /// Of the texts that the model learned from, those that mean about the same, nearest first; at most three.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<NearExample>,
}

/// A text that the model learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NearExample {
    /// Its beginning, without secrets and personal data.
    pub excerpt: String,
    pub label: String,
    /// Cosine of the two vectors, in `-1..=1`.
    pub similarity: f64,
}

impl Estimate {
    /// The probability of the best label; 0 when there is none.
    pub fn probability(&self) -> f64 {
        self.ranked.first().map_or(0.0, |(_, p)| *p)
    }
}

/// A named regular expression set that matched, with where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SignalHit {
    pub signal: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raises_risk: Option<Risk>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raises_priority: Option<Priority>,
    pub spans: Vec<Span>,
}

/// A typed thing named in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entity {
    pub kind: EntityKind,
    pub value: super::untrusted::Untrusted,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Host,
    Ip,
    User,
    Email,
    Url,
    ErrorCode,
    AssetTag,
    Version,
}

/// Everything triage says of one ticket version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Classification {
    pub category: Estimate,
    pub assignment_group: Option<String>,
    pub kind: TicketKind,
    pub priority: Priority,
    /// Why the priority is what it is, each reason a sentence.
    pub priority_because: Vec<String>,
    /// The highest of signals, classifier and requester; the runbook's own class joins at the gate.
    pub risk: Risk,
    pub risk_because: Vec<String>,
    /// Guessed language as ISO 639-1, `und` when unsure.
    pub language: String,
    /// Things the normaliser noticed, like `invisible_characters`.
    pub flags: Vec<String>,
    pub signals: Vec<SignalHit>,
    pub entities: Vec<Entity>,
    /// Digest of the model that answered.
    pub model: Digest,
    /// Other heads by target name, when the model has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Estimate>,
}
