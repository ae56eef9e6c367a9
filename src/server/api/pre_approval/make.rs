//! A named approver makes one version of a runbook a standard change.

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    domain::approval::PreApproval,
    pipeline::actions::pre_approve::{self, NewPreApproval},
    server::{app::App, auth::Caller, body::Checked, problem::Problem},
};

/// Pre-approve a runbook version
#[utoipa::path(
    post,
    path = "/v1/pre-approvals",
    tag = "pre-approvals",
    request_body = NewPreApproval,
    responses((status = 201, description = "In force", body = PreApproval))
)]
pub async fn make(
    State(app): State<App>,
    Caller(caller): Caller,
    Checked(body): Checked<NewPreApproval>,
) -> Result<(StatusCode, Json<PreApproval>), Problem> {
    let made = pre_approve::make(&app.service, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(made)))
}
