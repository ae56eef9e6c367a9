//! A configured sender: how it is known, what it speaks, and how results go back.

use serde::{Deserialize, Serialize};

use super::{secret::Secret, span::Span, write_back::WriteBack};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The last part of the webhook's URL, like `zendesk-emea`.
    pub name: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Which JSON it sends.
    pub adapter: AdapterKind,
    pub auth: Auth,
    /// Requests in a minute over which it is answered 429 (503 for senders that drop on 429); 0 for no limit.
    #[serde(default)]
    pub quota_per_minute: u32,
    /// Events whose actor has one of these ids are ours, and are ignored.
    #[serde(default)]
    pub own_actors: Vec<String>,
    #[serde(default)]
    pub write_back: Option<WriteBack>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// The canonical form, as `POST /v1/tickets` takes it.
    Json,
    /// The canonical form inside a Standard Webhooks envelope (`type`, `timestamp`, `data`).
    StandardWebhooks,
    Zendesk,
    Alertmanager,
}

/// How a request proves that it comes from the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// One of the known signature schemes, by name: `standard_webhooks`, `zendesk`, `github`, `jira`, `pagerduty`, `grafana`, …
    Signature {
        name: String,
        /// Up to two live secrets, so that one can be rotated.
        #[serde(default)]
        secrets: Vec<Secret>,
        /// How old a signed time may be; `off` leaves replay defence to deduplication.
        #[serde(default = "default_tolerance")]
        tolerance: Span,
    },
    /// `Authorization: Bearer …`, or the bare token in `header`.
    Token {
        #[serde(default)]
        secrets: Vec<Secret>,
        #[serde(default)]
        header: Option<String>,
    },
    /// HTTP Basic.
    Basic { username: String, password: Secret },
}

fn default_tolerance() -> Span {
    Span::secs(300)
}
