//! The store answers and can write, so requests may be sent here.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::digest::Digest,
    server::{app::App, problem::Problem},
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    pub version: &'static str,
    /// Digests of the model, signals, runbooks and policies that decide now.
    pub in_force: BTreeMap<&'static str, Digest>,
}

/// May requests be sent here
#[utoipa::path(get, path = "/readyz", tag = "service", responses((status = 200, description = "The store answers and can write", body = Readiness)))]
pub async fn ready(State(app): State<App>) -> Result<Json<Readiness>, Problem> {
    app.service.store.check().await?;
    Ok(Json(Readiness { version: env!("CARGO_PKG_VERSION"), in_force: app.service.in_force() }))
}
