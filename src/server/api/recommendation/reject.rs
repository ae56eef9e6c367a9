//! A person refuses a proposal, with the reason.

use axum::{extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use super::show::RecommendationView;
use crate::{
    domain::{id::RecommendationId, name::RunbookId},
    pipeline::{
        actions::reject::{self, Rejection},
        outcome::Correction,
    },
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
pub struct RejectBody {
    /// 1 to 2,000 bytes: what the runbook's keeper learns from.
    pub reason: String,
    /// The runbook that fits instead, when you know it.
    pub another_runbook: Option<RunbookId>,
    /// The right category, when triage's was wrong.
    pub category: Option<String>,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Reject a recommendation
#[utoipa::path(
    post,
    path = "/v1/recommendations/{id}/reject",
    tag = "recommendations",
    params(("id" = RecommendationId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = RejectBody,
    responses((status = 200, description = "Rejected", body = RecommendationView))
)]
pub async fn reject(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<RecommendationId>,
    headers: HeaderMap,
    Checked(body): Checked<RejectBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let correction = Correction { another_runbook: body.another_runbook, category: body.category };
    let rejection = Rejection { reason: body.reason, correction };
    let recommendation = reject::reject(&app.service, &caller, id, seen.revision, rejection).await.map_err(|error| seen.problem(error))?;
    RecommendationView::answer(&app, recommendation).await
}
