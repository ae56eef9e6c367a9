//! How a call proves who we are, whom it trusts, and through which proxy it goes: for connectors, directories and desks.
//!
//! Secrets are [`Secret`]: they come from files or the environment and never show.

use serde::{Deserialize, Serialize};
use url::Url;

use super::secret::Secret;

/// What every request to a target carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectorAuth {
    /// `Authorization: Bearer …`.
    Bearer { token: Secret },
    /// HTTP Basic.
    Basic { username: String, password: Secret },
    /// A header of the target's own, like `PRIVATE-TOKEN` or `Authorization: GenieKey …`.
    Header {
        name: String,
        /// Stands before the secret, its space included, like `GenieKey `.
        #[serde(default)]
        prefix: String,
        value: Secret,
    },
    /// OAuth 2 client credentials, RFC 6749 section 4.4: a bearer token from `token_url`, kept until shortly before it ends.
    #[serde(rename = "oauth2")]
    OAuth2 {
        token_url: Url,
        client_id: String,
        client_secret: Secret,
        /// Scopes separated by spaces.
        scope: Option<String>,
        /// Where the token endpoint reads id and secret.
        #[serde(default)]
        credentials_in: CredentialsIn,
        /// Private addresses the token endpoint may have, as networks; public ones are always allowed.
        #[serde(default)]
        allow_addresses: Vec<ipnet::IpNet>,
    },
    /// HMAC-SHA256 over method, path with query, time and body; see docs/outbound.md.
    Hmac {
        secret: Secret,
        /// Sent beside the signature, so that the receiver finds the secret.
        key_id: Option<String>,
        #[serde(default = "default_signature_header")]
        signature_header: String,
        #[serde(default = "default_timestamp_header")]
        timestamp_header: String,
        #[serde(default = "default_key_header")]
        key_header: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsIn {
    /// HTTP Basic, which every server must understand.
    #[default]
    Header,
    /// `client_id` and `client_secret` as fields of the form.
    Body,
}

fn default_signature_header() -> String {
    "x-sluicegate-signature".to_owned()
}

fn default_timestamp_header() -> String {
    "x-sluicegate-timestamp".to_owned()
}

fn default_key_header() -> String {
    "x-sluicegate-key".to_owned()
}

/// Whom a TLS connection trusts, and the certificate we show.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM certificates trusted in place of the system's.
    pub ca: Option<String>,
    /// Our certificate and its chain, PEM.
    pub certificate: Option<String>,
    /// The private key of `certificate`, PEM.
    pub key: Option<Secret>,
}

/// An HTTP proxy that connections are tunnelled through with `CONNECT`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    pub url: Url,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// Private addresses the proxy may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
}
