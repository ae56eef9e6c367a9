//! The runbooks in force.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::{digest::Digest, name::RunbookId, priority::Risk, runbook::Runbook},
    server::{app::App, auth::Caller, page::Listing},
};

/// A runbook in one line.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RunbookSummary {
    pub id: RunbookId,
    pub title: String,
    pub owner: String,
    pub risk: Risk,
    pub reversible: bool,
    /// It has a change step, so the engine could run it.
    pub executable: bool,
    /// Nobody checked it lately; it never runs by itself.
    pub stale: bool,
    /// Names this version; pre-approvals and approvals are bound to it.
    pub digest: Digest,
}

impl RunbookSummary {
    pub fn new(runbook: &Runbook, today: jiff::civil::Date) -> Self {
        Self {
            id: runbook.id.clone(),
            title: runbook.title.clone(),
            owner: runbook.owner.clone(),
            risk: runbook.risk,
            reversible: runbook.reversible,
            executable: runbook.is_executable(),
            stale: runbook.is_stale(today),
            digest: runbook.digest,
        }
    }
}

pub(super) fn today(app: &App) -> jiff::civil::Date {
    jiff::tz::TimeZone::UTC.to_datetime(app.service.ambient.now().as_jiff()).date()
}

/// List runbooks
#[utoipa::path(get, path = "/v1/runbooks", tag = "runbooks", responses((status = 200, description = "All runbooks in force, by id; one page", body = Listing<RunbookSummary>)))]
pub async fn list(State(app): State<App>, _: Caller) -> Json<Listing<RunbookSummary>> {
    let (decider, today) = (app.service.decider(), today(&app));
    Json(Listing { items: decider.library().iter().map(|runbook| RunbookSummary::new(runbook, today)).collect(), next: None })
}
