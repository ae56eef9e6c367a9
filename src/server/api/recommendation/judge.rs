//! A person tells what was done with a proposal outside of Sluicegate, or that it turned out wrong.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{id::RecommendationId, name::RunbookId, outcome::Outcome},
    pipeline::{
        actions::judge::{self, Did, Judgement},
        outcome::Correction,
    },
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, Id, etag},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeBody {
    pub did: Did,
    /// With `another_runbook`: which.
    pub another_runbook: Option<RunbookId>,
    /// The right category, when triage's was wrong.
    pub category: Option<String>,
    /// Up to 2,000 bytes; `rejected` needs one.
    pub comment: Option<String>,
    /// The recommendation's revision; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Tell what was done with a recommendation
///
/// Closes it when it is open. A right outcome may later turn wrong, never the other way round. The requester and the
/// runbook's authors may say that it was wrong, not that it was right.
#[utoipa::path(
    post,
    path = "/v1/recommendations/{id}/outcome",
    tag = "recommendations",
    params(("id" = RecommendationId, Path), ("If-Match" = Option<String>, Header, description = "The recommendation's `ETag`.")),
    request_body = OutcomeBody,
    responses((status = 200, description = "What is recorded now", body = Outcome))
)]
pub async fn judge(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<RecommendationId>,
    headers: HeaderMap,
    Checked(body): Checked<OutcomeBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let judgement = Judgement {
        revision: seen.revision,
        did: body.did,
        correction: Correction { another_runbook: body.another_runbook, category: body.category },
        comment: body.comment,
    };
    let outcome = judge::judge(&app.service, &caller, id, judgement).await.map_err(|error| seen.problem(error))?;
    Ok((etag(outcome.revision), Json(outcome)))
}
