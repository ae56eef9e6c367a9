//! A chat that people are told in: an incoming webhook of Slack or Teams. Nothing is approved there.

use serde::{Deserialize, Serialize};

use super::secret::Secret;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    pub name: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    pub kind: ChatKind,
    /// Whoever knows it can post, so it is a secret.
    pub url: Secret,
    /// What the chat is told of, like `needs_approval`; empty means everything.
    #[serde(default)]
    pub occasions: Vec<String>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// An incoming webhook of a Slack app.
    Slack,
    /// A Teams workflow "when a webhook request is received"; the older connectors are retired.
    Teams,
}
