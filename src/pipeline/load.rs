//! The deciding rooms loaded from files, part by part, and why one cannot be.

use std::sync::Arc;

use super::vectors;
use crate::{
    config::{
        Config,
        triage::{Embedding, Runbooks},
    },
    domain::name::DirectoryName,
    gate::{GateError, PolicySet, freeze::Calendar, standing::Requesters},
    runbook::{Finding, Known, Library, Meaning},
    text::embedding::{CachedEmbedder, Embedder, EmbeddingError, EmbeddingKind},
    triage::{Catalogue, Triage, TriageError},
};

/// Why the deciding rooms cannot be put in force. The ones in force stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Triage(#[from] TriageError),
    #[error("runbooks in `{folder}` are not in order:{}", listed(.findings))]
    Runbooks { folder: String, findings: Vec<Finding> },
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    #[error("`gate.{key}`: {why}")]
    Limit { key: &'static str, why: String },
}

/// The first findings, one a line; a broken library has hundreds of one cause.
fn listed(findings: &[Finding]) -> String {
    let mut text: String = findings.iter().take(FINDINGS_SHOWN).map(|finding| format!("\n  {finding}")).collect();
    if findings.len() > FINDINGS_SHOWN {
        text += &format!("\n  and {} more; `sluicegate runbook lint` shows all", findings.len() - FINDINGS_SHOWN);
    }
    text
}

const FINDINGS_SHOWN: usize = 20;

/// A part that is loaded by itself and stays in force when a newer version of it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Model, embedding, catalogue and signals.
    Model,
    /// Runbooks, their lists and alert rules.
    Runbooks,
    /// Policies and freeze calendar.
    Policies,
    /// The list of requesters. By itself, because an export of people goes wrong more often than a policy does.
    Requesters,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Model, Self::Runbooks, Self::Policies, Self::Requesters];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Runbooks => "runbooks",
            Self::Policies => "policies",
            Self::Requesters => "requesters",
        }
    }
}

pub(super) type Rules = (Arc<PolicySet>, Arc<Calendar>);

/// Texts whose vectors are remembered: a storm of equal tickets costs one embedding.
const REMEMBERED: usize = 1_024;

fn load_meaning(config: &Runbooks) -> std::result::Result<Option<Meaning>, EmbeddingError> {
    let kind = match config.embedding {
        Embedding::None => return Ok(None),
        Embedding::Static => EmbeddingKind::Static,
        Embedding::Minilm => EmbeddingKind::Minilm,
    };
    let embedder = Embedder::load(&config.embedding_folder, kind)?;
    Ok(Some(Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, REMEMBERED)), kept_in: Some(config.vectors.clone()) }))
}

pub(super) fn triage(config: &Config) -> std::result::Result<Arc<Triage>, LoadError> {
    let parts = &config.triage;
    Ok(Arc::new(Triage::load(&parts.model, &parts.embedding, &parts.catalogue, &parts.signals)?))
}

/// The names that runbooks may use; without a catalogue, categories and owners are not checked.
pub fn known_names(config: &Config, catalogue: Option<&Catalogue>) -> Known {
    let owners = |catalogue: &Catalogue| catalogue.groups().into_iter().chain(config.runbooks.owners.iter().cloned()).collect();
    Known {
        categories: catalogue.map(Catalogue::ids),
        owners: catalogue.map(owners),
        directories: Some(config.directories.iter().filter_map(|directory| DirectoryName::new(&directory.name).ok()).collect()),
        ..Known::default()
    }
}

/// Takes over what `before` has alike.
pub(super) fn library(config: &Config, triage: &Triage, before: Option<&Library>) -> std::result::Result<Arc<Library>, LoadError> {
    // A connector that is not configured keeps no runbook from being recommended: the gate refuses to run it.
    let known = Known {
        alert_rules: config.runbooks.alert_rules.clone(),
        meaning: load_meaning(&config.runbooks)?,
        ..known_names(config, Some(triage.catalogue()))
    };
    let folder = &config.runbooks.folder;
    let refused = |findings| LoadError::Runbooks { folder: folder.display().to_string(), findings };
    let library = match before {
        Some(before) => before.load_again(folder, &known),
        None => Library::load(folder, &known),
    };
    let library = library.map_err(refused)?;
    vectors::keep(&library);
    Ok(Arc::new(library))
}

pub(super) fn rules(config: &Config) -> std::result::Result<Rules, LoadError> {
    let folder = &config.gate.policies;
    Ok((Arc::new(PolicySet::load(folder)?), Arc::new(Calendar::load(&folder.join("freeze.toml"))?)))
}

pub(super) fn requesters(config: &Config) -> std::result::Result<Arc<Requesters>, LoadError> {
    let Config { requesters, gate, .. } = config;
    Ok(Arc::new(Requesters::load(requesters.file(), requesters.directory().is_some(), &gate.vip, &gate.flagged)?))
}
