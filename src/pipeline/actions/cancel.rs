//! A person stops a run: before it began, in its hold or after it, or between two of its steps.
//!
//! Only says that it is wanted. The worker that has the run sees it before its next step: what was not begun is not,
//! what was changed is undone. Nothing is cut in the middle of a call.
// INVARIANT: the change touches nothing of the run but the word itself, once, so that a worker in the middle of a step
// can take it up without losing what the step came to.

use crate::{
    domain::{
        entry::{Entry, Event},
        execution::{Cancellation, Execution, ExecutionState},
        id::ExecutionId,
        principal::{Actor, Principal, Role},
    },
    pipeline::{
        actions::approve::LONGEST_COMMENT,
        error::{ActionError, Result},
        service::Service,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

/// Tries while the run takes its steps.
const ATTEMPTS: usize = 16;

/// Asks for the end of the run. One that is cancelled already comes back as it is.
///
/// # Errors
/// Not found, wrong role, over, or past the point where it can be stopped.
pub async fn cancel(service: &Service, caller: &Principal, id: ExecutionId, reason: Option<String>) -> Result<Execution> {
    service.require_any(caller, &[Role::Responder, Role::Approver, Role::Operator])?;
    if let Some(reason) = reason.as_ref().filter(|reason| reason.len() > LONGEST_COMMENT) {
        let message = format!("a reason has at most {LONGEST_COMMENT} bytes, got {}", reason.len());
        return Err(ActionError::Invalid { pointer: "/reason".to_owned(), message });
    }
    for _ in 0..ATTEMPTS {
        let run = service.execution(&caller.tenant, id).await?;
        if run.cancel.is_some() && !run.state.is_final() {
            return Ok(run);
        }
        match run.state {
            ExecutionState::Pending | ExecutionState::Running if run.undoes.is_none() => {}
            ExecutionState::Pending | ExecutionState::Running | ExecutionState::RollingBack => {
                let why = "what it changed is being taken back, and a half-finished undo is worse: the kill switch alone stops it";
                return Err(ActionError::Changed(why.to_owned()));
            }
            over => return Err(ActionError::Changed(format!("the run is over: it is `{}`", over.as_str()))),
        }
        let now = service.ambient.now();
        let expected = run.revision;
        let cancelled = Execution {
            cancel: Some(Cancellation { by: caller.person.clone(), at: now, reason: reason.clone() }),
            // Held or not: the worker may end it now.
            not_before: run.not_before.min(now),
            revision: expected + 1,
            ..run
        };
        let event = Event::CancellationRequested {
            execution: id,
            ticket: cancelled.ticket,
            runbook: cancelled.runbook.clone(),
            reason: reason.clone(),
        };
        let change = Change {
            expect: vec![Expectation::ExecutionRevision { execution: id, revision: expected }],
            writes: vec![Write::Execution(Box::new(cancelled.clone()))],
            entries: vec![Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event)],
        };
        match service.commit(change).await {
            // The run took a step meanwhile.
            Err(StoreError::Conflict(Conflict::Changed { .. })) => {}
            result => return result.map(|_| cancelled).map_err(Into::into),
        }
    }
    Err(ActionError::Changed(format!("the run moved {ATTEMPTS} times meanwhile: look at it, and cancel it again if it still runs")))
}
