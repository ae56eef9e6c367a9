//! What is known of the people who ask: a list in a file, or a directory service, and how much each may ask.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requesters {
    /// CSV of identities; empty for none.
    pub file: PathBuf,
    /// Name of an entry of `directories`, asked for each requester instead; empty for none.
    pub directory: String,
    /// Tickets of one requester in an hour above which a person decides; 0 for no limit.
    pub rate_limit: u32,
}

impl Requesters {
    pub fn file(&self) -> Option<&Path> {
        Some(self.file.as_path()).filter(|file| !file.as_os_str().is_empty())
    }

    pub fn directory(&self) -> Option<&str> {
        Some(self.directory.as_str()).filter(|name| !name.is_empty())
    }
}
