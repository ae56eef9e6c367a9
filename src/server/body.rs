//! Request bodies: bounded in size and time, strict JSON, and errors that point at the field.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use super::{app::App, problem::Problem};
use crate::intake::json;

/// A slow sender holds a connection no longer than this.
const ARRIVAL: Duration = Duration::from_secs(15);

/// The whole body, if it is no larger than `limit`. A larger one is refused unread when its length is announced,
/// else after `limit` bytes.
///
/// # Errors
/// Too large, too slow, or the connection broke.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::BodyTooLarge { limit });
    }
    match tokio::time::timeout(ARRIVAL, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_length_limit(&error) => Err(Problem::BodyTooLarge { limit }),
        Ok(Err(_)) => Err(Problem::MalformedJson { pointer: String::new(), detail: "the body ended early".to_owned() }),
        Err(_) => Err(Problem::TooSlow { seconds: ARRIVAL.as_secs() }),
    }
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Refuses a body that says it is something other than JSON; a missing type passes.
///
/// # Errors
/// `Content-Type` names another type.
pub fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let given = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        Ok(())
    } else {
        Err(Problem::UnsupportedMediaType { given: given.chars().take(80).collect() })
    }
}

/// A JSON body as `T`, which should refuse unknown fields.
pub struct Checked<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Checked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        is_json(request.headers())?;
        let bytes = read(request.into_body(), app.service.config.server.body_limit).await?;
        parse(&bytes).map(Self)
    }
}

/// # Errors
/// The bytes are not acceptable JSON, or a field cannot be.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = json::parse(bytes).map_err(Problem::from)?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (mut pointer, message) = (pointer(error.path()), error.inner().to_string());
        // serde names the object of a missing field; the pointer names the field, which is what a form shows.
        if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            pointer = format!("{pointer}/{}", escape(field));
        }
        Problem::Body { pointer, detail: nearest(&message).unwrap_or(message) }
    })
}

fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", escape(key)),
        // The variant of an enum is no step in the JSON text.
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

/// Adds the nearest known name to serde's "unknown field" and "unknown variant" messages.
pub fn nearest(message: &str) -> Option<String> {
    let (what, rest) =
        ["field", "variant"].into_iter().find_map(|what| Some((what, message.strip_prefix(&format!("unknown {what} `"))?)))?;
    let (given, known) = rest.split_once("`, expected ")?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let best = known.iter().copied().max_by(|a, b| strsim::jaro_winkler(given, a).total_cmp(&strsim::jaro_winkler(given, b)))?;
    let what = if what == "field" { "field" } else { "value" };
    let given: String = given.chars().take(64).collect();
    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("unknown {what} `{given}`: did you mean `{best}`? known are {}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[allow(dead_code)]
        items: Vec<Inner>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code)]
        reason: String,
        #[allow(dead_code)]
        mode: Option<crate::domain::approval::Mode>,
    }

    fn refused(body: &str) -> (String, String) {
        match parse::<Outer>(body.as_bytes()).unwrap_err() {
            Problem::Body { pointer, detail } => (pointer, detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_field_is_pointed_at_and_a_misspelt_one_gets_the_nearest_name() {
        assert_eq!(refused(r#"{"items":[{"reason":"a"},{}]}"#).0, "/items/1/reason");
        assert_eq!(refused(r#"{"items":[{"reason":7}]}"#).0, "/items/0/reason");
        let (pointer, detail) = refused(r#"{"items":[{"reasn":"a"}]}"#);
        assert_eq!(pointer, "/items/0/reasn");
        assert!(detail.contains("did you mean `reason`?"), "{detail}");
        let (pointer, detail) = refused(r#"{"items":[{"reason":"a","mode":"atuo"}]}"#);
        assert_eq!(pointer, "/items/0/mode");
        assert!(detail.contains("did you mean `auto`?"), "{detail}");
    }

    #[test]
    fn hostile_json_is_malformed_and_nothing_worse() {
        let deep = "[".repeat(10_000);
        for body in [&b"{\"items\":[],\"items\":[]}"[..], deep.as_bytes(), b"\xff\xfe", b"", b"{"] {
            assert!(matches!(parse::<Outer>(body), Err(Problem::MalformedJson { .. })));
        }
    }

    #[test]
    fn a_missing_type_passes_and_another_type_does_not() {
        let mut headers = HeaderMap::new();
        assert!(is_json(&headers).is_ok());
        for (value, fine) in [("application/json; charset=utf-8", true), ("application/cloudevents+json", true), ("text/html", false)] {
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(is_json(&headers).is_ok(), fine, "{value}");
        }
    }
}
