//! The model in force: what it is, how it was measured, how often it was sure lately.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    frame::Frame,
    markdown,
    overview::Overviews,
    page,
    trouble::Trouble,
    visitor::Visitor,
    words::{self, count, percent},
};
use crate::{pipeline::load::Part, server::app::App};

/// A card is a page or two; a longer file is not one.
const LONGEST_CARD: u64 = 256 * 1024;

#[derive(Template)]
#[template(path = "models.html")]
struct ModelsPage {
    frame: Frame,
    name: String,
    digests: Vec<(&'static str, String)>,
    loaded: String,
    refused: Option<(String, String)>,
    /// Its card as HTML; `None` when it has none.
    card: Option<String>,
    sure: String,
    total: u64,
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Models").await?;
    let folder = &app.service.config.triage.model;
    let load = app.service.loads.all().remove(&Part::Model);
    let counted = Overviews::get(&app, &visitor.principal().tenant, 30).await?;
    let days = &counted.tally.days;
    let total: u64 = days.iter().map(|day| day.tickets).sum();
    let sure: u64 = days.iter().filter(|day| day.category.is_some()).map(|day| day.tickets).sum();
    let card = folder.join("MODEL_CARD.md");
    let short = tokio::fs::metadata(&card).await.is_ok_and(|file| file.len() <= LONGEST_CARD);
    let card = if short { tokio::fs::read_to_string(&card).await.ok() } else { None };
    page::page(&ModelsPage {
        name: folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned()),
        digests: app.service.in_force().into_iter().map(|(name, digest)| (name, digest.to_string())).collect(),
        loaded: load.as_ref().map_or(String::new(), |load| words::minute(load.loaded_at)),
        refused: load.and_then(|load| load.refused).map(|refused| (words::ago(frame.now, refused.at), refused.message)),
        card: card.map(|text| markdown::to_html(&text)),
        sure: format!("{} of {} ({})", count(sure), count(total), percent(sure as f64 / total.max(1) as f64)),
        total,
        frame,
    })
}
