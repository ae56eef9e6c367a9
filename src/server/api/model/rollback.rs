//! Puts the model before the last promotion back in force.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};

use super::promote::ModelBody;
use crate::{
    domain::model::Models,
    pipeline::actions::model,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, etag},
        problem::Problem,
    },
};

/// Go back to the model before
#[utoipa::path(post, path = "/v1/model-rollback", tag = "models", params(("If-Match" = Option<String>, Header, description = "The `ETag` read.")), request_body = ModelBody, responses((status = 200, description = "The one before is in force", body = Models)))]
pub async fn rollback(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Checked(body): Checked<ModelBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let models = model::rollback(&app.service, &caller, seen.revision).await.map_err(|error| seen.problem(error))?;
    Ok((etag(models.revision), Json(models)))
}
