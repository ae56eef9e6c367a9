//! Has triage look at a waiting ticket again.

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{id::TicketId, ticket::Ticket},
    pipeline::actions::look_again,
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        masked,
        parameters::{self, Id, etag},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookAgainBody {
    /// The ticket's version read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Triage a ticket again
///
/// After a runbook or a policy changed. The open proposal is superseded, with the approvals it has.
#[utoipa::path(
    post,
    path = "/v1/tickets/{id}/triage",
    tag = "tickets",
    params(("id" = TicketId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = LookAgainBody,
    responses((status = 200, description = "Waits for triage", body = Ticket, headers(("ETag" = String, description = "The ticket's version"))))
)]
pub async fn triage(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<TicketId>,
    headers: HeaderMap,
    Checked(body): Checked<LookAgainBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let ticket = look_again::look_again(&app.service, &caller, id, seen.revision).await.map_err(|error| seen.problem(error))?;
    Ok((etag(ticket.version), Json(masked::ticket(ticket))))
}
