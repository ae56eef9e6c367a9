//! Lets a disabled webhook endpoint have what waits for it.

use axum::{Json, extract::State};

use crate::{
    domain::endpoint::EndpointState,
    pipeline::actions::endpoint,
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// Enable a webhook endpoint
#[utoipa::path(
    post,
    path = "/v1/endpoints/{id}/enable",
    tag = "endpoints",
    params(("id" = String, Path, description = "The webhook's name")),
    responses((status = 200, description = "Its waiting messages are sent from now on", body = EndpointState))
)]
pub async fn enable(State(app): State<App>, Caller(caller): Caller, Id(name): Id<String>) -> Result<Json<EndpointState>, Problem> {
    Ok(Json(endpoint::enable(&app.service, &caller, &name).await?.state))
}
