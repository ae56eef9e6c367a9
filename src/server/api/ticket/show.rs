//! One ticket with all that belongs to it. Masked, but for an auditor who asks for it as stored: the digest of the
//! input and `replay` need every byte.

use axum::{Json, extract::State, response::IntoResponse};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{execution::Execution, id::TicketId, outbox::OutboxMessage, principal::Role, recommendation::Recommendation, ticket::Ticket},
    server::{
        app::App,
        auth::Caller,
        masked,
        parameters::{Id, Params, etag},
        problem::Problem,
    },
    triage::cluster::Membership,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TicketView {
    pub ticket: Ticket,
    /// Its cluster, while it is inside the storm window: the ticket that came first, and how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Membership>,
    /// The newest proposal; `null` until triage has looked.
    pub recommendation: Option<Recommendation>,
    /// Newest first.
    pub executions: Vec<Execution>,
    /// What was, or will be, sent about it.
    pub messages: Vec<OutboxMessage>,
}

impl TicketView {
    fn masked(self) -> Self {
        let recommendation = self.recommendation.map(|recommendation| masked::recommendation(recommendation, &self.ticket));
        Self { recommendation, ticket: masked::ticket(self.ticket), ..self }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TicketViewParams {
    /// With secrets and personal data in its text, as `sluicegate replay` needs it; for auditors only.
    #[serde(default)]
    as_stored: bool,
}

/// Show a ticket
///
/// Secrets and personal data in its text are under stars.
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}",
    tag = "tickets",
    params(("id" = TicketId, Path), TicketViewParams),
    responses((status = 200, description = "The ticket, its newest proposal, runs and messages", body = TicketView, headers(("ETag" = String, description = "The ticket's version"))))
)]
pub async fn show(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<TicketId>,
    Params(params): Params<TicketViewParams>,
) -> Result<impl IntoResponse, Problem> {
    if params.as_stored && !caller.has(Role::Auditor) {
        return Err(Problem::MissingRole { any_of: vec![Role::Auditor] });
    }
    let ticket = app.service.ticket(&caller.tenant, id).await?;
    let store = &app.service.store;
    let recommendation = store.recommendation_for(&caller.tenant, id).await?;
    let executions = store.executions_for(&caller.tenant, id).await?;
    let messages = store.messages_for(&caller.tenant, id).await?;
    let cluster = app.service.storms.of(&ticket, app.service.ambient.now()).filter(|cluster| cluster.size > 1);
    let view = TicketView { ticket, cluster, recommendation, executions, messages };
    Ok((etag(view.ticket.version), Json(if params.as_stored { view } else { view.masked() })))
}
