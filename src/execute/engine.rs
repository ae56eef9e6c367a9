//! Runs one claimed execution: intent committed before each call, outcome after, until the log says it is over.
//!
//! Never decides what comes next (`plan` does) and never talks HTTP (connectors do). A store that fails in the
//! middle ends the run with an error; whoever claims the execution next finds the log as it is and goes on
//! from there.
// INVARIANT: no call is made unless its `Started` line was committed under the revision this worker holds, so
// of two workers on one execution only one calls.
// INVARIANT: every state comes from `ExecutionState::transition`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    connectors::{Connectors, Prepared},
    error::ExecuteError,
    expectation::Expectation,
    plan::{self, Next},
};
use crate::{
    domain::{
        ambient::Ambient,
        canonical,
        entry::{Entry, Event},
        execution::{Execution, ExecutionState, StepOutcome, StepRun},
        name::StepId,
        principal::Actor,
        runbook::{Runbook, Step, StepKind},
    },
    outbound::CallError,
    store::{
        change::{Change, Conflict, Expectation as Condition, Write},
        interface::{Store, StoreError},
    },
};

/// What must hold around a run; the pipeline knows.
#[async_trait]
pub trait Surroundings: Send + Sync {
    /// Asked before the first call and before each later precheck, change and rollback. Verify steps only look
    /// and are not asked for: after a change the truth is worth a look.
    ///
    /// What the yes rests on comes back as conditions: the line that begins the step commits only while they hold,
    /// and otherwise the question is asked again. So a kill switch that is in the log stops the step that was
    /// allowed a moment before.
    ///
    /// # Errors
    /// Stop, with the reason for people. Before any change the run ends `Refused`; after one, rollbacks begin,
    /// and each of them is asked for in turn; a rollback that is stopped ends the run `Failed`.
    async fn may_proceed(&self, execution: &Execution, next: &Step) -> Result<Vec<Condition>, String>;

    /// What else must be committed together with the final state of the execution (ticket move, messages, entries).
    ///
    /// Asked again when the commit met a conflict that is not about the execution.
    ///
    /// # Errors
    /// The run stops without its final state and is resumed by the next claim.
    async fn closing(&self, execution: &Execution) -> Result<Change, StoreError>;
}

/// How long the engine waits between tries.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the second call of an idempotent step; doubled for each one after it.
    pub retry: Duration,
    /// Shortest and longest wait between two looks of a verify step.
    pub look: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self { retry: Duration::from_secs(1), look: (Duration::from_millis(250), Duration::from_secs(5)) }
    }
}

/// The wait before another call of a step doubles so often and no more.
const LONGEST_DOUBLING: u32 = 2;
/// Tries to commit the end of a run when something around it changed meanwhile.
const CLOSING_TRIES: usize = 5;
/// Longest reason kept with a step; answers may be long.
const LONGEST_DETAIL: usize = 500;

pub struct Engine {
    store: Arc<dyn Store>,
    ambient: Arc<dyn Ambient>,
    connectors: Arc<Connectors>,
    pace: Pace,
}

/// A step with its values in and its expectation compiled.
struct Ready {
    prepared: Prepared,
    expectation: Expectation,
}

/// What one call came to.
struct Outcome {
    outcome: StepOutcome,
    status: Option<u16>,
    detail: Option<String>,
}

impl Engine {
    pub fn new(store: Arc<dyn Store>, ambient: Arc<dyn Ambient>, connectors: Arc<Connectors>) -> Self {
        Self { store, ambient, connectors, pace: Pace::default() }
    }

    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Runs `execution` from where its log stands to a final state, and returns it as committed.
    ///
    /// # Errors
    /// [`ExecuteError::TakenOver`] when another worker or a person changed it; a store error otherwise. The
    /// execution stays as last committed, and the next claim resumes it.
    pub async fn run(
        &self,
        mut execution: Execution,
        runbook: &Runbook,
        surroundings: &dyn Surroundings,
    ) -> Result<Execution, ExecuteError> {
        if execution.state.is_final() {
            return Err(ExecuteError::Over(execution.id));
        }
        // Everything a step could be refused for is found before the first call.
        let ready = match self.ready(runbook, &execution) {
            Ok(ready) => ready,
            Err(why) => {
                let to = stopped(runbook, &execution);
                return self.finish(execution, to, Some(why.to_string()), surroundings).await;
            }
        };
        loop {
            match plan::next(runbook, &execution) {
                Next::Call { step, attempt } => {
                    // Waits first and asks then: a yes is as old as the question.
                    if attempt > 1 {
                        tokio::time::sleep(self.pace.retry * 2u32.pow((attempt - 2).min(LONGEST_DOUBLING))).await;
                    }
                    let rests_on = match self.may_call(&execution, step, surroundings).await {
                        Ok(rests_on) => rests_on,
                        Err(reason) => {
                            let reason = Some(format!("stopped before step `{}`: {reason}", step.id));
                            execution = if execution.state == ExecutionState::Running && plan::has_changed_something(runbook, &execution) {
                                self.move_to(execution, ExecutionState::RollingBack, reason).await?
                            } else {
                                let to = stopped(runbook, &execution);
                                return self.finish(execution, to, reason, surroundings).await;
                            };
                            continue;
                        }
                    };
                    if execution.state == ExecutionState::Pending {
                        execution = self.move_to(execution, ExecutionState::Running, None).await?;
                    }
                    let Some(ready) = ready.get(&step.id) else {
                        return Err(ExecuteError::Step { step: step.id.clone(), why: "was not made ready".to_owned() });
                    };
                    execution = match self.begin(execution.clone(), step, attempt, ready, rests_on).await {
                        Ok(begun) => self.perform(begun, step, ready).await?,
                        // Something that the yes rested on changed; nothing was sent.
                        Err(ExecuteError::Store(StoreError::Conflict(_))) => execution,
                        Err(error) => return Err(error),
                    };
                }
                Next::Move { to, reason } if to.is_final() => {
                    if execution.state == ExecutionState::Pending && to != ExecutionState::Refused {
                        let reason = Some(format!("runbook `{}` has nothing to run", runbook.id));
                        return self.finish(execution, ExecutionState::Refused, reason, surroundings).await;
                    }
                    return self.finish(execution, to, reason, surroundings).await;
                }
                Next::Move { to, reason } => execution = self.move_to(execution, to, reason).await?,
            }
        }
    }

