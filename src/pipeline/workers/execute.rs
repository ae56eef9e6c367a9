//! Allowed runs are carried out: the gate is asked again before each step, and the end moves the ticket.
// INVARIANT: a run is carried out once at a time in a process, however long it takes, and one process holds the store.
// INVARIANT: a run whose runbook changed since it was allowed makes no further call.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    domain::{
        execution::{Execution, ExecutionState},
        id::ExecutionId,
        principal::Actor,
        runbook::{Step, StepKind},
    },
    execute::{ExecuteError, Stop, Surroundings},
    gate::{self, Basis, facts::Phase},
    pipeline::{
        circumstances,
        closing::{self, closing},
        count,
        decider::exactly,
        demotion,
        error::{ActionError, Result},
        service::Service,
    },
    store::{
        change::{Change, Expectation},
        interface::StoreError,
    },
};

/// Carries out at most `limit` runs that may run now. Returns how many it claimed.
///
/// # Errors
/// The store would not give work. A failure of one run is logged; its lease lets it come again.
pub async fn step(service: &Arc<Service>, limit: usize) -> Result<usize> {
    let settings = &service.config.pipeline;
    let runs = service.store.claim_executions(service.ambient.now(), settings.lease.get(), limit).await?;
    let claimed = runs.len();
    let mut tasks = JoinSet::new();
    for run in runs {
        let service = Arc::clone(service);
        tasks.spawn(async move {
            let id = run.id;
            // Its lease ended while it runs; it is hidden for another one.
            let Some(_running) = Running::begin(&service, id) else { return Ok(()) };
            match carry_out(&service, run).await {
                Ok(()) | Err(ActionError::Changed(_)) => Ok(()),
                // The store's fault and not the run's: nothing is gained by hiding it for a whole lease.
                Err(ActionError::Store(error)) if error.passes() => {
                    if let Err(why) = service.store.release_execution(id).await {
                        tracing::warn!(execution = %id, %why, "the run is looked at again when its lease ends");
                    }
                    Err(ActionError::Store(error))
                }
                Err(error) => {
                    tracing::error!(execution = %id, %error, "the run stopped; it is looked at again when its lease ends");
                    Ok(())
                }
            }
        });
    }
    let mut failed = None;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed = Some(error),
            Err(error) => tracing::error!(%error, "a run panicked; it is looked at again when its lease ends"),
        }
    }
    // An error makes the worker pause before it takes the same run again.
    failed.map_or(Ok(claimed), Err)
}

/// A run's place among those that this process carries out, left when this is dropped.
struct Running<'a> {
    service: &'a Service,
    id: ExecutionId,
}

