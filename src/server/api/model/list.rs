//! The models there are, and which of them decides.

use axum::{Json, extract::State, response::IntoResponse};

use crate::{
    pipeline::models::{self, Registry},
    server::{app::App, auth::Caller, parameters::etag, problem::Problem},
};

/// List models
///
/// With the `ETag` of the choice, which promotions, rollbacks and shadows are bound to.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, description = "Every model of the folder, its manifest, and what it is for", body = Registry)))]
pub async fn list(State(app): State<App>, _: Caller) -> Result<impl IntoResponse, Problem> {
    let registry = models::registry(&app.service).await?;
    Ok((etag(registry.chosen.revision), Json(registry)))
}
