//! How far Sluicegate may go: modes per scope, and the kill switch.
// INVARIANT: no mode becomes `auto` here; that takes two persons (`dual_authorization`).

use crate::{
    domain::{
        approval::{KillSwitch, Mode, Modes, Scope},
        entry::{Entry, Event},
        name::TenantId,
        principal::{Actor, Principal, Role},
    },
    pipeline::{
        actions::submit,
        error::{ActionError, Result},
        notices,
        service::Service,
        tell::{self, About},
    },
    store::change::{Change, Expectation, Write},
};

/// Sets one scope's mode, if nobody changed the modes since the caller saw `revision`.
///
/// # Errors
/// `auto`, which takes two persons; no such scope; not an operator; or somebody else was first.
pub async fn set_mode(service: &Service, caller: &Principal, scope: &Scope, mode: Mode, revision: u64) -> Result<Modes> {
    if mode == Mode::Auto {
        let why = "`auto` takes two persons: ask with POST /v1/dual-authorizations, and another approver confirms".to_owned();
        return Err(ActionError::Refused(vec![why]));
    }
    service.require(caller, Role::Operator)?;
    is_known(service, &caller.tenant, scope)?;
    let mut modes = service.store.modes(&caller.tenant).await?;
    // Said here and not left to the commit: a caller ahead of what we read would save what we read, an old
    // kill switch with it, under the newer revision.
    if modes.revision != revision {
        return Err(ActionError::Changed(format!("you saw revision {revision} of the modes, they are at {}", modes.revision)));
    }
    let from = put(&mut modes, scope, mode);
    save(service, caller, modes, revision, Event::ModeChanged { scope: scope.to_string(), from, to: mode }).await
}

/// A misspelt name would set a mode for nobody and be believed.
///
/// # Errors
/// The tenant has no such source, or there is no such runbook.
pub(super) fn is_known(service: &Service, tenant: &TenantId, scope: &Scope) -> Result<()> {
    let (known, what, id) = match scope {
        Scope::Global => return Ok(()),
        Scope::Source(id) => {
            let configured = service.sources.get(id.as_str()).is_some_and(|source| source.spec.tenant() == tenant);
            (configured || submit::is_reserved(id.as_str()), "source", id.to_string())
        }
        Scope::Runbook(id) => (service.decider().library().get(id).is_some(), "runbook", id.to_string()),
    };
    if known { Ok(()) } else { Err(ActionError::NotFound { what, id }) }
}

/// The scope's own mode, where one was set.
pub(super) fn of(modes: &Modes, scope: &Scope) -> Option<Mode> {
    match scope {
        Scope::Global => Some(modes.global),
        Scope::Source(id) => modes.sources.get(id).copied(),
        Scope::Runbook(id) => modes.runbooks.get(id).copied(),
    }
}

/// Puts the scope's mode in place; gives the one before.
pub(super) fn put(modes: &mut Modes, scope: &Scope, mode: Mode) -> Mode {
    match scope {
        Scope::Global => std::mem::replace(&mut modes.global, mode),
        Scope::Source(id) => modes.sources.insert(id.clone(), mode).unwrap_or(modes.global),
        Scope::Runbook(id) => modes.runbooks.insert(id.clone(), mode).unwrap_or(modes.global),
    }
}

/// Stops every execution before its next step. Needs any role that works tickets.
///
/// # Errors
/// Wrong role, or no reason.
pub async fn stop(service: &Service, caller: &Principal, reason: &str) -> Result<Modes> {
    service.require_any(caller, &[Role::Operator, Role::Approver, Role::Responder])?;
    reasoned(reason)?;
    // Whoever pulls the switch means it: a lost race with another change of the modes is tried again.
    loop {
        let mut modes = service.store.modes(&caller.tenant).await?;
        let revision = modes.revision;
        modes.kill_switch = Some(KillSwitch { by: caller.person.clone(), at: service.ambient.now(), reason: reason.to_owned() });
        match save(service, caller, modes, revision, Event::KillSwitch { on: true, reason: reason.to_owned() }).await {
            Err(ActionError::Changed(_)) => {}
            other => return other,
        }
    }
}

/// Lets executions start again. Needs the operator's role, and the revision of the modes that the operator saw: whoever
/// releases one stop must not release another one, pulled meanwhile.
///
/// # Errors
/// Wrong role, no reason, or the modes changed since.
pub async fn release(service: &Service, caller: &Principal, reason: &str, seen: u64) -> Result<Modes> {
    service.require(caller, Role::Operator)?;
    reasoned(reason)?;
    let mut modes = service.store.modes(&caller.tenant).await?;
    if modes.revision != seen {
        return Err(ActionError::Changed(format!("you saw revision {seen} of the modes, they are at {}", modes.revision)));
    }
    modes.kill_switch = None;
    save(service, caller, modes, seen, Event::KillSwitch { on: false, reason: reason.to_owned() }).await
}

fn reasoned(reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(ActionError::Invalid { pointer: "/reason".to_owned(), message: "say why, for whoever finds it switched".to_owned() });
    }
    Ok(())
}

async fn save(service: &Service, caller: &Principal, mut modes: Modes, revision: u64, event: Event) -> Result<Modes> {
    modes.revision = revision + 1;
    let now = service.ambient.now();
    let said = match &event {
        Event::KillSwitch { reason, .. } => {
            Some(notices::kill_switch(modes.kill_switch.as_ref(), &caller.person, reason, service.senders.public_url()))
        }
        _ => None,
    };
    let mut change = Change {
        expect: vec![Expectation::ModesRevision { tenant: caller.tenant.clone(), revision }],
        writes: vec![Write::Modes { tenant: caller.tenant.clone(), modes: modes.clone() }],
        entries: vec![Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event)],
    };
    if let Some(notice) = said {
        tell::chats(service, About::Nothing(&caller.tenant), now, &mut change, notice);
    }
    service.commit(change).await?;
    Ok(modes)
}
