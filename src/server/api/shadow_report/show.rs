//! What would have run by itself, and what people then did.

use axum::{Json, extract::State};
use serde::Deserialize;

use crate::{
    domain::{name::RunbookId, time::Timestamp},
    gate::agreement::ShadowReport,
    pipeline::shadow_report,
    server::{app::App, auth::Caller, parameters::Params, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportParams {
    /// Proposals made at or after this; 30 days back if not given.
    since: Option<Timestamp>,
    /// Only this runbook.
    runbook: Option<RunbookId>,
}

/// # Errors
/// The store failed.
pub(super) async fn report(app: &App, caller: &Caller, params: ReportParams) -> Result<ShadowReport, Problem> {
    let since = params.since.unwrap_or_else(|| app.service.ambient.now().minus(shadow_report::USUAL));
    Ok(shadow_report::shadow_report(&app.service, &caller.0.tenant, since, params.runbook.as_ref()).await?)
}

/// Shadow agreement report
#[utoipa::path(
    get,
    path = "/v1/shadow-report",
    tag = "shadow-report",
    params(ReportParams),
    responses((status = 200, description = "By runbook version: would have acted, what people then did, agreement, every disagreement", body = ShadowReport))
)]
pub async fn show(State(app): State<App>, caller: Caller, Params(params): Params<ReportParams>) -> Result<Json<ShadowReport>, Problem> {
    report(&app, &caller, params).await.map(Json)
}
