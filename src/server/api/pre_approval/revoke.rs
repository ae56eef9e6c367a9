//! Takes a pre-approval back at once.

use axum::{Json, extract::State};
use serde::Deserialize;

use crate::{
    domain::{approval::PreApproval, id::PreApprovalId},
    pipeline::actions::pre_approve,
    server::{app::App, auth::Caller, body::Checked, parameters::Id, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeBody {
    /// For the runbook's owner.
    pub reason: String,
}

/// Revoke a pre-approval
#[utoipa::path(
    post,
    path = "/v1/pre-approvals/{id}/revoke",
    tag = "pre-approvals",
    params(("id" = PreApprovalId, Path)),
    request_body = RevokeBody,
    responses((status = 200, description = "No longer in force", body = PreApproval))
)]
pub async fn revoke(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<PreApprovalId>,
    Checked(body): Checked<RevokeBody>,
) -> Result<Json<PreApproval>, Problem> {
    Ok(Json(pre_approve::revoke(&app.service, &caller, id, &body.reason).await?))
}
