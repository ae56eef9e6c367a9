//! An outgoing webhook: who is told, of what, signed with which secrets, and who is told when it fails for long.

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::{secret::Secret, span::Span};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub name: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    pub url: Url,
    /// Standard Webhooks secrets: `whsec_` and base64 of 24 to 64 bytes (HMAC-SHA256), or `whsk_` and base64 of an Ed25519
    /// seed. One, or several while one is rotated: every message is signed with each.
    #[serde(deserialize_with = "one_or_several")]
    pub secret: Vec<Secret>,
    /// Event types, like `ticket.triaged`; empty means all.
    #[serde(default)]
    pub events: Vec<String>,
    /// How long the endpoint may do nothing but fail before nothing more is sent to it; `off` for ever.
    #[serde(default = "default_patience")]
    pub disable_after: Span,
    /// Who is told that it was disabled: the name of an entry of `recipients`, and of `chats`.
    #[serde(default)]
    pub owner_mail: Option<String>,
    #[serde(default)]
    pub owner_chat: Option<String>,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

/// Longer than the three days and more that one message is tried for.
fn default_patience() -> Span {
    Span::secs(5 * 86_400)
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(Secret),
        Several(Vec<Secret>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(secret) => vec![secret],
        Written::Several(secrets) => secrets,
    })
}