    fn ready(&self, runbook: &Runbook, execution: &Execution) -> Result<BTreeMap<StepId, Ready>, ExecuteError> {
        if runbook.digest != execution.runbook_digest || runbook.id != execution.runbook {
            let (allowed, now) = (execution.runbook_digest, runbook.digest);
            return Err(ExecuteError::RunbookChanged { runbook: execution.runbook.clone(), allowed, now });
        }
        runbook
            .steps
            .iter()
            .map(|step| {
                let prepared = self.connectors.prepare(step, &execution.parameters)?;
                let expectation = Expectation::compile(step.expect.as_deref())?;
                Ok((step.id.clone(), Ready { prepared, expectation }))
            })
            .collect()
    }

    /// What must still hold when the step begins.
    async fn may_call(&self, execution: &Execution, step: &Step, surroundings: &dyn Surroundings) -> Result<Vec<Condition>, String> {
        if step.kind == StepKind::Verify {
            return Ok(Vec::new());
        }
        let rests_on = surroundings.may_proceed(execution, step).await?;
        // A rollback is tried even on a failing connector: leaving the change in place is worse.
        if step.kind != StepKind::Rollback && !self.connectors.lets_through(&step.connector, self.ambient.now()) {
            return Err(format!("connector `{}` failed several times in a row and rests", step.connector));
        }
        Ok(rests_on)
    }

    /// Commits the line of the intent log that says the step is about to be sent.
    async fn begin(
        &self,
        mut execution: Execution,
        step: &Step,
        attempt: u32,
        ready: &Ready,
        rests_on: Vec<Condition>,
    ) -> Result<Execution, ExecuteError> {
        execution.steps.push(StepRun {
            step: step.id.clone(),
            kind: step.kind,
            attempt,
            outcome: StepOutcome::Started,
            started_at: self.ambient.now(),
            finished_at: None,
            request: ready.prepared.preview.to_string(),
            status: None,
            detail: None,
        });
        self.record(execution, ready, rests_on).await
    }

    /// Sends the step that has begun and commits what came of it.
    async fn perform(&self, mut execution: Execution, step: &Step, ready: &Ready) -> Result<Execution, ExecuteError> {
        let outcome = match step.kind {
            StepKind::Precheck => self.look(step, ready, None).await,
            StepKind::Verify => self.poll(step, ready).await,
            StepKind::Change | StepKind::Rollback => self.act(&execution, step, ready).await,
        };
        if let Some(run) = execution.steps.last_mut() {
            run.outcome = outcome.outcome;
            run.finished_at = Some(self.ambient.now());
            run.status = outcome.status;
            run.detail = outcome.detail.map(|detail| detail.chars().take(LONGEST_DETAIL).collect());
        }
        self.record(execution, ready, Vec::new()).await
    }

    /// Commits the newest line of the intent log, while `conditions` hold.
    async fn record(&self, mut execution: Execution, ready: &Ready, conditions: Vec<Condition>) -> Result<Execution, ExecuteError> {
        let request = canonical::digest(&ready.prepared.preview)?;
        let Some(run) = execution.steps.last() else { return Ok(execution) };
        let event = Event::StepRecorded {
            execution: execution.id,
            ticket: execution.ticket,
            runbook: execution.runbook.clone(),
            step: run.step.clone(),
            attempt: run.attempt,
            outcome: run.outcome,
            status: run.status,
            request,
        };
        let mut change = self.change(&mut execution, event);
        change.expect.extend(conditions);
        self.commit(&execution, change).await?;
        Ok(execution)
    }

