//! Whether tickets are still like those that the model learned from.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    pipeline::models,
    server::{app::App, auth::Caller, problem::Problem},
    triage::drift::Drift,
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DriftReport {
    /// By target of the model in force.
    pub targets: BTreeMap<String, Drift>,
}

/// Drift of the newest 2,000 proposals
#[utoipa::path(get, path = "/v1/model-drift", tag = "models", responses((status = 200, description = "Population stability indexes against what training measured: below 0.1 alike, up to 0.25 moved, above it changed", body = DriftReport)))]
pub async fn drift(State(app): State<App>, Caller(caller): Caller) -> Result<Json<DriftReport>, Problem> {
    Ok(Json(DriftReport { targets: models::drift(&app.service, &caller.tenant).await? }))
}
