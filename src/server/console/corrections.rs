//! What people corrected: what training learns from, and what was set aside until another person rules.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    form::Form,
    frame::Frame,
    page::{self, done},
    trouble::Trouble,
    visitor::Visitor,
    words::{self, Badge, Tone, percent},
};
use crate::{
    domain::{
        id::{FeedbackId, TicketId},
        principal::Role::Approver,
    },
    gate::approval::may_be,
    pipeline::{
        actions::correct,
        feedback::{self, Assessed},
    },
    server::{app::App, parameters::Id},
    triage::Standing,
};

/// As many are shown of each kind.
const SHOWN: usize = 100;

struct Row {
    id: FeedbackId,
    ticket: TicketId,
    target: String,
    label: String,
    said: String,
    by: String,
    at: String,
    standing: Badge,
    reason: String,
    revision: u64,
    /// Another person than the author, who may.
    can_rule: bool,
}

#[derive(Template)]
#[template(path = "corrections.html")]
struct CorrectionsPage {
    frame: Frame,
    aside: Vec<Row>,
    others: Vec<Row>,
    passes: usize,
    total: usize,
}

pub fn badge(standing: &Standing) -> Badge {
    match standing {
        Standing::Passes => Badge::new(Tone::Good, "is learned from"),
        Standing::Kept => Badge::new(Tone::Good, "kept"),
        Standing::Quarantined { .. } => Badge::new(Tone::Waits, "set aside"),
        Standing::Discarded => Badge::new(Tone::Plain, "discarded"),
        Standing::Replaced => Badge::new(Tone::Plain, "said anew later"),
    }
}

fn row(frame: &Frame, visitor: &Visitor, assessed: Assessed) -> Row {
    let Assessed { feedback, standing } = assessed;
    let ruled = feedback.ruling.as_ref().map(|ruling| format!("{}: {}", ruling.by, ruling.reason));
    Row {
        can_rule: matches!(standing, Standing::Quarantined { .. })
            && frame.may(Approver)
            && !may_be(&feedback.by, &visitor.principal().person),
        standing: badge(&standing),
        reason: match standing {
            Standing::Quarantined { reason } => reason,
            _ => ruled.unwrap_or_default(),
        },
        said: feedback.said.map_or_else(String::new, |said| format!("{said}, {}", percent(feedback.probability))),
        id: feedback.id,
        ticket: feedback.ticket,
        target: words::plain(&feedback.target),
        label: feedback.label,
        by: feedback.by.to_string(),
        at: words::minute(feedback.at),
        revision: feedback.revision,
    }
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Corrections").await?;
    let all = feedback::assessed(&app.service, &visitor.principal().tenant).await?;
    let (total, passes) = (all.len(), all.iter().filter(|one| one.standing.is_learned_from()).count());
    let (aside, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| matches!(one.standing, Standing::Quarantined { .. }));
    let rows = |all: Vec<Assessed>| all.into_iter().take(SHOWN).map(|one| row(&frame, &visitor, one)).collect();
    let (aside, others) = (rows(aside), rows(others));
    page::page(&CorrectionsPage { frame, aside, others, passes, total })
}

pub async fn rule(State(app): State<App>, visitor: Visitor, Id(id): Id<FeedbackId>, form: Form) -> Result<Response, Trouble> {
    let kept = form.text("ruling") == "keep";
    correct::rule(&app.service, visitor.principal(), id, form.value("revision")?, kept, form.text("reason")).await?;
    Ok(done("/models/corrections", if kept { "kept" } else { "discarded" }))
}
