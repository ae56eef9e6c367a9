//! What a client adds to every request so that the target knows who asks.
//!
//! Read from the configuration once, when the client is made; a secret that no header may carry is refused then, and
//! the message names the key, never the secret.
// INVARIANT: what is added here stands in no error, no preview and no debug output.

use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::{Position, Url};

use super::{
    error::{CallError, Refusal},
    oauth::{Held, OAuth},
    request::Request,
    signature,
    target::Target,
};
use crate::config::{auth::ConnectorAuth, secret::Secret};

/// Headers that say what the message is, not who sent it.
const NOT_OURS: [&str; 11] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "idempotency-key",
];

pub(super) enum Auth {
    None,
    Header(HeaderName, HeaderValue),
    Token(Box<OAuth>),
    Signature(Signer),
}

pub(super) struct Signer {
    secret: Secret,
    key: Option<(HeaderName, HeaderValue)>,
    signature: HeaderName,
    timestamp: HeaderName,
}

impl Auth {
    /// # Errors
    /// A secret or a name that no header may have, or a token endpoint that may not be called.
    pub fn from_config(target: &Target<'_>) -> Result<Self, Refusal> {
        let Some(auth) = target.auth else { return Ok(Self::None) };
        Ok(match auth {
            ConnectorAuth::Bearer { token } => {
                Self::Header(AUTHORIZATION, secret("token", &format!("Bearer {}", filled("token", token)?))?)
            }
            ConnectorAuth::Basic { username, password } => {
                if username.contains(':') || username.chars().any(char::is_control) {
                    return Err(Refusal::Auth { key: "username", why: "has a `:` or a control character in it".to_owned() });
                }
                let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose()));
                Self::Header(AUTHORIZATION, secret("password", &format!("Basic {pair}"))?)
            }
            ConnectorAuth::Header { name, prefix, value } => {
                Self::Header(header("name", name)?, secret("value", &format!("{prefix}{}", filled("value", value)?))?)
            }
            ConnectorAuth::OAuth2 { token_url, client_id, client_secret, scope, credentials_in, allow_addresses } => {
                let endpoint = Target { base: token_url, allow_addresses, auth: None, ..target.clone() };
                Self::Token(Box::new(OAuth::new(endpoint, client_id, client_secret, scope.as_deref(), *credentials_in)?))
            }
            ConnectorAuth::Hmac { secret: key, key_id, signature_header, timestamp_header, key_header } => {
                filled("secret", key)?;
                let key_value = |id: &String| {
                    let why = "has characters that a header may not have, like a line break".to_owned();
                    HeaderValue::from_str(id).map_err(|_| Refusal::Auth { key: "key_id", why })
                };
                let key_id = key_id.as_ref().map(|id| Ok((header("key_header", key_header)?, key_value(id)?))).transpose()?;
                Self::Signature(Signer {
                    secret: key.clone(),
                    key: key_id,
                    signature: header("signature_header", signature_header)?,
                    timestamp: header("timestamp_header", timestamp_header)?,
                })
            }
        })
    }

    /// Adds what proves who we are; gives the token that was used, when one was.
    ///
    /// # Errors
    /// No token could be had. Nothing was sent to the target.
    pub async fn apply(&self, url: &Url, request: &mut Request, deadline: Instant) -> Result<Option<Held>, CallError> {
        match self {
            Self::None => {}
            Self::Header(name, value) => drop(request.headers.insert(name, value.clone())),
            Self::Token(oauth) => {
                let held = oauth.token(deadline).await?;
                request.headers.insert(AUTHORIZATION, held.value.clone());
                return Ok(Some(held));
            }
            Self::Signature(signer) => signer.sign(url, request),
        }
        Ok(None)
    }

    /// True when another try with a new token makes sense: the target refused one that we had kept.
    pub async fn renew(&self, held: Option<&Held>) -> bool {
        match (self, held) {
            (Self::Token(oauth), Some(held)) if !held.fresh => {
                oauth.refused(held).await;
                true
            }
            _ => false,
        }
    }
}

impl Signer {
    fn sign(&self, url: &Url, request: &mut Request) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let body = request.body.as_deref().unwrap_or_default();
        let value = signature::sign(self.secret.expose().as_bytes(), request.method.as_str(), target, now, body);
        // Hex and digits are header values.
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers.insert(&self.signature, value);
        }
        request.headers.insert(&self.timestamp, HeaderValue::from(now));
        if let Some((name, value)) = &self.key {
            request.headers.insert(name, value.clone());
        }
    }
}

pub(super) fn filled<'a>(key: &'static str, secret: &'a Secret) -> Result<&'a str, Refusal> {
    if secret.is_empty() { Err(Refusal::Auth { key, why: "is empty".to_owned() }) } else { Ok(secret.expose()) }
}

pub(super) fn secret(key: &'static str, text: &str) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Refusal::Auth { key, why: "has characters that a header may not have, like a line break".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

fn header(key: &'static str, name: &str) -> Result<HeaderName, Refusal> {
    let refuse = |why: &str| Refusal::Auth { key, why: format!("is `{name}`, {why}") };
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("which is not a header's name"))?;
    if NOT_OURS.contains(&parsed.as_str()) || parsed.as_str().starts_with("proxy-") {
        return Err(refuse("which is set by the client itself"));
    }
    Ok(parsed)
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
