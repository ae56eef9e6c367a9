//! A proposal for one version of one ticket: which runbook, with which values, on what evidence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    approval::Approval,
    classification::{Classification, Span},
    digest::Digest,
    id::{DualAuthorizationId, RecommendationId, TicketId},
    name::{ParameterName, PersonId, RunbookId, TenantId},
    receipt::Receipt,
    time::Timestamp,
    verdict::Verdict,
};

/// A runbook that might fit, with why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    pub runbook: RunbookId,
    pub title: String,
    pub digest: Digest,
    /// Rank score; comparable only inside one answer.
    pub score: f64,
    /// Probability in `0..=1` that this runbook fits the ticket.
    pub fit: f64,
    pub because: Vec<Evidence>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    AlertName {
        name: String,
    },
    Label {
        name: String,
    },
    Pattern {
        pattern: String,
        spans: Vec<Span>,
    },
    /// A word of the ticket found in the runbook's field, with its part of the score.
    Term {
        term: String,
        field: String,
        weight: f64,
    },
    /// The stretch of the runbook that is nearest: by meaning where there is an embedding (cosine), by the part of the
    /// ticket's weight in words that it has where there is none.
    Passage {
        text: String,
        similarity: f64,
    },
}

/// A value that passed its validators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FilledParameter {
    pub name: ParameterName,
    /// Validated: ASCII, typed, inside its list.
    pub value: String,
    pub origin: Origin,
    /// Each check the value passed, for people: `hostname`, `pattern ^prn-…$`, `in inventory/printers.csv`.
    pub validated_by: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    Label {
        name: String,
    },
    Attribute {
        name: String,
    },
    Requester,
    Text {
        span: Span,
    },
    /// A person typed it in.
    Person {
        person: PersonId,
    },
}

/// A value that is not there, with why; a person is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MissingParameter {
    pub name: ParameterName,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecommendationState {
    /// Waits for a person, or runs.
    Open,
    Approved,
    Rejected,
    Expired,
    /// The ticket, runbook or policy changed and a newer one took its place.
    Superseded,
}

impl RecommendationState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
}

/// What a person changed of a proposal: the runbook they chose and the values they typed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Edit {
    pub by: PersonId,
    pub runbook: RunbookId,
    /// Those that were typed in; the others are filled from the ticket.
    pub parameters: BTreeMap<ParameterName, String>,
}

/// The proposal with everything that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recommendation {
    /// Version of this stored form.
    pub form: u32,
    pub id: RecommendationId,
    pub tenant: TenantId,
    pub ticket: TicketId,
    pub ticket_version: u64,
    pub classification: Classification,
    /// The runbook proposed, `None` when none fits.
    pub runbook: Option<RunbookId>,
    pub runbook_digest: Option<Digest>,
    /// Best first, at most five, the proposed one included.
    pub candidates: Vec<Candidate>,
    pub parameters: Vec<FilledParameter>,
    pub missing: Vec<MissingParameter>,
    pub verdict: Verdict,
    /// The verdict by which people's approvals let it run: asked anew with the facts of that moment, their roles, and any
    /// freeze override. `None` until then, and for what ran by itself, which [`Self::verdict`] allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Box<Verdict>>,
    /// It is a person's change of what was proposed before; it never runs by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// The gate would let it run with no person's yes, were the runbook trusted: pre-approved, on `auto`, with a good
    /// record. What people then do says whether it deserves to be.
    #[serde(default)]
    pub would_act: bool,
    pub receipt: Receipt,
    /// Two persons' word, by which people may approve it in spite of a freeze. The verdict and its receipt stay as they
    /// were decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_override: Option<DualAuthorizationId>,
    pub state: RecommendationState,
    pub approvals: Vec<Approval>,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
    pub created_at: Timestamp,
    /// After this nobody may approve it.
    pub expires_at: Timestamp,
}

impl Recommendation {
    pub const FORM: u32 = 1;

    /// The values by name, as steps take them.
    pub fn values(&self) -> BTreeMap<ParameterName, String> {
        self.parameters.iter().map(|p| (p.name.clone(), p.value.clone())).collect()
    }

    /// What an approval is bound to: runbook, parameters, policies and what the sender said. One changed byte, another digest.
    ///
    /// # Errors
    /// Never for values this program makes; the canonical writer's signature has an error.
    pub fn binding(&self) -> Result<Digest, serde_json::Error> {
        super::canonical::digest(&serde_json::json!({
            "form": 1,
            "ticket": self.ticket,
            "input": self.receipt.input,
            "runbook": self.runbook,
            "runbook_digest": self.runbook_digest,
            "parameters": self.values(),
            "policies": self.verdict.policies,
        }))
    }
}
