//! Values in the path, the query and the headers, as types that cannot be wrong.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{body, problem::Problem};

/// The one parameter of the path.
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: FromStr<Err: std::fmt::Display> + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::parameter("path", "the path is not valid UTF-8 after percent-decoding"))?;
        text.parse().map(Self).map_err(|error: T::Err| Problem::parameter("id", error.to_string()))
    }
}

/// The query as `T`, which should refuse unknown parameters.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.rsplit_once("Failed to deserialize query string: ").map_or(text.as_str(), |(_, rest)| rest);
            // The path of the wrong value comes first, as `limit: invalid digit`.
            match text.split_once(": ") {
                Some((name, detail)) if !name.contains(' ') => {
                    Problem::parameter(name, body::nearest(detail).unwrap_or_else(|| detail.to_owned()))
                }
                _ => Problem::parameter("query", text),
            }
        })
    }
}

/// `If-Match` with one strong tag that is a revision of ours; `None` when the header is absent.
///
/// # Errors
/// The header is there and cannot name a revision.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    value
        .to_str()
        .ok()
        .and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok())
        .map(Some)
        .ok_or_else(|| Problem::parameter("If-Match", "expected one `ETag` as this service gave it, like `\"3\"`"))
}

/// The version that the caller looked at: from `If-Match`, else from the body.
///
/// # Errors
/// Neither is there, or they disagree.
pub fn seen(headers: &HeaderMap, in_body: Option<u64>) -> Result<Seen, Problem> {
    match (if_match(headers)?, in_body) {
        (None, None) => Err(Problem::PreconditionRequired),
        (Some(tag), Some(body)) if tag != body => {
            Err(Problem::Body { pointer: "/revision".to_owned(), detail: format!("`If-Match` says {tag} and the body {body}") })
        }
        (Some(revision), _) => Ok(Seen { revision, by_header: true }),
        (None, Some(revision)) => Ok(Seen { revision, by_header: false }),
    }
}

/// A version and how it was said, which decides between 409 and 412.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub revision: u64,
    pub by_header: bool,
}

impl Seen {
    pub fn problem(self, error: impl Into<Problem>) -> Problem {
        if self.by_header { error.into().into_precondition() } else { error.into() }
    }
}

/// An `ETag` of a revision.
pub fn etag(revision: u64) -> [(axum::http::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{revision}\""))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_MATCH, axum::http::HeaderValue::from_static(value))])
    }

    #[test]
    fn a_version_must_be_said_once_and_without_contradiction() {
        assert!(matches!(seen(&HeaderMap::new(), None), Err(Problem::PreconditionRequired)));
        assert_eq!(seen(&with("\"3\""), None).unwrap(), Seen { revision: 3, by_header: true });
        assert_eq!(seen(&HeaderMap::new(), Some(3)).unwrap(), Seen { revision: 3, by_header: false });
        assert!(matches!(seen(&with("\"3\""), Some(4)), Err(Problem::Body { .. })));
    }

    #[test]
    fn a_weak_or_foreign_tag_is_refused_not_ignored() {
        for bad in ["*", "W/\"3\"", "3", "\"a\"", "\"1\", \"2\"", "\""] {
            assert!(matches!(if_match(&with(bad)), Err(Problem::Parameter { .. })), "{bad}");
        }
    }
}
