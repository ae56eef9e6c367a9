//! One request for a second person, and what became of it.

use axum::{Json, extract::State, response::IntoResponse};

use crate::{
    domain::{dual_authorization::DualAuthorization, id::DualAuthorizationId},
    pipeline::actions::dual_authorization,
    server::{
        app::App,
        auth::Caller,
        parameters::{Id, etag},
        problem::Problem,
    },
};

/// Show a dual authorization
#[utoipa::path(
    get,
    path = "/v1/dual-authorizations/{id}",
    tag = "dual-authorizations",
    params(("id" = DualAuthorizationId, Path)),
    responses((status = 200, description = "An open one past its `expires_at` is dead", body = DualAuthorization, headers(("ETag" = String, description = "The revision, for `If-Match`"))))
)]
pub async fn show(State(app): State<App>, Caller(caller): Caller, Id(id): Id<DualAuthorizationId>) -> Result<impl IntoResponse, Problem> {
    let found = dual_authorization::find(&app.service, &caller, id).await?;
    Ok((etag(found.revision), Json(found)))
}
