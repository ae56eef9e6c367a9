//! A connector: a system that runbook steps may call, and exactly which calls.

use serde::{Deserialize, Serialize};
use url::Url;

pub use super::auth::ConnectorAuth;
use super::{
    auth::{Proxy, Tls},
    engine::Engine,
    span::Span,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connector {
    pub name: String,
    /// The keys `kind` and `allow`: what it is, and what may be asked of it; nothing else is.
    #[serde(flatten)]
    pub engine: Engine,
    pub base_url: Url,
    pub auth: Option<ConnectorAuth>,
    pub tls: Option<Tls>,
    pub proxy: Option<Proxy>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
    /// The longest wait for an answer, whatever a step says.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// The largest answer read, in bytes.
    #[serde(default = "default_response_limit")]
    pub response_limit: usize,
    /// How often it is asked whether it is there and knows us, without a runbook; `off` for never.
    #[serde(default)]
    pub probe: Span,
}

fn default_timeout() -> Span {
    Span::secs(30)
}

const fn default_response_limit() -> usize {
    1024 * 1024
}
