//! One outgoing message with every send of it.

use axum::{Json, extract::State};

use crate::{
    domain::{id::OutboxId, outbox::OutboxMessage},
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// Get an outgoing message
#[utoipa::path(
    get,
    path = "/v1/outbox/{id}",
    tag = "outbox",
    params(("id" = OutboxId, Path)),
    responses((status = 200, description = "The message; `log` has its latest hundred sends", body = OutboxMessage))
)]
pub async fn show(State(app): State<App>, Caller(caller): Caller, Id(id): Id<OutboxId>) -> Result<Json<OutboxMessage>, Problem> {
    let found = app.service.store.message(&caller.tenant, id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("message", id.to_string()))
}
