//! The configured webhooks and how each does.

use axum::{Json, extract::State};

use super::view::EndpointView;
use crate::{
    pipeline::actions::endpoint,
    server::{app::App, auth::Caller, page::Listing, problem::Problem},
};

/// List webhook endpoints
#[utoipa::path(
    get,
    path = "/v1/endpoints",
    tag = "endpoints",
    responses((status = 200, description = "All of them, in the order of names", body = Listing<EndpointView>))
)]
pub async fn list(State(app): State<App>, Caller(caller): Caller) -> Result<Json<Listing<EndpointView>>, Problem> {
    let found = endpoint::list(&app.service, &caller.tenant).await?;
    Ok(Json(Listing { items: found.into_iter().map(EndpointView::from).collect(), next: None }))
}
