//! Policies, runbooks, signals and model are loaded again; what cannot be loaded leaves the last good in force.
//!
//! Each part by itself: a slip in a runbook does not keep a new freeze window out.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Serialize;

use super::{
    load::{Chosen, LoadError, Part},
    service::Service,
    voids,
};
use crate::{domain::time::Timestamp, runbook::Finding, telemetry::Metrics};

/// Why the newest version on disk is not in force.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Refused {
    /// When it was tried.
    pub at: Timestamp,
    pub message: String,
    /// What is wrong, by file, line and column; for runbooks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// How loading one part went.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Load {
    /// When the version in force was loaded.
    pub loaded_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// How loading each part went, for people and metrics.
#[derive(Debug)]
pub struct Loads(RwLock<BTreeMap<Part, Load>>);

impl Loads {
    pub(super) fn started(now: Timestamp, metrics: &Metrics) -> Self {
        let loads = Self(RwLock::default());
        for part in Part::ALL {
            loads.loaded(part, now, metrics);
        }
        loads
    }

    pub fn all(&self) -> BTreeMap<Part, Load> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn loaded(&self, part: Part, now: Timestamp, metrics: &Metrics) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(part, Load { loaded_at: now, refused: None });
        metrics.reload_stale.with_label_values(&[part.as_str()]).set(0);
        metrics.reload_success.with_label_values(&[part.as_str()]).set(now.as_millis() as f64 / 1e3);
    }

    fn refused(&self, part: Part, refused: Refused, metrics: &Metrics) {
        if let Some(load) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(&part) {
            load.refused = Some(refused);
        }
        metrics.reload_stale.with_label_values(&[part.as_str()]).set(1);
        metrics.reload_failures.with_label_values(&[part.as_str()]).inc();
    }
}

/// What changed voids its pre-approvals. The gate refuses them in any case, so a store that fails only delays the word.
pub async fn mark_void(service: &Service) {
    if let Err(error) = voids::mark(service, &service.decider()).await {
        tracing::error!(%error, "void pre-approvals could not be marked; they are refused and marked at the next load");
    }
}

/// Loads anew. True when every part is in force in its newest version.
pub async fn reload(service: &Arc<Service>) -> bool {
    let (config, before) = (Arc::clone(&service.config), service.decider());
    let chosen = match service.store.models().await {
        Ok(models) => Some(Chosen::from(&models)),
        Err(error) => {
            tracing::error!(%error, "which model was promoted cannot be read; the one chosen last is loaded again");
            None
        }
    };
    let (decider, refused) = match tokio::task::spawn_blocking(move || before.reloaded(&config, chosen)).await {
        Ok(loaded) => loaded,
        Err(error) => {
            for part in Part::ALL {
                let refused = Refused { at: service.ambient.now(), message: error.to_string(), findings: Vec::new() };
                service.loads.refused(part, refused, &service.metrics);
            }
            tracing::error!(%error, "the reload stopped in the middle; what was in force stays in force");
            return false;
        }
    };
    service.put_in_force(decider);
    mark_void(service).await;
    let all = refused.is_empty();
    let now = service.ambient.now();
    for part in Part::ALL.into_iter().filter(|part| !refused.contains_key(part)) {
        service.loads.loaded(part, now, &service.metrics);
    }
    for (part, error) in refused {
        tracing::error!(part = part.as_str(), %error, "the reload was refused; the last good version stays in force");
        let message = error.to_string();
        let findings = match error {
            LoadError::Runbooks { findings, .. } => findings,
            _ => Vec::new(),
        };
        service.loads.refused(part, Refused { at: now, message, findings }, &service.metrics);
    }
    tracing::info!(digests = ?service.in_force(), "reloaded");
    all
}
