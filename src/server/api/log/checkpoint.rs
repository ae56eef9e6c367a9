//! Size and root of the log, signed: now, or when a witness last signed it too.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use serde::Deserialize;

use crate::{
    log::checkpoint::Checkpoint,
    pipeline::witnesses::{by_size, cosigned},
    server::{app::App, auth::Caller, parameters::Params, problem::Problem},
    store::tree,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CheckpointParams {
    /// The newest one that a witness signed, with the lines of all that did, in place of the one of now.
    witnessed: Option<bool>,
}

/// Get a signed checkpoint
#[utoipa::path(
    get,
    path = "/v1/log/checkpoint",
    tag = "log",
    params(CheckpointParams),
    responses((status = 200, description = "A signed note (C2SP tlog-checkpoint). Keep it: with it you can later prove that nothing before it was changed", body = String, content_type = "text/plain"))
)]
pub async fn checkpoint(State(app): State<App>, caller: Caller, Params(params): Params<CheckpointParams>) -> Result<Response, Problem> {
    let store = &*app.service.store;
    let seen = match params.witnessed {
        Some(true) => {
            let all = by_size(cosigned(store, &caller.0.tenant).await?);
            all.into_values().next_back().ok_or_else(|| Problem::not_found("checkpoint", "signed by a witness"))?
        }
        _ => Vec::new(),
    };
    let size = match seen.first() {
        Some(seen) => seen.size,
        None => store.log_size().await?,
    };
    let root = tree::root(store, size).await?;
    let mut note = Checkpoint::sign(size, &root, &app.service.key).map_err(|error| Problem::Internal(error.to_string()))?;
    for seen in &seen {
        note.push_str(&seen.line);
        note.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}
