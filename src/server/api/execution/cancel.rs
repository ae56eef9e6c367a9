//! A person stops a run.

use axum::{Json, extract::State, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{execution::Execution, id::ExecutionId},
    pipeline::actions::cancel,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{Id, etag},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// Up to 2,000 bytes.
    pub reason: Option<String>,
}

/// Cancel an execution
///
/// No further precheck or change begins; what was changed is undone. A call in the middle is not cut. Needs no revision:
/// stopping must not lose to the run's own steps.
#[utoipa::path(
    post,
    path = "/v1/executions/{id}/cancel",
    tag = "executions",
    params(("id" = ExecutionId, Path)),
    request_body = CancelBody,
    responses((status = 200, description = "The run, with `cancel` set; its state moves when its worker has seen it", body = Execution))
)]
pub async fn cancel(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<ExecutionId>,
    Checked(body): Checked<CancelBody>,
) -> Result<impl IntoResponse, Problem> {
    let run = cancel::cancel(&app.service, &caller, id, body.reason).await?;
    Ok((etag(run.revision), Json(run)))
}
