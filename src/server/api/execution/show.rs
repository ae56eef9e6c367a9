//! One run with its intent log.

use axum::{Json, extract::State, response::IntoResponse};

use crate::{
    domain::{execution::Execution, id::ExecutionId},
    server::{
        app::App,
        auth::Caller,
        parameters::{Id, etag},
        problem::Problem,
    },
};

/// Show an execution
#[utoipa::path(
    get,
    path = "/v1/executions/{id}",
    tag = "executions",
    params(("id" = ExecutionId, Path)),
    responses((status = 200, description = "The run with every step", body = Execution, headers(("ETag" = String, description = "The revision"))))
)]
pub async fn show(State(app): State<App>, Caller(caller): Caller, Id(id): Id<ExecutionId>) -> Result<impl IntoResponse, Problem> {
    let execution = app.service.store.execution(&caller.tenant, id).await?.ok_or_else(|| Problem::not_found("execution", id))?;
    Ok((etag(execution.revision), Json(execution)))
}
