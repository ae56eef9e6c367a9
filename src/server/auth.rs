//! Who calls: a bearer token, looked up by its digest.
//!
//! Unknown, expired, revoked and malformed tokens cost the same work (one digest, one look-up) and get the same
//! answer. The token's text is never stored, logged or compared here: only its SHA-256 is.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    app::App,
    console,
    problem::Problem,
    roles::{self, Access, Ruling},
};
use crate::domain::{digest::Digest, principal::Principal};

/// Longer texts are no tokens of ours; they are looked up as the empty text, which nobody has.
const LONGEST_TOKEN: usize = 256;

/// The authenticated caller, for handlers of routes that need one.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Set by `authorize`; a route whose table entry asks for no token has none.
        parts.extensions.get::<Self>().cloned().ok_or(Problem::Unauthenticated)
    }
}

/// Asks the table before any handler runs.
pub async fn authorize(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<axum::extract::MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    match roles::ruling(request.method(), path.as_str()) {
        Ruling::WrongMethod { allow } => Problem::MethodNotAllowed { allow }.into_response(),
        Ruling::Unlisted => Problem::Internal(format!("route {} is not in the table of roles", path.as_str())).into_response(),
        Ruling::Access(Access::Public | Access::Sender) => next.run(request).await,
        Ruling::Access(Access::Session(any_of)) => console::admit(&app, any_of, request, next).await,
        Ruling::Access(Access::AnyOf(any_of)) => match authenticate(&app, request.headers()).await {
            Err(problem) => problem.into_response(),
            Ok(principal) if any_of.iter().any(|role| principal.has(*role)) => {
                request.extensions_mut().insert(Caller(principal));
                next.run(request).await
            }
            Ok(_) => Problem::MissingRole { any_of: any_of.to_vec() }.into_response(),
        },
    }
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Principal, Problem> {
    let digest = Digest::of(bearer(headers).unwrap_or_default().as_bytes());
    let token = app.service.store.token(&digest).await?;
    let now = app.service.ambient.now();
    token.filter(|token| token.is_live(now)).map(|token| token.principal()).ok_or(Problem::Unauthenticated)
}

/// The token of exactly one `Authorization: Bearer` header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && (1..=LONGEST_TOKEN).contains(&token.len())).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(header::AUTHORIZATION, axum::http::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn one_bearer_header_gives_a_token_and_anything_else_none() {
        assert_eq!(bearer(&headers(&["bEaReR  slg_1 "])), Some("slg_1"));
        for odd in [&[][..], &["slg_1"], &["Bearer "], &["Basic slg_1"], &["Bearer a", "Bearer b"]] {
            assert_eq!(bearer(&headers(odd)), None, "{odd:?}");
        }
    }
}
