//! Size and root of the log now, signed.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    log::checkpoint::Checkpoint,
    server::{app::App, auth::Caller, problem::Problem},
    store::tree,
};

/// Get a signed checkpoint
#[utoipa::path(
    get,
    path = "/v1/log/checkpoint",
    tag = "log",
    responses((status = 200, description = "A signed note (C2SP tlog-checkpoint). Keep it: with it you can later prove that nothing before it was changed", body = String, content_type = "text/plain"))
)]
pub async fn checkpoint(State(app): State<App>, _: Caller) -> Result<Response, Problem> {
    let size = app.service.store.log_size().await?;
    let root = tree::root(&*app.service.store, size).await?;
    let note = Checkpoint::sign(size, &root, &app.service.key).map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}
