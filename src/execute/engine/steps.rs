//! One step: its intent committed, its call made, its job looked at until it ends, its outcome committed.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Engine, LONGEST_DETAIL, Ready};
use crate::{
    domain::{
        canonical,
        entry::Event,
        execution::{Execution, Job, StepOutcome, StepRun},
        name::OutputName,
        runbook::{Step, StepKind},
        template::Value,
    },
    execute::{
        connectors::{Prepared, Progress},
        error::ExecuteError,
        expectation::Expectation,
    },
    outbound::{Answer, CallError},
    store::change::{Change, Expectation as Condition},
};

/// What one call, or a job, came to.
struct Outcome {
    outcome: StepOutcome,
    status: Option<u16>,
    detail: Option<String>,
    job: Option<Job>,
    outputs: BTreeMap<OutputName, Value>,
}

impl Outcome {
    /// Left `Started`: only a verify step, or a person, can tell.
    fn unknown(status: Option<u16>, detail: String) -> Self {
        Self { outcome: StepOutcome::Started, status, detail: Some(detail), job: None, outputs: BTreeMap::new() }
    }

    fn failed(status: Option<u16>, detail: String) -> Self {
        Self { outcome: StepOutcome::Failed, status, detail: Some(detail), job: None, outputs: BTreeMap::new() }
    }
}

impl Engine {
    /// Commits the line of the intent log that says the step is about to be sent, while `rests_on` holds.
    pub(super) async fn begin(
        &self,
        execution: &Execution,
        step: &Step,
        attempt: u32,
        prepared: &Prepared,
        rests_on: Vec<Condition>,
    ) -> Result<Execution, ExecuteError> {
        let mut execution = execution.clone();
        execution.steps.push(self.line(step, attempt, StepOutcome::Started, prepared));
        let event = recorded(&execution, prepared)?;
        self.commit(&execution, &event, &Change { expect: rests_on, ..Change::default() }).await?;
        execution.revision += 1;
        Ok(execution)
    }

    /// Commits that the step failed before anything was sent.
    pub(super) async fn cannot_begin(
        &self,
        mut execution: Execution,
        step: &Step,
        attempt: u32,
        ready: &Ready,
        why: &ExecuteError,
    ) -> Result<Execution, ExecuteError> {
        execution.steps.push(self.line(step, attempt, StepOutcome::Failed, &ready.prepared));
        self.end(execution, &ready.prepared, Outcome::failed(None, why.to_string())).await
    }

    fn line(&self, step: &Step, attempt: u32, outcome: StepOutcome, prepared: &Prepared) -> StepRun {
        StepRun {
            step: step.id.clone(),
            kind: step.kind,
            attempt,
            outcome,
            started_at: self.ambient.now(),
            finished_at: None,
            request: prepared.preview.to_string(),
            status: None,
            detail: None,
            job: None,
            outputs: BTreeMap::new(),
        }
    }

    /// Sends the step that has begun and commits what came of it. A job that it started is followed to its end.
    pub(super) async fn perform(
        &self,
        mut execution: Execution,
        step: &Step,
        prepared: &Prepared,
        expectation: &Expectation,
        patience: Duration,
    ) -> Result<Execution, ExecuteError> {
        let deadline = Instant::now() + patience;
        let outcome = match step.kind {
            StepKind::Precheck => self.look(step, prepared, expectation).await,
            StepKind::Verify => self.poll(step, prepared, expectation, patience).await,
            StepKind::Change | StepKind::Rollback => self.act(&execution, step, prepared, expectation).await,
        };
        if outcome.outcome != StepOutcome::Accepted {
            return self.end(execution, prepared, outcome).await;
        }
        if let Some(run) = execution.steps.last_mut() {
            (run.outcome, run.status, run.job) = (outcome.outcome, outcome.status, outcome.job);
        }
        self.record(&mut execution, prepared).await?;
        self.follow(execution, step, prepared, expectation, deadline.saturating_duration_since(Instant::now())).await
    }

