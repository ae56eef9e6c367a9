//! Where data lies and under which name the action log signs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
}

impl Default for Log {
    fn default() -> Self {
        Self { origin: "sluicegate.local/log".to_owned() }
    }
}
