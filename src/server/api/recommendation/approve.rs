//! A person allows exactly what was on the screen.

use axum::{extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use super::show::RecommendationView;
use crate::{
    domain::{digest::Digest, id::RecommendationId},
    pipeline::actions::approve,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, Id},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// As read with the recommendation: what the caller looked at.
    pub binding: Digest,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
    /// Up to 2,000 bytes.
    pub comment: Option<String>,
}

/// Approve a recommendation
#[utoipa::path(
    post,
    path = "/v1/recommendations/{id}/approve",
    tag = "recommendations",
    params(("id" = RecommendationId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = ApproveBody,
    responses((status = 200, description = "Approved, or one approval more and still `open`", body = RecommendationView))
)]
pub async fn approve(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<RecommendationId>,
    headers: HeaderMap,
    Checked(body): Checked<ApproveBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let what = approve::Approve { revision: seen.revision, binding: body.binding, comment: body.comment };
    let recommendation = approve::approve(&app.service, &caller, id, what).await.map_err(|error| seen.problem(error))?;
    RecommendationView::answer(&app, recommendation).await
}
