//! Runs: what waits out its hold, what runs, what ended how.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::execution::{Execution, ExecutionState},
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
pub struct ExecutionsParams {
    /// Only these states, separated by commas. `pending,running,rolling_back` is everything that is not over.
    #[param(inline)]
    state: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List executions
///
/// A `pending` one with `not_before` ahead is in its hold: it begins then unless somebody cancels it.
#[utoipa::path(get, path = "/v1/executions", tag = "executions", params(ExecutionsParams), responses((status = 200, description = "One page, newest first", body = Listing<Execution>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<ExecutionsParams>,
) -> Result<Response, Problem> {
    let states = params.state.as_deref().map(states).transpose()?.unwrap_or_default();
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let found = app.service.store.executions(&caller.tenant, &states, page).await?;
    Ok(page::answer(&uri, limit, found, |execution| execution.id))
}

fn states(text: &str) -> Result<Vec<ExecutionState>, Problem> {
    let known = || ExecutionState::ALL.map(ExecutionState::as_str).join(", ");
    let state = |word: &str| {
        let found = ExecutionState::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| {
            Problem::parameter("state", format!("`{}` is not a state: choose from {}", word.chars().take(40).collect::<String>(), known()))
        })
    };
    text.split(',').map(str::trim).map(state).collect()
}
