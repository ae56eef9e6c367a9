//! A person changes a proposal.

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;

use super::show::RecommendationView;
use crate::{
    domain::{
        id::RecommendationId,
        name::{ParameterName, RunbookId},
    },
    pipeline::actions::edit::{self, Wanted},
    server::{
        app::App,
        auth::Caller,
        body::Checked,
        parameters::{self, Id},
        problem::Problem,
    },
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditBody {
    /// The runbook to propose; the one that is proposed now to change values only.
    pub runbook: RunbookId,
    /// Values that you know; every other is filled from the ticket.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub parameters: BTreeMap<ParameterName, String>,
    /// The revision read; or send it as `If-Match`.
    pub revision: Option<u64>,
}

/// Change a recommendation
///
/// A new one takes its place, which never runs by itself. Above low risk another person than the one who changed it has
/// to approve it.
#[utoipa::path(
    post,
    path = "/v1/recommendations/{id}/edit",
    tag = "recommendations",
    params(("id" = RecommendationId, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` read.")),
    request_body = EditBody,
    responses((status = 200, description = "The new recommendation", body = RecommendationView))
)]
pub async fn edit(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<RecommendationId>,
    headers: HeaderMap,
    Checked(body): Checked<EditBody>,
) -> Result<impl IntoResponse, Problem> {
    let seen = parameters::seen(&headers, body.revision)?;
    let wanted = Wanted { revision: seen.revision, runbook: body.runbook, parameters: body.parameters };
    let recommendation = edit::edit(&app.service, &caller, id, wanted).await.map_err(|error| seen.problem(error))?;
    RecommendationView::answer(&app, recommendation).await
}
