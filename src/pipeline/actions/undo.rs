//! A person has a run taken back that worked: its declared rollbacks, as one more run with a log of its own.
// INVARIANT: a run is taken back once. The word on the old run that names the new one commits only at the revision that
// the person saw, and only while no undo of it runs or has worked.

use crate::{
    domain::{
        entry::{Entry, Event},
        execution::{Execution, ExecutionState, Undo},
        id::ExecutionId,
        principal::{Actor, Principal, Role},
        runbook::{Runbook, StepKind},
        state::TicketState,
    },
    gate::{self, facts::Phase},
    pipeline::{
        circumstances::{self, target_of},
        decider::exactly,
        error::{ActionError, Result},
        service::Service,
        workers::triage::created,
    },
    store::change::{Change, Expectation, Write},
};

/// Makes the run that takes `id` back.
///
/// # Errors
/// Not found, wrong role, not a person who may, nothing to undo, or changed since the caller saw it.
pub async fn undo(service: &Service, caller: &Principal, id: ExecutionId, revision: u64) -> Result<Execution> {
    service.require(caller, Role::Approver)?;
    let mut done = service.execution(&caller.tenant, id).await?;
    if done.revision != revision {
        return Err(ActionError::Changed(format!("you saw revision {revision}, it is now at {}", done.revision)));
    }
    if done.undoes.is_some() || done.state != ExecutionState::Succeeded {
        return Err(ActionError::Changed(format!("only a run that succeeded can be taken back; this one is `{}`", done.state.as_str())));
    }
    if let Some(earlier) = done.undone_by {
        let earlier = service.execution(&caller.tenant, earlier).await?;
        if !matches!(earlier.state, ExecutionState::Refused | ExecutionState::Cancelled) {
            return Err(ActionError::Changed(format!(
                "run `{}` takes it back already; that one is `{}`",
                earlier.id,
                earlier.state.as_str()
            )));
        }
    }
    let ticket = service.ticket(&caller.tenant, done.ticket).await?;
    if ticket.state == TicketState::Executing {
        return Err(ActionError::Changed("another run has the ticket: wait for its end".to_owned()));
    }
    let recommendation = service.recommendation(&caller.tenant, done.recommendation).await?;
    let decider = service.decider();
    let runbook = exactly(decider.library(), &done.runbook, &done.runbook_digest)
        .ok_or_else(|| ActionError::Changed(format!("runbook `{}` is no longer the version that ran: undo it by hand", done.runbook)))?;
    every_change_can_be_undone(runbook, &done)?;

    let target = target_of(runbook, &recommendation.values())?;
    let circumstances = circumstances::gather(service, &ticket, Some((runbook, target)), None).await?;
    let facts = decider.facts(&ticket, &recommendation, &circumstances, Phase::Execution)?;
    gate::may_undo(decider.policies(), &facts, &circumstances.modes, caller)
        .map_err(|refusals| ActionError::Refused(refusals.iter().map(ToString::to_string).collect()))?;

    let now = circumstances.now;
    let actor = Actor::Person(caller.person.clone());
    let holds_ticket = ticket.state == TicketState::Resolved;
    let run = Execution {
        id: ExecutionId::new(now, service.ambient.random()),
        started_by: actor.clone(),
        state: ExecutionState::Pending,
        steps: Vec::new(),
        revision: 1,
        created_at: now,
        not_before: now,
        finished_at: None,
        undoes: Some(Undo { of: id, holds_ticket, log: done.steps.clone() }),
        undone_by: None,
        cancel: None,
        ..done.clone()
    };
    done.undone_by = Some(run.id);
    done.revision += 1;
    let mut change = Change {
        expect: vec![
            Expectation::ExecutionRevision { execution: id, revision },
            Expectation::TicketVersion { ticket: ticket.id, version: ticket.version },
            // Modes hold the kill switch: a switch pulled while we looked must win.
            Expectation::ModesRevision { tenant: caller.tenant.clone(), revision: circumstances.modes.revision },
        ],
        ..Change::default()
    };
    change.entries.push(Entry::new(caller.tenant.clone(), now, actor.clone(), created(&run, None)?));
    if holds_ticket {
        let mut ticket = ticket;
        let from = ticket.state;
        ticket.state = from.transition(TicketState::Executing).map_err(|illegal| ActionError::Changed(illegal.to_string()))?;
        ticket.version += 1;
        ticket.updated_at = now;
        let moved = Event::TicketMoved { ticket: ticket.id, from, to: ticket.state, version: ticket.version };
        change.entries.push(Entry::new(caller.tenant.clone(), now, actor, moved));
        change.writes.push(service.write_ticket(ticket));
    }
    change.writes.push(Write::Execution(Box::new(done)));
    change.writes.push(Write::Execution(Box::new(run.clone())));
    service.commit(change).await?;
    Ok(run)
}

fn every_change_can_be_undone(runbook: &Runbook, done: &Execution) -> Result<()> {
    let made = |step: &crate::domain::name::StepId| done.steps.iter().any(|run| &run.step == step);
    let changes = runbook.steps.iter().filter(|step| step.kind == StepKind::Change && made(&step.id));
    let fixed: Vec<String> = changes.filter(|step| step.rollback.is_none()).map(|step| format!("`{}`", step.id)).collect();
    if fixed.is_empty() {
        return Ok(());
    }
    Err(ActionError::Refused(vec![format!("no rollback is declared for {}: undo it by hand", fixed.join(", "))]))
}