    /// One call of a step that acts.
    async fn act(&self, execution: &Execution, step: &Step, ready: &Ready) -> Outcome {
        let key = execution.idempotency_key(&step.id);
        match self.connectors.call(step, &ready.prepared, Some(&key), None, || self.ambient.now()).await {
            // Left `Started`: sent, and nobody knows what became of it.
            Err(error @ CallError::Unknown(_)) => Outcome { outcome: StepOutcome::Started, status: None, detail: Some(error.to_string()) },
            result => judge(&ready.expectation, result),
        }
    }

    /// One call of a step that only looks.
    async fn look(&self, step: &Step, ready: &Ready, longest: Option<Duration>) -> Outcome {
        judge(&ready.expectation, self.connectors.call(step, &ready.prepared, None, longest, || self.ambient.now()).await)
    }

    /// Looks until it is as expected or `within` is over; at least once.
    async fn poll(&self, step: &Step, ready: &Ready) -> Outcome {
        let deadline = Instant::now() + step.within;
        let pause = (step.within / 20).clamp(self.pace.look.0, self.pace.look.1);
        loop {
            let outcome = self.look(step, ready, None).await;
            let left = deadline.saturating_duration_since(Instant::now());
            if outcome.outcome == StepOutcome::Succeeded || left.is_zero() {
                return outcome;
            }
            tokio::time::sleep(pause.min(left)).await;
        }
    }

    async fn move_to(&self, mut execution: Execution, to: ExecutionState, reason: Option<String>) -> Result<Execution, ExecuteError> {
        let event = moved(&mut execution, to, reason)?;
        let change = self.change(&mut execution, event);
        self.commit(&execution, change).await?;
        Ok(execution)
    }

    async fn finish(
        &self,
        mut execution: Execution,
        to: ExecutionState,
        reason: Option<String>,
        surroundings: &dyn Surroundings,
    ) -> Result<Execution, ExecuteError> {
        let event = moved(&mut execution, to, reason)?;
        execution.finished_at = Some(self.ambient.now());
        let ours = self.change(&mut execution, event);
        for _ in 1..CLOSING_TRIES {
            match self.commit(&execution, with_closing(&ours, surroundings.closing(&execution).await?)).await {
                Err(ExecuteError::Store(StoreError::Conflict(_))) => {}
                result => return result.map(|()| execution),
            }
        }
        self.commit(&execution, with_closing(&ours, surroundings.closing(&execution).await?)).await?;
        Ok(execution)
    }

    /// The change that stores `execution` one revision up.
    fn change(&self, execution: &mut Execution, event: Event) -> Change {
        let expected = Condition::ExecutionRevision { execution: execution.id, revision: execution.revision };
        execution.revision += 1;
        Change {
            expect: vec![expected],
            writes: vec![Write::Execution(Box::new(execution.clone()))],
            entries: vec![Entry::new(execution.tenant.clone(), self.ambient.now(), Actor::Engine, event)],
        }
    }

    async fn commit(&self, execution: &Execution, change: Change) -> Result<(), ExecuteError> {
        match self.store.commit(change).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict(Conflict::Changed { id, .. })) if id == execution.id.to_string() => {
                Err(ExecuteError::TakenOver(execution.id))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Where a run goes that may not go on.
fn stopped(runbook: &Runbook, execution: &Execution) -> ExecutionState {
    let changed = plan::has_changed_something(runbook, execution);
    match execution.state {
        ExecutionState::RollingBack => ExecutionState::Failed,
        ExecutionState::Running if changed && execution.unfinished_step().is_some() => ExecutionState::InDoubt,
        ExecutionState::Running if changed => ExecutionState::Failed,
        _ => ExecutionState::Refused,
    }
}

fn moved(execution: &mut Execution, to: ExecutionState, reason: Option<String>) -> Result<Event, ExecuteError> {
    let from = execution.state;
    execution.state = from.transition(to)?;
    Ok(Event::ExecutionMoved {
        execution: execution.id,
        ticket: execution.ticket,
        runbook: execution.runbook.clone(),
        from,
        to,
        reason: reason.map(|reason| reason.chars().take(LONGEST_DETAIL).collect()),
    })
}

fn with_closing(ours: &Change, closing: Change) -> Change {
    let mut change = ours.clone();
    change.expect.extend(closing.expect);
    change.writes.extend(closing.writes);
    change.entries.extend(closing.entries);
    change
}

fn judge(expectation: &Expectation, result: Result<crate::outbound::Answer, CallError>) -> Outcome {
    let (status, verdict) = match result {
        Ok(answer) => (Some(answer.status), expectation.check(&answer)),
        Err(CallError::Unreadable { status, .. }) if expectation.needs_only_status() && (200..300).contains(&status) => {
            (Some(status), Ok(()))
        }
        Err(error @ CallError::Unreadable { status, .. }) => (Some(status), Err(error.to_string())),
        Err(error) => (None, Err(error.to_string())),
    };
    match verdict {
        Ok(()) => Outcome { outcome: StepOutcome::Succeeded, status, detail: None },
        Err(detail) => Outcome { outcome: StepOutcome::Failed, status, detail: Some(detail) },
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
