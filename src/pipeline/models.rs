//! The models as people see them: which there are, which decides, how a shadow compares, and whether tickets drift.
//!
//! Reads only.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    error::{ActionError, Result},
    load,
    service::Service,
};
use crate::{
    domain::{
        digest::Digest,
        model::{ModelVersion, Models, ShadowPair},
        name::{ModelName, TenantId},
    },
    store::interface::{Page, StoreError},
    triage::{
        self, Manifest,
        drift::{Drift, Live},
    },
};

/// What a model is for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    InForce,
    Shadow,
    /// A rollback takes it.
    Before,
    Candidate,
    /// Its files are not in order; `refused` says what.
    Unusable,
}

impl Standing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Shadow => "shadow",
            Self::Before => "before",
            Self::Candidate => "candidate",
            Self::Unusable => "unusable",
        }
    }
}

/// One model of the folder.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Listed {
    pub name: ModelName,
    pub standing: Standing,
    /// Of its manifest.
    pub digest: Option<Digest>,
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<Manifest>,
    pub refused: Option<String>,
}

/// All of them.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Registry {
    pub in_force: ModelVersion,
    pub models: Vec<Listed>,
    /// What the store says: past versions, the shadow, the revision.
    pub chosen: Models,
    /// What the shadow said beside the model in force, most frequent first.
    pub shadow_pairs: Vec<ShadowPair>,
}

/// The version that decides.
///
/// # Errors
/// The configured folder has a name that no model may have.
pub fn in_force(service: &Service) -> Result<ModelVersion> {
    let decider = service.decider();
    let name = match decider.chosen() {
        Some(version) => version.name.clone(),
        None => {
            let folder = service.config.triage.model.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ModelName::new(folder).map_err(|why| ActionError::Refused(vec![format!("`triage.model`: {why}; rename the folder")]))?
        }
    };
    Ok(ModelVersion { name, digest: decider.triage().manifest_digest() })
}

/// # Errors
/// There is no such folder.
pub fn exists(service: &Service, name: &ModelName) -> Result<()> {
    if load::folder(&service.config, name).join("manifest.json").is_file() {
        return Ok(());
    }
    Err(ActionError::NotFound { what: "model", id: name.to_string() })
}

/// Every model there is, with what it is for.
///
/// # Errors
/// The store failed, or the folder of models cannot be read.
pub async fn registry(service: &Service) -> Result<Registry> {
    let (chosen, now) = (service.store.models().await?, in_force(service)?);
    let shadow = chosen.shadow.as_ref().map(|shadow| &shadow.version);
    let mut models = Vec::new();
    let folder = service.config.triage.models.clone();
    let shelf = tokio::task::spawn_blocking(move || triage::shelf(&folder)).await;
    let shelf = shelf.map_err(|stopped| ActionError::Internal(stopped.to_string()))?;
    let shelf = shelf.map_err(|why| ActionError::Internal(why.to_string()))?;
    for shelved in shelf {
        // A folder with another name was not made to be promoted.
        let Ok(name) = ModelName::new(shelved.name) else { continue };
        let (digest, manifest, refused) = match shelved.manifest {
            Ok((manifest, digest)) => (Some(digest), Some(manifest), None),
            Err(why) => (None, None, Some(why.to_string())),
        };
        let is = |version: &ModelVersion| version.name == name && Some(version.digest) == digest;
        let standing = match () {
            () if is(&now) => Standing::InForce,
            () if refused.is_some() => Standing::Unusable,
            () if shadow.is_some_and(is) => Standing::Shadow,
            () if chosen.before.iter().any(is) => Standing::Before,
            () => Standing::Candidate,
        };
        models.push(Listed { name, standing, digest, manifest, refused });
    }
    // The configured one may stand elsewhere.
    if models.iter().all(|model| model.standing != Standing::InForce) {
        let manifest = Some(service.decider().triage().manifest().clone());
        models.retain(|model| model.name != now.name);
        models.push(Listed { name: now.name.clone(), standing: Standing::InForce, digest: Some(now.digest), manifest, refused: None });
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    let shadow_pairs = match shadow {
        Some(shadow) => service.store.shadow_pairs(&shadow.digest).await?,
        None => Vec::new(),
    };
    Ok(Registry { in_force: now, models, chosen, shadow_pairs })
}

/// Proposals that [`drift`] looks at, at most.
const LOOKED_AT: usize = 2_000;

/// By target: how the newest proposals of the model in force differ from what training measured.
///
/// # Errors
/// The store failed.
pub async fn drift(service: &Service, tenant: &TenantId) -> std::result::Result<BTreeMap<String, Drift>, StoreError> {
    let decider = service.decider();
    let (heads, model) = (&decider.triage().manifest().heads, decider.triage().model_digest());
    let mut live: BTreeMap<&str, Live> = heads.keys().map(|target| (target.as_str(), Live::default())).collect();
    let (mut before, mut seen) = (None, 0);
    while seen < LOOKED_AT {
        let page = service.store.recommendations(tenant, None, Page { before, limit: 500 }).await?;
        let Some(last) = page.last() else { break };
        (before, seen) = (Some(last.id), seen + page.len());
        for classification in page.iter().map(|proposal| &proposal.classification).filter(|said| said.model == model) {
            let category = ("category", &classification.category);
            let others = classification.others.iter().map(|(target, estimate)| (target.as_str(), estimate));
            for (target, estimate) in std::iter::once(category).chain(others) {
                if let (Some(live), Some(head), Some((label, probability))) =
                    (live.get_mut(target), heads.get(target), estimate.ranked.first())
                {
                    live.add(&head.metrics, label, *probability, estimate.label.is_some());
                }
            }
        }
    }
    let drift =
        |(target, live): (&str, Live)| Some((target.to_owned(), heads.get(target).map(|head| live.drift(&head.metrics, head.threshold))?));
    Ok(live.into_iter().filter_map(drift).collect())
}
