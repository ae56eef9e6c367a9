//! Takes a request back, or a confirmed freeze override before its time.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{dual_authorization::DualAuthorization, id::DualAuthorizationId},
    pipeline::actions::dual_authorization,
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
pub struct WithdrawBody {
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Withdraw a dual authorization
#[utoipa::path(
    post,
    path = "/v1/dual-authorizations/{id}/withdraw",
    tag = "dual-authorizations",
    params(("id" = DualAuthorizationId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = WithdrawBody,
    responses((status = 200, description = "Of no effect any more. The requester may, and any approver or operator", body = DualAuthorization))
)]
pub async fn withdraw(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<DualAuthorizationId>,
    headers: HeaderMap,
    Checked(body): Checked<WithdrawBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let withdrawn = dual_authorization::withdraw(&app.service, &caller, id, seen.revision).await;
    let withdrawn = withdrawn.map_err(|error| seen.problem(error))?;
    Ok((etag(withdrawn.revision), Json(withdrawn)))
}
