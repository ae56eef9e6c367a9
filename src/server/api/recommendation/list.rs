//! Proposals, newest first.

use axum::{extract::State, http::Uri, response::Response};
use serde::Deserialize;

use super::show::RecommendationView;
use crate::{
    domain::recommendation::RecommendationState,
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
pub struct RecommendationParams {
    /// Only this state.
    #[param(inline)]
    state: Option<RecommendationState>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    limit: Option<usize>,
}

/// List recommendations
#[utoipa::path(
    get,
    path = "/v1/recommendations",
    tag = "recommendations",
    params(RecommendationParams),
    responses((status = 200, description = "One page, newest first", body = Listing<RecommendationView>))
)]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    uri: Uri,
    Params(params): Params<RecommendationParams>,
) -> Result<Response, Problem> {
    let (limit, page) = Wanted::new(params.cursor.as_deref(), params.limit)?.of_store();
    let found = app.service.store.recommendations(&caller.tenant, params.state, page).await?;
    let mut views = Vec::with_capacity(found.len());
    for recommendation in found {
        views.push(RecommendationView::of(&app, recommendation).await?);
    }
    Ok(page::answer(&uri, limit, views, |view: &RecommendationView| view.recommendation.id))
}