impl<'a> Running<'a> {
    /// `None` where it is carried out already.
    fn begin(service: &'a Service, id: ExecutionId) -> Option<Self> {
        let first = service.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        first.then(|| Self { service, id })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.service.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

async fn carry_out(service: &Arc<Service>, run: Execution) -> Result<()> {
    let settled =
        (run.started_by == Actor::Engine || run.undoes.is_some()).then(|| (run.tenant.clone(), run.runbook.clone(), run.runbook_digest));
    to_its_end(service, run).await?;
    match settled {
        Some((tenant, runbook, digest)) => demotion::settle(service, &tenant, &runbook, &digest).await,
        None => Ok(()),
    }
}

async fn to_its_end(service: &Arc<Service>, run: Execution) -> Result<()> {
    let decider = service.decider();
    let Some(runbook) = exactly(decider.library(), &run.runbook, &run.runbook_digest) else {
        return abandon(service, run).await;
    };
    match service.engine.run(run, runbook, &InService { service }).await {
        Ok(_) => Ok(()),
        Err(ExecuteError::TakenOver(id)) => Err(ActionError::Changed(format!("execution `{id}` was taken over"))),
        Err(ExecuteError::Store(error)) => Err(error.into()),
        Err(error) => Err(ActionError::Internal(error.to_string())),
    }
}

/// The version that was allowed is gone. Where only prechecks looked, nothing happened; else a person must look.
async fn abandon(service: &Service, run: Execution) -> Result<()> {
    let looked_only = run.steps.iter().all(|step| step.kind == StepKind::Precheck);
    let to = match run.state {
        ExecutionState::RollingBack => ExecutionState::InDoubt,
        _ if !looked_only => ExecutionState::InDoubt,
        _ if run.cancel.is_some() => ExecutionState::Cancelled,
        _ => ExecutionState::Refused,
    };
    let why = "the runbook version that was allowed is no longer in force";
    closing::end(service, run, to, why.to_owned(), &Actor::Engine).await.map(|_| ())
}

/// What a run asks of the rest of the service.
struct InService<'a> {
    service: &'a Arc<Service>,
}

impl InService<'_> {
    async fn permission(&self, execution: &Execution, next: &Step) -> Result<std::result::Result<Vec<Expectation>, String>> {
        let service = self.service;
        // Modes hold the kill switch: one pulled after this look stops the step all the same. So does a pre-approval
        // revoked, or an override withdrawn.
        let seen = |revision| vec![Expectation::ModesRevision { tenant: execution.tenant.clone(), revision }];
        // First of all: nothing that stops the next change may leave the last one in place.
        if next.kind == StepKind::Rollback {
            let modes = service.store.modes(&execution.tenant).await?;
            return Ok(gate::may_roll_back(&modes).map(|()| seen(modes.revision)));
        }
        let ticket = service.ticket(&execution.tenant, execution.ticket).await?;
        let recommendation = service.recommendation(&execution.tenant, execution.recommendation).await?;
        let decider = service.decider();
        let Some(runbook) = exactly(decider.library(), &execution.runbook, &execution.runbook_digest) else {
            return Ok(Err("the runbook changed since it was allowed".to_owned()));
        };
        let mut circumstances = circumstances::gather(service, &ticket, Some((runbook, execution.target)), Some(execution)).await?;
        circumstances.freeze_override = circumstances::freeze_override(service, &recommendation, &circumstances).await?;
        let facts = decider.facts(&ticket, &recommendation, &circumstances, Phase::Execution)?;
        let permission = gate::may_execute(decider.policies(), &facts);
        count::evaluation_errors(&service.metrics, &permission.verdict);
        Ok(allowed(permission, execution).map(|()| {
            let mut rests_on = seen(circumstances.modes.revision);
            rests_on.extend(
                facts
                    .proposal
                    .as_ref()
                    .and_then(|proposal| proposal.freeze_override.as_ref())
                    .map(|given| Expectation::DualAuthorizationRevision { authorization: given.authorization, revision: given.revision }),
            );
            let by_itself = execution.started_by == Actor::Engine;
            let record = gate::pre_approval_in_force(&facts).filter(|_| by_itself);
            rests_on.extend(record.map(|record| Expectation::PreApprovalStands { pre_approval: record.id }));
            rests_on
        }))
    }
}

/// An automatic run must still be automatic, an approved one still approved.
fn allowed(permission: gate::Permission, execution: &Execution) -> std::result::Result<(), String> {
    let holds = match (&execution.started_by, &permission.basis) {
        (Actor::Engine, basis) => matches!(basis, Some(Basis::Automatic)),
        (Actor::Person(_), basis) => basis.is_some(),
        (Actor::Source(_), _) => false,
    };
    if holds { Ok(()) } else { Err(permission.verdict.refusals().map(|reason| reason.message.as_str()).collect::<Vec<_>>().join("; ")) }
}

#[async_trait]
impl Surroundings for InService<'_> {
    async fn may_proceed(&self, execution: &Execution, next: &Step) -> std::result::Result<Vec<Expectation>, Stop> {
        match self.permission(execution, next).await {
            Ok(permission) => permission.map_err(Stop::Refused),
            Err(ActionError::Store(error)) if error.passes() => Err(Stop::Unknown(error)),
            // Not knowing is a no, where asking again would not help.
            Err(error) => Err(Stop::Refused(format!("the gate could not be asked: {error}"))),
        }
    }

    async fn closing(&self, execution: &Execution) -> std::result::Result<Change, StoreError> {
        closing(self.service, execution, &Actor::Engine).await
    }
}
