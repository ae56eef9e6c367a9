//! Every error answer of the HTTP edge, as RFC 9457 problems with stable ids.
//!
//! To add one: a variant here, its row in [`KINDS`] (id, status, title, and what the caller can do), a test that
//! provokes it, and `SLUICEGATE_BLESS=1 cargo test problem` for `docs/reference/problems.md`. An id is never
//! reused or renamed; a caller switches on it. What a stranger must not read goes to `tracing`, not into `detail`.
// INVARIANT: a 5xx answer never carries the text of an inner error.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::roles::Access;
use crate::{
    domain::principal::Role,
    intake::{adapters::json::NotATicket, json::JsonError},
    pipeline::error::ActionError,
    store::interface::StoreError,
};

/// What is fixed about one kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Last part of `type`; stable.
    pub id: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// For whoever meets it: what to do.
    pub advice: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $id:literal, $status:literal, $title:literal, $advice:literal;)*) => {
        $(const $name: Kind = Kind { id: $id, status: $status, title: $title, advice: $advice };)*
        /// All kinds, in the order of their status.
        pub const KINDS: &[Kind] = &[$(Kind { id: $id, status: $status, title: $title, advice: $advice }),*];
    };
}

kinds! {
    MALFORMED_JSON = "malformed-json", 400, "the body is not acceptable JSON",
        "Send UTF-8 JSON, no key twice, nested at most 64 levels. `errors` says where it went wrong.";
    INVALID_PARAMETER = "invalid-parameter", 400, "a path, query or header value cannot be",
        "`errors` names the value. Unknown query parameters are refused, so that a misspelt filter never returns everything.";
    UNAUTHENTICATED = "unauthenticated", 401, "no live token",
        "Send `Authorization: Bearer <token>`. Unknown, expired and revoked tokens get this same answer. `sluicegate token create` makes one.";
    UNPROVEN_SENDER = "unproven-sender", 401, "the request does not prove that it comes from a known source",
        "Unknown source, wrong signature and stale time get this same answer; the service's own log says which it was.";
    MISSING_ROLE = "missing-role", 403, "the token lacks the role",
        "Use a token with one of the roles that `detail` names.";
    REFUSED = "refused", 403, "this caller may not do this to this object",
        "`reasons` lists every check that refused, such as four eyes. Another person, or a new proposal, is needed.";
    REAUTHENTICATION_FAILED = "reauthentication-failed", 403, "the password does not prove that you are who the token says",
        "No password set, a wrong one and too many tries get this same answer. After 5 failures within 15 minutes every try fails until that time has passed; the log has each failure. Another person with the role `admin` sets a new password.";
    NOT_FOUND = "not-found", 404, "there is no such thing here",
        "It does not exist in the caller's tenant. Things of other tenants get this same answer.";
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "this path does not take this method",
        "The `Allow` header lists the methods it takes.";
    TOO_SLOW = "too-slow", 408, "the request took too long to arrive",
        "Send the whole request within the time `detail` names.";
    CHANGED = "changed", 409, "this changed, review again",
        "Somebody was first, or the proposal is no longer what was on the screen. Read it again and decide again; never repeat blindly.";
    PRECONDITION_FAILED = "precondition-failed", 412, "this changed since the version in `If-Match`",
        "Read it again, look, and send the new `ETag`.";
    BODY_TOO_LARGE = "body-too-large", 413, "the body is too large",
        "Send less than `detail` names; `server.body_limit` sets it.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "the body has a type that this path does not take",
        "Send `Content-Type: application/json`.";
    INVALID_BODY = "invalid-body", 422, "a field of the body cannot be",
        "`errors` has a JSON pointer and a reason for each field.";
    IDEMPOTENCY_MISMATCH = "idempotency-mismatch", 422, "the idempotency key came before with another request",
        "Use a new key for a new request; repeat a request unchanged to get its first answer again.";
    PRECONDITION_REQUIRED = "precondition-required", 428, "say which version you looked at",
        "Send `If-Match` with the `ETag` you read, or `revision` in the body.";
    TOO_MANY_REQUESTS = "too-many-requests", 429, "over the limit",
        "Wait for the seconds in `Retry-After`.";
    INTERNAL = "internal", 500, "something is wrong here",
        "Nothing was changed that was not answered for. Give the operator `request_id`: the log has the rest.";
    OVERLOADED = "overloaded", 503, "more arrives than can be stored now",
        "Nothing was stored. Send it again after the seconds in `Retry-After`.";
    ELSEWHERE = "elsewhere", 503, "another system that this needs does not answer",
        "Try again in a moment. The service's own log says what was asked and what came.";
    UNAVAILABLE = "unavailable", 503, "the store does not answer",
        "Nothing was acknowledged. Send it again after the seconds in `Retry-After`.";
}

