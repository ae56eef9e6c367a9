//! What a digest says: what waits for a person, what ran by itself, which runbooks lost their automation.
//!
//! Reads the store, changes nothing. Pages are bounded: a digest of thousands is read by nobody.

use super::{say, service::Service};
use crate::{
    domain::{
        entry::Event,
        execution::ExecutionState,
        name::TenantId,
        outbox::{Notice, Occasion},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    store::interface::{EntryFilter, LoggedEntry, Page, StoreError, TicketFilter},
    text::redact,
};

/// Lines of one part.
const SHOWN: usize = 20;
/// Entries looked at for one part.
const LOOKED_AT: usize = 500;

/// The digest of everything since `since`.
///
/// # Errors
/// The store failed.
pub(super) async fn compose(service: &Service, tenant: &TenantId, since: Timestamp, now: Timestamp) -> Result<Notice, StoreError> {
    let waiting = tickets(service, tenant, TicketState::AwaitingApproval).await?;
    let in_doubt = tickets(service, tenant, TicketState::InDoubt).await?;
    let automatic = EntryFilter { actor: Some("engine".to_owned()), ..logged("execution_created", since, now) };
    let automatic = service.store.entries(tenant, &automatic, page()).await?;
    let demoted = service.store.entries(tenant, &logged("runbook_demoted", since, now), page()).await?;

    let mut lines = vec![format!("From {since} to {now}.")];
    part(&mut lines, "Waits for approval", waiting.len(), waiting.iter().take(SHOWN).map(|ticket| line(ticket, service)));
    part(&mut lines, "In doubt, a person must look", in_doubt.len(), in_doubt.iter().take(SHOWN).map(|ticket| line(ticket, service)));
    let mut ran = Vec::new();
    for entry in automatic.iter().take(SHOWN) {
        ran.extend(run(service, tenant, entry).await?);
    }
    part(&mut lines, "Ran by itself", automatic.len(), ran.into_iter());
    let named = demoted.iter().take(SHOWN).filter_map(|entry| match &entry.entry.event {
        Event::RunbookDemoted { runbook, outcomes, wrong, .. } => Some(format!("{runbook}: {wrong} of {outcomes} wrong")),
        _ => None,
    });
    part(&mut lines, "Lost its automation", demoted.len(), named);
    let title = format!(
        "Sluicegate: {} to approve, {} in doubt, {} ran by itself, {} demoted",
        count(waiting.len()),
        count(in_doubt.len()),
        count(automatic.len()),
        count(demoted.len())
    );
    let link = Some(format!("{}/v1/tickets?state=awaiting_approval", service.senders.public_url()));
    Ok(Notice { occasion: Occasion::Digest, title, lines: lines.iter().map(|line| redact(line)).collect(), link })
}

const fn page<Cursor>() -> Page<Cursor> {
    Page { before: None, limit: LOOKED_AT }
}

fn logged(event: &str, since: Timestamp, until: Timestamp) -> EntryFilter {
    EntryFilter { event: Some(event.to_owned()), from: Some(since), until: Some(until), ..EntryFilter::default() }
}

async fn tickets(service: &Service, tenant: &TenantId, state: TicketState) -> Result<Vec<Ticket>, StoreError> {
    service.store.tickets(tenant, &TicketFilter { states: vec![state], source: None }, page()).await
}

fn line(ticket: &Ticket, service: &Service) -> String {
    let key = ticket.report.external_key.as_deref().unwrap_or(&ticket.report.external_id);
    let title: String = ticket.report.title.as_untrusted().chars().take(120).collect();
    format!("{key} of {}: {title} {}", ticket.source, say::link(ticket, service.senders.public_url()))
}

async fn run(service: &Service, tenant: &TenantId, entry: &LoggedEntry) -> Result<Option<String>, StoreError> {
    let Event::ExecutionCreated { execution, runbook, .. } = &entry.entry.event else { return Ok(None) };
    let state = service.store.execution(tenant, *execution).await?.map_or(ExecutionState::Pending, |run| run.state);
    Ok(Some(format!("{runbook}: {} {}/v1/executions/{execution}", state.as_str(), service.senders.public_url())))
}

/// A page that is full may have more behind it.
fn count(found: usize) -> String {
    if found < LOOKED_AT { found.to_string() } else { format!("{LOOKED_AT} or more") }
}

fn part(lines: &mut Vec<String>, title: &str, found: usize, shown: impl Iterator<Item = String>) {
    lines.extend([String::new(), format!("{title}: {}", count(found))]);
    lines.extend(shown.map(|line| format!("- {line}")));
    if found > SHOWN {
        lines.push(format!("- and {} more", count(found - SHOWN)));
    }
}
