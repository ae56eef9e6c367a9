//! Makes a token and shows its text this once.

use std::collections::BTreeSet;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        name::PersonId,
        principal::{Actor, Role, Token},
        time::Timestamp,
    },
    pipeline::actions::token,
    server::{app::App, auth::Caller, body::Checked, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// Who it speaks for.
    pub person: PersonId,
    /// At least one.
    pub roles: BTreeSet<Role>,
    /// Never, if not given.
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TokenCreated {
    pub token: Token,
    /// The only time it is shown.
    pub text: String,
}

/// Make a token
#[utoipa::path(
    post,
    path = "/v1/tokens",
    tag = "tokens",
    request_body = TokenBody,
    responses((status = 201, description = "The token with its text", body = TokenCreated))
)]
pub async fn create(
    State(app): State<App>,
    Caller(caller): Caller,
    Checked(body): Checked<TokenBody>,
) -> Result<(StatusCode, Json<TokenCreated>), Problem> {
    if body.expires_at.is_some_and(|end| end <= app.service.ambient.now()) {
        return Err(Problem::Body { pointer: "/expires_at".to_owned(), detail: "it must lie ahead".to_owned() });
    }
    let made = token::create(&app.service, Actor::Person(caller.person), caller.tenant, body.person, body.roles, body.expires_at).await?;
    Ok((StatusCode::CREATED, Json(TokenCreated { token: made.token, text: made.text })))
}
