//! Which model, signals and runbooks are in force.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Triage {
    /// In force while nobody promoted another one.
    pub model: PathBuf,
    /// Folder of the models that can be promoted.
    pub models: PathBuf,
    /// Labelled texts that no model learns from: what a promotion is judged by.
    pub frozen: PathBuf,
    /// Labels with fewer frozen texts are not judged by themselves.
    pub promotion_floor: usize,
    /// A loss that chance gives less often than this stops a promotion.
    pub promotion_level: f64,
    pub embedding: PathBuf,
    /// What finds tickets like another one.
    pub similar: Embedding,
    pub catalogue: PathBuf,
    pub signals: PathBuf,
}

impl Default for Triage {
    fn default() -> Self {
        Self {
            model: "models/service-desk".into(),
            models: "models".into(),
            frozen: "models/service-desk.eval.jsonl".into(),
            promotion_floor: 4,
            promotion_level: 0.1,
            embedding: "models/embedding".into(),
            similar: Embedding::Static,
            catalogue: "models/catalogue.toml".into(),
            signals: "signals.toml".into(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runbooks {
    pub folder: PathBuf,
    /// Teams that keep runbooks, beside the assignment groups of the catalogue. A runbook of anybody else is refused.
    pub owners: Vec<String>,
    /// Prometheus rule files, or folders of them: their annotations give labels back from a ticket's text.
    pub alert_rules: Vec<PathBuf>,
    /// What runbooks are found by beside their words.
    pub embedding: Embedding,
    /// Files of the embeddings.
    pub embedding_folder: PathBuf,
    /// Keeps vectors of runbooks between starts.
    pub vectors: PathBuf,
}

/// The teams of the shipped runbooks.
const SHIPPED_OWNERS: [&str; 13] = [
    "backup-team",
    "batch-team",
    "database-team",
    "endpoint-team",
    "identity-team",
    "kubernetes-team",
    "messaging-team",
    "network-team",
    "people-it",
    "security-team",
    "server-team",
    "software-desk",
    "web-platform",
];

/// A model that turns texts into vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Embedding {
    #[default]
    None,
    Static,
    Minilm,
}

impl Default for Runbooks {
    fn default() -> Self {
        Self {
            folder: "runbooks".into(),
            owners: SHIPPED_OWNERS.map(str::to_owned).to_vec(),
            alert_rules: Vec::new(),
            embedding: Embedding::None,
            embedding_folder: "models/embedding".into(),
            vectors: "data/vectors".into(),
        }
    }
}
