//! Reads a kept delivery again, after the adapter or the mapping was put right.

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    domain::id::DeadLetterId,
    pipeline::actions::dead_letter,
    server::{api::acknowledgement::Acknowledgement, app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// Replay a dead letter
#[utoipa::path(
    post,
    path = "/v1/dead-letters/{id}/replay",
    tag = "dead-letters",
    params(("id" = DeadLetterId, Path)),
    responses((status = 202, description = "Read this time, and on disk", body = Acknowledgement))
)]
pub async fn replay(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<DeadLetterId>,
) -> Result<(StatusCode, Json<Acknowledgement>), Problem> {
    let accepted = dead_letter::replay(&app.service, &caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted.into())))
}
