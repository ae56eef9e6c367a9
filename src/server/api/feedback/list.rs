//! Corrections with what becomes of each.

use axum::{Json, extract::State};
use serde::Deserialize;

use crate::{
    pipeline::feedback::{self, Assessed},
    server::{app::App, auth::Caller, page::Listing, parameters::Params, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FeedbackParams {
    /// `passes`, `quarantined`, `kept`, `discarded` or `replaced`.
    standing: Option<String>,
}

/// The newest of a standing that are listed.
const SHOWN: usize = 500;

/// List corrections
///
/// What becomes of one depends on the others, so the standings are of this moment. The newest 500.
#[utoipa::path(get, path = "/v1/feedback", tag = "feedback", params(FeedbackParams), responses((status = 200, description = "Newest first, each with its standing and why; one page", body = Listing<Assessed>)))]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    Params(params): Params<FeedbackParams>,
) -> Result<Json<Listing<Assessed>>, Problem> {
    let wanted = |one: &Assessed| params.standing.as_deref().is_none_or(|standing| standing == one.standing.as_str());
    let items = feedback::assessed(&app.service, &caller.tenant).await?.into_iter().filter(wanted).take(SHOWN).collect();
    Ok(Json(Listing { items, next: None }))
}
