//! Ends a token at once.

use axum::{Json, extract::State};

use crate::{
    domain::{
        id::TokenId,
        principal::{Actor, Token},
    },
    pipeline::actions::token,
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

/// Revoke a token
#[utoipa::path(
    delete,
    path = "/v1/tokens/{id}",
    tag = "tokens",
    params(("id" = TokenId, Path)),
    responses((status = 200, description = "It opens nothing any more; the record stays", body = Token))
)]
pub async fn revoke(State(app): State<App>, Caller(caller): Caller, Id(id): Id<TokenId>) -> Result<Json<Token>, Problem> {
    Ok(Json(token::revoke(&app.service, Actor::Person(caller.person), &caller.tenant, id).await?))
}
