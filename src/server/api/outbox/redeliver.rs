//! Sends a message again that was delivered or given up.

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    domain::{id::OutboxId, outbox::OutboxMessage},
    pipeline::actions::redeliver,
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// Send a message again
#[utoipa::path(
    post,
    path = "/v1/outbox/{id}/redeliver",
    tag = "outbox",
    params(("id" = OutboxId, Path)),
    responses((status = 202, description = "On its way again under its old id; a write-back that is there already is not written twice", body = OutboxMessage))
)]
pub async fn redeliver(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<OutboxId>,
) -> Result<(StatusCode, Json<OutboxMessage>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(redeliver::redeliver(&app.service, &caller, id).await?)))
}
