//! Sets a person's password.

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;

use crate::{
    config::secret::Secret,
    domain::name::PersonId,
    pipeline::actions::password,
    server::{app::App, auth::Caller, body::Checked, parameters::Id, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// 12 to 256 bytes, not the person's name; no other rules.
    #[schema(value_type = String)]
    pub password: Secret,
    /// The one until now; needed for one's own.
    #[schema(value_type = Option<String>)]
    pub current: Option<Secret>,
}

/// Set a password
#[utoipa::path(
    put,
    path = "/v1/people/{person}/password",
    tag = "people",
    params(("person" = PersonId, Path)),
    request_body = PasswordBody,
    responses((status = 204, description = "Set. A person changes their own with `current`; an admin sets anybody else's"))
)]
pub async fn set(
    State(app): State<App>,
    Caller(caller): Caller,
    Id(person): Id<PersonId>,
    Checked(body): Checked<PasswordBody>,
) -> Result<StatusCode, Problem> {
    password::set(&app.service, &caller, &person, &body.password, body.current.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
