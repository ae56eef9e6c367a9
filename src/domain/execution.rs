//! One run of a runbook: its states, its steps, and the intent log that survives a crash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::{ExecutionId, RecommendationId, TicketId},
    name::{ParameterName, RunbookId, StepId, TenantId},
    principal::Actor,
    runbook::StepKind,
    time::Timestamp,
};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Allowed; no call made.
    Pending,
    Running,
    /// A change failed or did not help; rollbacks of completed changes run.
    RollingBack,
    /// Changes made and verified.
    Succeeded,
    /// Stopped before any change.
    Refused,
    /// Failed; every completed change was undone.
    RolledBack,
    /// Failed; something changed and could not be undone. A person must look.
    Failed,
    /// A call was sent and its outcome is not known. A person must look unless the verify probe decides.
    InDoubt,
    /// A person stopped it before any change.
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an execution cannot go from `{}` to `{}`", from.as_str(), to.as_str())]
pub struct IllegalMove {
    pub from: ExecutionState,
    pub to: ExecutionState,
}

impl ExecutionState {
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Running,
        Self::RollingBack,
        Self::Succeeded,
        Self::Refused,
        Self::RolledBack,
        Self::Failed,
        Self::InDoubt,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::RollingBack => "rolling_back",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Cancelled => "cancelled",
        }
    }

    /// True when nothing more will happen by itself.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::RollingBack)
    }

    /// # Errors
    /// [`IllegalMove`] when a run has no such move.
    pub const fn transition(self, to: Self) -> Result<Self, IllegalMove> {
        use ExecutionState as S;
        let legal = match self {
            S::Pending => matches!(to, S::Running | S::Refused | S::Cancelled),
            S::Running => matches!(to, S::Succeeded | S::RollingBack | S::Refused | S::Failed | S::InDoubt | S::Cancelled),
            S::RollingBack => matches!(to, S::RolledBack | S::Failed | S::InDoubt),
            // The verify probe, or a person who looked, decides what became of it.
            S::InDoubt => matches!(to, S::Succeeded | S::RolledBack | S::Failed),
            S::Succeeded | S::Refused | S::RolledBack | S::Failed | S::Cancelled => false,
        };
        if legal { Ok(to) } else { Err(IllegalMove { from: self, to }) }
    }
}

/// One line of the intent log: written `Started` before the call, and again after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepRun {
    pub step: StepId,
    pub kind: StepKind,
    /// 1 for the first call.
    pub attempt: u32,
    pub outcome: StepOutcome,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Method and URL sent, with no secret in it.
    pub request: String,
    /// HTTP status of the answer, when there was one.
    pub status: Option<u16>,
    /// For people: why it failed.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Committed before the call; still this after a crash means nobody knows.
    Started,
    Succeeded,
    Failed,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Execution {
    /// Version of this stored form.
    pub form: u32,
    pub id: ExecutionId,
    pub tenant: TenantId,
    pub ticket: TicketId,
    pub recommendation: RecommendationId,
    pub runbook: RunbookId,
    pub runbook_digest: Digest,
    pub parameters: BTreeMap<ParameterName, String>,
    /// Digest of runbook and parameters: what the per-target cap counts.
    pub target: Digest,
    /// Digest of source and requester id: what the per-requester cap counts. Absent when nobody asked.
    pub requester: Option<Digest>,
    /// `Engine` for automatic runs, else the last approver.
    pub started_by: Actor,
    pub state: ExecutionState,
    pub steps: Vec<StepRun>,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
    pub created_at: Timestamp,
    /// Automatic runs wait until then, so that a person can cancel.
    pub not_before: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl Execution {
    pub const FORM: u32 = 1;

    /// The `Idempotency-Key` of a step: the same for every attempt, another for every run.
    pub fn idempotency_key(&self, step: &StepId) -> String {
        format!("{}-{}", self.id, step)
    }

    /// The step that was started and whose outcome nobody recorded.
    pub fn unfinished_step(&self) -> Option<&StepRun> {
        self.steps.last().filter(|run| run.outcome == StepOutcome::Started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_run_never_runs_again() {
        for from in ExecutionState::ALL.into_iter().filter(|state| state.is_final()) {
            for to in [ExecutionState::Pending, ExecutionState::Running, ExecutionState::RollingBack] {
                assert!(from.transition(to).is_err(), "{} to {}", from.as_str(), to.as_str());
            }
        }
    }
}
