//! What takes two persons: one asks and says why, another confirms under their own password.
//!
//! What a confirmation does is the matter's: [`auto_mode`] and [`freeze_override`]. Lists are read from the store.
// INVARIANT: a confirmation and what it brings about are one change, which commits only at the revision that the
// confirmer saw; of two confirmers one wins.
// INVARIANT: nobody confirms under a password that the requester set.

use std::time::Duration;

use serde::Deserialize;

use super::{
    auto_mode, freeze_override,
    proof::{self, Proof},
};
use crate::{
    domain::{
        approval::Scope,
        digest::Digest,
        dual_authorization::{DualAuthorization, Matter, Standing},
        entry::{Entry, Event},
        id::{DualAuthorizationId, RecommendationId, TicketId},
        principal::{Actor, Principal, Role},
        time::Timestamp,
    },
    gate::approval::{may_be, same_person},
    pipeline::{
        circumstances,
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

pub const LONGEST_REASON: usize = 2_000;

/// How long a request for `auto` can be confirmed. A freeze override ends with its proposal.
pub const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What is asked for, with what proves that the requester may.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = DualAuthorizationRequest)]
#[serde(tag = "matter", rename_all = "snake_case", deny_unknown_fields)]
pub enum Asked {
    /// Set a scope's mode to `auto`. Needs the role `approver`.
    AutoMode {
        scope: Scope,
        /// 1 to 2,000 bytes.
        reason: String,
        /// The caller's own.
        #[schema(value_type = String)]
        #[serde(rename = "password")]
        proof: Proof,
    },
    /// Let people approve a proposal although a freeze window is in force. Needs the role `approver` or `responder`.
    FreezeOverride {
        recommendation: RecommendationId,
        /// As read with the recommendation: what the caller looked at.
        binding: Digest,
        /// 1 to 2,000 bytes.
        reason: String,
    },
}

/// Asks for a second person.
///
/// # Errors
/// Wrong role or password, no reason, or a matter that is not as the caller saw it or cannot be.
pub async fn request(service: &Service, caller: &Principal, asked: Asked) -> Result<DualAuthorization> {
    let (matter, reason, ends_with) = match asked {
        Asked::AutoMode { scope, reason, proof } => {
            service.require(caller, Role::Approver)?;
            let reason = reasoned(&reason)?;
            auto_mode::may_be_asked(service, &caller.tenant, &scope).await?;
            proof::prove(service, caller, &proof).await?;
            (Matter::AutoMode { scope }, reason, None)
        }
        Asked::FreezeOverride { recommendation, binding, reason } => {
            service.require_any(caller, &[Role::Approver, Role::Responder])?;
            let reason = reasoned(&reason)?;
            let asked = freeze_override::may_be_asked(service, caller, recommendation, binding).await?;
            let matter = Matter::FreezeOverride { recommendation, ticket: asked.ticket, binding, windows: asked.windows };
            (matter, reason, Some(asked.expires_at))
        }
    };
    let now = service.ambient.now();
    let expires_at = ends_with.unwrap_or_else(|| now.plus(LIFETIME));
    let record = DualAuthorization {
        form: DualAuthorization::FORM,
        id: DualAuthorizationId::new(now, service.ambient.random()),
        tenant: caller.tenant.clone(),
        matter,
        reason,
        requested_by: caller.person.clone(),
        requested_at: now,
        expires_at,
        standing: Standing::Open,
        revision: 1,
    };
    let event = Event::AuthorizationRequested {
        authorization: record.id,
        matter: record.matter.as_str().to_owned(),
        ticket: ticket_of(&record.matter),
        about: about(&record.matter),
        reason: record.reason.clone(),
        expires_at,
    };
    let entry = Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event);
    let writes = vec![Write::DualAuthorization(Box::new(record.clone()))];
    service.commit(Change { expect: Vec::new(), writes, entries: vec![entry] }).await?;
    Ok(record)
}

/// The second person's word: the matter takes effect in the same change.
///
/// # Errors
/// Not the second person it needs, wrong password, expired, no longer as seen, or of no effect.
pub async fn confirm(
    service: &Service,
    caller: &Principal,
    id: DualAuthorizationId,
    revision: u64,
    proof: &Proof,
) -> Result<DualAuthorization> {
    service.require(caller, Role::Approver)?;
    let mut record = find(service, caller, id).await?;
    is_open(&record, revision, service.ambient.now())?;
    if may_be(&record.requested_by, &caller.person) {
        let why = format!("`{}` asked for this: another person has to confirm it", record.requested_by);
        return Err(ActionError::Refused(vec![why]));
    }
    let account = proof::prove(service, caller, proof).await?;
    if may_be(&account.changed_by, &record.requested_by) {
        let why = format!("`{}`, who asked, set the password of `{}`: change it first", record.requested_by, caller.person);
        return Err(ActionError::Refused(vec![why]));
    }
    let now = service.ambient.now();
    is_open(&record, revision, now)?;
    let roles: &[Role] = match record.matter {
        Matter::AutoMode { .. } => &[Role::Approver],
        Matter::FreezeOverride { .. } => &[Role::Approver, Role::Responder],
    };
    // Proving takes time, in which a token may be revoked.
    if !circumstances::roles_of(service, &caller.tenant, &caller.person, now).await?.contains(&Role::Approver) {
        return Err(ActionError::MissingRole { needs: Role::Approver });
    }
    let held = circumstances::roles_of(service, &caller.tenant, &record.requested_by, now).await?;
    if !roles.iter().any(|role| held.contains(role)) {
        let why = format!("`{}`, who asked, no longer has the role for it", record.requested_by);
        return Err(ActionError::Refused(vec![why]));
    }
    let mut effect = match &record.matter {
        Matter::AutoMode { scope } => auto_mode::effect(service, caller, &record, scope, now).await?,
        Matter::FreezeOverride { recommendation, binding, windows, .. } => {
            freeze_override::effect(service, caller, &record, *recommendation, *binding, windows).await?
        }
    };
    effect.expect.push(super::password::still(&account));
    record.standing = Standing::Confirmed { by: caller.person.clone(), at: now };
    let event = Event::AuthorizationConfirmed {
        authorization: id,
        matter: record.matter.as_str().to_owned(),
        ticket: ticket_of(&record.matter),
        about: about(&record.matter),
        requested_by: record.requested_by.clone(),
    };
    save(service, caller, record, event, now, effect).await
}

