//! The policies in force.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::digest::Digest,
    gate::policy::PolicyInfo,
    server::{app::App, auth::Caller},
};

/// One policy as its operator wrote it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PolicyView {
    /// Its `@id`, by which verdicts name it.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Its `@reason`.
    pub reason: String,
    /// What it speaks about: `execute_automatically`, `execute_with_approval`, `approve`.
    pub actions: Vec<&'static str>,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The text, with its annotations.
    pub source: String,
}

impl From<&PolicyInfo> for PolicyView {
    fn from(info: &PolicyInfo) -> Self {
        Self {
            id: info.id.clone(),
            effect: info.effect(),
            reason: info.reason.clone(),
            actions: info.actions.clone(),
            file: info.place.file.clone(),
            line: info.place.line,
            source: info.source.clone(),
        }
    }
}

/// The whole set.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PolicySetView {
    /// Verdicts and receipts name the set by it.
    pub digest: Digest,
    pub items: Vec<PolicyView>,
}

/// List policies
#[utoipa::path(get, path = "/v1/policies", tag = "policies", responses((status = 200, description = "All policies in force, by id", body = PolicySetView)))]
pub async fn list(State(app): State<App>, _: Caller) -> Json<PolicySetView> {
    let decider = app.service.decider();
    let policies = decider.policies();
    Json(PolicySetView { digest: policies.digest(), items: policies.policies().map(PolicyView::from).collect() })
}
