//! Pre-approvals, in force or not.

use axum::{Json, extract::State};
use serde::Deserialize;

use crate::{
    domain::{approval::PreApproval, name::RunbookId},
    server::{app::App, auth::Caller, page::Listing, parameters::Params, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreApprovalParams {
    /// Only this runbook's.
    #[param(value_type = Option<String>)]
    runbook: Option<RunbookId>,
}

/// List pre-approvals
#[utoipa::path(
    get,
    path = "/v1/pre-approvals",
    tag = "pre-approvals",
    params(PreApprovalParams),
    responses((status = 200, description = "All of them, expired and revoked ones too; one page", body = Listing<PreApproval>))
)]
pub async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    Params(params): Params<PreApprovalParams>,
) -> Result<Json<Listing<PreApproval>>, Problem> {
    let items = app.service.store.pre_approvals(&caller.tenant, params.runbook.as_ref()).await?;
    Ok(Json(Listing { items, next: None }))
}
