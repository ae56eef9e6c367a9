//! A directory service: a system that knows whether a value exists, asked for one value at a time.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    auth::{ConnectorAuth, Proxy, Tls},
    span::Span,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// As runbooks name it: `one_of: directory:NAME`.
    pub name: String,
    pub kind: DirectoryKind,
    pub base_url: Url,
    /// Below the base URL. One segment that is `*` stands for the value; with `query` there is none.
    pub path: String,
    /// The field of the query that carries the value instead.
    pub query: Option<String>,
    /// JSON pointer into the answer to a text that must be the value itself.
    pub field: Option<String>,
    pub auth: Option<ConnectorAuth>,
    pub tls: Option<Tls>,
    pub proxy: Option<Proxy>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// The largest answer read, in bytes.
    #[serde(default = "default_response_limit")]
    pub response_limit: usize,
    /// How long an answer is good without asking again.
    #[serde(default = "default_ttl")]
    pub ttl: Span,
    /// How old the answer that a value exists may be while the directory cannot be asked.
    #[serde(default = "default_stale_limit")]
    pub stale_limit: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryKind {
    /// A JSON API with one `GET` a value: 200 is there, 404 is not.
    Http,
}

fn default_timeout() -> Span {
    Span::secs(2)
}

const fn default_response_limit() -> usize {
    64 * 1024
}

fn default_ttl() -> Span {
    Span::secs(300)
}

fn default_stale_limit() -> Span {
    Span::secs(3_600)
}
