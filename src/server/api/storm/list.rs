//! Clusters of near-duplicates that grew past the limit: major-incident candidates.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::storm::Storm,
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
pub struct StormParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List storms
#[utoipa::path(get, path = "/v1/storms", tag = "storms", params(StormParams), responses((status = 200, description = "One page, newest first", body = Listing<Storm>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<StormParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let found = app.service.store.storms(&caller.tenant, page).await?;
    Ok(page::answer(&uri, limit, found, |storm| storm.id))
}
