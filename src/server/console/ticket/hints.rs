//! What helps a person with a ticket and decides nothing: how often answers as sure were right, tickets like this one, and
//! what its labels may be corrected to.

use crate::{
    domain::{classification::Classification, id::TicketId, ticket::Ticket, time::Timestamp},
    pipeline::{
        feedback,
        similar::{Resolution, SimilarTicket},
    },
    server::{app::App, console::words},
};

/// Similar tickets that the page shows.
const SIMILAR: usize = 5;

/// A target that may be corrected.
pub struct Choice {
    pub target: String,
    pub name: String,
    pub labels: Vec<String>,
}

/// A resolved ticket like this one.
pub struct Alike {
    pub ticket: TicketId,
    pub key: String,
    pub title: String,
    pub percent: String,
    pub how: String,
    pub when: String,
    pub more: String,
}

/// The labels that a person may choose, the usual targets first.
pub fn choices(app: &App) -> Vec<Choice> {
    let mut all: Vec<Choice> = feedback::choices(&app.service)
        .into_iter()
        .map(|(target, labels)| Choice { name: words::plain(&target), target, labels: labels.into_iter().collect() })
        .collect();
    let usual = [feedback::CATEGORY, feedback::GROUP, feedback::PRIORITY];
    all.sort_by_key(|choice| usual.iter().position(|usual| *usual == choice.target).unwrap_or(usual.len()));
    all
}

/// Resolved tickets like this one; none when they cannot be found, because a page without them is better than none.
pub async fn similar(app: &App, ticket: &Ticket, now: Timestamp) -> Vec<Alike> {
    match app.service.similar.nearest(&app.service, ticket, SIMILAR).await {
        Ok(found) => found.into_iter().map(|one| alike(now, one)).collect(),
        Err(error) => {
            tracing::warn!(%error, ticket = %ticket.id, "similar tickets could not be found");
            Vec::new()
        }
    }
}

fn alike(now: Timestamp, similar: SimilarTicket) -> Alike {
    Alike {
        ticket: similar.ticket,
        how: match &similar.resolved {
            Resolution::Run { runbook, by } => format!("{runbook} ran, begun by {}", words::actor(by)),
            Resolution::ByHand { runbook, by } => format!("{} did {runbook} by hand", words::actor(by)),
            Resolution::Closed => "its sender closed it; nobody said how".to_owned(),
        },
        when: words::ago(now, similar.resolved_at),
        percent: words::percent(similar.similarity),
        more: if similar.alike > 0 { format!("and {} near-equal", similar.alike) } else { String::new() },
        key: similar.key,
        title: similar.title,
    }
}

/// How often answers as sure as this one were right, of texts that the model had not learned from. Of a foreign text they tell nothing.
pub fn as_sure(app: &App, classification: &Classification) -> Option<String> {
    let decider = app.service.decider();
    let triage = decider.triage();
    if classification.category.foreign || triage.model_digest() != classification.model {
        return None;
    }
    let head = triage.manifest().heads.get(feedback::CATEGORY)?;
    let bin = head.metrics.as_sure_as(classification.category.probability())?;
    let of_hundred = (bin.right as f64 / bin.answers as f64 * 100.0).round();
    Some(format!("At this score right {of_hundred} of 100, from {}", words::counted(bin.answers as u64, "text", "texts")))
}
