//! What an account may do, and whether anybody may sign in with it.
// INVARIANT: nobody changes their own roles, and the last admin who can sign in stays one.

use std::collections::BTreeSet;

use crate::{
    config::secret::Secret,
    domain::{
        account::Account,
        entry::{Entry, Event},
        name::{PersonId, TenantId},
        principal::{Actor, Principal, Role},
        time::Timestamp,
    },
    gate::approval::same_person,
    pipeline::{
        actions::password::{account_name, fits, still},
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Write},
};

/// Makes an account with a password and roles. Whoever may call this is the caller's business: it is for whoever can write
/// the database.
///
/// # Errors
/// It cannot be a password, there is such an account, or the store failed.
pub async fn make(
    service: &Service,
    by: Actor,
    tenant: &TenantId,
    person: &PersonId,
    roles: BTreeSet<Role>,
    password: &Secret,
) -> Result<Account> {
    let name = account_name(person)?;
    fits(&name, password)?;
    if service.store.account(tenant, &name).await?.is_some() {
        return Err(ActionError::Changed(format!("there is an account `{name}` already")));
    }
    let hash = service.passwords.hash(password, service.ambient.random()).await?;
    let now = service.ambient.now();
    let account = Account { password: Some(hash), roles, ..Account::of(tenant, &name, now) };
    let changed = Event::AccountChanged { person: name.clone(), roles: account.roles.iter().copied().collect(), disabled: false };
    let entries = [changed, Event::PasswordSet { person: name }].map(|event| Entry::new(tenant.clone(), now, by.clone(), event));
    service.commit(Change { expect: Vec::new(), writes: vec![Write::Account(account.clone())], entries: entries.into() }).await?;
    Ok(account)
}

/// What an account should be from now on.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub roles: BTreeSet<Role>,
    pub disabled: bool,
    /// When the account that the caller saw was last changed.
    pub seen: Timestamp,
}

/// Changes an account and ends its sessions.
///
/// # Errors
/// The caller is no admin or it is their own, there is no such account, it changed since, or it has no role left.
pub async fn change(service: &Service, caller: &Principal, person: &PersonId, wanted: Wanted) -> Result<Account> {
    service.require(caller, Role::Admin)?;
    if same_person(&caller.person, person) {
        return Err(ActionError::Refused(vec!["another admin has to change your account".to_owned()]));
    }
    let name = account_name(person)?;
    let found = service.store.account(&caller.tenant, &name).await?;
    let mut account = found.ok_or_else(|| ActionError::NotFound { what: "account", id: name.to_string() })?;
    if account.changed_at != wanted.seen {
        return Err(ActionError::Changed(format!("the account `{name}` was changed at {}", account.changed_at)));
    }
    if wanted.roles.is_empty() && !wanted.disabled {
        let message = format!("an account needs a role: choose from {}, or disable it", Role::ALL.map(Role::as_str).join(", "));
        return Err(ActionError::Invalid { pointer: "/roles".to_owned(), message });
    }
    let (now, expect) = (service.ambient.now(), vec![still(&account)]);
    account.roles = wanted.roles;
    account.disabled_at = if wanted.disabled { Some(account.disabled_at.unwrap_or(now)) } else { None };
    account.changed_at = now;
    let event = Event::AccountChanged { person: name.clone(), roles: account.roles.iter().copied().collect(), disabled: wanted.disabled };
    let entry = Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event);
    let ended = Write::SessionsEnded { tenant: caller.tenant.clone(), person: name, except: None, at: now };
    service.commit(Change { expect, writes: vec![Write::Account(account.clone()), ended], entries: vec![entry] }).await?;
    Ok(account)
}
