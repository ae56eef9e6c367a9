//! Received tickets become recommendations: classify, match, fill, judge, and commit it all in one change.
// INVARIANT: a verdict of `auto_execute` and the execution it starts are one change, with the caps counted in it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::task::JoinSet;

use crate::{
    domain::{
        approval::{Caps, Mode},
        entry::{Entry, Event},
        execution::{Execution, ExecutionState},
        id::{ExecutionId, RecommendationId, TicketId},
        model::ShadowAnswer,
        name::TenantId,
        principal::Actor,
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
        verdict::{Decision, Verdict},
    },
    gate::{self, Facts},
    pipeline::{
        actions::accept::supersede_open,
        circumstances::{self, Circumstances, target_of},
        count,
        decider::{Decider, Proposal},
        error::{ActionError, Result},
        look_up,
        service::Service,
        tell,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
    text,
    triage::Triage,
};

/// A cap may be used up between gathering and committing; the second look sees it and asks a person.
const LOOKS: usize = 3;

/// Triages one batch. Returns how many tickets it claimed.
///
/// # Errors
/// The store would not give work. A failure on one ticket is logged and its lease lets it come again.
pub async fn step(service: &Arc<Service>) -> Result<usize> {
    let settings = &service.config.pipeline;
    let tickets = service.store.claim_tickets(service.ambient.now(), settings.lease.get(), settings.batch).await?;
    let claimed = tickets.len();
    if claimed == 0 {
        return Ok(0);
    }
    // Before any of them is decided: the last of a batch counts for the first.
    service.storms.add(service, &tickets).await?;
    let came: Vec<(TenantId, TicketId)> = tickets.iter().map(|ticket| (ticket.tenant.clone(), ticket.id)).collect();
    let decider = service.decider();
    let proposals = propose_all(&decider, tickets).await;
    let looked_on = decider.shadow().map(|shadow| {
        let said = |(ticket, proposal): &(Ticket, Proposal)| (ticket.clone(), proposal.classification.category.label.clone());
        (Arc::clone(shadow), proposals.iter().map(said).collect())
    });
    let mut commits = JoinSet::new();
    for (ticket, proposal) in proposals {
        let (service, decider) = (Arc::clone(service), Arc::clone(&decider));
        commits.spawn(async move {
            let started = std::time::Instant::now();
            match decide(&service, &decider, &ticket, proposal).await {
                // Done with this version: a newer one must not wait for the lease of this one to end.
                Ok(()) => {
                    if let Err(error) = service.store.release_ticket(ticket.id).await {
                        tracing::warn!(ticket = %ticket.id, %error, "a later version of the ticket waits until the lease ends");
                    }
                }
                Err(error) => tracing::error!(ticket = %ticket.id, %error, "triage failed; the ticket comes again when its lease ends"),
            }
            service.metrics.triage_seconds.observe(started.elapsed().as_secs_f64());
        });
    }
    while commits.join_next().await.is_some() {}
    service.storms.raise(service, &came).await?;
    if let Some((shadow, tickets)) = looked_on {
        look_on(service, shadow, tickets).await;
    }
    Ok(claimed)
}

/// Writes down what the shadow says of tickets that are decided, beside the category in force. Nothing waits for it, and a
/// failure costs a row of a report.
async fn look_on(service: &Service, shadow: Arc<Triage>, tickets: Vec<(Ticket, Option<String>)>) {
    let now = service.ambient.now();
    let work = move || -> Vec<Write> {
        let answer = |(ticket, said): (Ticket, Option<String>)| {
            let clean = text::clean_ticket(&ticket.report);
            let classify = || shadow.classify(&ticket.report, &clean, &ticket.source).category.label;
            let shadow_said = catch_unwind(AssertUnwindSafe(classify)).ok()?;
            let (tenant, ticket_version) = (ticket.tenant, ticket.version);
            Some(Write::ShadowAnswer(ShadowAnswer {
                tenant,
                ticket: ticket.id,
                ticket_version,
                shadow: shadow.manifest_digest(),
                said,
                shadow_said,
                at: now,
            }))
        };
        tickets.into_iter().filter_map(answer).collect()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(writes) => {
            if let Err(error) = service.commit(Change { writes, ..Change::default() }).await {
                tracing::warn!(%error, "what the shadow model said was not written down");
            }
        }
        Err(error) => tracing::error!(%error, "the shadow model stopped in the middle"),
    }
}

/// The pure part, off the async threads. A ticket that makes it panic is left out, so that the others of its
/// batch go on.
async fn propose_all(decider: &Arc<Decider>, tickets: Vec<Ticket>) -> Vec<(Ticket, Proposal)> {
    let decider = Arc::clone(decider);
    let work = move || -> Vec<(Ticket, Proposal)> {
        let propose = |ticket: Ticket| match catch_unwind(AssertUnwindSafe(|| decider.propose(&ticket, Vec::new()))) {
            Ok(proposal) => Some((ticket, proposal)),
            Err(_) => {
                tracing::error!(ticket = %ticket.id, "triage of the ticket panicked; it comes again when its lease ends");
                None
            }
        };
        tickets.into_iter().filter_map(propose).collect()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(proposals) => proposals,
        Err(error) => {
            tracing::error!(%error, "triage stopped in the middle; its tickets come again when their leases end");
            Vec::new()
        }
    }
}

async fn decide(service: &Service, decider: &Arc<Decider>, ticket: &Ticket, proposal: Proposal) -> Result<()> {
    let proposal = look_up::settle(&service.directories, decider, ticket, proposal, &*service.ambient, &service.metrics).await;
    for _ in 0..LOOKS {
        let runbook = decider.runbook_of(&proposal)?;
        let circumstances = circumstances::gather(service, ticket, runbook, None).await?;
        let id = RecommendationId::new(circumstances.now, service.ambient.random());
        let recommendation = decider.judge(ticket, proposal.clone(), &circumstances, id)?;
        let change = change(service, ticket, &recommendation, &circumstances).await?;
        match service.commit(change).await {
            Ok(_) => {
                count::verdict(&service.metrics, &recommendation.verdict);
                return Ok(());
            }
            Err(StoreError::Conflict(Conflict::CapReached { .. })) => {}
            // The sender changed the ticket meanwhile, or another worker was faster; the newer version is claimed on its own.
            Err(StoreError::Conflict(Conflict::Changed { .. })) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(ActionError::Internal(format!("the caps moved {LOOKS} times while ticket `{}` was judged", ticket.id)))
}

async fn change(service: &Service, before: &Ticket, recommendation: &Recommendation, circumstances: &Circumstances) -> Result<Change> {
    let now = circumstances.now;
    let mut ticket = before.clone();
    ticket.state = landing(before.state, recommendation)?;
    ticket.version += 1;
    ticket.updated_at = now;
    let mut recommendation = recommendation.clone();
    if recommendation.verdict.decision == Decision::AutoExecute {
        recommendation.state = RecommendationState::Approved;
    }
    let mut change =
        Change { expect: vec![Expectation::TicketVersion { ticket: ticket.id, version: before.version }], ..Change::default() };
    supersede_open(service, before, now, "triage looked again", &mut change).await?;
    let engine = |event| Entry::new(ticket.tenant.clone(), now, Actor::Engine, event);
    change.entries.push(engine(triaged(&ticket, &recommendation)?));
    change.entries.push(engine(Event::TicketMoved { ticket: ticket.id, from: before.state, to: ticket.state, version: ticket.version }));

    if recommendation.verdict.decision == Decision::AutoExecute {
        let execution = automatic(service, &ticket, &recommendation, now)?;
        let caps = caps_of(&recommendation)?;
        change.expect.push(Expectation::WithinCaps {
            tenant: ticket.tenant.clone(),
            runbook: execution.runbook.clone(),
            target: execution.target,
            requester: execution.requester,
            caps,
            now,
        });
        change.entries.push(engine(created(&execution, None)?));
        change.writes.push(Write::Execution(Box::new(execution)));
    }
    // In shadow mode nobody outside hears of it.
    if circumstances.modes.effective(&ticket.source, recommendation.runbook.as_ref()) != Mode::Shadow {
        tell::decided(service, &ticket, &recommendation, now, &mut change);
    }
    change.writes.push(Write::Recommendation(Box::new(recommendation)));
    change.writes.push(service.write_ticket(ticket));
    Ok(change)
}

/// Where the verdict puts the ticket.
pub(crate) fn landing(from: TicketState, recommendation: &Recommendation) -> Result<TicketState> {
    let to = match (recommendation.verdict.decision, &recommendation.runbook) {
        (_, None) => TicketState::NoRunbook,
        (Decision::AutoExecute, Some(_)) => TicketState::Executing,
        (Decision::NeedsApproval, Some(_)) => TicketState::AwaitingApproval,
        (Decision::RecommendOnly | Decision::Escalate, Some(_)) => TicketState::Recommended,
    };
    let landed = from.transition(TicketState::Triaged).and_then(|triaged| triaged.transition(to));
    landed.map_err(|illegal| ActionError::Internal(illegal.to_string()))
}

fn triaged(ticket: &Ticket, recommendation: &Recommendation) -> Result<Event> {
    let classification = &recommendation.classification;
    Ok(Event::TicketTriaged {
        ticket: ticket.id,
        version: ticket.version,
        recommendation: recommendation.id,
        category: classification.category.label.clone(),
        priority: classification.priority,
        risk: classification.risk,
        runbook: recommendation.runbook.clone(),
        runbook_digest: recommendation.runbook_digest,
        decision: recommendation.verdict.decision,
        refused_by: recommendation.verdict.refusals().map(|reason| reason.id.clone()).collect(),
        receipt: crate::domain::canonical::digest(&recommendation.receipt)?,
    })
}

fn automatic(service: &Service, ticket: &Ticket, recommendation: &Recommendation, now: Timestamp) -> Result<Execution> {
    execution(service, ticket, recommendation, Actor::Engine, now, now.plus(service.config.gate.hold.get()))
}

/// The run of a recommendation, not yet started.
///
/// # Errors
/// The recommendation proposes nothing, or its runbook is no longer in force.
pub(crate) fn execution(
    service: &Service,
    ticket: &Ticket,
    recommendation: &Recommendation,
    started_by: Actor,
    now: Timestamp,
    not_before: Timestamp,
) -> Result<Execution> {
    let gone = || ActionError::Changed("the runbook is no longer in force".to_owned());
    let (id, digest) = recommendation.runbook.as_ref().zip(recommendation.runbook_digest).ok_or_else(gone)?;
    let decider = service.decider();
    let runbook = crate::pipeline::decider::exactly(decider.library(), id, &digest).ok_or_else(gone)?;
    let parameters = recommendation.values();
    Ok(Execution {
        form: Execution::FORM,
        id: ExecutionId::new(now, service.ambient.random()),
        tenant: ticket.tenant.clone(),
        ticket: ticket.id,
        recommendation: recommendation.id,
        runbook: id.clone(),
        runbook_digest: digest,
        target: target_of(runbook, &parameters)?,
        parameters,
        requester: ticket.requester_digest(),
        started_by,
        state: ExecutionState::Pending,
        steps: Vec::new(),
        revision: 1,
        created_at: now,
        not_before,
        finished_at: None,
        cancel: None,
        undoes: None,
        undone_by: None,
    })
}

/// The log's word for a new run.
///
/// # Errors
/// Never for values this program makes.
pub(crate) fn created(execution: &Execution, allowed: Option<&Verdict>) -> Result<Event> {
    Ok(Event::ExecutionCreated {
        execution: execution.id,
        ticket: execution.ticket,
        recommendation: execution.recommendation,
        runbook: execution.runbook.clone(),
        runbook_digest: execution.runbook_digest,
        parameters: crate::domain::canonical::digest(&execution.parameters)?,
        allowed: allowed.map(crate::domain::canonical::digest).transpose()?,
        undoes: execution.undoes.as_ref().map(|undo| undo.of),
    })
}

/// The caps of the pre-approval that the verdict went by.
fn caps_of(recommendation: &Recommendation) -> Result<Caps> {
    let facts = Facts::read(&recommendation.receipt.facts).map_err(|why| ActionError::Internal(why.to_string()))?;
    let record = gate::pre_approval_in_force(&facts);
    record.map(|record| record.caps).ok_or_else(|| ActionError::Internal("an automatic verdict without a pre-approval".to_owned()))
}
