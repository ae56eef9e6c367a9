//! What comes next, from the runbook and the intent log alone.
//!
//! Pure: a run and a run resumed after a crash ask the same question of the same log, so there is no second
//! code path for recovery.
//!
//! What an intent-log line says about the world:
//! * `Started`: the call may have been received, and nobody knows what became of it;
//! * `Accepted`: the other side took a job; without an end it is still to be looked at, with one it is not known
//!   what became of it;
//! * `Succeeded`: answered as expected;
//! * `Failed` without a status: surely not received; with a 4xx: received and refused; with any other status:
//!   received, and something may have changed.
// INVARIANT: a change or rollback that is not idempotent is called at most once, whatever happened to the call.
// INVARIANT: `Succeeded` is reached only when every verify step of the runbook was met after the last change.

use crate::domain::{
    execution::{Execution, ExecutionState, StepOutcome, StepRun},
    runbook::{Runbook, Step, StepKind},
    template::{Hole, Values},
};

/// Calls of one idempotent step, the first included.
pub const MOST_ATTEMPTS: u32 = 3;

/// Calls of one step that only looks, or that is idempotent, when the answers were lost to crashes and takeovers. More than
/// failures get: sending it again harms nothing, and an answer that nobody heard is no reason to refuse a run, to leave it
/// in doubt, or to undo a change that worked.
pub const MOST_UNHEARD: u32 = 20;

/// The next thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<'a> {
    /// Call this step; the attempt goes into its log line.
    Call { step: &'a Step, attempt: u32 },
    /// Look at the job that the newest line of this step names.
    Follow { step: &'a Step },
    /// Move to this state: rollbacks, or the end.
    Move { to: ExecutionState, reason: Option<String> },
}

/// The newest log line of a step.
fn last<'a>(execution: &'a Execution, step: &Step) -> Option<&'a StepRun> {
    execution.steps.iter().rev().find(|run| run.step == step.id)
}

/// Every line that says what this run, or the one it undoes, did.
fn lines(execution: &Execution) -> impl DoubleEndedIterator<Item = &StepRun> {
    execution.undoes.iter().flat_map(|undo| &undo.log).chain(&execution.steps)
}

/// What fills the holes of the steps now: the parameters, and what steps have given so far.
pub fn values(runbook: &Runbook, execution: &Execution) -> Values {
    let mut values = runbook.values(&execution.parameters);
    for run in lines(execution).filter(|run| run.outcome == StepOutcome::Succeeded) {
        for (output, value) in &run.outputs {
            values.insert(Hole::Output { step: run.step.clone(), output: output.clone() }, value.clone());
        }
    }
    values
}

/// True when some call of the step may have changed something at the other side.
///
/// Looks at every attempt: a retry that surely failed says nothing about the attempt before it.
fn may_have_changed(execution: &Execution, step: &Step) -> bool {
    lines(execution).filter(|run| run.step == step.id).any(|run| match run.outcome {
        StepOutcome::Succeeded | StepOutcome::Started | StepOutcome::Accepted => true,
        StepOutcome::Failed => run.status.is_some_and(|status| !(400..500).contains(&status)),
    })
}

/// True when a further call of the step is left.
fn is_left(run: &StepRun) -> bool {
    // Without an end nobody was there to hear; a call that was cut or timed out has one.
    let unheard = run.outcome == StepOutcome::Started && run.finished_at.is_none();
    run.attempt < if unheard { MOST_UNHEARD } else { MOST_ATTEMPTS }
}

/// True when another try of an idempotent step could help, and is left.
fn may_be_sent_again(run: &StepRun) -> bool {
    is_left(run) && run.status.is_none_or(|status| status >= 500 || matches!(status, 408 | 425 | 429))
}

fn steps(runbook: &Runbook, kind: StepKind) -> impl DoubleEndedIterator<Item = &Step> {
    runbook.steps.iter().filter(move |step| step.kind == kind)
}

/// True when some change of this run may have had an effect.
pub fn has_changed_something(runbook: &Runbook, execution: &Execution) -> bool {
    steps(runbook, StepKind::Change).any(|step| may_have_changed(execution, step))
}

fn failure(step: &Step, run: &StepRun) -> String {
    format!("step `{}` failed: {}", step.id, run.detail.as_deref().unwrap_or("no reason recorded"))
}

/// The next move of an execution that is not final.
pub fn next<'a>(runbook: &'a Runbook, execution: &Execution) -> Next<'a> {
    match (&execution.undoes, execution.state) {
        (_, ExecutionState::RollingBack) => next_rollback(runbook, execution),
        // Asked for while it is still pending: what is stopped here took nothing back and can be asked for once more.
        (Some(_), _) => match next_rollback(runbook, execution) {
            call @ Next::Call { .. } => call,
            _ => {
                let (to, reason) = beginning(execution);
                Next::Move { to, reason }
            }
        },
        (None, _) => next_forward(runbook, execution),
    }
}

/// The state in which a pending execution makes its first call, and why.
pub fn beginning(execution: &Execution) -> (ExecutionState, Option<String>) {
    match &execution.undoes {
        Some(undo) => (ExecutionState::RollingBack, Some(format!("takes back run `{}`", undo.of))),
        None => (ExecutionState::Running, None),
    }
}

