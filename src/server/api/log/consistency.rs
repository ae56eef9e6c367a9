//! The proof that the log only grew.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

use crate::{
    log::proof::Plan,
    server::{app::App, auth::Caller, parameters::Params, problem::Problem},
    store::tree,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyParams {
    /// The size of the checkpoint you kept.
    old: u64,
    /// The size of a later one; the size now, if not given.
    new: Option<u64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ConsistencyProof {
    pub old: u64,
    pub new: u64,
    /// SHA-256 hashes as 64 hex digits (RFC 9162, section 2.1.4).
    pub hashes: Vec<String>,
}

/// Prove that the log only grew
#[utoipa::path(get, path = "/v1/log/proof/consistency", tag = "log", params(ConsistencyParams), responses((status = 200, description = "The consistency path", body = ConsistencyProof)))]
pub async fn consistency(
    State(app): State<App>,
    _: Caller,
    Params(params): Params<ConsistencyParams>,
) -> Result<Json<ConsistencyProof>, Problem> {
    let there = app.service.store.log_size().await?;
    let (old, new) = (params.old, params.new.unwrap_or(there));
    super::within("new", new, there)?;
    let plan = Plan::consistency(old, new).map_err(|error| Problem::parameter("old", error.to_string()))?;
    let hashes = tree::prove(&*app.service.store, &plan).await?;
    Ok(Json(ConsistencyProof { old, new, hashes: hashes.iter().map(hex::encode).collect() }))
}
