//! What waits to be sent, was sent, or was given up.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::outbox::{OutboxMessage, OutboxState},
    server::{
        app::App,
        auth::Caller,
        page::{self, Listing, Wanted},
        parameters::Params,
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OutboxParams {
    /// Only this state.
    #[param(inline)]
    state: Option<OutboxState>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List outgoing messages
#[utoipa::path(get, path = "/v1/outbox", tag = "outbox", params(OutboxParams), responses((status = 200, description = "One page, newest first", body = Listing<OutboxMessage>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<OutboxParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let found = app.service.store.messages(&caller.tenant, params.state, page).await?;
    Ok(page::answer(&uri, limit, found, |message| message.id))
}
