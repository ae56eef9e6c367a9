//! A person has a run taken back.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;

use crate::{
    domain::{execution::Execution, id::ExecutionId},
    pipeline::actions::undo,
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
pub struct UndoBody {
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Undo an execution
///
/// Runs the rollbacks that its runbook declares, last change first, as an execution of its own. Needs an approver who
/// neither asked for it nor wrote the runbook. Of several at once one wins.
#[utoipa::path(
    post,
    path = "/v1/executions/{id}/undo",
    tag = "executions",
    params(("id" = ExecutionId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = UndoBody,
    responses((status = 201, description = "The run that takes it back", body = Execution))
)]
pub async fn undo(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<ExecutionId>,
    headers: HeaderMap,
    Checked(body): Checked<UndoBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let run = undo::undo(&app.service, &caller, id, seen.revision).await.map_err(|error| seen.problem(error))?;
    Ok((StatusCode::CREATED, etag(run.revision), Json(run)))
}
