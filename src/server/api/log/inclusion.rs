use crate::server::{app::App, auth::Caller, problem::Problem};
use axum::{Json, extract::State};
/// Stub
#[utoipa::path(get, path = "/v1/log/proof/inclusion", tag = "log", responses((status = 200, body = String)))]
pub async fn inclusion(State(_app): State<App>, _: Caller) -> Result<Json<String>, Problem> {
    Ok(Json(String::new()))
}
