//! Sets the mode of one scope.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{
        approval::{Mode, Modes, Scope},
        name::{RunbookId, SourceId},
        principal::Principal,
    },
    pipeline::{actions::modes, error::ActionError},
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, Id, etag},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeBody {
    /// `shadow` or `suggest`. `auto` takes two persons: `POST /v1/dual-authorizations`.
    pub mode: Mode,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Set the global mode
#[utoipa::path(
    put,
    path = "/v1/modes/global",
    tag = "modes",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = ModeBody,
    responses((status = 200, description = "The modes now", body = Modes))
)]
pub async fn global(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Checked(body): Checked<ModeBody>,
) -> Result<impl IntoResponse, Problem> {
    set(&app, &caller, &headers, Scope::Global, body).await
}

/// Set a source's mode
#[utoipa::path(
    put,
    path = "/v1/modes/sources/{id}",
    tag = "modes",
    params(("id" = SourceId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = ModeBody,
    responses((status = 200, description = "The modes now", body = Modes))
)]
pub async fn source(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<SourceId>,
    headers: HeaderMap,
    Checked(body): Checked<ModeBody>,
) -> Result<impl IntoResponse, Problem> {
    set(&app, &caller, &headers, Scope::Source(id), body).await
}

/// Set a runbook's mode
#[utoipa::path(
    put,
    path = "/v1/modes/runbooks/{id}",
    tag = "modes",
    params(("id" = RunbookId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = ModeBody,
    responses((status = 200, description = "The modes now", body = Modes))
)]
pub async fn runbook(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<RunbookId>,
    headers: HeaderMap,
    Checked(body): Checked<ModeBody>,
) -> Result<impl IntoResponse, Problem> {
    set(&app, &caller, &headers, Scope::Runbook(id), body).await
}

async fn set(
    app: &App,
    caller: &Principal,
    headers: &HeaderMap,
    scope: Scope,
    body: ModeBody,
) -> Result<impl IntoResponse + use<>, Problem> {
    let seen = parameters::seen(headers, body.revision)?;
    let set = modes::set_mode(&app.service, caller, &scope, body.mode, seen.revision).await;
    let modes: Modes = set.map_err(|error: ActionError| seen.problem(error))?;
    Ok((etag(modes.revision), Json(modes)))
}
