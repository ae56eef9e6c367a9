//! One proposal with the binding that an approval must repeat.

use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

use crate::{
    domain::{digest::Digest, id::RecommendationId, recommendation::Recommendation},
    pipeline::error::ActionError,
    server::{
        app::App,
        auth::Caller,
        masked,
        parameters::{Id, etag},
        problem::Problem,
    },
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RecommendationView {
    #[serde(flatten)]
    pub recommendation: Recommendation,
    /// Digest of runbook, parameters, policies and ticket version; send it back to approve exactly this.
    pub binding: Digest,
}

impl RecommendationView {
    /// Bound to what is stored, shown masked.
    pub async fn of(app: &App, recommendation: Recommendation) -> Result<Self, Problem> {
        let binding = recommendation.binding().map_err(ActionError::from)?;
        let ticket = app.service.ticket(&recommendation.tenant, recommendation.ticket).await?;
        Ok(Self { recommendation: masked::recommendation(recommendation, &ticket), binding })
    }

    /// The answer with the revision as `ETag`.
    pub async fn answer(app: &App, recommendation: Recommendation) -> Result<impl IntoResponse + use<>, Problem> {
        let view = Self::of(app, recommendation).await?;
        Ok((etag(view.recommendation.revision), Json(view)))
    }
}

/// Show a recommendation
#[utoipa::path(
    get,
    path = "/v1/recommendations/{id}",
    tag = "recommendations",
    params(("id" = RecommendationId, Path)),
    responses((status = 200, description = "The proposal", body = RecommendationView, headers(("ETag" = String, description = "The revision, for `If-Match`"))))
)]
pub async fn show(State(app): State<App>, Caller(caller): Caller, Id(id): Id<RecommendationId>) -> Result<impl IntoResponse, Problem> {
    RecommendationView::answer(&app, app.service.recommendation(&caller.tenant, id).await?).await
}
