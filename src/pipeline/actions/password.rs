//! A person's password: who may set it, and proving with it that the person is there and not only their token.
// INVARIANT: a token alone never leads to a password of its own person: the first is set by somebody else.

use crate::{
    config::secret::Secret,
    domain::{
        account::Account,
        entry::{Entry, Event},
        name::{PersonId, TenantId},
        principal::{Actor, Principal, Role},
    },
    gate::approval::same_person,
    pipeline::{
        error::{ActionError, Result},
        passwords::unfit,
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// One account for every spelling of a person.
pub(super) fn account_name(person: &PersonId) -> Result<PersonId> {
    PersonId::new(person.as_str().to_ascii_lowercase()).map_err(|why| ActionError::Internal(why.to_string()))
}

/// Sets a password through the API: one's own with the current one, anybody else's as an admin.
///
/// # Errors
/// The current password is missing or wrong, the caller is no admin, or the new one cannot be a password.
pub async fn set(service: &Service, caller: &Principal, person: &PersonId, password: &Secret, current: Option<&Secret>) -> Result<()> {
    if !same_person(&caller.person, person) {
        service.require(caller, Role::Admin)?;
        return put(service, Actor::Person(caller.person.clone()), &caller.tenant, person, password).await;
    }
    fits(person, password)?;
    if service.store.account(&caller.tenant, &account_name(person)?).await?.is_none_or(|account| account.password.is_none()) {
        let why = format!("`{person}` has no password yet: another person with the role `admin` sets the first one");
        return Err(ActionError::Refused(vec![why]));
    }
    let Some(current) = current else {
        return Err(ActionError::Invalid { pointer: "/current".to_owned(), message: "give the current password too".to_owned() });
    };
    // An admin who resets the password meanwhile wins: the one that was proven is no longer the one in force.
    let proven = still(&prove(service, caller, current).await?);
    put_while(service, Actor::Person(caller.person.clone()), &caller.tenant, person, password, vec![proven]).await
}

/// The condition that the password which was proven is still the one in force.
pub(super) fn still(account: &Account) -> Expectation {
    Expectation::AccountChangedAt { tenant: account.tenant.clone(), person: account.person.clone(), changed_at: account.changed_at }
}

/// Sets `person`'s password. Whoever may call this is the caller's business: the command line trusts whoever can
/// write the database.
///
/// # Errors
/// It cannot be a password, or the store failed.
pub async fn put(service: &Service, by: Actor, tenant: &TenantId, person: &PersonId, password: &Secret) -> Result<()> {
    put_while(service, by, tenant, person, password, Vec::new()).await
}

async fn put_while(
    service: &Service,
    by: Actor,
    tenant: &TenantId,
    person: &PersonId,
    password: &Secret,
    mut expect: Vec<Expectation>,
) -> Result<()> {
    fits(person, password)?;
    let hash = service.passwords.hash(password, service.ambient.random()).await?;
    let now = service.ambient.now();
    let name = account_name(person)?;
    let changed_by = match &by {
        Actor::Person(by) => by.clone(),
        Actor::Engine | Actor::Source(_) => name.clone(),
    };
    let before = service.store.account(tenant, &name).await?;
    // The roles go along unchanged, so nobody may have changed them meanwhile.
    expect.extend(before.as_ref().map(still));
    let account =
        Account { password: Some(hash), changed_at: now, changed_by, ..before.unwrap_or_else(|| Account::of(tenant, &name, now)) };
    let entry = Entry::new(tenant.clone(), now, by, Event::PasswordSet { person: name.clone() });
    let ended = Write::SessionsEnded { tenant: tenant.clone(), person: name, except: None, at: now };
    service.commit(Change { expect, writes: vec![Write::Account(account), ended], entries: vec![entry] }).await?;
    Ok(())
}

/// The caller's account, when `password` is its password.
///
/// # Errors
/// [`ActionError::NotProven`], alike for no account, a wrong password and too many tries.
pub async fn prove(service: &Service, caller: &Principal, password: &Secret) -> Result<Account> {
    let Some(this) = service.passwords.begin(&caller.tenant, &caller.person, service.ambient.now()) else {
        return Err(ActionError::NotProven);
    };
    let checked = check(service, caller, password).await;
    match checked {
        Ok(Some(account)) => {
            service.passwords.succeeded(&this);
            Ok(account)
        }
        Ok(None) => {
            let event = Event::ReauthenticationFailed { person: caller.person.clone() };
            let actor = Actor::Person(caller.person.clone());
            let entry = Entry::new(caller.tenant.clone(), service.ambient.now(), actor, event);
            service.commit(Change { entries: vec![entry], ..Change::default() }).await?;
            Err(ActionError::NotProven)
        }
        // Nothing was learnt of the password, so nothing counts against the person.
        Err(error) => {
            service.passwords.succeeded(&this);
            Err(error)
        }
    }
}

async fn check(service: &Service, caller: &Principal, password: &Secret) -> Result<Option<Account>> {
    let account = service.store.account(&caller.tenant, &account_name(&caller.person)?).await?;
    let stored = account.as_ref().filter(|account| account.disabled_at.is_none()).and_then(|account| account.password.as_deref());
    let matches = service.passwords.matches(password, stored).await?;
    Ok(account.filter(|_| matches))
}

pub(super) fn fits(person: &PersonId, password: &Secret) -> Result<()> {
    match unfit(person, password) {
        Some(message) => Err(ActionError::Invalid { pointer: "/password".to_owned(), message }),
        None => Ok(()),
    }
}
