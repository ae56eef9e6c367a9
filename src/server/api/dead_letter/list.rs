//! Deliveries that were authentic and that no adapter could read.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::delivery::DeadLetter,
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
pub struct DeadLetterParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List dead letters
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead-letters", params(DeadLetterParams), responses((status = 200, description = "One page, newest first", body = Listing<DeadLetter>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<DeadLetterParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let found = app.service.store.dead_letters(&caller.tenant, page).await?;
    Ok(page::answer(&uri, limit, found, |letter| letter.id))
}
