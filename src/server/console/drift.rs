//! Whether tickets are still like those that the model learned from. A page of its own: it reads two thousand proposals.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    frame::Frame,
    page,
    trouble::Trouble,
    visitor::Visitor,
    words::{Badge, Tone, count, percent},
};
use crate::{
    pipeline::models,
    server::app::App,
    triage::drift::{Drift, FEWEST, Reading},
};

struct Row {
    target: String,
    answers: String,
    labels: String,
    confidence: String,
    unsure: String,
    then: String,
    reading: Badge,
}

#[derive(Template)]
#[template(path = "drift.html")]
struct DriftPage {
    frame: Frame,
    rows: Vec<Row>,
    fewest: usize,
}

fn row((target, drift): (String, Drift)) -> Row {
    Row {
        target,
        answers: count(drift.answers as u64),
        labels: format!("{:.3}", drift.labels),
        confidence: format!("{:.3}", drift.confidence),
        unsure: percent(drift.unsure),
        then: percent(drift.unsure_then),
        reading: match drift.reading {
            Reading::TooFew => Badge::new(Tone::Plain, "too few to say"),
            Reading::Alike => Badge::new(Tone::Good, "alike"),
            Reading::Moved => Badge::new(Tone::Waits, "moved"),
            Reading::Changed => Badge::new(Tone::Bad, "changed"),
        },
    }
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Drift").await?;
    let drift = models::drift(&app.service, &visitor.principal().tenant).await?;
    page::page(&DriftPage { frame, rows: drift.into_iter().map(row).collect(), fewest: FEWEST })
}