    /// Looks at the job of the newest line until it ends or `patience` is over, and commits what became of it.
    pub(super) async fn follow(
        &self,
        mut execution: Execution,
        step: &Step,
        prepared: &Prepared,
        expectation: &Expectation,
        patience: Duration,
    ) -> Result<Execution, ExecuteError> {
        let deadline = Instant::now() + patience;
        let pause = self.pause(patience);
        loop {
            let Some(job) = execution.steps.last().and_then(|run| run.job.clone()) else {
                return self.end(execution, prepared, Outcome::failed(None, "the job has no name".to_owned())).await;
            };
            match self.connectors.look_at(step, prepared, &job, || self.ambient.now()).await {
                Ok(Progress::Finished { answer, outcome: Ok(()) }) => {
                    return self.end(execution, prepared, judge(expectation, Ok(answer))).await;
                }
                Ok(Progress::Finished { answer, outcome: Err(why) }) => {
                    return self.end(execution, prepared, Outcome::failed(Some(answer.status), why)).await;
                }
                Ok(Progress::Moved(to)) => {
                    if let Some(run) = execution.steps.last_mut() {
                        run.job = Some(to);
                    }
                    self.record(&mut execution, prepared).await?;
                }
                // That one look failed says nothing of the job.
                Ok(Progress::Running) | Err(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let took = execution.steps.last().map_or(Duration::ZERO, |run| self.ambient.now().since(run.started_at));
                let detail = Some(format!("job `{}` did not end in {} s", job.as_str(), took.as_secs()));
                let unknown = Outcome { outcome: StepOutcome::Accepted, status: None, detail, job: Some(job), outputs: BTreeMap::new() };
                return self.end(execution, prepared, unknown).await;
            }
            tokio::time::sleep(pause.min(left)).await;
        }
    }

    /// Writes the outcome into the newest line and commits it.
    async fn end(&self, mut execution: Execution, prepared: &Prepared, outcome: Outcome) -> Result<Execution, ExecuteError> {
        if let Some(run) = execution.steps.last_mut() {
            run.outcome = outcome.outcome;
            run.finished_at = Some(self.ambient.now());
            run.status = outcome.status;
            run.detail = outcome.detail.map(|detail| detail.chars().take(LONGEST_DETAIL).collect());
            run.outputs = outcome.outputs;
        }
        self.record(&mut execution, prepared).await?;
        Ok(execution)
    }

    /// Commits the newest line of the intent log.
    async fn record(&self, execution: &mut Execution, prepared: &Prepared) -> Result<(), ExecuteError> {
        let event = recorded(execution, prepared)?;
        self.store(execution, &event, &Change::default()).await
    }

    /// One call of a step that acts.
    async fn act(&self, execution: &Execution, step: &Step, prepared: &Prepared, expectation: &Expectation) -> Outcome {
        let key = execution.idempotency_key(&step.id);
        match self.connectors.call(step, prepared, Some(&key), None, || self.ambient.now()).await {
            // Left `Started`: sent, and nobody knows what became of it.
            Err(error @ CallError::Unknown(_)) => Outcome::unknown(None, error.to_string()),
            // Taken over there, and its body, which names the job or says how it ended, did not arrive.
            Err(error @ CallError::Unreadable { status, .. }) if (200..300).contains(&status) && !prepared.ends_with_its_status() => {
                Outcome::unknown(Some(status), error.to_string())
            }
            Err(error) => judge(expectation, Err(error)),
            Ok(answer) if !answer.is_success() => judge(expectation, Ok(answer)),
            Ok(answer) => match prepared.job(&answer) {
                Ok(None) => judge(expectation, Ok(answer)),
                Ok(Some(job)) => Outcome {
                    outcome: StepOutcome::Accepted,
                    status: Some(answer.status),
                    detail: None,
                    job: Some(job),
                    outputs: BTreeMap::new(),
                },
                Err(why) => Outcome::failed(Some(answer.status), why),
            },
        }
    }

    /// One call of a step that only looks.
    async fn look(&self, step: &Step, prepared: &Prepared, expectation: &Expectation) -> Outcome {
        judge(expectation, self.connectors.call(step, prepared, None, None, || self.ambient.now()).await)
    }

    /// Looks until it is as expected or `patience` is over; at least once.
    async fn poll(&self, step: &Step, prepared: &Prepared, expectation: &Expectation, patience: Duration) -> Outcome {
        let deadline = Instant::now() + patience;
        let pause = self.pause(patience);
        loop {
            let outcome = self.look(step, prepared, expectation).await;
            let left = deadline.saturating_duration_since(Instant::now());
            if outcome.outcome == StepOutcome::Succeeded || left.is_zero() {
                return outcome;
            }
            tokio::time::sleep(pause.min(left)).await;
        }
    }

    fn pause(&self, patience: Duration) -> Duration {
        (patience / 20).clamp(self.pace.look.0, self.pace.look.1)
    }
}

/// What the action log says of the newest line.
fn recorded(execution: &Execution, prepared: &Prepared) -> Result<Event, ExecuteError> {
    let run = execution.steps.last().ok_or(ExecuteError::Over(execution.id))?;
    Ok(Event::StepRecorded {
        execution: execution.id,
        ticket: execution.ticket,
        runbook: execution.runbook.clone(),
        step: run.step.clone(),
        attempt: run.attempt,
        outcome: run.outcome,
        status: run.status,
        request: canonical::digest(&prepared.preview)?,
        job: run.job.clone(),
    })
}

fn judge(expectation: &Expectation, result: Result<Answer, CallError>) -> Outcome {
    let (status, verdict) = match result {
        Ok(answer) => (Some(answer.status), expectation.check(&answer)),
        Err(CallError::Unreadable { status, .. }) if expectation.needs_only_status() && (200..300).contains(&status) => {
            (Some(status), Ok(BTreeMap::new()))
        }
        Err(error @ CallError::Unreadable { status, .. }) => (Some(status), Err(error.to_string())),
        Err(error) => (None, Err(error.to_string())),
    };
    match verdict {
        Ok(outputs) => Outcome { outcome: StepOutcome::Succeeded, status, detail: None, job: None, outputs },
        Err(detail) => Outcome::failed(status, detail),
    }
}
