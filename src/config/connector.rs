//! A connector: a system that runbook steps may call, and exactly which calls.

use serde::{Deserialize, Serialize};
use url::Url;

pub use super::auth::ConnectorAuth;
use super::{
    auth::{Proxy, Tls},
    span::Span,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    pub name: String,
    pub kind: ConnectorKind,
    pub base_url: Url,
    pub auth: Option<ConnectorAuth>,
    pub tls: Option<Tls>,
    pub proxy: Option<Proxy>,
    /// What may be called; nothing else is.
    pub allow: Vec<Allowed>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
    /// The longest wait for an answer, whatever a step says.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// The largest answer read, in bytes.
    #[serde(default = "default_response_limit")]
    pub response_limit: usize,
}

fn default_timeout() -> Span {
    Span::secs(30)
}

const fn default_response_limit() -> usize {
    1024 * 1024
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectorKind {
    /// Any JSON API; the operation is the method in lower case.
    Http,
}

/// A method and the paths it may be used on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// In lower case, like `post`.
    pub method: String,
    /// Path below the base URL; `*` stands for one segment, never for a `/`.
    pub path: String,
}
