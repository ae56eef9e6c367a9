//! Where data lies and under which name the action log signs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::span::Span;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Folder of the database, its lock and the log's signing key. Made when missing.
    pub folder: PathBuf,
    /// Changes that may wait for the disk before intake answers 503.
    pub queue: usize,
}

impl Default for Storage {
    fn default() -> Self {
        Self { folder: PathBuf::from("data"), queue: 4096 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Names this log in its checkpoints (C2SP tlog-checkpoint); choose once, like a host name without scheme.
    pub origin: String,
    /// How often at least a signed checkpoint is sent to who listens for `checkpoint.published`, while the log grows;
    /// `off` leaves it to `publish_after`.
    pub publish_every: Span,
    /// Entries after which one is sent at once; 0 leaves it to `publish_every`.
    pub publish_after: u64,
    /// Others who sign each published checkpoint once they were shown that the log only grew (C2SP tlog-witness).
    pub witnesses: Vec<Witness>,
}

/// Somebody else who keeps an eye on the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its submission prefix: `add-checkpoint` is posted below it.
    pub url: Url,
    /// Its public key, `name+hash+base64` with the type of cosignatures; the name is how pages call it.
    pub key: String,
    /// Private addresses it may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
}

impl Default for Log {
    fn default() -> Self {
        Self { origin: "sluicegate.local/log".to_owned(), publish_every: Span::secs(3600), publish_after: 10_000, witnesses: Vec::new() }
    }
}
