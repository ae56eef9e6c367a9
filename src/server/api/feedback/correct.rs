//! A person says what a label of a ticket should have been.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;

use crate::{
    domain::{feedback::Feedback, id::TicketId},
    pipeline::actions::correct,
    server::{app::App, auth::Caller, body::Checked, parameters::Id, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionBody {
    /// `category`, `assignment_group`, `priority`, or another target of the model.
    pub target: String,
    /// One that the target has.
    pub label: String,
}

/// Correct a label of a ticket
///
/// Teaches the next model, when it passes; the ticket's proposal stays as it was decided.
#[utoipa::path(post, path = "/v1/tickets/{id}/corrections", tag = "feedback", params(("id" = TicketId, Path)), request_body = CorrectionBody, responses((status = 201, description = "Recorded", body = Feedback)))]
pub async fn correct(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(id): Id<TicketId>,
    Checked(body): Checked<CorrectionBody>,
) -> Result<impl IntoResponse, Problem> {
    let given = correct::correct(&app.service, &caller, id, &body.target, &body.label).await?;
    Ok((StatusCode::CREATED, Json(given)))
}
