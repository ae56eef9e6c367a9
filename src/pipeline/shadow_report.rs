//! Gathers the shadow agreement report of a tenant from the store. What it says is [`agreement`](crate::gate::agreement)'s.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    domain::{
        digest::Digest,
        name::{RunbookId, TenantId},
        time::Timestamp,
    },
    gate::{
        agreement::{ShadowReport, VersionAgreement},
        facts::{ErrorRecord, PerMillion},
    },
    pipeline::{error::Result, service::Service},
    store::interface::Page,
};

/// How far back the report looks when nobody says.
pub const USUAL: Duration = Duration::from_secs(30 * 86_400);
/// As many as the store gives at once.
const PAGE: usize = 500;

/// The report over proposals made at or after `since`; of one runbook when it is named.
///
/// # Errors
/// The store failed.
pub async fn shadow_report(service: &Service, tenant: &TenantId, since: Timestamp, runbook: Option<&RunbookId>) -> Result<ShadowReport> {
    let until = service.ambient.now();
    let mut versions: BTreeMap<(RunbookId, Digest), VersionAgreement> = BTreeMap::new();
    for decided in service.store.would_act(tenant, since).await? {
        if runbook.is_none_or(|runbook| *runbook == decided.runbook) {
            let version = version(service, tenant, &decided.runbook, decided.digest, decided.decisions).await?;
            versions.insert((decided.runbook, decided.digest), version);
        }
    }
    let mut before = None;
    loop {
        let page = service.store.outcomes(tenant, runbook, since, Page { before, limit: PAGE }).await?;
        before = page.last().map(|outcome| outcome.recommendation);
        let is_last = page.len() < PAGE;
        // What was decided after the count above began is left for the next report.
        for outcome in page.into_iter().filter(|outcome| outcome.decided_at <= until) {
            if let Some(version) = versions.get_mut(&(outcome.runbook.clone(), outcome.runbook_digest)) {
                version.judged(outcome, &service.config.server.public_url);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(ShadowReport { since, until, versions: versions.into_values().map(VersionAgreement::settled).collect() })
}

async fn version(service: &Service, tenant: &TenantId, runbook: &RunbookId, digest: Digest, decisions: u64) -> Result<VersionAgreement> {
    let outcomes = service.store.outcome_record(tenant, runbook, &digest).await?;
    let gate = &service.config.gate;
    let record = ErrorRecord {
        decisions: outcomes.known,
        wrong: outcomes.wrong,
        // As the gate has them; the configuration was checked when it was loaded.
        confidence: PerMillion::configured(gate.error_confidence).unwrap_or(PerMillion::ONE),
        limit: PerMillion::configured(gate.error_limit).unwrap_or(PerMillion::ZERO),
        demoted: false,
    };
    let in_force = service.decider().library().get(runbook).is_some_and(|runbook| runbook.digest == digest);
    Ok(VersionAgreement::new(runbook.clone(), digest, in_force, decisions, &record))
}