/// Takes a request back, or a confirmed freeze override before its time.
///
/// # Errors
/// Neither the requester nor a role that may stop things, no longer as seen, or nothing to take back.
pub async fn withdraw(service: &Service, caller: &Principal, id: DualAuthorizationId, revision: u64) -> Result<DualAuthorization> {
    let mut record = find(service, caller, id).await?;
    if !same_person(&record.requested_by, &caller.person) {
        service.require_any(caller, &[Role::Approver, Role::Operator])?;
    }
    is_at(&record, revision)?;
    match (&record.standing, &record.matter) {
        (Standing::Open, _) | (Standing::Confirmed { .. }, Matter::FreezeOverride { .. }) => {}
        (Standing::Confirmed { by, .. }, Matter::AutoMode { scope }) => {
            return Err(ActionError::Changed(format!("`{by}` confirmed it: set the mode of `{scope}` to `suggest` instead")));
        }
        (Standing::Withdrawn { by, at }, _) => return Err(ActionError::Changed(format!("`{by}` withdrew it at {at}"))),
    }
    let now = service.ambient.now();
    record.standing = Standing::Withdrawn { by: caller.person.clone(), at: now };
    let event =
        Event::AuthorizationWithdrawn { authorization: id, matter: record.matter.as_str().to_owned(), ticket: ticket_of(&record.matter) };
    save(service, caller, record, event, now, Change::default()).await
}

/// # Errors
/// Not in the caller's tenant.
pub async fn find(service: &Service, caller: &Principal, id: DualAuthorizationId) -> Result<DualAuthorization> {
    let found = service.store.dual_authorization(&caller.tenant, id).await?;
    found.ok_or_else(|| ActionError::NotFound { what: "dual authorization", id: id.to_string() })
}

async fn save(
    service: &Service,
    caller: &Principal,
    mut record: DualAuthorization,
    event: Event,
    now: Timestamp,
    mut change: Change,
) -> Result<DualAuthorization> {
    change.expect.insert(0, Expectation::DualAuthorizationRevision { authorization: record.id, revision: record.revision });
    change.entries.insert(0, Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event));
    record.revision += 1;
    change.writes.push(Write::DualAuthorization(Box::new(record.clone())));
    service.commit(change).await?;
    Ok(record)
}

fn is_at(record: &DualAuthorization, revision: u64) -> Result<()> {
    if record.revision == revision {
        return Ok(());
    }
    Err(ActionError::Changed(format!("you saw revision {revision}, it is `{}` at {}", record.standing.as_str(), record.revision)))
}

fn is_open(record: &DualAuthorization, revision: u64, now: Timestamp) -> Result<()> {
    is_at(record, revision)?;
    match &record.standing {
        Standing::Open if now < record.expires_at => Ok(()),
        Standing::Open => Err(ActionError::Refused(vec![format!("the request expired at {}: ask again", record.expires_at)])),
        Standing::Confirmed { by, at } => Err(ActionError::Changed(format!("`{by}` confirmed it at {at}"))),
        Standing::Withdrawn { by, at } => Err(ActionError::Changed(format!("`{by}` withdrew it at {at}"))),
    }
}

fn reasoned(reason: &str) -> Result<String> {
    let reason = reason.trim();
    if (1..=LONGEST_REASON).contains(&reason.len()) {
        return Ok(reason.to_owned());
    }
    let message = format!("the second person needs a reason of 1 to {LONGEST_REASON} bytes, got {}", reason.len());
    Err(ActionError::Invalid { pointer: "/reason".to_owned(), message })
}

fn ticket_of(matter: &Matter) -> Option<TicketId> {
    match matter {
        Matter::AutoMode { .. } => None,
        Matter::FreezeOverride { ticket, .. } => Some(*ticket),
    }
}

fn about(matter: &Matter) -> String {
    match matter {
        Matter::AutoMode { scope } => scope.to_string(),
        Matter::FreezeOverride { binding, .. } => binding.to_string(),
    }
}
