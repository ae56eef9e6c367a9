//! The JSON Schema of a runbook's front matter, for editors.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{domain::digest::Digest, runbook::FRONT_MATTER_SCHEMA};

/// The schema of a runbook's front matter
#[utoipa::path(
    get,
    path = "/schemas/runbook.json",
    tag = "service",
    responses(
        (status = 200, description = "JSON Schema 2020-12", body = serde_json::Value, content_type = "application/schema+json"),
        (status = 304, description = "`If-None-Match` names the version that is served")
    )
)]
pub async fn runbook_schema(headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", Digest::of(FRONT_MATTER_SCHEMA.as_bytes()));
    let cached = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "public, max-age=3600".to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(header::CONTENT_TYPE, "application/schema+json")], FRONT_MATTER_SCHEMA).into_response()
}
