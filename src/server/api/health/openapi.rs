//! The API's own document.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::server::app::App;

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "service", responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value, content_type = "application/json")))]
pub async fn document(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.document.clone()).into_response()
}
