//! How far Sluicegate may go, everywhere.

use axum::{Json, extract::State, response::IntoResponse};

use crate::{
    domain::approval::Modes,
    server::{app::App, auth::Caller, parameters::etag, problem::Problem},
};

/// Show the modes and the kill switch
#[utoipa::path(
    get,
    path = "/v1/modes",
    tag = "modes",
    responses((status = 200, description = "Modes per scope; the lowest of global, source and runbook applies", body = Modes, headers(("ETag" = String, description = "The revision, for `If-Match`"))))
)]
pub async fn show(State(app): State<App>, Caller(caller): Caller) -> Result<impl IntoResponse, Problem> {
    let modes = app.service.store.modes(&caller.tenant).await?;
    Ok((etag(modes.revision), Json(modes)))
}
