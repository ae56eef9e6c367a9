//! What people are told in chats: one notice an occasion.
//!
//! Pure. Everything passes through redaction; whoever sends a notice escapes it for where it goes. A notice says what
//! happened and links to where people decide under their own name.

use super::say;
use crate::{
    domain::{
        approval::KillSwitch,
        execution::{Execution, ExecutionState},
        name::{PersonId, RunbookId},
        outbox::{Message, Notice, Occasion},
        recommendation::Recommendation,
        ticket::Ticket,
        verdict::Decision,
    },
    gate::sequential::WatchReport,
    text::redact,
};

fn about(ticket: &Ticket) -> String {
    let key = ticket.report.external_key.as_deref().unwrap_or(&ticket.report.external_id);
    format!("Ticket {key} of {}: {}", ticket.source, ticket.report.title.as_untrusted())
}

fn notice(occasion: Occasion, title: &str, lines: &[String], link: String) -> Message {
    let lines = lines.iter().map(|line| redact(line)).collect();
    Message::Notice(Notice { occasion, title: redact(title), lines, link: Some(link) })
}

/// A proposal that waits for a person; `None` for any other decision.
pub fn proposal(ticket: &Ticket, recommendation: &Recommendation, public_url: &str) -> Option<Message> {
    let runbook = recommendation.runbook.as_ref().filter(|_| recommendation.verdict.decision == Decision::NeedsApproval)?;
    let title = recommendation.candidates.iter().find(|candidate| candidate.runbook == *runbook).map(|candidate| candidate.title.as_str());
    let classification = &recommendation.classification;
    let lines = [
        about(ticket),
        format!("Priority {}, risk {}.", classification.priority.as_str(), classification.risk.as_str()),
        format!("Waits for {} approval(s), until {}.", recommendation.verdict.approvals_needed, recommendation.expires_at),
    ];
    let title = format!("Waits for approval: {}", title.unwrap_or(runbook.as_str()));
    Some(notice(Occasion::NeedsApproval, &title, &lines, say::link(ticket, public_url)))
}

/// A run that a person must look at; `None` for one that did its work or was stopped before it began.
pub fn run_ended(ticket: &Ticket, execution: &Execution, title: &str, public_url: &str) -> Option<Message> {
    let (occasion, what) = match execution.state {
        ExecutionState::InDoubt => (Occasion::InDoubt, "In doubt"),
        ExecutionState::Failed => (Occasion::Failed, "Failed"),
        ExecutionState::RolledBack => (Occasion::Failed, "Rolled back"),
        _ => return None,
    };
    let mut lines = vec![about(ticket)];
    lines.extend(execution.steps.iter().filter_map(|step| step.detail.as_ref().map(|detail| format!("{}: {detail}", step.step))));
    Some(notice(occasion, &format!("{what}: {title}"), &lines, say::link(ticket, public_url)))
}

pub fn demoted(runbook: &RunbookId, owner: &str, report: &WatchReport, limit: f64, public_url: &str) -> Message {
    let lines = [
        format!("{} of {} automatic runs were wrong; {:.1} % are allowed.", report.wrong, report.outcomes, limit * 100.0),
        format!("Its mode is `suggest` now. Owner: {owner}."),
    ];
    let link = format!("{}/v1/runbooks/{runbook}", public_url.trim_end_matches('/'));
    notice(Occasion::Demoted, &format!("Runbook {runbook} lost its automation"), &lines, link)
}

/// Of the ticket that came first.
pub fn storm(ticket: &Ticket, size: u64, public_url: &str) -> Message {
    let lines = [about(ticket), "Nothing runs by itself for any of them. Is this a major incident?".to_owned()];
    notice(Occasion::Storm, &format!("{size} near-equal tickets in a short time"), &lines, say::link(ticket, public_url))
}

pub fn kill_switch(on: Option<&KillSwitch>, by: &PersonId, reason: &str, public_url: &str) -> Message {
    let title = if on.is_some() { "Kill switch pulled: no run begins another step" } else { "Kill switch released: runs go on" };
    let lines = [format!("By {by}."), format!("Reason: {reason}")];
    notice(Occasion::KillSwitch, title, &lines, format!("{}/v1/modes", public_url.trim_end_matches('/')))
}
