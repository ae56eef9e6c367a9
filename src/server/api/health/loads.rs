//! Whether what decides is the newest on disk, and what keeps the newest out.

use std::collections::BTreeMap;

use axum::{Json, extract::State};

use crate::{
    pipeline::{load::Part, reload::Load},
    server::{app::App, auth::Caller},
};

/// How loading model, runbooks and policies went
#[utoipa::path(get, path = "/v1/loads", tag = "service", responses((status = 200, description = "For each part when the version in force was loaded, and the findings that keep a newer one out", body = BTreeMap<String, Load>)))]
pub async fn loads(State(app): State<App>, _: Caller) -> Json<BTreeMap<Part, Load>> {
    Json(app.service.loads.all())
}
