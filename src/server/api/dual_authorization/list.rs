//! Requests for a second person, whatever became of them.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use crate::{
    domain::dual_authorization::DualAuthorization,
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
pub struct DualAuthorizationParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List dual authorizations
#[utoipa::path(
    get,
    path = "/v1/dual-authorizations",
    tag = "dual-authorizations",
    params(DualAuthorizationParams),
    responses((status = 200, description = "One page, newest first", body = Listing<DualAuthorization>))
)]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<DualAuthorizationParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let found = app.service.store.dual_authorizations(&caller.tenant, page).await?;
    Ok(page::answer(&uri, limit, found, |one| one.id))
}
