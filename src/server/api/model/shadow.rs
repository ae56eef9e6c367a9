//! Lets a model answer beside the one in force.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{model::Models, name::ModelName},
    pipeline::actions::model,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, etag},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShadowBody {
    /// `null` ends it.
    pub model: Option<ModelName>,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Set the shadow model
///
/// It answers every ticket that is triaged from now on and changes nothing; `GET /v1/models` counts what both said.
#[utoipa::path(put, path = "/v1/model-shadow", tag = "models", params(("If-Match" = Option<String>, Header, description = "The `ETag` read.")), request_body = ShadowBody, responses((status = 200, description = "It looks on", body = Models)))]
pub async fn shadow(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Checked(body): Checked<ShadowBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let models = model::shadow(&app.service, &caller, body.model.as_ref(), seen.revision).await.map_err(|error| seen.problem(error))?;
    Ok((etag(models.revision), Json(models)))
}
