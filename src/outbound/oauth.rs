//! OAuth 2 client credentials (RFC 6749 section 4.4): one bearer token, kept until shortly before it ends.
//!
//! Never asks twice at the same time: who comes while a token is being fetched waits for that one, or for its
//! failure. Never shows the client's secret, a token, or what the endpoint said beyond the codes of the RFC.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::{Method, header::HeaderValue};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    auth::{filled, secret},
    client::Client,
    error::{CallError, Refusal},
    request::{Answer, Request},
    target::{Limits, Target},
};
use crate::config::{auth::CredentialsIn, secret::Secret};

/// Of an answer that does not say how long its token is good.
const USUAL_LIFETIME: Duration = Duration::from_secs(300);
const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400);
/// The last part of a token's life in which a new one is fetched: a tenth of it, and at most this.
const LONGEST_MARGIN: Duration = Duration::from_secs(60);
const LARGEST_ANSWER: usize = 64 * 1024;
/// RFC 6749 section 5.2; nothing else of an error is repeated.
const CODES: [&str; 6] =
    ["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"];

pub(super) struct OAuth {
    client: Client,
    request: Request,
    timeout: Duration,
    state: Mutex<State>,
    /// Fetches that ended, well or not.
    ended: AtomicU64,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    failure: Option<CallError>,
}

struct Token {
    value: HeaderValue,
    number: u64,
    good_until: Instant,
}

/// A token in use.
pub(super) struct Held {
    pub value: HeaderValue,
    /// Fetched for this very call.
    pub fresh: bool,
    number: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl OAuth {
    pub fn new(
        endpoint: Target<'_>,
        client_id: &str,
        client_secret: &Secret,
        scope: Option<&str>,
        credentials_in: CredentialsIn,
    ) -> Result<Self, Refusal> {
        let timeout = endpoint.limits.timeout;
        let limits = Limits { response: LARGEST_ANSWER, ..endpoint.limits };
        let client = Client::to(Target { limits, ..endpoint }).map_err(|why| Refusal::Auth { key: "token_url", why: why.to_string() })?;
        let client_secret = filled("client_secret", client_secret)?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.map(|scope| ("scope", scope)));
        let mut request = Request::new(Method::POST, None).header("accept", "application/json")?;
        match credentials_in {
            CredentialsIn::Body => form.extend([("client_id", client_id), ("client_secret", client_secret)]),
            // Each is form-encoded before they are joined: RFC 6749 section 2.3.1.
            CredentialsIn::Header => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(client_secret)));
                request.headers.insert(hyper::header::AUTHORIZATION, secret("client_secret", &format!("Basic {pair}"))?);
            }
        }
        Ok(Self { client, request: request.form(&form), timeout, state: Mutex::default(), ended: AtomicU64::new(0) })
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// None could be had in time; surely nothing was sent to the target.
    pub async fn token(&self, deadline: Instant) -> Result<Held, CallError> {
        let late = || CallError::NotSent("no access token in time".to_owned());
        tokio::time::timeout_at(deadline, self.held()).await.map_err(|_| late())?
    }

    async fn held(&self) -> Result<Held, CallError> {
        let ended = self.ended.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| Instant::now() < token.good_until) {
            return Ok(Held { value: token.value.clone(), fresh: false, number: token.number });
        }
        // A fetch that ended while this call waited speaks for it: many calls do not become many fetches.
        if let Some(failure) = state.failure.as_ref().filter(|_| self.ended.load(Ordering::SeqCst) != ended) {
            return Err(failure.clone());
        }
        let asked = Instant::now();
        // A client within a client: the future would hold itself.
        let fetched = Box::pin(self.fetch()).await;
        let number = self.ended.fetch_add(1, Ordering::SeqCst);
        match fetched {
            Ok((value, lifetime)) => {
                let good_until = asked + lifetime - (lifetime / 10).min(LONGEST_MARGIN);
                *state = State { token: Some(Token { value: value.clone(), number, good_until }), failure: None };
                Ok(Held { value, fresh: true, number })
            }
            Err(why) => {
                *state = State { token: None, failure: Some(why.clone()) };
                Err(why)
            }
        }
    }

    /// The target refused this token: it is not used again. One fetched meanwhile stays.
    pub async fn refused(&self, held: &Held) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|token| token.number == held.number) {
            state.token = None;
        }
    }

    async fn fetch(&self) -> Result<(HeaderValue, Duration), CallError> {
        let none = |why: String| CallError::NotSent(format!("no access token: {why}"));
        let mut request = self.request.clone();
        request.timeout = Some(self.timeout);
        let answer = self.client.send(request).await.map_err(|why| match why {
            forbidden @ CallError::Forbidden(_) => forbidden,
            // What became of the request for a token says nothing of the call, which was not made.
            other => none(format!("the token endpoint: {other}")),
        })?;
        read(&answer).map_err(none)
    }
}

fn read(answer: &Answer) -> Result<(HeaderValue, Duration), String> {
    if answer.status != 200 {
        let code =
            serde_json::from_slice::<Refused>(&answer.body).ok().and_then(|refused| CODES.iter().find(|code| **code == refused.error));
        let code = code.map(|code| format!(" with `{code}`")).unwrap_or_default();
        return Err(format!("the token endpoint answered {}{code}", answer.status));
    }
    // What the reader says could repeat the token.
    let granted: Granted =
        serde_json::from_slice(&answer.body).map_err(|_| "the token endpoint answered 200 with something that is no token".to_owned())?;
    if granted.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("the token endpoint gave a token of another type than `bearer`".to_owned());
    }
    // RFC 6749 appendix A.12: visible ASCII.
    if granted.access_token.is_empty() || !granted.access_token.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err("the token endpoint gave a token that no header can carry".to_owned());
    }
    let value = secret("token", &format!("Bearer {}", granted.access_token)).map_err(|why| why.to_string())?;
    // Some servers write the number as a text.
    let seconds = granted.expires_in.and_then(|given| given.as_u64().or_else(|| given.as_str()?.parse().ok()));
    Ok((value, seconds.map_or(USUAL_LIFETIME, Duration::from_secs).min(LONGEST_LIFETIME)))
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
