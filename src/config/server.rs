//! Where the service listens and how it speaks of itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::span::Span;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub listen: SocketAddr,
    /// How people reach it from outside; links in write-backs start with it.
    pub public_url: String,
    /// Largest webhook body, in bytes. A larger one is answered 413.
    pub body_limit: usize,
    /// Requests from one address in a minute before any signature is checked; 0 for no limit.
    pub requests_per_address_minute: u32,
    /// The longest `?wait=`.
    pub longest_wait: Span,
    /// How long open requests may take once a stop is asked for.
    pub drain: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8321)),
            public_url: "http://127.0.0.1:8321".to_owned(),
            body_limit: 1024 * 1024,
            requests_per_address_minute: 0,
            longest_wait: Span::secs(10),
            drain: Span::secs(20),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    pub format: LogFormat,
    /// A `tracing` filter, like `info` or `sluicegate=debug`.
    pub level: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
