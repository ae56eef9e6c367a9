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
        entry::{Entry, Event},
        execution::{Cancellation, Execution, ExecutionState},
        name::StepId,
        principal::Actor,
        runbook::{Runbook, Step, StepKind},
        template::Hole,
        time::Timestamp,
    },
    store::{
        change::{Change, Conflict, Expectation as Condition, Write},
        interface::{Store, StoreError},
    },
};

mod steps;

/// Why the next step is not called now.
#[derive(Debug)]
pub enum Stop {
    /// It may not be, with the reason for people. Before any change the run ends `Refused`; after one, rollbacks begin,
    /// and each of them is asked for in turn; a rollback that is stopped ends the run.
    Refused(String),
    /// The store could not say just now. The run stays where it is, and the next claim asks again: a store that failed for a
    /// moment is no reason to take a change back.
    Unknown(StoreError),
}

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
    /// [`Stop`].
    async fn may_proceed(&self, execution: &Execution, next: &Step) -> Result<Vec<Condition>, Stop>;

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
    /// Shortest and longest wait between two looks of a verify step, or at a job.
    pub look: (Duration, Duration),
    /// How long a job at the other side may take when its step does not say.
    pub job: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { retry: Duration::from_secs(1), look: (Duration::from_millis(250), Duration::from_secs(5)), job: Duration::from_secs(600) }
    }
}

/// The wait before another call of a step doubles so often and no more.
const LONGEST_DOUBLING: u32 = 2;
/// Tries to commit the end of a run when something around it changed meanwhile.
const CLOSING_TRIES: usize = 5;
/// Tries to commit what happened while the store has too much to do.
const OVERLOADED_TRIES: u32 = 60;
/// Longest reason kept with a step; answers may be long.
const LONGEST_DETAIL: usize = 500;

pub struct Engine {
    store: Arc<dyn Store>,
    ambient: Arc<dyn Ambient>,
    connectors: Arc<Connectors>,
    pace: Pace,
}

/// A step with its expectation compiled and, unless it uses what an earlier one gives, its values in.
struct Ready {
    prepared: Prepared,
    expectation: Expectation,
    /// Its request is not complete before the steps it builds on have run.
    builds_on_others: bool,
}

/// How long a run has taken, over crashes: the wall clock counts between them, and a clock that jumps while a worker
/// holds the run does not matter.
struct Elapsed {
    before: Duration,
    since: Instant,
}

impl Elapsed {
    fn of(execution: &Execution, now: Timestamp) -> Self {
        Self { before: execution.steps.first().map_or(Duration::ZERO, |first| now.since(first.started_at)), since: Instant::now() }
    }

    fn so_far(&self) -> Duration {
        self.before + self.since.elapsed()
    }
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
        let elapsed = Elapsed::of(&execution, self.ambient.now());
        loop {
            execution = match plan::next(runbook, &execution) {
                Next::Call { step, attempt } => {
                    // Waits first and asks then: a yes is as old as the question.
                    if attempt > 1 {
                        tokio::time::sleep(self.pace.retry * 2u32.pow((attempt - 2).min(LONGEST_DOUBLING))).await;
                    }
                    let rests_on = match self.may_call(&execution, runbook, step, &elapsed, surroundings).await {
                        Ok(rests_on) => rests_on,
                        Err(Stop::Unknown(error)) => return Err(error.into()),
                        Err(Stop::Refused(reason)) => {
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
                        let (to, reason) = plan::beginning(&execution);
                        execution = self.move_to(execution, to, reason).await?;
                    }
                    let ready = made_ready(&ready, step)?;
                    let prepared = match ready.builds_on_others {
                        false => Ok(ready.prepared.clone()),
                        true => self.connectors.prepare(step, &plan::values(runbook, &execution)),
                    };
                    match prepared {
                        // What an earlier step gave cannot stand where it should; nothing is sent.
                        Err(why) => self.cannot_begin(execution, step, attempt, ready, &why).await?,
                        Ok(prepared) => match self.begin(&execution, step, attempt, &prepared, rests_on).await {
                            Ok(begun) => {
                                self.perform(
                                    begun,
                                    step,
                                    &prepared,
                                    &ready.expectation,
                                    self.patience(runbook, step, &elapsed, Duration::ZERO),
                                )
                                .await?
                            }
                            // Something that the yes rested on changed, or a person cancelled; nothing was sent.
                            Err(ExecuteError::Store(StoreError::Conflict(_))) => execution,
                            Err(ExecuteError::TakenOver(id)) => {
                                let cancel = self.cancelled(&execution).await?.ok_or(ExecuteError::TakenOver(id))?;
                                Execution { revision: execution.revision + 1, cancel: Some(cancel), ..execution }
                            }
                            Err(error) => return Err(error),
                        },
                    }
                }
                Next::Follow { step } => {
                    let ready = made_ready(&ready, step)?;
                    let prepared = match ready.builds_on_others {
                        false => ready.prepared.clone(),
                        true => self.connectors.prepare(step, &plan::values(runbook, &execution))?,
                    };
                    // After a crash only what is left of it.
                    let spent = execution.steps.last().map_or(Duration::ZERO, |run| self.ambient.now().since(run.started_at));
                    let patience = self.patience(runbook, step, &elapsed, spent);
                    self.follow(execution, step, &prepared, &ready.expectation, patience).await?
                }
                Next::Move { to, reason } if to.is_final() => {
                    if execution.state == ExecutionState::Pending && to != ExecutionState::Refused {
                        let reason = Some(format!("runbook `{}` has nothing to run", runbook.id));
                        return self.finish(execution, ExecutionState::Refused, reason, surroundings).await;
                    }
                    return self.finish(execution, to, reason, surroundings).await;
                }
                Next::Move { to, reason } => self.move_to(execution, to, reason).await?,
            };
        }
    }