/// One wrong value, with where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body; empty for the whole of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Name of the path, query or header value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    pub detail: String,
}

/// Why a request was not done.
#[derive(Debug)]
pub enum Problem {
    MalformedJson {
        pointer: String,
        detail: String,
    },
    Parameter {
        name: String,
        detail: String,
    },
    Unauthenticated,
    UnprovenSender,
    MissingRole {
        any_of: Vec<Role>,
    },
    Refused(Vec<String>),
    ReauthenticationFailed,
    NotFound {
        detail: String,
    },
    MethodNotAllowed {
        allow: String,
    },
    TooSlow {
        seconds: u64,
    },
    Changed(String),
    PreconditionFailed(String),
    BodyTooLarge {
        limit: usize,
    },
    UnsupportedMediaType {
        given: String,
    },
    Body {
        pointer: String,
        detail: String,
    },
    /// Several fields at once, each with its pointer and what is wrong.
    Fields(Vec<(String, String)>),
    IdempotencyMismatch {
        key: String,
    },
    PreconditionRequired,
    TooManyRequests {
        retry_after: u64,
    },
    /// The text is for our own log only.
    Internal(String),
    Overloaded {
        retry_after: u64,
    },
    /// The text is for our own log only.
    Elsewhere(String),
    Unavailable(String),
}

/// Seconds a caller should wait for a store that does not answer.
const STORE_PAUSE: u64 = 5;

