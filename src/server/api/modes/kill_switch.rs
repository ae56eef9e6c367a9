//! Stops every execution before its next step, or lets them start again.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{approval::Modes, principal::Role},
    pipeline::actions::modes,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, etag},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KillSwitchBody {
    /// True stops, which any role that works tickets may; false needs the operator's role.
    pub on: bool,
    /// For whoever finds it switched.
    pub reason: String,
    /// To release: the revision of the modes read; or send it as `If-Match`. A stop asks for none.
    pub revision: Option<u64>,
}

/// Pull or release the kill switch
#[utoipa::path(
    put,
    path = "/v1/kill-switch",
    tag = "modes",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the modes read, to release.")),
    request_body = KillSwitchBody,
    responses((status = 200, description = "The modes now", body = Modes))
)]
pub async fn set(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Checked(body): Checked<KillSwitchBody>,
) -> Result<impl IntoResponse, Problem> {
    let modes = if body.on {
        modes::stop(&app.service, &caller, &body.reason).await?
    } else {
        // Whoever may not release it is told so, and not asked for a revision first.
        app.service.require(&caller, Role::Operator)?;
        let seen = parameters::seen(&headers, body.revision)?;
        modes::release(&app.service, &caller, &body.reason, seen.revision).await.map_err(|error| seen.problem(error))?
    };
    Ok((etag(modes.revision), Json(modes)))
}
