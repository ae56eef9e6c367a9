//! What the gate says of one recommendation: a decision and every reason for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// Ordered by how much it lets the machine do: `Escalate < RecommendOnly < NeedsApproval < AutoExecute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A person must look now; nothing is proposed for running.
    Escalate,
    /// A person does the work; Sluicegate shows how.
    RecommendOnly,
    /// Sluicegate runs it once a person allows it.
    NeedsApproval,
    /// Sluicegate runs it.
    AutoExecute,
}

impl Decision {
    pub const ALL: [Self; 4] = [Self::Escalate, Self::RecommendOnly, Self::NeedsApproval, Self::AutoExecute];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Escalate => "escalate",
            Self::RecommendOnly => "recommend_only",
            Self::NeedsApproval => "needs_approval",
            Self::AutoExecute => "auto_execute",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Written in Rust; no policy can override it.
    Invariant,
    /// The operator's Cedar policies.
    Policy,
}

/// One check of the gate and how it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// Stable id, part of the API: `risk_low`, `cap_runbook_hour`, or a policy's `@id`.
    pub id: String,
    pub layer: Layer,
    pub passed: bool,
    /// The most this check lets the machine do; `AutoExecute` when it passed.
    pub allows: Decision,
    /// For people, lower case, no full stop.
    pub message: String,
    /// The values the check looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, serde_json::Value>,
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verdict {
    pub decision: Decision,
    /// Every check, refusals first, each group in a fixed order.
    pub reasons: Vec<Reason>,
    /// Digest of the policy set that was asked.
    pub policies: Digest,
    /// Persons that must approve before it runs: 0 when automatic or never.
    pub approvals_needed: u8,
}

impl Verdict {
    pub fn refusals(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| !reason.passed)
    }
}
