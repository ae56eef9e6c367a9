//! Everything that ever happened to one ticket, from the action log.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::id::TicketId,
    server::{
        api::log::entries::EntryView,
        app::App,
        auth::Caller,
        page::{self, Listing, Wanted},
        parameters::{Id, Params},
        problem::Problem,
    },
    store::interface::EntryFilter,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TicketLogParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// Show a ticket's history
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}/log",
    tag = "tickets",
    params(("id" = TicketId, Path), TicketLogParams),
    responses((status = 200, description = "One page, newest first", body = Listing<EntryView>))
)]
pub async fn log(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Id(id): Id<TicketId>,
    Params(params): Params<TicketLogParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    app.service.ticket(&caller.tenant, id).await?;
    let filter = EntryFilter { ticket: Some(id), ..EntryFilter::default() };
    let found = app.service.store.entries(&caller.tenant, &filter, page).await?.into_iter().map(EntryView::from).collect();
    Ok(page::answer(&uri, limit, found, |entry: &EntryView| entry.index))
}
