//! One run of a runbook: its states, its steps, and the intent log that survives a crash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::{ExecutionId, RecommendationId, TicketId},
    name::{OutputName, ParameterName, PersonId, RunbookId, StepId, TenantId},
    principal::Actor,
    runbook::StepKind,
    template::Value,
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
            // An undo has nothing to do but rollbacks.
            S::Pending => matches!(to, S::Running | S::RollingBack | S::Refused | S::Cancelled),
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
    /// The job that the call started at the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// What the step gave to later ones, by the names the runbook declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<OutputName, Value>,
}

/// What names a job at the other side, as its connector writes it: committed as soon as the launch is answered, so
/// that a crash afterwards looks at this job and never starts a second one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Job(String);

impl Job {
    /// # Errors
    /// It is empty, longer than 300 bytes, or has a character that is not printable ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        if text.is_empty() || text.len() > 300 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the answer names no job: expected 1 to 300 printable characters".to_owned());
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Committed before the call; still this after a crash means nobody knows.
    Started,
    /// The other side took a job and works on it; `job` names it, and looking at it says what becomes of it.
    Accepted,
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
    /// No further precheck or change begins; what was changed is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancellation>,
    /// Set on a run that takes back what an earlier one did: it has rollbacks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<Undo>,
    /// The newest run that was made to take this one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<ExecutionId>,
}

/// A person's word that a run should go no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cancellation {
    pub by: PersonId,
    pub at: Timestamp,
    pub reason: Option<String>,
}

/// The run that an undo takes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Undo {
    pub of: ExecutionId,
    /// True when it took the ticket from `resolved`, and so says at its end where the ticket goes.
    pub holds_ticket: bool,
    /// Its intent log when the undo was asked for: what was changed, and what rollbacks may use.
    pub log: Vec<StepRun>,
}

impl Execution {
    pub const FORM: u32 = 1;

    /// The `Idempotency-Key` of a step: the same for every attempt, another for every run.
    pub fn idempotency_key(&self, step: &StepId) -> String {
        format!("{}-{}", self.id, step)
    }

    /// The step that was started and whose end nobody recorded.
    pub fn unfinished_step(&self) -> Option<&StepRun> {
        self.steps.last().filter(|run| matches!(run.outcome, StepOutcome::Started | StepOutcome::Accepted))
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
