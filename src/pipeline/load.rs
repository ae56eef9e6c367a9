//! The deciding rooms loaded from files, part by part, and why one cannot be.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::vectors;
use crate::{
    config::{
        Config,
        triage::{Embedding, Runbooks},
    },
    domain::{
        digest::Digest,
        model::{ModelVersion, Models},
        name::{DirectoryName, ModelName},
    },
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
    #[error(
        "the model in `{}` is {found}, and {promoted} was promoted: restore that one, or promote what stands there",
        folder.display()
    )]
    AnotherModel { folder: PathBuf, promoted: Digest, found: Digest },
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

/// Which models are to be loaded: what somebody promoted, or else what the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chosen {
    pub(super) in_force: Option<ModelVersion>,
    pub(super) shadow: Option<ModelVersion>,
}

impl From<&Models> for Chosen {
    fn from(models: &Models) -> Self {
        Self { in_force: models.in_force.clone(), shadow: models.shadow.as_ref().map(|shadow| shadow.version.clone()) }
    }
}

/// Where a model of this name stands.
pub(super) fn folder(config: &Config, name: &ModelName) -> PathBuf {
    let configured = &config.triage.model;
    let is_configured = configured.file_name().and_then(|folder| folder.to_str()) == Some(name.as_str());
    if is_configured { configured.clone() } else { config.triage.models.join(name.as_str()) }
}

fn triage_in(config: &Config, folder: &Path) -> std::result::Result<Triage, TriageError> {
    let parts = &config.triage;
    Triage::load(folder, &parts.embedding, &parts.catalogue, &parts.signals)
}

/// The model of exactly this version.
///
/// # Errors
/// It cannot be loaded, or its folder holds another version by now.
pub(super) fn version(config: &Config, version: &ModelVersion) -> std::result::Result<Triage, LoadError> {
    let folder = folder(config, &version.name);
    let triage = triage_in(config, &folder)?;
    if triage.manifest_digest() == version.digest {
        return Ok(triage);
    }
    Err(LoadError::AnotherModel { folder, promoted: version.digest, found: triage.manifest_digest() })
}

/// The model in a folder of the folder of models, whichever version stands there.
///
/// # Errors
/// It cannot be loaded.
pub(super) fn named(config: &Config, name: &ModelName) -> std::result::Result<Triage, LoadError> {
    Ok(triage_in(config, &folder(config, name))?)
}

pub(super) fn triage(config: &Config, chosen: &Chosen) -> std::result::Result<Arc<Triage>, LoadError> {
    Ok(Arc::new(match &chosen.in_force {
        Some(promoted) => version(config, promoted)?,
        None => triage_in(config, &config.triage.model)?,
    }))
}

/// A shadow that cannot be loaded looks on at nothing: it decides nothing, so nothing waits for it.
pub(super) fn shadow(config: &Config, chosen: &Chosen) -> Option<Arc<Triage>> {
    let wanted = chosen.shadow.as_ref()?;
    version(config, wanted)
        .inspect_err(|error| tracing::error!(model = %wanted.name, %error, "the shadow model cannot be loaded"))
        .ok()
        .map(Arc::new)
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
