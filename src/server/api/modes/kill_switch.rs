//! Stops every execution before its next step, or lets them start again.

use axum::{Json, extract::State, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::approval::Modes,
    pipeline::actions::modes,
    server::{app::App, auth::Caller, body::Checked, parameters::etag, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSwitchBody {
    /// True stops, which any role that works tickets may; false needs the operator's role.
    pub on: bool,
    /// For whoever finds it switched.
    pub reason: String,
}

/// Pull or release the kill switch
#[utoipa::path(
    put,
    path = "/v1/kill-switch",
    tag = "modes",
    request_body = KillSwitchBody,
    responses((status = 200, description = "The modes now; no revision is asked for, because a stop must not lose a race", body = Modes))
)]
pub async fn set(
    State(app): State<App>,
    Caller(caller): Caller,
    Checked(body): Checked<KillSwitchBody>,
) -> Result<impl IntoResponse, Problem> {
    let modes = modes::kill_switch(&app.service, &caller, body.on, &body.reason).await?;
    Ok((etag(modes.revision), Json(modes)))
}
