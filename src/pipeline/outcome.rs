//! Records what came of a proposal: one place for the end of a run, a person's word and a ticket that comes back.
//!
//! Never decides anything: the gate counts what is recorded here.
// INVARIANT: wrong never turns right; a word that would is left out.
// INVARIANT: an outcome and its log entry are in one change, under the revision that was read.

use crate::{
    domain::{
        entry::{Entry, Event},
        execution::ExecutionState,
        name::RunbookId,
        outcome::{Outcome, OutcomeKind},
        principal::Actor,
        recommendation::Recommendation,
        ticket::{Report, Ticket},
        time::Timestamp,
    },
    pipeline::{
        demotion,
        error::{ActionError, Result},
        service::Service,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::StoreError,
    },
};

/// What became known, and by whom.
#[derive(Debug, Clone)]
pub struct Word {
    pub kind: OutcomeKind,
    pub correction: Correction,
    pub comment: Option<String>,
    pub by: Actor,
}

impl Word {
    /// Without any further detail.
    pub fn bare(kind: OutcomeKind, by: Actor) -> Self {
        Self { kind, correction: Correction::default(), comment: None, by }
    }
}

/// What would have been right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    pub another_runbook: Option<RunbookId>,
    pub category: Option<String>,
}

impl Correction {
    /// The kind of a refusal that names this.
    pub const fn kind(&self) -> OutcomeKind {
        match (&self.another_runbook, &self.category) {
            (Some(_), _) => OutcomeKind::AnotherRunbook,
            (None, Some(_)) => OutcomeKind::CategoryCorrected,
            (None, None) => OutcomeKind::Rejected,
        }
    }

    /// # Errors
    /// A runbook or category that is not there, or is the very one that was proposed.
    pub fn check(&self, service: &Service, proposal: &Recommendation) -> Result<()> {
        let invalid = |pointer: &str, message: String| Err(ActionError::Invalid { pointer: pointer.to_owned(), message });
        let decider = service.decider();
        if let Some(runbook) = &self.another_runbook {
            if proposal.runbook.as_ref() == Some(runbook) {
                return invalid("/another_runbook", format!("`{runbook}` is the runbook that was proposed"));
            }
            if decider.library().get(runbook).is_none() {
                return invalid("/another_runbook", format!("there is no runbook `{runbook}` in force"));
            }
        }
        if let Some(category) = &self.category {
            let shown: String = category.chars().take(64).collect();
            if proposal.classification.category.label.as_ref() == Some(category) {
                return invalid("/category", format!("`{shown}` is the category that triage gave"));
            }
            if decider.triage().catalogue().get(category).is_none() {
                return invalid("/category", format!("there is no category `{shown}` in the catalogue"));
            }
        }
        Ok(())
    }
}

/// What the end of a run says of its proposal; `None` when nothing was changed, so that nobody can tell.
pub const fn of_run(ended: ExecutionState) -> Option<OutcomeKind> {
    match ended {
        ExecutionState::Succeeded => Some(OutcomeKind::Verified),
        ExecutionState::RolledBack | ExecutionState::Failed | ExecutionState::InDoubt => Some(OutcomeKind::VerifyFailed),
        ExecutionState::Refused
        | ExecutionState::Cancelled
        | ExecutionState::Pending
        | ExecutionState::Running
        | ExecutionState::RollingBack => None,
    }
}

/// Adds the outcome to `change`, with the demotion that it brings. `None` when there is nothing to record: no runbook
/// was proposed, it is known to be wrong already, or known to be right and the word says no more.
///
/// `automatic`: the proposal's run was started by no person. What was recorded before says it for later words.
///
/// # Errors
/// The store failed.
pub async fn record(
    service: &Service,
    proposal: &Recommendation,
    automatic: bool,
    word: Word,
    now: Timestamp,
    change: &mut Change,
) -> std::result::Result<Option<Outcome>, StoreError> {
    let Some((runbook, runbook_digest)) = proposal.runbook.clone().zip(proposal.runbook_digest) else { return Ok(None) };
    let before = service.store.outcome(&proposal.tenant, proposal.id).await?;
    if before.as_ref().is_some_and(|before| before.kind.is_wrong() || !word.kind.is_wrong()) {
        return Ok(None);
    }
    let revision = before.as_ref().map_or(0, |before| before.revision);
    let outcome = Outcome {
        form: Outcome::FORM,
        recommendation: proposal.id,
        tenant: proposal.tenant.clone(),
        ticket: proposal.ticket,
        runbook,
        runbook_digest,
        would_act: proposal.would_act,
        automatic: before.map_or(automatic, |before| before.automatic),
        kind: word.kind,
        another_runbook: word.correction.another_runbook,
        category: word.correction.category,
        comment: word.comment,
        by: word.by,
        decided_at: proposal.created_at,
        known_at: now,
        revision: revision + 1,
    };
    let event = Event::OutcomeRecorded {
        recommendation: outcome.recommendation,
        ticket: outcome.ticket,
        runbook: outcome.runbook.clone(),
        outcome: outcome.kind,
        would_act: outcome.would_act,
        automatic: outcome.automatic,
    };
    change.expect.push(Expectation::OutcomeRevision { recommendation: outcome.recommendation, revision });
    change.entries.push(Entry::new(outcome.tenant.clone(), now, outcome.by.clone(), event));
    change.writes.push(Write::Outcome(Box::new(outcome.clone())));
    if outcome.automatic {
        demotion::demote(service, &outcome.tenant, &outcome.runbook, &outcome.runbook_digest, now, change).await?;
    }
    Ok(Some(outcome))
}

/// Adds that the sender opened a resolved ticket again, when its newest proposal was right until now and became so
/// inside the window. `report` is what moves the ticket.
///
/// # Errors
/// The store failed.
pub(crate) async fn reopened(
    service: &Service,
    ticket: &Ticket,
    report: &Report,
    now: Timestamp,
    change: &mut Change,
) -> std::result::Result<Option<Outcome>, StoreError> {
    let Some(proposal) = service.store.recommendation_for(&ticket.tenant, ticket.id).await? else { return Ok(None) };
    let Some(outcome) = service.store.outcome(&ticket.tenant, proposal.id).await? else { return Ok(None) };
    if now > outcome.known_at.plus(service.config.gate.reopen_window.get()) || was_written_before(report, outcome.known_at) {
        return Ok(None);
    }
    let word = Word::bare(OutcomeKind::Reopened, Actor::Source(ticket.source.clone()));
    record(service, &proposal, outcome.automatic, word, now, change).await
}

/// The report crossed our write-back on the way: its sender did not know yet. Help desks tell times to the second.
fn was_written_before(report: &Report, known_at: Timestamp) -> bool {
    report.updated_at.is_some_and(|written| written.as_seconds() < known_at.as_seconds())
}
