//! An outgoing webhook: who is told, of what, signed with which secret.

use serde::{Deserialize, Serialize};
use url::Url;

use super::secret::Secret;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub name: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    pub url: Url,
    /// Standard Webhooks secret: `whsec_` and base64 of 24 to 64 bytes.
    pub secret: Secret,
    /// Event types, like `ticket.triaged`; empty means all.
    #[serde(default)]
    pub events: Vec<String>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
}

fn default_tenant() -> String {
    "default".to_owned()
}
