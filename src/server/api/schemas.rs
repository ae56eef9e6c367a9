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
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|known| known.to_str().is_ok_and(|known| names(known, &tag))) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(header::CONTENT_TYPE, "application/schema+json")], FRONT_MATTER_SCHEMA).into_response()
}

/// The weak comparison of RFC 9110 section 13.1.2: caches on the way may have weakened the tag, or ask for several.
fn names(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
