//! Who allowed what: approvals of one proposal, pre-approvals of one runbook version, and modes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::PreApprovalId,
    name::{PersonId, RunbookId, SourceId, TenantId},
    time::Timestamp,
};

/// How far Sluicegate may go. The lowest of global, source and runbook applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decide and record; say nothing.
    Shadow,
    /// People act.
    Suggest,
    /// Pre-approved actions run on their own.
    Auto,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Suggest => "suggest",
            Self::Auto => "auto",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Shadow, Self::Suggest, Self::Auto]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a mode: shadow, suggest or auto"))
    }
}

/// One person's yes to one proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Approval {
    pub by: PersonId,
    pub at: Timestamp,
    /// The [`binding`](super::recommendation::Recommendation::binding) that was on the person's screen.
    pub binding: Digest,
    pub comment: Option<String>,
}

/// How often a pre-approved runbook may run on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Runs of the runbook in any hour.
    pub per_hour: u32,
    /// Runs against one target (the set of parameter values) in any hour.
    pub per_target_hour: u32,
    /// Runs for one requester in any hour.
    pub per_requester_hour: u32,
    /// Runs at the same time.
    pub concurrent: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self { per_hour: 10, per_target_hour: 1, per_requester_hour: 2, concurrent: 2 }
    }
}

/// The record that makes one version of a runbook a standard change.
///
/// INVARIANT: it names a digest, so a changed runbook has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PreApproval {
    /// Version of this stored form.
    pub form: u32,
    pub id: PreApprovalId,
    pub tenant: TenantId,
    pub runbook: RunbookId,
    pub digest: Digest,
    pub mode: Mode,
    pub caps: Caps,
    /// Only tickets of these sources; empty means any.
    pub sources: BTreeSet<SourceId>,
    /// Only tickets of these categories; empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub categories: BTreeSet<String>,
    /// Only while this calendar window of kind `hours` is in force, like `office-hours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<String>,
    pub approver: PersonId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked: Option<Revocation>,
    /// Set once the runbook was seen changed. It stays so even when the old bytes come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided: Option<Voided>,
}

impl PreApproval {
    /// 2 added `categories`, `during` and `voided`: a program that does not know them would run too much.
    pub const FORM: u32 = 2;

    /// False when no time will put it in force again.
    pub const fn stands(&self) -> bool {
        self.revoked.is_none() && self.voided.is_none()
    }
}

/// The runbook version was no longer the one in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Voided {
    pub at: Timestamp,
    /// The version in force then; `None` when the runbook was withdrawn.
    pub current: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Revocation {
    pub by: PersonId,
    pub at: Timestamp,
    pub reason: String,
}

/// How far Sluicegate may go, per scope, and the switch that stops everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Modes {
    pub global: Mode,
    #[serde(default)]
    pub sources: std::collections::BTreeMap<SourceId, Mode>,
    #[serde(default)]
    pub runbooks: std::collections::BTreeMap<RunbookId, Mode>,
    /// When a runbook was last set to `auto`: its outcomes are watched from then on.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub auto_since: std::collections::BTreeMap<RunbookId, Timestamp>,
    /// While set, no step of any execution starts.
    #[serde(default)]
    pub kill_switch: Option<KillSwitch>,
    /// Grows with every change; compare-and-set binds to it.
    #[serde(default)]
    pub revision: u64,
}

/// What a mode is set for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "scope", content = "name", rename_all = "snake_case")]
pub enum Scope {
    Global,
    Source(SourceId),
    Runbook(RunbookId),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Source(id) => write!(f, "source/{id}"),
            Self::Runbook(id) => write!(f, "runbook/{id}"),
        }
    }
}

/// Who pulled the switch, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KillSwitch {
    pub by: PersonId,
    pub at: Timestamp,
    pub reason: String,
}

impl Modes {
    /// The lowest of global, source and runbook.
    pub fn effective(&self, source: &SourceId, runbook: Option<&RunbookId>) -> Mode {
        let source = self.sources.get(source).copied();
        let runbook = runbook.and_then(|id| self.runbooks.get(id).copied());
        [Some(self.global), source, runbook].into_iter().flatten().min().unwrap_or(Mode::Shadow)
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            global: Mode::Suggest,
            sources: Default::default(),
            runbooks: Default::default(),
            auto_since: Default::default(),
            kill_switch: None,
            revision: 0,
        }
    }
}
