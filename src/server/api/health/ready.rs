//! The store answers and can write, so requests may be sent here.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::digest::Digest,
    pipeline::load::Part,
    server::{app::App, problem::Problem},
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    pub version: &'static str,
    /// Digests of the model, signals, runbooks and policies that decide now.
    pub in_force: BTreeMap<&'static str, Digest>,
    /// Parts of which a newer version was refused; `GET /v1/loads` says why.
    pub stale: Vec<Part>,
}

/// May requests be sent here
#[utoipa::path(get, path = "/readyz", tag = "service", responses((status = 200, description = "The store answers and can write", body = Readiness)))]
pub async fn ready(State(app): State<App>) -> Result<Json<Readiness>, Problem> {
    app.service.store.check().await?;
    let stale = app.service.loads.all().into_iter().filter(|(_, load)| load.refused.is_some()).map(|(part, _)| part).collect();
    Ok(Json(Readiness { version: env!("CARGO_PKG_VERSION"), in_force: app.service.in_force(), stale }))
}
