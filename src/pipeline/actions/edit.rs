//! A person changes a proposal: another runbook, or values of their own. A new proposal takes its place.
// INVARIANT: a typed value passes the same checks as one from the ticket, and a directory service is asked for it too.
// INVARIANT: an edited proposal never runs by itself; the gate's `unedited` refuses, whatever is pre-approved.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{
        approval::Mode,
        entry::{Entry, Event},
        id::RecommendationId,
        look_up::{LookUp, Question},
        name::{ParameterName, RunbookId},
        principal::{Actor, Principal, Role},
        recommendation::{Edit, Recommendation},
        runbook::Directory,
        state::TicketState,
        ticket::Ticket,
    },
    pipeline::{
        actions::accept::supersede_open,
        circumstances,
        decider::Proposal,
        error::{ActionError, Result},
        service::Service,
        tell,
        workers::triage::landing,
    },
    store::change::{Change, Expectation, Write},
};

/// What the person saw, and what they want of it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub revision: u64,
    pub runbook: RunbookId,
    /// Those typed in; every other is filled from the ticket.
    pub parameters: BTreeMap<ParameterName, String>,
}

/// A slot has few sources, and each needs one round at most.
const MOST_ROUNDS: usize = 8;

/// Puts a person's proposal in place of the open one; the approvals it has go with it.
///
/// # Errors
/// Not found, wrong role, no such runbook, a value that its slot does not take, or no longer as the caller saw it.
pub async fn edit(service: &Service, caller: &Principal, id: RecommendationId, wanted: Wanted) -> Result<Recommendation> {
    service.require_any(caller, &[Role::Responder, Role::Approver])?;
    let before = service.recommendation(&caller.tenant, id).await?;
    service.is_as_seen(&before, wanted.revision)?;
    let ticket = service.ticket(&caller.tenant, before.ticket).await?;
    if !matches!(ticket.state, TicketState::AwaitingApproval | TicketState::Recommended | TicketState::NoRunbook) {
        return Err(ActionError::Changed(format!("the ticket is `{}` and waits for no proposal", ticket.state)));
    }
    let edit = Edit { by: caller.person.clone(), runbook: wanted.runbook, parameters: wanted.parameters };
    let proposal = settled(service, &ticket, &edit).await?;
    let decider = service.decider();
    let circumstances = circumstances::gather(service, &ticket, decider.runbook_of(&proposal)?, None).await?;
    let now = circumstances.now;
    let new = decider.judge(&ticket, proposal, &circumstances, RecommendationId::new(now, service.ambient.random()))?;

    let mut change =
        Change { expect: vec![Expectation::TicketVersion { ticket: ticket.id, version: ticket.version }], ..Change::default() };
    supersede_open(service, &ticket, now, "a person changed it", &mut change).await?;
    let (from, mut moved) = (ticket.state, ticket);
    let again = from.transition(TicketState::Received).map_err(|illegal| ActionError::Internal(illegal.to_string()))?;
    moved.state = landing(again, &new)?;
    moved.version += 1;
    moved.updated_at = now;
    let entry = |event| Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event);
    change.entries.push(entry(Event::RecommendationEdited {
        recommendation: new.id,
        ticket: moved.id,
        runbook: edit.runbook,
        typed: edit.parameters.into_keys().collect(),
        decision: new.verdict.decision,
        receipt: crate::domain::canonical::digest(&new.receipt)?,
    }));
    if moved.state != from {
        change.entries.push(entry(Event::TicketMoved { ticket: moved.id, from, to: moved.state, version: moved.version }));
    }
    // In shadow mode nobody outside hears of it.
    if circumstances.modes.effective(&moved.source, new.runbook.as_ref()) != Mode::Shadow {
        tell::decided(service, &moved, &new, now, &mut change);
    }
    change.writes.push(Write::Recommendation(Box::new(new.clone())));
    change.writes.push(service.write_ticket(moved));
    service.commit(change).await?;
    Ok(new)
}

/// What the edit makes of the ticket, once directory services were asked for all that it depends on.
///
/// # Errors
/// No such runbook in force, or a value that its slot does not take.
pub async fn settled(service: &Service, ticket: &Ticket, edit: &Edit) -> Result<Proposal> {
    let decider = service.decider();
    let Some(runbook) = decider.library().get(&edit.runbook) else {
        let message = format!("there is no runbook `{}` in force", edit.runbook);
        return Err(ActionError::Invalid { pointer: "/runbook".to_owned(), message });
    };
    let typed = edit.parameters.iter().filter_map(|(name, value)| match &runbook.parameters.get(name)?.one_of {
        Some(Directory::Service { name }) => Some(Question { directory: name.clone(), value: value.clone() }),
        _ => None,
    });
    let mut questions: BTreeSet<Question> = typed.collect();
    let mut look_ups: Vec<LookUp> = Vec::new();
    for _ in 0..MOST_ROUNDS {
        if !questions.is_empty() {
            let asked = std::mem::take(&mut questions);
            look_ups.extend(service.directories.ask(asked, &*service.ambient, &service.metrics).await);
        }
        let (decider, owned, wanted, answered) = (service.decider(), ticket.clone(), edit.clone(), look_ups.clone());
        let made = tokio::task::spawn_blocking(move || decider.edited(&owned, &wanted, answered)).await;
        let mut proposal = made.map_err(|why| ActionError::Internal(format!("an edit stopped: {why}")))?.map_err(not_taken)?;
        questions = std::mem::take(&mut proposal.questions);
        if questions.is_empty() {
            return Ok(proposal);
        }
    }
    Err(ActionError::Internal(format!("the slots of `{}` ask for more than {MOST_ROUNDS} rounds of look-ups", edit.runbook)))
}

fn not_taken(refused: Vec<crate::pipeline::decider::NotTaken>) -> ActionError {
    let pointer = refused.first().map_or_else(|| "/runbook".to_owned(), |first| format!("/parameters/{}", first.parameter));
    let said: Vec<String> = refused.iter().map(|one| format!("`{}`: {}", one.parameter, one.why)).collect();
    let message = if said.is_empty() { "the runbook is no longer in force".to_owned() } else { said.join("; ") };
    ActionError::Invalid { pointer, message }
}
