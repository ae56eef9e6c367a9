//! Allowed runs are carried out: the gate is asked again before each step, and the end moves the ticket.
// INVARIANT: a run whose runbook changed since it was allowed makes no further call.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    domain::{
        entry::{Entry, Event},
        execution::{Execution, ExecutionState},
        principal::Actor,
        runbook::{Runbook, Step},
        state::TicketState,
    },
    execute::{ExecuteError, Surroundings},
    gate::{self, Basis, facts::Phase},
    pipeline::{
        circumstances,
        decider::{Decider, exactly},
        error::{ActionError, Result},
        say,
        service::Service,
        workers::triage::tell,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::StoreError,
    },
};

/// Carries out at most `limit` runs that may run now. Returns how many it claimed.
///
/// # Errors
/// The store would not give work. A failure of one run is logged; its lease lets it come again.
pub async fn step(service: &Arc<Service>, limit: usize) -> Result<usize> {
    let settings = &service.config.pipeline;
    let runs = service.store.claim_executions(service.ambient.now(), settings.execution_lease.get(), limit).await?;
    let claimed = runs.len();
    let mut tasks = JoinSet::new();
    for run in runs {
        let service = Arc::clone(service);
        tasks.spawn(async move {
            let id = run.id;
            match carry_out(&service, run).await {
                Ok(()) | Err(ActionError::Changed(_)) => {}
                Err(error) => tracing::error!(execution = %id, %error, "the run stopped; it is looked at again when its lease ends"),
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(claimed)
}

async fn carry_out(service: &Arc<Service>, run: Execution) -> Result<()> {
    let decider = service.decider();
    let surroundings = InService { service };
    let Some(runbook) = exactly(decider.library(), &run.runbook, &run.runbook_digest) else {
        return abandon(service, &surroundings, run).await;
    };
    match service.engine.run(run, runbook, &surroundings).await {
        Ok(_) => Ok(()),
        Err(ExecuteError::TakenOver(id)) => Err(ActionError::Changed(format!("execution `{id}` was taken over"))),
        Err(ExecuteError::Store(error)) => Err(error.into()),
        Err(error) => Err(ActionError::Internal(error.to_string())),
    }
}

/// The version that was allowed is gone. Without a call made, nothing happened; with one, a person must look.
async fn abandon(service: &Service, surroundings: &InService<'_>, mut run: Execution) -> Result<()> {
    let from = run.state;
    let to = if run.steps.is_empty() { ExecutionState::Refused } else { ExecutionState::InDoubt };
    let path: &[ExecutionState] =
        if from == ExecutionState::Pending && to == ExecutionState::InDoubt { &[ExecutionState::Running, to] } else { &[to] };
    for next in path {
        run.state = run.state.transition(*next).map_err(|illegal| ActionError::Internal(illegal.to_string()))?;
    }
    let now = service.ambient.now();
    let expected = run.revision;
    run.revision += 1;
    run.finished_at = Some(now);
    let mut change = surroundings.closing(&run).await?;
    change.expect.push(Expectation::ExecutionRevision { execution: run.id, revision: expected });
    let event = Event::ExecutionMoved {
        execution: run.id,
        ticket: run.ticket,
        runbook: run.runbook.clone(),
        from,
        to,
        reason: Some("the runbook version that was allowed is no longer in force".to_owned()),
    };
    change.entries.insert(0, Entry::new(run.tenant.clone(), now, Actor::Engine, event));
    change.writes.push(Write::Execution(Box::new(run)));
    service.commit(change).await?;
    Ok(())
}

/// What a run asks of the rest of the service.
struct InService<'a> {
    service: &'a Arc<Service>,
}

impl InService<'_> {
    async fn permission(&self, execution: &Execution) -> Result<std::result::Result<(), String>> {
        let service = self.service;
        let ticket = service.ticket(&execution.tenant, execution.ticket).await?;
        let recommendation = service.recommendation(&execution.tenant, execution.recommendation).await?;
        let decider = service.decider();
        let Some(runbook) = exactly(decider.library(), &execution.runbook, &execution.runbook_digest) else {
            return Ok(Err("the runbook changed since it was allowed".to_owned()));
        };
        let circumstances = circumstances::gather(service, &ticket, Some((runbook, execution.target)), Some(execution)).await?;
        let facts = decider.facts(&ticket, &recommendation, &circumstances, Phase::Execution)?;
        Ok(allowed(&decider, &facts, execution))
    }
}

/// An automatic run must still be automatic, an approved one still approved.
fn allowed(decider: &Decider, facts: &gate::Facts, execution: &Execution) -> std::result::Result<(), String> {
    let permission = gate::may_execute(decider.policies(), facts);
    let holds = match (&execution.started_by, &permission.basis) {
        (Actor::Engine, basis) => matches!(basis, Some(Basis::Automatic)),
        (Actor::Person(_), basis) => basis.is_some(),
        (Actor::Source(_), _) => false,
    };
    if holds { Ok(()) } else { Err(permission.verdict.refusals().map(|reason| reason.message.as_str()).collect::<Vec<_>>().join("; ")) }
}

#[async_trait]
impl Surroundings for InService<'_> {
    async fn may_proceed(&self, execution: &Execution, _next: &Step) -> std::result::Result<(), String> {
        // Not knowing is a no.
        self.permission(execution).await.unwrap_or_else(|error| Err(format!("the gate could not be asked: {error}")))
    }

    async fn closing(&self, execution: &Execution) -> std::result::Result<Change, StoreError> {
        let service = self.service;
        let now = service.ambient.now();
        let missing = |what: &'static str, id: String| StoreError::Unreadable { what, id, why: "it is not there".to_owned() };
        let before = service
            .store
            .ticket(&execution.tenant, execution.ticket)
            .await?
            .ok_or_else(|| missing("ticket", execution.ticket.to_string()))?;
        let mut change =
            Change { expect: vec![Expectation::TicketVersion { ticket: before.id, version: before.version }], ..Change::default() };
        let target = match execution.state {
            ExecutionState::Succeeded => TicketState::Resolved,
            ExecutionState::InDoubt => TicketState::InDoubt,
            ExecutionState::Refused | ExecutionState::Cancelled => TicketState::Recommended,
            _ => TicketState::Failed,
        };
        let mut ticket = before.clone();
        if let Ok(state) = before.state.transition(target) {
            ticket.state = state;
            ticket.version += 1;
            ticket.updated_at = now;
            let moved = Event::TicketMoved { ticket: ticket.id, from: before.state, to: state, version: ticket.version };
            change.entries.push(Entry::new(ticket.tenant.clone(), now, Actor::Engine, moved));
        }
        let decider = service.decider();
        let title = title_of(decider.library().get(&execution.runbook), execution);
        tell(
            service,
            &ticket,
            now,
            &mut change,
            |ticket| say::finished(ticket, execution, &title, &service.config.server.public_url),
            || say::finished_event(&ticket, execution),
        );
        change.writes.push(service.write_ticket(ticket));
        Ok(change)
    }
}

fn title_of(runbook: Option<&Runbook>, execution: &Execution) -> String {
    runbook.map_or_else(|| execution.runbook.to_string(), |runbook| runbook.title.clone())
}