    fn ready(&self, runbook: &Runbook, execution: &Execution) -> Result<BTreeMap<StepId, Ready>, ExecuteError> {
        if runbook.digest != execution.runbook_digest || runbook.id != execution.runbook {
            let (allowed, now) = (execution.runbook_digest, runbook.digest);
            return Err(ExecuteError::RunbookChanged { runbook: execution.runbook.clone(), allowed, now });
        }
        let values = plan::values(runbook, execution);
        runbook
            .steps
            .iter()
            .map(|step| {
                let prepared = self.connectors.prepare(step, &values.or_names(&step.with))?;
                if prepared.starts_job() && matches!(step.kind, StepKind::Precheck | StepKind::Verify) {
                    let why = format!("`{}.{}` starts a job, and a step that only looks must not", step.connector, step.operation);
                    return Err(ExecuteError::Step { step: step.id.clone(), why });
                }
                let builds_on_others = step.with.holes().iter().any(|hole| matches!(hole, Hole::Output { .. }));
                Ok((step.id.clone(), Ready { prepared, expectation: Expectation::of(step)?, builds_on_others }))
            })
            .collect()
    }

    /// How long a verify may poll, or a job that has taken `spent` may still take, in what is left of the run's time.
    fn patience(&self, runbook: &Runbook, step: &Step, elapsed: &Elapsed, spent: Duration) -> Duration {
        let own = match step.kind {
            StepKind::Verify | StepKind::Precheck => step.within,
            StepKind::Change | StepKind::Rollback if step.within.is_zero() => self.pace.job,
            StepKind::Change | StepKind::Rollback => step.within,
        };
        let own = own.saturating_sub(spent);
        // A rollback is tried however long the run took.
        if step.kind == StepKind::Rollback { own } else { own.min(runbook.time_limit.saturating_sub(elapsed.so_far())) }
    }

    /// What must still hold when the step begins.
    async fn may_call(
        &self,
        execution: &Execution,
        runbook: &Runbook,
        step: &Step,
        elapsed: &Elapsed,
        surroundings: &dyn Surroundings,
    ) -> Result<Vec<Condition>, Stop> {
        if step.kind == StepKind::Verify {
            return Ok(Vec::new());
        }
        if step.kind != StepKind::Rollback {
            if let Some(cancel) = &execution.cancel {
                let reason = cancel.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                return Err(Stop::Refused(format!("`{}` cancelled the run{reason}", cancel.by)));
            }
            if elapsed.so_far() >= runbook.time_limit {
                return Err(Stop::Refused(format!("the run has taken all of its {} s", runbook.time_limit.as_secs())));
            }
        }
        let rests_on = surroundings.may_proceed(execution, step).await?;
        // A rollback is tried even on a failing connector: leaving the change in place is worse.
        if step.kind != StepKind::Rollback && !self.connectors.lets_through(&step.connector, self.ambient.now()) {
            return Err(Stop::Refused(format!("connector `{}` failed several times in a row and rests", step.connector)));
        }
        Ok(rests_on)
    }

