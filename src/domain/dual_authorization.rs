//! What takes effect only when a second person confirms it (dual authorization, NIST SP 800-53 AC-3(2)).
//!
//! Two matters: letting Sluicegate act on its own, and running something in spite of a freeze.
// INVARIANT: the two persons differ under every spelling of their identity; an expired request confirms nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    approval::Scope,
    digest::Digest,
    id::{DualAuthorizationId, RecommendationId, TicketId},
    name::{PersonId, TenantId},
    time::Timestamp,
};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "matter", rename_all = "snake_case")]
pub enum Matter {
    /// Set the mode of `scope` to `auto`.
    AutoMode { scope: Scope },
    /// Let people approve this proposal, exactly as it was seen, although a freeze window is in force.
    FreezeOverride {
        recommendation: RecommendationId,
        ticket: TicketId,
        binding: Digest,
        /// The freezes in force when it was asked for; another one is not lifted.
        windows: BTreeSet<String>,
    },
}

impl Matter {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::AutoMode { .. } => "auto_mode",
            Self::FreezeOverride { .. } => "freeze_override",
        }
    }
}

/// Where a request stands. An open one past its `expires_at` is dead without a further record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    Open,
    Confirmed { by: PersonId, at: Timestamp },
    Withdrawn { by: PersonId, at: Timestamp },
}

impl Standing {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed { .. } => "confirmed",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }
}

/// One request, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DualAuthorization {
    /// Version of this stored form.
    pub form: u32,
    pub id: DualAuthorizationId,
    pub tenant: TenantId,
    #[serde(flatten)]
    pub matter: Matter,
    /// For the second person, and for whoever reads the log.
    pub reason: String,
    pub requested_by: PersonId,
    pub requested_at: Timestamp,
    /// Until then it can be confirmed; a freeze override that was confirmed ends then too.
    pub expires_at: Timestamp,
    pub standing: Standing,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
}

impl DualAuthorization {
    pub const FORM: u32 = 1;
}
