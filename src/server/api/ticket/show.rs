//! One ticket with all that belongs to it.

use axum::{Json, extract::State, response::IntoResponse};
use serde::Serialize;

use crate::{
    domain::{execution::Execution, id::TicketId, outbox::OutboxMessage, recommendation::Recommendation, ticket::Ticket},
    server::{
        app::App,
        auth::Caller,
        parameters::{Id, etag},
        problem::Problem,
    },
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TicketView {
    pub ticket: Ticket,
    /// The newest proposal; `null` until triage has looked.
    pub recommendation: Option<Recommendation>,
    /// Newest first.
    pub executions: Vec<Execution>,
    /// What was, or will be, sent about it.
    pub messages: Vec<OutboxMessage>,
}

/// Show a ticket
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}",
    tag = "tickets",
    params(("id" = TicketId, Path)),
    responses((status = 200, description = "The ticket, its newest proposal, runs and messages", body = TicketView, headers(("ETag" = String, description = "The ticket's version"))))
)]
pub async fn show(State(app): State<App>, Caller(caller): Caller, Id(id): Id<TicketId>) -> Result<impl IntoResponse, Problem> {
    let ticket = app.service.ticket(&caller.tenant, id).await?;
    let store = &app.service.store;
    let recommendation = store.recommendation_for(&caller.tenant, id).await?;
    let executions = store.executions_for(&caller.tenant, id).await?;
    let messages = store.messages_for(&caller.tenant, id).await?;
    Ok((etag(ticket.version), Json(TicketView { ticket, recommendation, executions, messages })))
}
