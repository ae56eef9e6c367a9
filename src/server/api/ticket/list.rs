//! The queue: the caller's tenant's tickets, newest first, masked.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::{name::SourceId, state::TicketState, ticket::Ticket},
    server::{
        app::App,
        auth::Caller,
        masked,
        page::{self, Listing, Wanted},
        parameters::Params,
        problem::Problem,
    },
    store::interface::TicketFilter,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TicketParams {
    /// Only these states, separated by commas.
    #[param(example = "awaiting_approval,executing")]
    state: Option<String>,
    /// Only this source.
    #[param(value_type = Option<String>)]
    source: Option<SourceId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List tickets
#[utoipa::path(get, path = "/v1/tickets", tag = "tickets", params(TicketParams), responses((status = 200, description = "One page, newest first", body = Listing<Ticket>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<TicketParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let states = params.state.as_deref().map(states).transpose()?.unwrap_or_default();
    let filter = TicketFilter { states, source: params.source };
    let found = app.service.store.tickets(&caller.tenant, &filter, page).await?;
    let found = found.into_iter().map(masked::ticket).collect();
    Ok(page::answer(&uri, limit, found, |ticket: &Ticket| ticket.id))
}

fn states(text: &str) -> Result<Vec<TicketState>, Problem> {
    let known = || TicketState::ALL.map(TicketState::as_str).join(", ");
    let state = |word: &str| {
        let found = TicketState::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| {
            Problem::parameter("state", format!("`{}` is not a state: choose from {}", word.chars().take(40).collect::<String>(), known()))
        })
    };
    text.split(',').map(str::trim).map(state).collect()
}
