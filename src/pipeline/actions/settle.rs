//! A person looked and says what became of a run in doubt.
// INVARIANT: the run's word and the ticket's are one change, under the revision that the person saw.

use serde::Deserialize;

use crate::{
    domain::{
        execution::{Execution, ExecutionState},
        id::ExecutionId,
        principal::{Actor, Principal, Role},
    },
    pipeline::{
        actions::approve::LONGEST_COMMENT,
        closing, demotion,
        error::{ActionError, Result},
        service::Service,
    },
};

/// What the person found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The change is made and helps.
    Succeeded,
    /// Nothing of it is left.
    RolledBack,
    /// Something changed that should not have, or it does not help. A person mends it by hand.
    Failed,
}

impl Found {
    const fn state(self) -> ExecutionState {
        match self {
            Self::Succeeded => ExecutionState::Succeeded,
            Self::RolledBack => ExecutionState::RolledBack,
            Self::Failed => ExecutionState::Failed,
        }
    }
}

/// Ends the doubt.
///
/// # Errors
/// Not found, wrong role, no comment, not in doubt, or changed since the caller saw it.
pub async fn settle(
    service: &Service,
    caller: &Principal,
    id: ExecutionId,
    revision: u64,
    found: Found,
    comment: &str,
) -> Result<Execution> {
    service.require_any(caller, &[Role::Responder, Role::Approver])?;
    let comment = comment.trim();
    if comment.is_empty() || comment.len() > LONGEST_COMMENT {
        let message = format!("say in 1 to {LONGEST_COMMENT} bytes what you looked at, got {}", comment.len());
        return Err(ActionError::Invalid { pointer: "/comment".to_owned(), message });
    }
    let run = service.execution(&caller.tenant, id).await?;
    if run.revision != revision {
        return Err(ActionError::Changed(format!("you saw revision {revision}, it is now at {}", run.revision)));
    }
    if run.state != ExecutionState::InDoubt {
        return Err(ActionError::Changed(format!("the run is not in doubt: it is `{}`", run.state.as_str())));
    }
    if run.undoes.is_some() && found == Found::Succeeded {
        let message = "this run takes another one back: it is `rolled_back` or `failed`".to_owned();
        return Err(ActionError::Invalid { pointer: "/found".to_owned(), message });
    }
    let by = Actor::Person(caller.person.clone());
    let run = closing::end(service, run, found.state(), comment.to_owned(), &by).await?;
    // What the person said is committed: that the mode could not be set is the log's to tell, and the gate refuses all the same.
    if let Err(error) = demotion::settle(service, &run.tenant, &run.runbook, &run.runbook_digest).await {
        tracing::error!(runbook = %run.runbook, %error, "the runbook's mode was not set to `suggest`; the gate refuses all the same");
    }
    Ok(run)
}
