//! The JSON Schemas of what others write and read: a runbook's front matter, and the data of our events.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{domain::digest::Digest, pipeline::events, runbook::FRONT_MATTER_SCHEMA};

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
    schema(&headers, FRONT_MATTER_SCHEMA.to_owned())
}

/// The schema of the events' data
///
/// `#/$defs/TYPE` is the data of one CloudEvents type; the `dataschema` of each event points there.
#[utoipa::path(
    get,
    path = "/schemas/events.json",
    tag = "service",
    responses(
        (status = 200, description = "JSON Schema 2020-12", body = serde_json::Value, content_type = "application/schema+json"),
        (status = 304, description = "`If-None-Match` names the version that is served")
    )
)]
pub async fn events_schema(headers: HeaderMap) -> Response {
    schema(&headers, events::schema_text())
}

fn schema(headers: &HeaderMap, text: String) -> Response {
    let tag = format!("\"{}\"", Digest::of(text.as_bytes()));
    let cached = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "public, max-age=3600".to_owned())];
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|known| known.to_str().is_ok_and(|known| names(known, &tag))) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(header::CONTENT_TYPE, "application/schema+json")], text).into_response()
}

/// The weak comparison of RFC 9110 section 13.1.2: caches on the way may have weakened the tag, or ask for several.
fn names(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_of_the_events_is_the_served_one_and_its_references_lead_somewhere() {
        let text = events::schema_text();
        crate::server::golden::check("docs/schemas/events.schema.json", &text);
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        for reference in text.split("\"$ref\": \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(schema.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
        for event_type in crate::domain::outbox::EVENT_TYPES {
            assert!(schema["$defs"][event_type]["properties"].is_object(), "{event_type}");
        }
    }
}
