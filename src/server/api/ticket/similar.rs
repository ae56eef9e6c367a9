//! Resolved tickets like this one.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::id::TicketId,
    pipeline::similar::SimilarTicket,
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// As many are given at most.
const MOST: usize = 10;

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SimilarTickets {
    /// Nearest first; none below a cosine of 0.6.
    pub items: Vec<SimilarTicket>,
}

/// Similar tickets
///
/// The nearest resolved tickets of the tenant and how each was resolved. Those that differ in numbers and hosts only are
/// counted and not listed.
#[utoipa::path(get, path = "/v1/tickets/{id}/similar", tag = "tickets", params(("id" = TicketId, Path)), responses((status = 200, description = "Nearest first, at most ten", body = SimilarTickets)))]
pub async fn similar(State(app): State<App>, Caller(caller): Caller, Id(id): Id<TicketId>) -> Result<Json<SimilarTickets>, Problem> {
    let ticket = app.service.ticket(&caller.tenant, id).await?;
    let items = app.service.similar.nearest(&app.service, &ticket, MOST).await?;
    Ok(Json(SimilarTickets { items }))
}
