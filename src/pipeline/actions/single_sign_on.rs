//! Signing in as the provider says: the person's account, bound to the provider's identity, with the roles of their groups.
// INVARIANT: an account belongs to one identity. A name that a local account has, or another identity, opens nothing.

use crate::{
    domain::{
        account::{Account, Subject},
        entry::{Entry, Event},
        name::{PersonId, TenantId},
        principal::Actor,
        session::{Session, SignIn},
    },
    pipeline::{
        actions::{
            password::{account_name, still},
            session::{self, NewSession},
        },
        error::{ActionError, Result},
        service::Service,
        single_sign_on::Identity,
    },
    store::change::{Change, Expectation, Write},
};

fn refused(why: String) -> ActionError {
    ActionError::Refused(vec![why])
}

/// Begins a session of the identity's person; makes their account at the first time, and gives it the roles that their
/// groups have now.
///
/// # Errors
/// No group gives a role, the name is another's, the account is disabled, or the store failed.
pub async fn sign_in(service: &Service, tenant: &TenantId, identity: &Identity, agent: &str) -> Result<NewSession> {
    let account = account(service, tenant, identity).await?;
    session::begin(service, &account, SignIn::Oidc, agent).await
}

async fn account(service: &Service, tenant: &TenantId, identity: &Identity) -> Result<Account> {
    let person = PersonId::new(identity.person.as_str()).map_err(|why| refused(format!("the sign-on provider's name of you: {why}")))?;
    let name = account_name(&person)?;
    if identity.roles.is_empty() {
        let seen: Vec<String> = identity.groups.iter().take(20).map(|group| format!("`{group}`")).collect();
        let groups = if seen.is_empty() { "no group".to_owned() } else { seen.join(", ") };
        return Err(refused(format!("no group of yours has a role here; the provider says: {groups}. `console.oidc.groups` gives them")));
    }
    let subject = Subject { issuer: identity.issuer.clone(), subject: identity.subject.clone() };
    let before = service.store.account(tenant, &name).await?;
    if let Some(account) = &before {
        if account.subject.as_ref() != Some(&subject) {
            return Err(refused(format!("the name `{name}` belongs to another account here: an admin settles it")));
        }
        if account.disabled_at.is_some() {
            return Err(refused("your account is disabled here".to_owned()));
        }
        if account.roles == identity.roles {
            return Ok(account.clone());
        }
    }
    let now = service.ambient.now();
    let known = before.is_some();
    let mut expect = Vec::new();
    expect.extend(before.as_ref().map(still));
    let account = Account {
        roles: identity.roles.clone(),
        subject: Some(subject),
        changed_at: now,
        changed_by: name.clone(),
        ..before.unwrap_or_else(|| Account::of(tenant, &name, now))
    };
    let event = Event::AccountChanged { person: name.clone(), roles: account.roles.iter().copied().collect(), disabled: false };
    let entry = Entry::new(tenant.clone(), now, Actor::Engine, event);
    let mut writes = vec![Write::Account(account.clone())];
    if known {
        writes.push(Write::SessionsEnded { tenant: tenant.clone(), person: name, except: None, at: now });
    }
    service.commit(Change { expect, writes, entries: vec![entry] }).await?;
    Ok(account)
}

/// The session's person proved once more that they are there: what takes a password of others takes this of them for a while.
///
/// # Errors
/// Another person came back, the provider did not ask them anew, or the session is over.
pub async fn prove_again(service: &Service, session: &Session, identity: &Identity) -> Result<()> {
    let account = account(service, &session.tenant, identity).await?;
    if account.person != session.person {
        return Err(refused(format!("`{}` proved to be there, and this is the session of `{}`", account.person, session.person)));
    }
    let now = service.ambient.now();
    let window = service.config.console.prove_again.get();
    // The provider may have answered from a session of its own.
    let fresh = identity.proven_at.is_some_and(|at| at.plus(window) > now);
    if !fresh {
        return Err(refused("the sign-on provider did not ask you anew: it has to give `auth_time` for `max_age=0`".to_owned()));
    }
    let mut proven = session.clone();
    proven.proven_at = now;
    proven.seen_at = now;
    let event = Event::SessionProven { session: session.id, person: session.person.clone() };
    let entry = Entry::new(session.tenant.clone(), now, Actor::Person(session.person.clone()), event);
    let expect = vec![Expectation::SessionStands { session: session.id }, still(&account)];
    service.commit(Change { expect, writes: vec![Write::Session(Box::new(proven))], entries: vec![entry] }).await?;
    Ok(())
}
