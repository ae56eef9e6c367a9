//! Letting a scope act on its own: what a second person's confirmation does to the modes.
// INVARIANT: a mode that was lowered since the request stays lowered, whoever confirms it.

use super::modes;
use crate::{
    domain::{
        approval::{Mode, Modes, Scope},
        dual_authorization::DualAuthorization,
        entry::{Entry, Event},
        name::TenantId,
        principal::{Actor, Principal},
        time::Timestamp,
    },
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::{EntryFilter, Page},
    },
};

/// # Errors
/// There is no such scope, or it is on `auto`.
pub(super) async fn may_be_asked(service: &Service, tenant: &TenantId, scope: &Scope) -> Result<Modes> {
    modes::is_known(service, tenant, scope)?;
    let modes = service.store.modes(tenant).await?;
    if modes::of(&modes, scope) == Some(Mode::Auto) {
        return Err(ActionError::Changed(format!("the mode of `{scope}` is `auto`")));
    }
    Ok(modes)
}

/// The mode set, and since when a runbook's outcomes are watched.
///
/// # Errors
/// Somebody set the mode since it was asked for, or the scope is gone.
pub(super) async fn effect(
    service: &Service,
    caller: &Principal,
    record: &DualAuthorization,
    scope: &Scope,
    now: Timestamp,
) -> Result<Change> {
    let mut modes = may_be_asked(service, &caller.tenant, scope).await?;
    // Read after the modes: what changes them later breaks the revision that the commit expects.
    if was_set_since(service, record, scope).await? {
        return Err(ActionError::Changed(format!("the mode of `{scope}` was set since this was asked for: look why, and ask again")));
    }
    let revision = modes.revision;
    let from = modes::put(&mut modes, scope, Mode::Auto);
    if let Scope::Runbook(id) = scope {
        modes.auto_since.insert(id.clone(), now);
    }
    modes.revision += 1;
    let event = Event::ModeChanged { scope: scope.to_string(), from, to: Mode::Auto };
    Ok(Change {
        expect: vec![Expectation::ModesRevision { tenant: caller.tenant.clone(), revision }],
        writes: vec![Write::Modes { tenant: caller.tenant.clone(), modes }],
        entries: vec![Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event)],
    })
}

/// Most entries looked through; more than these count as "yes".
const LOOKED_AT: usize = 500;

/// By the order of the log and not by times, which may be equal.
async fn was_set_since(service: &Service, record: &DualAuthorization, scope: &Scope) -> Result<bool> {
    let newest = async |event: &str| {
        let filter = EntryFilter { event: Some(event.to_owned()), ..EntryFilter::default() };
        service.store.entries(&record.tenant, &filter, Page { before: None, limit: LOOKED_AT }).await
    };
    let requested = newest("authorization_requested").await?.into_iter().find_map(|logged| match logged.entry.event {
        Event::AuthorizationRequested { authorization, .. } if authorization == record.id => Some(logged.index),
        _ => None,
    });
    let Some(requested) = requested else { return Ok(true) };
    let changes = newest("mode_changed").await?;
    let name = scope.to_string();
    let set = |event: &Event| matches!(event, Event::ModeChanged { scope, .. } if *scope == name);
    Ok(changes.len() >= LOOKED_AT || changes.iter().any(|logged| logged.index > requested && set(&logged.entry.event)))
}