    async fn move_to(&self, mut execution: Execution, to: ExecutionState, reason: Option<String>) -> Result<Execution, ExecuteError> {
        let event = moved(&mut execution, to, reason)?;
        self.store(&mut execution, &event, &Change::default()).await?;
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
        for _ in 1..CLOSING_TRIES {
            let closing = surroundings.closing(&execution).await?;
            match self.store(&mut execution, &event, &closing).await {
                Err(ExecuteError::Store(StoreError::Conflict(_))) => {}
                result => return result.map(|()| execution),
            }
        }
        let closing = surroundings.closing(&execution).await?;
        self.store(&mut execution, &event, &closing).await?;
        Ok(execution)
    }

    /// Commits `execution` one revision up, with the event that says what happened to it and what goes with it.
    ///
    /// A cancellation that came meanwhile is taken up: it says nothing of what happened, and stops what comes next. A store
    /// that has too much to do wrote nothing and is asked again: what a call came to is known here and nowhere else.
    async fn store(&self, execution: &mut Execution, event: &Event, with: &Change) -> Result<(), ExecuteError> {
        let mut overloaded = 0;
        loop {
            match self.commit(execution, event, with).await {
                Err(ExecuteError::Store(StoreError::Overloaded { .. })) if overloaded < OVERLOADED_TRIES => {
                    overloaded += 1;
                    tokio::time::sleep(self.pace.retry).await;
                }
                Err(ExecuteError::TakenOver(id)) => {
                    execution.cancel = Some(self.cancelled(execution).await?.ok_or(ExecuteError::TakenOver(id))?);
                    execution.revision += 1;
                }
                result => {
                    result?;
                    execution.revision += 1;
                    return Ok(());
                }
            }
        }
    }

    /// One try to commit what [`Self::store`] says; the given revision is the one expected.
    async fn commit(&self, execution: &Execution, event: &Event, with: &Change) -> Result<(), ExecuteError> {
        let mut change = with.clone();
        let expected = Condition::ExecutionRevision { execution: execution.id, revision: execution.revision };
        change.expect.insert(0, expected);
        change.writes.insert(0, Write::Execution(Box::new(Execution { revision: execution.revision + 1, ..execution.clone() })));
        change.entries.insert(0, Entry::new(execution.tenant.clone(), self.ambient.now(), Actor::Engine, event.clone()));
        match self.store.commit(change).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict(Conflict::Changed { id, .. })) if id == execution.id.to_string() => {
                Err(ExecuteError::TakenOver(execution.id))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The cancellation, when it alone is what came after the revision of `execution`.
    async fn cancelled(&self, execution: &Execution) -> Result<Option<Cancellation>, ExecuteError> {
        if execution.cancel.is_some() {
            return Ok(None);
        }
        let stored = self.store.execution(&execution.tenant, execution.id).await?;
        // A run is cancelled once, and that change touches nothing else: one revision later with a cancellation is it.
        Ok(stored.filter(|stored| stored.revision == execution.revision + 1).and_then(|stored| stored.cancel))
    }
}

fn made_ready<'a>(ready: &'a BTreeMap<StepId, Ready>, step: &Step) -> Result<&'a Ready, ExecuteError> {
    ready.get(&step.id).ok_or_else(|| ExecuteError::Step { step: step.id.clone(), why: "was not made ready".to_owned() })
}

/// Where a run goes that may not go on.
fn stopped(runbook: &Runbook, execution: &Execution) -> ExecutionState {
    let changed = plan::has_changed_something(runbook, execution);
    match execution.state {
        ExecutionState::RollingBack if plan::some_rollback_is_unknown(runbook, execution) => ExecutionState::InDoubt,
        ExecutionState::RollingBack => ExecutionState::Failed,
        ExecutionState::Running if changed && execution.unfinished_step().is_some() => ExecutionState::InDoubt,
        ExecutionState::Running if changed => ExecutionState::Failed,
        _ if execution.cancel.is_some() => ExecutionState::Cancelled,
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

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
