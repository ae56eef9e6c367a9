//! A named approver makes one version of a runbook a standard change, or takes that back.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{
    domain::{
        approval::{Caps, Mode, PreApproval, Revocation},
        digest::Digest,
        entry::{Entry, Event},
        id::PreApprovalId,
        name::{RunbookId, SourceId},
        principal::{Actor, Principal, Role},
        time::Timestamp,
    },
    gate::approval::may_be,
    pipeline::{
        actions::submit,
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// What an approver asks for.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreApproval {
    pub runbook: RunbookId,
    /// The version the approver read; it must be the one in force.
    pub digest: Digest,
    pub mode: Mode,
    #[serde(default)]
    pub caps: Caps,
    /// Only tickets of these sources; none means any.
    #[serde(default)]
    pub sources: BTreeSet<SourceId>,
    /// Only tickets of these categories; none means any.
    #[serde(default)]
    pub categories: BTreeSet<String>,
    /// Only while this calendar window of kind `hours` is in force; none means always.
    #[serde(default)]
    pub during: Option<String>,
    pub expires_at: Timestamp,
}

/// A standard change is looked at again at least this often.
const LONGEST_DAYS: u64 = 366;

/// Makes the pre-approval.
///
/// # Errors
/// Wrong role, the caller wrote the runbook, another version is in force, or an expiry that cannot be.
pub async fn make(service: &Service, caller: &Principal, asked: NewPreApproval) -> Result<PreApproval> {
    service.require(caller, Role::Approver)?;
    let decider = service.decider();
    let runbook =
        decider.library().get(&asked.runbook).ok_or_else(|| ActionError::NotFound { what: "runbook", id: asked.runbook.to_string() })?;
    if runbook.digest != asked.digest {
        return Err(ActionError::Changed(format!("runbook `{}` is at {}, you read {}", asked.runbook, runbook.digest, asked.digest)));
    }
    if runbook.authors.iter().any(|author| may_be(author, &caller.person)) {
        return Err(invalid(
            "/approver",
            format!("`{}` wrote or edited runbook `{}`, so another person must pre-approve it", caller.person, asked.runbook),
        ));
    }
    if !runbook.is_executable() {
        return Err(invalid("/runbook", format!("runbook `{}` has no change step, so there is nothing to pre-approve", asked.runbook)));
    }
    let known = decider.triage().catalogue().ids();
    if let Some(odd) = asked.categories.iter().find(|category| !known.contains(*category)) {
        return Err(invalid("/categories", format!("`{odd}` is not a category of the catalogue")));
    }
    let configured = |source: &SourceId| {
        submit::is_reserved(source.as_str())
            || service.sources.get(source.as_str()).is_some_and(|known| known.spec.tenant() == &caller.tenant)
    };
    if let Some(odd) = asked.sources.iter().find(|source| !configured(source)) {
        return Err(invalid("/sources", format!("`{odd}` is not a configured source")));
    }
    if let Some(hours) = asked.during.as_ref().filter(|hours| !decider.calendar().has_hours(hours)) {
        return Err(invalid("/during", format!("`{hours}` is no window of kind `hours` in `freeze.toml`")));
    }
    if asked.caps.per_hour == 0 || asked.caps.per_target_hour == 0 || asked.caps.per_requester_hour == 0 || asked.caps.concurrent == 0 {
        return Err(invalid("/caps", "a cap of zero lets nothing run: revoke the pre-approval instead".to_owned()));
    }
    let now = service.ambient.now();
    let latest = now.plus(std::time::Duration::from_secs(LONGEST_DAYS * 86_400));
    if asked.expires_at <= now || asked.expires_at > latest {
        return Err(invalid("/expires_at", format!("`{}` must lie after now and at most {LONGEST_DAYS} days ahead", asked.expires_at)));
    }
    let record = PreApproval {
        form: PreApproval::FORM,
        id: PreApprovalId::new(now, service.ambient.random()),
        tenant: caller.tenant.clone(),
        runbook: asked.runbook,
        digest: asked.digest,
        mode: asked.mode,
        caps: asked.caps,
        sources: asked.sources,
        categories: asked.categories,
        during: asked.during,
        approver: caller.person.clone(),
        created_at: now,
        expires_at: asked.expires_at,
        revoked: None,
        voided: None,
    };
    let event = Event::PreApprovalMade {
        pre_approval: record.id,
        runbook: record.runbook.clone(),
        digest: record.digest,
        mode: record.mode,
        expires_at: record.expires_at,
        record: Some(crate::domain::canonical::digest(&record)?),
    };
    save(service, caller, record, Vec::new(), event).await
}

/// Takes a pre-approval back at once.
///
/// # Errors
/// Wrong role, no reason, not found, or revoked already.
pub async fn revoke(service: &Service, caller: &Principal, id: PreApprovalId, reason: &str) -> Result<PreApproval> {
    service.require_any(caller, &[Role::Approver, Role::Operator])?;
    if reason.trim().is_empty() {
        return Err(invalid("/reason", "say why, for the runbook's owner".to_owned()));
    }
    let records = service.store.pre_approvals(&caller.tenant, None).await?;
    let mut record = records
        .into_iter()
        .find(|record| record.id == id)
        .ok_or_else(|| ActionError::NotFound { what: "pre-approval", id: id.to_string() })?;
    if let Some(revoked) = &record.revoked {
        return Err(ActionError::Changed(format!("`{}` revoked it at {}", revoked.by, revoked.at)));
    }
    if let Some(voided) = &record.voided {
        return Err(ActionError::Changed(format!("it is void since {}, when the runbook was seen changed", voided.at)));
    }
    record.revoked = Some(Revocation { by: caller.person.clone(), at: service.ambient.now(), reason: reason.to_owned() });
    let event = Event::PreApprovalRevoked { pre_approval: id, runbook: record.runbook.clone(), reason: reason.to_owned() };
    save(service, caller, record, vec![Expectation::PreApprovalStands { pre_approval: id }], event).await
}

async fn save(service: &Service, caller: &Principal, record: PreApproval, expect: Vec<Expectation>, event: Event) -> Result<PreApproval> {
    let entry = Entry::new(caller.tenant.clone(), service.ambient.now(), Actor::Person(caller.person.clone()), event);
    let change = Change { expect, writes: vec![Write::PreApproval(record.clone())], entries: vec![entry] };
    service.commit(change).await?;
    Ok(record)
}

fn invalid(pointer: &str, message: String) -> ActionError {
    ActionError::Invalid { pointer: pointer.to_owned(), message }
}
