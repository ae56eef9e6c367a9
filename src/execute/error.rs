//! What can go wrong with an execution that is not an outcome of its steps.

use crate::{
    domain::{
        digest::Digest,
        execution::IllegalMove,
        id::ExecutionId,
        name::{RunbookId, StepId},
        template::TemplateError,
    },
    outbound::Refusal,
    store::interface::StoreError,
};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    #[error("connector `{connector}`: {why}")]
    Connector { connector: String, why: String },
    #[error("connector `{connector}`: {why}")]
    Target { connector: String, why: Refusal },
    #[error("runbook `{runbook}` changed since it was allowed: allowed {allowed}, now {now}")]
    RunbookChanged { runbook: RunbookId, allowed: Digest, now: Digest },
    #[error("step `{step}` uses connector `{connector}`, which is not configured")]
    NoConnector { step: StepId, connector: String },
    #[error("step `{step}`: {why}")]
    Step { step: StepId, why: String },
    #[error("step `{step}`: {why}")]
    Value { step: StepId, why: TemplateError },
    #[error("step `{step}`: connector `{connector}` does not allow `{call}`: list it in `allow` if it is meant")]
    NotAllowed { step: StepId, connector: String, call: String },
    /// Another worker, or a person, changed the execution; it is theirs now.
    #[error("execution `{0}` was taken over")]
    TakenOver(ExecutionId),
    #[error("execution `{0}` is over and does not run again")]
    Over(ExecutionId),
    #[error(transparent)]
    IllegalMove(#[from] IllegalMove),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a canonical form could not be written: {0}")]
    Canonical(#[from] serde_json::Error),
}
