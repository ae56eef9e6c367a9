//! What came of one proposal.

use axum::{Json, extract::State, response::IntoResponse};

use crate::{
    domain::{id::RecommendationId, outcome::Outcome},
    server::{
        app::App,
        auth::Caller,
        parameters::{Id, etag},
        problem::Problem,
    },
};

/// Show what came of a recommendation
#[utoipa::path(
    get,
    path = "/v1/recommendations/{id}/outcome",
    tag = "recommendations",
    params(("id" = RecommendationId, Path)),
    responses((status = 200, description = "The outcome; 404 while none is known", body = Outcome, headers(("ETag" = String, description = "The outcome's revision"))))
)]
pub async fn outcome(State(app): State<App>, Caller(caller): Caller, Id(id): Id<RecommendationId>) -> Result<impl IntoResponse, Problem> {
    let outcome = app.service.store.outcome(&caller.tenant, id).await?.ok_or_else(|| Problem::not_found("outcome of", id))?;
    Ok((etag(outcome.revision), Json(outcome)))
}
