//! Which model, signals and runbooks are in force.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Triage {
    pub model: PathBuf,
    pub embedding: PathBuf,
    pub catalogue: PathBuf,
    pub signals: PathBuf,
}

impl Default for Triage {
    fn default() -> Self {
        Self {
            model: "models/service-desk".into(),
            embedding: "models/embedding".into(),
            catalogue: "models/catalogue.toml".into(),
            signals: "signals.toml".into(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runbooks {
    pub folder: PathBuf,
}

impl Default for Runbooks {
    fn default() -> Self {
        Self { folder: "runbooks".into() }
    }
}
