//! Another person keeps a correction for training, or discards it.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{feedback::Feedback, id::FeedbackId},
    pipeline::actions::correct,
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
pub struct RulingBody {
    /// `true`: learn from it; `false`: never do.
    pub kept: bool,
    pub reason: String,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Rule over a correction
///
/// By another person than its author; takes it out of quarantine for good.
#[utoipa::path(post, path = "/v1/feedback/{id}/ruling", tag = "feedback", params(("id" = FeedbackId, Path), ("If-Match" = Option<String>, Header, description = "The revision read.")), request_body = RulingBody, responses((status = 200, description = "Ruled", body = Feedback)))]
pub async fn rule(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<FeedbackId>,
    headers: HeaderMap,
    Checked(body): Checked<RulingBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let ruled = correct::rule(&app.service, &caller, id, seen.revision, body.kept, &body.reason).await;
    let ruled = ruled.map_err(|error| seen.problem(error))?;
    Ok((etag(ruled.revision), Json(ruled)))
}
