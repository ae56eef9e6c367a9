//! What came of one proposal, and how that is known: by a verification, by a person, or by the ticket coming back.
//!
//! The error bound and the demotion of a runbook are counted over these records and nothing else.
// INVARIANT: right may turn to wrong, wrong never to right: the sequential test is valid for outcomes that come
// late only while what is counted so far has no more wrong ones than what will be counted in the end.

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::{RecommendationId, TicketId},
    name::{RunbookId, TenantId},
    principal::Actor,
    time::Timestamp,
};

/// How it is known whether the proposal was right. The names are stable: queries and reports show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The proposed runbook ran and its verify step held.
    Verified,
    /// A person did by hand what was proposed.
    SameRunbook,
    /// The proposed runbook ran and failed, did not help, or left its effect unknown.
    VerifyFailed,
    /// A person refused the proposal.
    Rejected,
    /// A person used another runbook.
    AnotherRunbook,
    /// A person corrected the category that the proposal rested on.
    CategoryCorrected,
    /// A person took back what ran.
    Undone,
    /// The sender opened the ticket again within the window that the operator set.
    Reopened,
}

impl OutcomeKind {
    pub const ALL: [Self; 8] = [
        Self::Verified,
        Self::SameRunbook,
        Self::VerifyFailed,
        Self::Rejected,
        Self::AnotherRunbook,
        Self::CategoryCorrected,
        Self::Undone,
        Self::Reopened,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::SameRunbook => "same_runbook",
            Self::VerifyFailed => "verify_failed",
            Self::Rejected => "rejected",
            Self::AnotherRunbook => "another_runbook",
            Self::CategoryCorrected => "category_corrected",
            Self::Undone => "undone",
            Self::Reopened => "reopened",
        }
    }

    /// Whether it counts against the runbook.
    pub const fn is_wrong(self) -> bool {
        !matches!(self, Self::Verified | Self::SameRunbook)
    }
}

/// The outcome of one recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Outcome {
    /// Version of this stored form.
    pub form: u32,
    pub recommendation: RecommendationId,
    pub tenant: TenantId,
    pub ticket: TicketId,
    pub runbook: RunbookId,
    pub runbook_digest: Digest,
    /// The gate would have let it run with no person's yes, had the runbook been trusted.
    pub would_act: bool,
    /// It did run with no person's yes.
    pub automatic: bool,
    pub kind: OutcomeKind,
    /// What was used instead, when a person said so.
    pub another_runbook: Option<RunbookId>,
    /// The right category, when a person said so.
    pub category: Option<String>,
    pub comment: Option<String>,
    pub by: Actor,
    /// When the proposal was made.
    pub decided_at: Timestamp,
    /// When this became known.
    pub known_at: Timestamp,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
}

impl Outcome {
    pub const FORM: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_json_has_and_two_kinds_are_right() {
        for kind in OutcomeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(OutcomeKind::ALL.iter().filter(|kind| !kind.is_wrong()).count(), 2);
    }
}
