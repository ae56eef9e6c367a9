//! The tenant's tokens, without their secrets.

use axum::{Json, extract::State};

use crate::{
    domain::principal::Token,
    server::{app::App, auth::Caller, page::Listing, problem::Problem},
};

/// List tokens
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", responses((status = 200, description = "All of them, ended ones too; one page", body = Listing<Token>)))]
pub async fn list(State(app): State<App>, Caller(caller): Caller) -> Result<Json<Listing<Token>>, Problem> {
    Ok(Json(Listing { items: app.service.store.tokens(&caller.tenant).await?, next: None }))
}
