//! A person says what became of a run in doubt.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{execution::Execution, id::ExecutionId},
    pipeline::actions::settle::{self, Found},
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
pub struct SettleBody {
    pub found: Found,
    /// What you looked at; 1 to 2,000 bytes.
    pub comment: String,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Settle an execution in doubt
#[utoipa::path(
    post,
    path = "/v1/executions/{id}/settle",
    tag = "executions",
    params(("id" = ExecutionId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = SettleBody,
    responses((status = 200, description = "The run in the state that was found", body = Execution))
)]
pub async fn settle(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<ExecutionId>,
    headers: HeaderMap,
    Checked(body): Checked<SettleBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let settled = settle::settle(&app.service, &caller, id, seen.revision, body.found, &body.comment).await;
    let run = settled.map_err(|error| seen.problem(error))?;
    Ok((etag(run.revision), Json(run)))
}
