//! The end of a run: what becomes of its ticket, who is told, and what the proposal's outcome is, as one change.

use crate::{
    domain::{
        approval::Mode,
        entry::{Entry, Event},
        execution::{Execution, ExecutionState},
        outcome::OutcomeKind,
        principal::Actor,
        runbook::Runbook,
        state::TicketState,
        ticket::TicketEvent,
    },
    pipeline::{
        error::{ActionError, Result},
        outcome::{self, Word},
        say,
        service::Service,
        tell,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

/// What must be committed together with the final state of `execution`, which it has already; `by` ended it.
///
/// # Errors
/// The store failed, or its ticket or proposal cannot be read.
pub(crate) async fn closing(service: &Service, execution: &Execution, by: &Actor) -> std::result::Result<Change, StoreError> {
    let now = service.ambient.now();
    let missing = |what: &'static str, id: String| StoreError::Unreadable { what, id, why: "it is not there".to_owned() };
    let before =
        service.store.ticket(&execution.tenant, execution.ticket).await?.ok_or_else(|| missing("ticket", execution.ticket.to_string()))?;
    let mut change =
        Change { expect: vec![Expectation::TicketVersion { ticket: before.id, version: before.version }], ..Change::default() };
    let recommendation = service
        .store
        .recommendation(&execution.tenant, execution.recommendation)
        .await?
        .ok_or_else(|| missing("recommendation", execution.recommendation.to_string()))?;
    let unreadable = |why: serde_json::Error| StoreError::Unreadable { what: "ticket", id: before.id.to_string(), why: why.to_string() };
    let updated = before.input_digest().map_err(unreadable)? != recommendation.receipt.input;
    let mut ticket = before.clone();
    let end = match &execution.undoes {
        Some(undo) => undo.holds_ticket.then(|| end_of_undo(before.state, execution.state)).flatten(),
        None => end_of(before.state, execution.state, updated.then_some(before.report.event)),
    };
    if let Some(state) = end {
        ticket.state = state;
        ticket.version += 1;
        ticket.updated_at = now;
        let moved = Event::TicketMoved { ticket: ticket.id, from: before.state, to: state, version: ticket.version };
        change.entries.push(Entry::new(ticket.tenant.clone(), now, by.clone(), moved));
    }
    // Set to shadow meanwhile: nobody outside hears of it any more.
    let modes = service.store.modes(&ticket.tenant).await?;
    if modes.effective(&ticket.source, Some(&execution.runbook)) != Mode::Shadow {
        let decider = service.decider();
        let title = title_of(decider.library().get(&execution.runbook), execution);
        let resolved = ticket.state == TicketState::Resolved;
        let public_url = &service.config.server.public_url;
        tell::help_desk(service, &ticket, now, &mut change, || match &execution.undoes {
            Some(_) => say::undone(&ticket, execution, &title, public_url),
            None => say::finished(&ticket, execution, resolved, &title, public_url),
        });
        tell::run_ended(service, &ticket, execution, &title, now, &mut change);
    }
    change.writes.push(service.write_ticket(ticket));
    let known = match &execution.undoes {
        // Taken back, or tried: the person who asked for it says that it should not have run.
        Some(_) => outcome::of_run(execution.state).map(|_| (OutcomeKind::Undone, &execution.started_by)),
        None => outcome::of_run(execution.state).map(|kind| (kind, by)),
    };
    if let Some((kind, by)) = known {
        let automatic = execution.started_by == Actor::Engine;
        outcome::record(service, &recommendation, automatic, Word::bare(kind, by.clone()), now, &mut change).await?;
    }
    Ok(change)
}

/// Tries to commit the end of a run while its ticket's sender says more; as many as the engine's.
const TRIES: usize = 5;

/// Moves `run`, which no worker goes on with, to the state that is its last.
///
/// # Errors
/// The run has no such move, it changed meanwhile, or the store failed.
pub(crate) async fn end(service: &Service, mut run: Execution, to: ExecutionState, reason: String, by: &Actor) -> Result<Execution> {
    let (from, revision, now) = (run.state, run.revision, service.ambient.now());
    run.state = from.transition(to).map_err(|illegal| ActionError::Internal(illegal.to_string()))?;
    run.revision += 1;
    run.finished_at = Some(now);
    let event =
        Event::ExecutionMoved { execution: run.id, ticket: run.ticket, runbook: run.runbook.clone(), from, to, reason: Some(reason) };
    let ours = Change {
        expect: vec![Expectation::ExecutionRevision { execution: run.id, revision }],
        writes: vec![Write::Execution(Box::new(run.clone()))],
        entries: vec![Entry::new(run.tenant.clone(), now, by.clone(), event)],
    };
    for _ in 0..TRIES {
        match service.commit(ours.clone().and(closing(service, &run, by).await?)).await {
            Err(StoreError::Conflict(Conflict::Changed { id, .. })) if id != run.id.to_string() => {}
            result => return result.map(|_| run).map_err(Into::into),
        }
    }
    Err(ActionError::Changed(format!("the ticket changed {TRIES} times while execution `{}` was closed: try again", run.id)))
}

/// Where the end of a run puts its ticket, or `None` when it stays. `updated` is what the sender said while it ran.
///
/// What came while the run had the ticket is treated as if it came right after, so that no update is lost: the
/// ticket is triaged anew, or stays closed when its sender closed it. What a person must look at stays theirs.
fn end_of(from: TicketState, run: ExecutionState, updated: Option<TicketEvent>) -> Option<TicketState> {
    let end = match run {
        ExecutionState::Succeeded => TicketState::Resolved,
        ExecutionState::InDoubt => TicketState::InDoubt,
        ExecutionState::Refused | ExecutionState::Cancelled => TicketState::Recommended,
        _ => TicketState::Failed,
    };
    let ended = from.transition(end).ok()?;
    let then = match (updated, run) {
        (None, _) | (_, ExecutionState::InDoubt | ExecutionState::Failed) => return Some(ended),
        (Some(TicketEvent::Resolved), _) => TicketState::Resolved,
        (Some(TicketEvent::Opened | TicketEvent::Updated), _) => TicketState::Received,
    };
    Some(ended.transition(then).unwrap_or(ended))
}

/// Where an undo puts the ticket that it took from `resolved`: what was taken back, a person takes over, and nothing is
/// proposed anew for it by itself.
fn end_of_undo(from: TicketState, undo: ExecutionState) -> Option<TicketState> {
    let end = match undo {
        ExecutionState::InDoubt => TicketState::InDoubt,
        // Nothing was taken back.
        ExecutionState::Refused | ExecutionState::Cancelled => TicketState::Resolved,
        _ => TicketState::Failed,
    };
    from.transition(end).ok()
}

fn title_of(runbook: Option<&Runbook>, execution: &Execution) -> String {
    runbook.map_or_else(|| execution.runbook.to_string(), |runbook| runbook.title.clone())
}
