//! The proof that an entry is in the log.

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
pub struct InclusionParams {
    /// The entry, from 0.
    index: u64,
    /// The size of the log to prove it in; the size now, if not given.
    size: Option<u64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InclusionProof {
    pub index: u64,
    pub size: u64,
    /// SHA-256 hashes as 64 hex digits, from the leaf up (RFC 9162, section 2.1.3).
    pub hashes: Vec<String>,
}

/// Prove that an entry is in the log
#[utoipa::path(get, path = "/v1/log/proof/inclusion", tag = "log", params(InclusionParams), responses((status = 200, description = "The audit path", body = InclusionProof)))]
pub async fn inclusion(
    State(app): State<App>,
    _: Caller,
    Params(params): Params<InclusionParams>,
) -> Result<Json<InclusionProof>, Problem> {
    let there = app.service.store.log_size().await?;
    let (index, size) = (params.index, params.size.unwrap_or(there));
    super::within("size", size, there)?;
    let plan = Plan::inclusion(index, size).map_err(|error| Problem::parameter("index", error.to_string()))?;
    let hashes = tree::prove(&*app.service.store, &plan).await?;
    Ok(Json(InclusionProof { index, size, hashes: hashes.iter().map(hex::encode).collect() }))
}
