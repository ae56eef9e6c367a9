//! The action log by time, actor, ticket, runbook or event.

use axum::{extract::State, http::Uri, response::Response};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{entry::Entry, id::TicketId, name::RunbookId, time::Timestamp},
    server::{
        app::App,
        auth::Caller,
        page::{self, Listing, Wanted},
        parameters::Params,
        problem::Problem,
    },
    store::interface::{EntryFilter, LoggedEntry},
};

/// An entry with its place in the log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EntryView {
    /// Its leaf's index, from 0; what a proof is asked for.
    pub index: u64,
    pub entry: Entry,
}

impl From<LoggedEntry> for EntryView {
    fn from(logged: LoggedEntry) -> Self {
        Self { index: logged.index, entry: logged.entry }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntryParams {
    /// Only about this ticket.
    #[param(value_type = Option<String>)]
    ticket: Option<TicketId>,
    /// Only about this runbook.
    #[param(value_type = Option<String>)]
    runbook: Option<RunbookId>,
    /// Only this event, like `recommendation_approved`.
    event: Option<String>,
    /// Only by this person or source.
    actor: Option<String>,
    /// From this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// Query the action log
#[utoipa::path(get, path = "/v1/log/entries", tag = "log", params(EntryParams), responses((status = 200, description = "One page of the caller's tenant's entries, newest first", body = Listing<EntryView>)))]
pub async fn entries(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<EntryParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let EntryParams { ticket, runbook, event, actor, from, until, .. } = params;
    let filter = EntryFilter { ticket, runbook, event, actor, from, until };
    let found = app.service.store.entries(&caller.tenant, &filter, page).await?.into_iter().map(EntryView::from).collect();
    Ok(page::answer(&uri, limit, found, |entry: &EntryView| entry.index))
}
