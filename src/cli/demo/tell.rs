//! What happens to each ticket, as it happens, and the table at the end.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{Failure, desk::DeskTicket};
use crate::{
    domain::{
        entry::Event, execution::StepOutcome, id::TicketId, name::TenantId, recommendation::Recommendation, state::TicketState,
        verdict::Decision,
    },
    pipeline::service::Service,
    store::interface::{Page, TicketFilter},
};

const TITLE: usize = 34;
const WHY: usize = 70;

/// Prints one line an event until it is dropped.
pub async fn follow(service: Arc<Service>) {
    let (mut happenings, started) = (service.store.listen(), Instant::now());
    let mut names: BTreeMap<TicketId, String> = BTreeMap::new();
    while let Ok(entry) = happenings.recv().await {
        if let Event::TicketReceived { ticket, external_id, .. } = &entry.event {
            let title = service
                .store
                .ticket(&entry.tenant, *ticket)
                .await
                .ok()
                .flatten()
                .map(|ticket| cut(ticket.report.title.as_untrusted(), TITLE));
            names.insert(*ticket, title.unwrap_or_else(|| external_id.clone()));
        }
        let Some(line) = line(&entry.event) else { continue };
        let name = entry.event.ticket().and_then(|ticket| names.get(&ticket)).map_or("", String::as_str);
        println!("{:>7.3}s  {name:<TITLE$}  {line}", started.elapsed().as_secs_f64());
    }
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::TicketReceived { source, external_id, .. } => format!("received from {source} as {external_id}"),
        Event::TicketTriaged { category, priority, risk, runbook, decision, .. } => format!(
            "{} {} risk {} → {} → {}",
            category.as_deref().unwrap_or("category unknown"),
            priority.as_str(),
            risk.as_str(),
            runbook.as_ref().map_or("no runbook fits", |runbook| runbook.as_str()),
            decision.as_str(),
        ),
        Event::RecommendationApproved { .. } => "approved by the on-call engineer".to_owned(),
        Event::StepRecorded { step, outcome: StepOutcome::Succeeded, status, .. } => {
            format!("  step {step}: ok{}", status.map_or(String::new(), |status| format!(" ({status})")))
        }
        Event::StepRecorded { step, outcome: StepOutcome::Failed, status, .. } => {
            format!("  step {step}: failed{}", status.map_or(String::new(), |status| format!(" ({status})")))
        }
        Event::ExecutionMoved { to, reason, .. } if to.is_final() => {
            format!("run {}{}", to.as_str(), reason.as_ref().map_or(String::new(), |reason| format!(": {reason}")))
        }
        Event::MessageDelivered { destination, .. } if destination.starts_with("help_desk/") => "written back".to_owned(),
        _ => return None,
    })
}

/// The table of all tickets and the counts.
pub async fn summary(service: &Service, calls: &[String], desk: &BTreeMap<String, DeskTicket>, events: &[String]) -> Result<(), Failure> {
    let tenant = TenantId::default();
    let mut tickets = service.store.tickets(&tenant, &TicketFilter::default(), Page { before: None, limit: 500 }).await?;
    tickets.reverse();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    println!("\n{:<TITLE$}  {:<24}  {:<18}  why", "ticket", "runbook", "end");
    for ticket in &tickets {
        let recommendation = service.store.recommendation_for(&tenant, ticket.id).await?;
        let (end, why) = end(ticket.state, recommendation.as_ref());
        *counts.entry(end).or_default() += 1;
        let runbook = recommendation
            .as_ref()
            .and_then(|recommendation| recommendation.runbook.as_ref())
            .map_or("-", |runbook| runbook.as_str())
            .to_owned();
        println!("{:<TITLE$}  {runbook:<24}  {end:<18}  {}", cut(ticket.report.title.as_untrusted(), TITLE), cut(&why, WHY));
    }
    let counted: Vec<String> = counts.iter().map(|(end, count)| format!("{count} {end}")).collect();
    println!("\n{} tickets: {}", tickets.len(), counted.join(", "));
    println!("{} changes carried out by the automation endpoint, each once", calls.len());
    let comments: usize = desk.values().map(|ticket| ticket.comments.len()).sum();
    println!("{comments} comments written back to {} help desk tickets, {} outgoing events delivered", desk.len(), events.len());
    println!("{} entries in the action log, signed as {}", service.store.log_size().await?, service.key.verifier());
    Ok(())
}

/// How it ended for the ticket, and the first reason.
fn end(state: TicketState, recommendation: Option<&Recommendation>) -> (&'static str, String) {
    let refusal = || {
        recommendation
            .and_then(|recommendation| recommendation.verdict.refusals().next().map(|reason| reason.message.clone()))
            .unwrap_or_default()
    };
    let by_hand = recommendation.is_some_and(|recommendation| !recommendation.approvals.is_empty());
    let decision = recommendation.map(|recommendation| recommendation.verdict.decision);
    match state {
        TicketState::Resolved if by_hand => ("resolved, approved", "a person allowed it; the change was verified".to_owned()),
        TicketState::Resolved => ("resolved by itself", "pre-approved, low risk, reversible; the change was verified".to_owned()),
        TicketState::AwaitingApproval => ("waits for approval", refusal()),
        TicketState::Failed => ("failed, undone", "the change did not help and was taken back".to_owned()),
        TicketState::Recommended if decision == Some(Decision::Escalate) => ("escalated", refusal()),
        TicketState::Recommended => ("recommended", refusal()),
        TicketState::NoRunbook if decision == Some(Decision::Escalate) => ("escalated", refusal()),
        TicketState::NoRunbook => ("no runbook", "nothing fits; a person owns it".to_owned()),
        other => (other.as_str(), String::new()),
    }
}

/// At most `most` characters on one line, with nothing in it that moves a terminal's cursor.
fn cut(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.chars().count() <= most { plain } else { plain.chars().take(most - 1).chain(['…']).collect() }
}
