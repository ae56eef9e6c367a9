//! One configured source, checked once when the configuration is loaded, ready for requests.
//!
//! Tokens and passwords are kept only as SHA-256; signing secrets only as HMAC keys.

use std::{collections::BTreeSet, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    error::IntakeError,
    scheme::{self, KeyEncoding, Replay, Scheme},
};
use crate::{
    config::{
        secret::Secret,
        source::{AdapterKind, Auth, Source},
    },
    domain::{
        digest::Digest,
        name::{SourceId, TenantId},
    },
};

/// Live secrets of one source: one, or two while one is rotated.
const MOST_SECRETS: usize = 2;
const LEAST_SECRET_BYTES: usize = 16;
const LEAST_DISTINCT_BYTES: usize = 6;

/// A source that [`super::receive`] can serve.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    pub(super) source: SourceId,
    pub(super) tenant: TenantId,
    pub(super) adapter: AdapterKind,
    pub(super) proof: Proof,
    pub(super) own_actors: BTreeSet<String>,
}

/// What a request has to show.
#[derive(Clone)]
pub(super) enum Proof {
    /// `tolerance` zero: no window, deduplication alone stops replays.
    Signature { scheme: &'static Scheme, keys: Vec<Vec<u8>>, tolerance: Duration },
    /// `header: None` is `Authorization: Bearer`.
    Token { header: Option<String>, digests: Vec<Digest> },
    /// Digest of `user:password`.
    Basic { digest: Digest },
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature { scheme, tolerance, .. } => write!(f, "Signature({}, {tolerance:?})", scheme.name),
            Self::Token { header, .. } => write!(f, "Token({header:?})"),
            Self::Basic { .. } => f.write_str("Basic"),
        }
    }
}

impl SourceSpec {
    /// # Errors
    /// The name is no name, the scheme is unknown, or a secret is missing, weak or not in the scheme's form.
    pub fn from_config(config: &Source) -> Result<Self, IntakeError> {
        let name = || config.name.clone();
        let not_a_name = |reason| IntakeError::Name { source_name: name(), reason };
        let proof = match &config.auth {
            Auth::Signature { name: scheme_name, secrets, tolerance } => {
                let scheme = scheme::find(scheme_name).ok_or_else(|| unknown_scheme(&config.name, scheme_name))?;
                let keys = numbered(&config.name, secrets, |number, secret| key(&config.name, scheme, number, secret))?;
                if scheme.replay == Replay::Signature && !tolerance.get().is_zero() {
                    return Err(IntakeError::ToleranceWithRetries { source_name: name(), scheme: scheme.name });
                }
                Proof::Signature { scheme, keys, tolerance: tolerance.get() }
            }
            Auth::Token { secrets, header } => {
                let digests = numbered(&config.name, secrets, |number, secret| {
                    strong_enough(&config.name, number, secret.expose().as_bytes())?;
                    Ok(Digest::of(secret.expose().as_bytes()))
                })?;
                Proof::Token { header: header.as_deref().map(|header| header_name(&config.name, header)).transpose()?, digests }
            }
            Auth::Basic { username, password } => {
                if username.is_empty() || username.contains(':') {
                    return Err(IntakeError::Username { source_name: name(), username: username.clone() });
                }
                strong_enough(&config.name, 1, password.expose().as_bytes())?;
                Proof::Basic { digest: Digest::of(format!("{username}:{}", password.expose()).as_bytes()) }
            }
        };
        Ok(Self {
            source: SourceId::new(&config.name).map_err(not_a_name)?,
            tenant: TenantId::new(&config.tenant).map_err(not_a_name)?,
            adapter: config.adapter,
            proof,
            own_actors: config.own_actors.iter().cloned().collect(),
        })
    }

    pub fn source(&self) -> &SourceId {
        &self.source
    }

    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// False for senders that take 429 for a final answer and drop what they sent: they are answered 503.
    ///
    /// Source: prometheus/alertmanager, `notify/util.go`, `Retrier.Check` retries only 5xx.
    pub fn retries_after_429(&self) -> bool {
        match self.adapter {
            AdapterKind::Alertmanager => false,
            AdapterKind::Json | AdapterKind::StandardWebhooks | AdapterKind::Zendesk => true,
        }
    }
}

fn unknown_scheme(source: &str, name: &str) -> IntakeError {
    let nearest = scheme::SCHEMES
        .iter()
        .map(|scheme| scheme.name)
        .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)))
        .unwrap_or_default();
    IntakeError::UnknownScheme {
        source_name: source.to_owned(),
        scheme: name.chars().take(64).collect(),
        nearest: nearest.to_owned(),
        known: scheme::SCHEMES.iter().map(|scheme| format!("`{}`", scheme.name)).collect::<Vec<_>>().join(", "),
    }
}

fn numbered<T>(source: &str, secrets: &[Secret], each: impl Fn(usize, &Secret) -> Result<T, IntakeError>) -> Result<Vec<T>, IntakeError> {
    if secrets.is_empty() || secrets.len() > MOST_SECRETS {
        return Err(IntakeError::SecretCount { source_name: source.to_owned(), count: secrets.len() });
    }
    secrets.iter().enumerate().map(|(index, secret)| each(index + 1, secret)).collect()
}

fn key(source: &str, scheme: &'static Scheme, number: usize, secret: &Secret) -> Result<Vec<u8>, IntakeError> {
    let key = match scheme.key {
        KeyEncoding::Text => secret.expose().as_bytes().to_vec(),
        KeyEncoding::Whsec => secret
            .expose()
            .strip_prefix("whsec_")
            .and_then(|text| STANDARD.decode(text).ok())
            .filter(|key| (24..=64).contains(&key.len()))
            .ok_or_else(|| IntakeError::SecretForm { source_name: source.to_owned(), number, scheme: scheme.name })?,
    };
    strong_enough(source, number, &key)?;
    Ok(key)
}

/// Refuses what a person typed to get on with it (`changeme`, sixteen `x`); it cannot tell random from not random.
fn strong_enough(source: &str, number: usize, secret: &[u8]) -> Result<(), IntakeError> {
    let distinct = secret.iter().collect::<BTreeSet<_>>().len();
    let problem = match secret.len() {
        0 => "no characters".to_owned(),
        length if length < LEAST_SECRET_BYTES => format!("{length} of at least {LEAST_SECRET_BYTES} bytes"),
        _ if distinct < LEAST_DISTINCT_BYTES => format!("only {distinct} different bytes"),
        _ => return Ok(()),
    };
    Err(IntakeError::WeakSecret { source_name: source.to_owned(), number, problem })
}

fn header_name(source: &str, header: &str) -> Result<String, IntakeError> {
    if header.is_empty() || header.len() > 64 || !header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(IntakeError::Header { source_name: source.to_owned(), header: header.chars().take(80).collect() });
    }
    Ok(header.to_ascii_lowercase())
}