impl Problem {
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Parameter { name: name.into(), detail: detail.into() }
    }

    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::NotFound { detail: format!("there is no {what} `{id}`") }
    }

    /// A `changed` answer becomes `precondition-failed` for a caller that used `If-Match` (RFC 9110, section 13.1.1).
    pub fn into_precondition(self) -> Self {
        match self {
            Self::Changed(detail) => Self::PreconditionFailed(detail),
            other => other,
        }
    }

    pub const fn kind(&self) -> &'static Kind {
        match self {
            Self::MalformedJson { .. } => &MALFORMED_JSON,
            Self::Parameter { .. } => &INVALID_PARAMETER,
            Self::Unauthenticated => &UNAUTHENTICATED,
            Self::UnprovenSender => &UNPROVEN_SENDER,
            Self::MissingRole { .. } => &MISSING_ROLE,
            Self::Refused(_) => &REFUSED,
            Self::ReauthenticationFailed => &REAUTHENTICATION_FAILED,
            Self::NotFound { .. } => &NOT_FOUND,
            Self::MethodNotAllowed { .. } => &METHOD_NOT_ALLOWED,
            Self::TooSlow { .. } => &TOO_SLOW,
            Self::Changed(_) => &CHANGED,
            Self::PreconditionFailed(_) => &PRECONDITION_FAILED,
            Self::BodyTooLarge { .. } => &BODY_TOO_LARGE,
            Self::UnsupportedMediaType { .. } => &UNSUPPORTED_MEDIA_TYPE,
            Self::Body { .. } | Self::Fields(_) => &INVALID_BODY,
            Self::IdempotencyMismatch { .. } => &IDEMPOTENCY_MISMATCH,
            Self::PreconditionRequired => &PRECONDITION_REQUIRED,
            Self::TooManyRequests { .. } => &TOO_MANY_REQUESTS,
            Self::Internal(_) => &INTERNAL,
            Self::Overloaded { .. } => &OVERLOADED,
            Self::Elsewhere(_) => &ELSEWHERE,
            Self::Unavailable(_) => &UNAVAILABLE,
        }
    }

    pub(super) fn detail(&self) -> String {
        match self {
            Self::MalformedJson { detail, .. } | Self::Parameter { detail, .. } | Self::NotFound { detail } | Self::Body { detail, .. } => {
                detail.clone()
            }
            Self::Changed(detail) | Self::PreconditionFailed(detail) | Self::Elsewhere(detail) => detail.clone(),
            Self::MissingRole { any_of } => {
                let roles: Vec<String> = any_of.iter().map(|role| format!("`{}`", role.as_str())).collect();
                format!("this needs one of the roles {}", roles.join(", "))
            }
            Self::Refused(reasons) => reasons.join("; "),
            Self::Fields(fields) => fields.iter().map(|(pointer, detail)| format!("`{pointer}` {detail}")).collect::<Vec<_>>().join("; "),
            Self::MethodNotAllowed { allow } => format!("this path takes {allow}"),
            Self::TooSlow { seconds } => format!("the body did not arrive within {seconds} s"),
            Self::BodyTooLarge { limit } => format!("the limit is {limit} bytes"),
            Self::UnsupportedMediaType { given } => format!("`{given}` is not `application/json`"),
            Self::IdempotencyMismatch { key } => format!("key `{key}` was used with a different request"),
            Self::TooManyRequests { retry_after } | Self::Overloaded { retry_after } => format!("try again in {retry_after} s"),
            Self::Unauthenticated
            | Self::UnprovenSender
            | Self::ReauthenticationFailed
            | Self::PreconditionRequired
            | Self::Internal(_)
            | Self::Unavailable(_) => self.kind().title.to_owned(),
        }
    }

    fn errors(&self) -> Vec<FieldError> {
        match self {
            Self::MalformedJson { pointer, detail } | Self::Body { pointer, detail } => {
                vec![FieldError { pointer: Some(pointer.clone()), parameter: None, detail: detail.clone() }]
            }
            Self::Fields(fields) => {
                let error = |(pointer, detail): &(String, String)| FieldError {
                    pointer: Some(pointer.clone()),
                    parameter: None,
                    detail: detail.clone(),
                };
                fields.iter().map(error).collect()
            }
            Self::Parameter { name, detail } => {
                vec![FieldError { pointer: None, parameter: Some(name.clone()), detail: detail.clone() }]
            }
            _ => Vec::new(),
        }
    }

    fn headers(&self) -> Vec<(HeaderName, String)> {
        match self {
            Self::Unauthenticated => vec![(header::WWW_AUTHENTICATE, "Bearer realm=\"sluicegate\"".to_owned())],
            // RFC 9110 section 15.5.2 wants a challenge; signature schemes have no registered name.
            Self::UnprovenSender => vec![(header::WWW_AUTHENTICATE, "Signature realm=\"sluicegate\"".to_owned())],
            Self::MethodNotAllowed { allow } => vec![(header::ALLOW, allow.clone())],
            Self::TooManyRequests { retry_after } | Self::Overloaded { retry_after } => {
                vec![(header::RETRY_AFTER, retry_after.to_string())]
            }
            Self::Unavailable(_) => vec![(header::RETRY_AFTER, STORE_PAUSE.to_string())],
            _ => Vec::new(),
        }
    }
}

/// The body of every answer that is no success (RFC 9457), as `application/problem+json`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `/problems/<id>`, relative to the service; a GET there explains it. Stable: switch on this.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What was wrong this time, for people.
    pub detail: String,
    /// Which values were wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Each check that refused, as a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind();
        match &self {
            Self::Internal(inner) => tracing::error!(problem = kind.id, inner, "request failed"),
            Self::Unavailable(inner) => tracing::warn!(problem = kind.id, inner, "store unavailable"),
            _ => tracing::debug!(problem = kind.id, detail = self.detail(), "request refused"),
        }
        let (detail, errors, headers) = (self.detail(), self.errors(), self.headers());
        let document = ProblemDocument {
            kind: format!("/problems/{}", kind.id),
            title: kind.title.to_owned(),
            status: kind.status,
            detail,
            errors,
            reasons: if let Self::Refused(reasons) = self { reasons } else { Vec::new() },
        };
        let (said, reasons) = (document.detail.clone(), document.reasons.clone());
        let status = StatusCode::from_u16(kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(document)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response.extensions_mut().insert(Answered { kind, detail: said, reasons });
        response
    }
}

