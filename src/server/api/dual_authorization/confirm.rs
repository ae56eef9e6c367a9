//! The second person's word, under their own password.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{dual_authorization::DualAuthorization, id::DualAuthorizationId},
    pipeline::actions::{dual_authorization, proof::Proof},
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
pub struct ConfirmBody {
    /// The caller's own.
    #[schema(value_type = String)]
    pub password: Proof,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Confirm a dual authorization
#[utoipa::path(
    post,
    path = "/v1/dual-authorizations/{id}/confirm",
    tag = "dual-authorizations",
    params(("id" = DualAuthorizationId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = ConfirmBody,
    responses((status = 200, description = "In effect", body = DualAuthorization))
)]
pub async fn confirm(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<DualAuthorizationId>,
    headers: HeaderMap,
    Checked(body): Checked<ConfirmBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let confirmed = dual_authorization::confirm(&app.service, &caller, id, seen.revision, &body.password).await;
    let confirmed = confirmed.map_err(|error| seen.problem(error))?;
    Ok((etag(confirmed.revision), Json(confirmed)))
}
