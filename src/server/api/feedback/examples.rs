//! What training takes from corrections: the texts of the tickets with the labels that people gave them.

use axum::{Json, extract::State};

use crate::{
    pipeline::feedback::{self, TrainingExamples},
    server::{app::App, auth::Caller, problem::Problem},
};

/// Training examples from corrections
///
/// Texts of tickets, secrets and personal data under stars. `sluicegate train --from-store` reads this.
#[utoipa::path(get, path = "/v1/feedback-examples", tag = "feedback", responses((status = 200, description = "Those that pass or were kept, and how many did not", body = TrainingExamples)))]
pub async fn examples(State(app): State<App>, Caller(caller): Caller) -> Result<Json<TrainingExamples>, Problem> {
    Ok(Json(feedback::training_examples(&app.service, &caller.tenant).await?))
}