/// Marks a response as this problem: for the request's log line, and for the console, which tells it to people.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub kind: &'static Kind,
    pub detail: String,
    /// Each check that refused.
    pub reasons: Vec<String>,
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::NotFound { what, id } => Self::not_found(what, id),
            ActionError::MissingRole { needs } => Self::MissingRole { any_of: vec![needs] },
            ActionError::Refused(reasons) => Self::Refused(reasons),
            ActionError::NotProven => Self::ReauthenticationFailed,
            ActionError::Busy { seconds } => Self::TooManyRequests { retry_after: seconds },
            elsewhere @ ActionError::Elsewhere(_) => Self::Elsewhere(elsewhere.to_string()),
            ActionError::Changed(detail) => Self::Changed(detail),
            ActionError::Invalid { pointer, message } => Self::Body { pointer, detail: message },
            ActionError::NotATicket(NotATicket::Json(error)) => error.into(),
            ActionError::NotATicket(NotATicket::Fields(problems)) => {
                Self::Fields(problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect())
            }
            ActionError::IdempotencyMismatch { key } => Self::IdempotencyMismatch { key },
            ActionError::Store(error) => error.into(),
            ActionError::Internal(inner) => Self::Internal(inner),
        }
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self::MalformedJson { pointer: error.pointer().to_owned(), detail: error.to_string() }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict) => Self::Changed(conflict.to_string()),
            StoreError::Overloaded { .. } => Self::Overloaded { retry_after: 1 },
            StoreError::Unavailable(inner) => Self::Unavailable(inner),
            unreadable @ StoreError::Unreadable { .. } => Self::Internal(unreadable.to_string()),
        }
    }
}

/// `docs/reference/problems.md`, made from [`KINDS`].
#[cfg(test)]
fn reference() -> String {
    let mut text = String::from(
        "# Problems\n\nEvery answer of the API that is no success is `application/problem+json` (RFC 9457). \
         `type` is `/problems/<id>`, relative to the service, and a GET there gives the text below. \
         Ids are stable: switch on `type`, show `detail`.\n\n| id | status | title | what to do |\n|---|---|---|---|\n",
    );
    for kind in KINDS {
        text.push_str(&format!("| `{}` | {} | {} | {} |\n", kind.id, kind.status, kind.title, kind.advice));
    }
    text.push_str(
        "\nMembers beside those of the RFC: `errors` (list of `pointer` or `parameter`, and `detail`) and `reasons` \
         (each check that refused, as a sentence). The `X-Request-Id` header of the answer is in the service's log.\n",
    );
    text
}

/// Problems that any route with this access may answer, for the API document.
pub(super) fn common_to(access: &Access) -> &'static [Kind] {
    const SENDER: &[Kind] = &[UNPROVEN_SENDER, TOO_SLOW, BODY_TOO_LARGE, TOO_MANY_REQUESTS, INTERNAL, OVERLOADED];
    const CALLER: &[Kind] = &[INVALID_PARAMETER, UNAUTHENTICATED, MISSING_ROLE, TOO_MANY_REQUESTS, INTERNAL, UNAVAILABLE];
    match access {
        Access::Public | Access::Session(_) => &[],
        Access::Sender => SENDER,
        Access::AnyOf(_) => CALLER,
    }
}

/// Problems of a route that takes a body, beside those of [`common_to`].
pub(super) fn of_bodies(takes_one: bool, access: &Access) -> &'static [Kind] {
    match (takes_one, access) {
        (true, Access::AnyOf(_)) => &[
            MALFORMED_JSON,
            REFUSED,
            REAUTHENTICATION_FAILED,
            TOO_SLOW,
            CHANGED,
            PRECONDITION_FAILED,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
            INVALID_BODY,
            IDEMPOTENCY_MISMATCH,
            PRECONDITION_REQUIRED,
            OVERLOADED,
        ],
        _ => &[],
    }
}

/// Problems of a route that names something.
pub(super) fn of_names(named: bool, access: &Access) -> &'static [Kind] {
    if named && !matches!(access, Access::Sender) { &[NOT_FOUND] } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_says_what_the_code_says() {
        super::super::golden::check("docs/reference/problems.md", &reference());
    }

    #[test]
    fn ids_are_unique_and_statuses_are_errors_in_order() {
        let mut ids: Vec<_> = KINDS.iter().map(|kind| kind.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), KINDS.len());
        assert!(KINDS.windows(2).all(|pair| pair[0].status <= pair[1].status));
        assert!(KINDS.iter().all(|kind| (400..600).contains(&kind.status)));
    }

    #[tokio::test]
    async fn an_inner_error_never_leaves_the_process() {
        for problem in [Problem::Internal("disk /var/secret".into()), StoreError::Unavailable("disk /var/secret".into()).into()] {
            let response = problem.into_response();
            assert!(response.status().is_server_error());
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            assert!(!String::from_utf8(body.to_vec()).unwrap().contains("secret"));
        }
    }
}
