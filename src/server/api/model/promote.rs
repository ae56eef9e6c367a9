//! Puts another model in force.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{model::Models, name::ModelName},
    pipeline::actions::model,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, Id, etag},
        problem::Problem,
    },
    triage::Comparison,
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelBody {
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Promoted {
    pub models: Models,
    pub comparison: Comparison,
}

/// Promote a model
///
/// Both models answer the frozen texts first: a significant loss on any label is refused, and each is named.
#[utoipa::path(post, path = "/v1/models/{id}/promote", tag = "models", params(("id" = ModelName, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")), request_body = ModelBody, responses((status = 200, description = "In force", body = Promoted)))]
pub async fn promote(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<ModelName>,
    headers: HeaderMap,
    Checked(body): Checked<ModelBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let promoted = model::promote(&app.service, &caller, &id, seen.revision).await;
    let (models, comparison) = promoted.map_err(|error| seen.problem(error))?;
    Ok((etag(models.revision), Json(Promoted { models, comparison })))
}
