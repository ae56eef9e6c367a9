//! A model against the one in force, on the frozen texts.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::{model::ModelVersion, name::ModelName},
    pipeline::actions::model,
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
    triage::Comparison,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Compared {
    pub candidate: ModelVersion,
    /// A promotion is refused for each of its `refusals`.
    pub comparison: Comparison,
}

/// Compare a model with the one in force
///
/// Both answer the frozen texts; this is what a promotion goes by.
#[utoipa::path(get, path = "/v1/models/{id}/comparison", tag = "models", params(("id" = ModelName, Path)), responses((status = 200, description = "By target and label: right before and after, lost, gained, and how often chance gives such a loss", body = Compared)))]
pub async fn compare(State(app): State<App>, _: Caller, Id(id): Id<ModelName>) -> Result<Json<Compared>, Problem> {
    let (candidate, comparison) = model::comparison(&app.service, &id).await?;
    Ok(Json(Compared { candidate, comparison }))
}
