//! Asks for a second person.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{AppendHeaders, IntoResponse},
};

use crate::{
    domain::dual_authorization::DualAuthorization,
    pipeline::actions::dual_authorization::{self, Asked},
    server::{app::App, auth::Caller, body::Checked, parameters::etag, problem::Problem},
};

/// Ask for a second person
#[utoipa::path(
    post,
    path = "/v1/dual-authorizations",
    tag = "dual-authorizations",
    request_body = Asked,
    responses((status = 201, description = "Nothing took effect yet; another person confirms it", body = DualAuthorization))
)]
pub async fn request(State(app): State<App>, Caller(caller): Caller, Checked(body): Checked<Asked>) -> Result<impl IntoResponse, Problem> {
    let asked = dual_authorization::request(&app.service, &caller, body).await?;
    Ok((StatusCode::CREATED, AppendHeaders(etag(asked.revision)), Json(asked)))
}
