//! Past decisions with the facts they rest on, for backtests and for auditors.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::time::Timestamp,
    gate::backtest::PastDecision,
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
pub struct ReceiptParams {
    /// Only decisions made at or after this instant.
    #[param(value_type = Option<Timestamp>)]
    since: Option<Timestamp>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List receipts
#[utoipa::path(get, path = "/v1/receipts", tag = "receipts", params(ReceiptParams), responses((status = 200, description = "One page, newest first", body = Listing<PastDecision>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<ReceiptParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let mut found = app.service.store.recommendations(&caller.tenant, None, page).await?;
    // Ids sort by time, so everything after the first that is too old is too old as well and no page follows.
    if let Some(since) = params.since {
        let young = found.iter().position(|recommendation| recommendation.created_at < since).unwrap_or(found.len());
        found.truncate(young);
    }
    let found = found.into_iter().map(PastDecision::of).collect();
    Ok(page::answer(&uri, limit, found, |decision| decision.recommendation))
}
