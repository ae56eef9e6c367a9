//! Who works on a ticket, and until when it is out of the queue.

use axum::{Json, extract::State, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{handling::Handling, id::TicketId, name::PersonId, time::Timestamp},
    pipeline::actions::handling,
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
pub struct TakeBody {
    /// Who has it now, when it is to be taken over.
    #[serde(default)]
    pub over: Option<PersonId>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnoozeBody {
    /// Within the next seven days.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

fn answer(handling: Handling) -> impl IntoResponse {
    (etag(handling.revision), Json(handling))
}

/// Take a ticket
///
/// Of two persons who take it at once one gets it, the other 409 with who has it.
#[utoipa::path(post, path = "/v1/tickets/{id}/take", tag = "tickets", params(("id" = TicketId, Path)), request_body = TakeBody, responses((status = 200, description = "The caller has it", body = Handling)))]
pub async fn take(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<TicketId>,
    Checked(body): Checked<TakeBody>,
) -> Result<impl IntoResponse, Problem> {
    Ok(answer(handling::take(&app.service, &caller, id, body.over.as_ref()).await?))
}

/// Give a ticket back
#[utoipa::path(post, path = "/v1/tickets/{id}/release", tag = "tickets", params(("id" = TicketId, Path)), responses((status = 200, description = "Nobody has it", body = Handling)))]
pub async fn release(State(app): State<App>, Caller(caller): Caller, Id(id): Id<TicketId>) -> Result<impl IntoResponse, Problem> {
    Ok(answer(handling::release(&app.service, &caller, id).await?))
}

/// Take a ticket out of the queue for a while
#[utoipa::path(post, path = "/v1/tickets/{id}/snooze", tag = "tickets", params(("id" = TicketId, Path)), request_body = SnoozeBody, responses((status = 200, description = "Snoozed", body = Handling)))]
pub async fn snooze(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<TicketId>,
    Checked(body): Checked<SnoozeBody>,
) -> Result<impl IntoResponse, Problem> {
    Ok(answer(handling::snooze(&app.service, &caller, id, body.until).await?))
}

/// Put a snoozed ticket back into the queue
#[utoipa::path(post, path = "/v1/tickets/{id}/wake", tag = "tickets", params(("id" = TicketId, Path)), responses((status = 200, description = "Awake", body = Handling)))]
pub async fn wake(State(app): State<App>, Caller(caller): Caller, Id(id): Id<TicketId>) -> Result<impl IntoResponse, Problem> {
    Ok(answer(handling::wake(&app.service, &caller, id).await?))
}
