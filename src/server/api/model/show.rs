//! One model.

use axum::{Json, extract::State};

use crate::{
    domain::name::ModelName,
    pipeline::{
        error::ActionError,
        models::{self, Listed},
    },
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// Show a model
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models", params(("id" = ModelName, Path)), responses((status = 200, description = "Its manifest: data, metrics with bins and confusion, digests", body = Listed)))]
pub async fn show(State(app): State<App>, _: Caller, Id(id): Id<ModelName>) -> Result<Json<Listed>, Problem> {
    let found = models::registry(&app.service).await?.models.into_iter().find(|model| model.name == id);
    found.map(Json).ok_or_else(|| ActionError::NotFound { what: "model", id: id.to_string() }.into())
}