/// True when nobody knows what became of some call of a rollback, and no later call of it worked.
pub fn some_rollback_is_unknown(runbook: &Runbook, execution: &Execution) -> bool {
    steps(runbook, StepKind::Rollback).any(|undo| is_unknown(execution, undo))
}

fn is_unknown(execution: &Execution, undo: &Step) -> bool {
    let was = |wanted: &[StepOutcome]| execution.steps.iter().any(|run| run.step == undo.id && wanted.contains(&run.outcome));
    was(&[StepOutcome::Started, StepOutcome::Accepted]) && !was(&[StepOutcome::Succeeded])
}

fn next_forward<'a>(runbook: &'a Runbook, execution: &Execution) -> Next<'a> {
    use ExecutionState::{InDoubt, Refused, RollingBack, Succeeded};
    let end = |to, reason: String| Next::Move { to, reason: Some(reason) };

    for step in steps(runbook, StepKind::Precheck) {
        match last(execution, step) {
            None => return Next::Call { step, attempt: 1 },
            Some(run) if run.outcome == StepOutcome::Succeeded => {}
            // A precheck only looks, so a look whose answer was lost is repeated.
            Some(run) if run.outcome == StepOutcome::Started && is_left(run) => {
                return Next::Call { step, attempt: run.attempt + 1 };
            }
            Some(run) => return end(Refused, failure(step, run)),
        }
    }

    let mut unknown = None;
    for step in steps(runbook, StepKind::Change) {
        if let Some(doubtful) = unknown {
            return end(InDoubt, format!("the outcome of step `{doubtful}` is not known, and step `{}` would build on it", step.id));
        }
        let Some(run) = last(execution, step) else { return Next::Call { step, attempt: 1 } };
        match run.outcome {
            StepOutcome::Succeeded => {}
            StepOutcome::Started | StepOutcome::Failed if step.idempotent && may_be_sent_again(run) => {
                return Next::Call { step, attempt: run.attempt + 1 };
            }
            StepOutcome::Accepted if run.finished_at.is_none() => return Next::Follow { step },
            StepOutcome::Started | StepOutcome::Accepted => unknown = Some(&step.id),
            StepOutcome::Failed if has_changed_something(runbook, execution) => return end(RollingBack, failure(step, run)),
            StepOutcome::Failed => return end(Refused, failure(step, run)),
        }
    }

    let mut verified = false;
    for step in steps(runbook, StepKind::Verify) {
        match last(execution, step) {
            None => return Next::Call { step, attempt: 1 },
            Some(run) if run.outcome == StepOutcome::Succeeded => verified = true,
            Some(run) if run.outcome == StepOutcome::Started && run.finished_at.is_none() && run.attempt < MOST_UNHEARD => {
                return Next::Call { step, attempt: run.attempt + 1 };
            }
            Some(run) => {
                return match unknown {
                    Some(doubtful) => end(InDoubt, format!("the outcome of step `{doubtful}` is not known, and {}", failure(step, run))),
                    None => end(RollingBack, failure(step, run)),
                };
            }
        }
    }
    match unknown {
        Some(doubtful) if !verified => {
            end(InDoubt, format!("the outcome of step `{doubtful}` is not known, and no verify step could tell"))
        }
        Some(doubtful) => end(Succeeded, format!("no answer came to step `{doubtful}`; the verify steps show that it worked")),
        None => Next::Move { to: Succeeded, reason: None },
    }
}

fn next_rollback<'a>(runbook: &'a Runbook, execution: &Execution) -> Next<'a> {
    use ExecutionState::{Failed, InDoubt, RolledBack};
    let mut left_behind = Vec::new();
    for change in steps(runbook, StepKind::Change).rev() {
        if !may_have_changed(execution, change) {
            continue;
        }
        let Some(undo) = change.rollback.as_ref().and_then(|id| runbook.step(id)) else {
            left_behind.push(change.id.as_str());
            continue;
        };
        let Some(run) = last(execution, undo) else { return Next::Call { step: undo, attempt: 1 } };
        match run.outcome {
            StepOutcome::Succeeded => {}
            StepOutcome::Started | StepOutcome::Failed if undo.idempotent && may_be_sent_again(run) => {
                return Next::Call { step: undo, attempt: run.attempt + 1 };
            }
            StepOutcome::Accepted if run.finished_at.is_none() => return Next::Follow { step: undo },
            _ if is_unknown(execution, undo) => {
                return Next::Move { to: InDoubt, reason: Some(format!("the outcome of rollback `{}` is not known", undo.id)) };
            }
            // Earlier changes may be what this one stands on: undoing them now could do harm.
            _ => {
                return Next::Move {
                    to: Failed,
                    reason: Some(format!("step `{}` could not be undone: {}", change.id, failure(undo, run))),
                };
            }
        }
    }
    if left_behind.is_empty() {
        Next::Move { to: RolledBack, reason: None }
    } else {
        left_behind.reverse();
        Next::Move { to: Failed, reason: Some(format!("no rollback is declared for: {}", left_behind.join(", "))) }
    }
}
