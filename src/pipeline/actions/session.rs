//! Signing in to the console and out of it.
//!
//! A wrong name, a wrong password, a disabled account, one without roles and one that is locked get the same answer after
//! the same work; the log has which it was.
// INVARIANT: the cookie's text is made here, given back once, and stored as a digest only.

use crate::{
    config::secret::Secret,
    domain::{
        account::Account,
        digest::Digest,
        entry::{Entry, Event},
        id::SessionId,
        name::{PersonId, TenantId},
        principal::{Actor, Principal, Role},
        session::{Session, SignIn},
        untrusted::Untrusted,
    },
    pipeline::{
        actions::password::account_name,
        error::{ActionError, Result},
        passwords::TRIES,
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// The cookie's text begins with this, so that secret scanners can find leaked ones.
const PREFIX: &str = "slgs_";

/// What is kept of the browser's word for itself, in bytes.
const LONGEST_AGENT: usize = 200;

/// A session's use is written down no oftener than this.
const SEEN_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// A new session with the only copy of its cookie's text.
pub struct NewSession {
    pub session: Session,
    pub text: String,
}

/// Signs a person in with the password of their account.
///
/// # Errors
/// [`ActionError::NotProven`] whatever was wrong; busy, or the store failed.
pub async fn sign_in(service: &Service, tenant: &TenantId, name: &str, password: &Secret, agent: &str) -> Result<NewSession> {
    let account = match PersonId::new(name) {
        Ok(person) => prove(service, tenant, &account_name(&person)?, password).await?,
        Err(_) => {
            service.passwords.matches(password, None).await?;
            None
        }
    };
    let account = account.ok_or(ActionError::NotProven)?;
    begin(service, &account, SignIn::Password, agent).await
}

/// The account, when `password` is its password and it may sign in.
async fn prove(service: &Service, tenant: &TenantId, person: &PersonId, password: &Secret) -> Result<Option<Account>> {
    let account = service.store.account(tenant, person).await?;
    let now = service.ambient.now();
    let Some(this) = service.passwords.begin(tenant, person, now) else {
        service.passwords.matches(password, None).await?;
        tracing::warn!(%person, "a sign-in was refused: too many tries failed");
        return Ok(None);
    };
    let usable = account.filter(|account| account.disabled_at.is_none() && !account.roles.is_empty());
    let stored = usable.as_ref().and_then(|account| account.password.as_deref());
    match service.passwords.matches(password, stored).await {
        Ok(true) => {
            service.passwords.succeeded(&this);
            Ok(usable)
        }
        Ok(false) => {
            // A name that nobody has could be anything, and strangers do not write into the log.
            if usable.is_some() {
                let event = Event::SignInFailed { person: person.clone(), locks: this.failed_before() + 1 == TRIES };
                let entry = Entry::new(tenant.clone(), now, Actor::Engine, event);
                service.commit(Change { entries: vec![entry], ..Change::default() }).await?;
            } else {
                tracing::info!(person = %person, "a sign-in failed: no such account that may sign in");
            }
            Ok(None)
        }
        Err(error) => {
            service.passwords.succeeded(&this);
            Err(error)
        }
    }
}

/// Begins a session of whoever proved to be the account's person.
///
/// # Errors
/// The account changed meanwhile, or the store failed.
pub async fn begin(service: &Service, account: &Account, sign_in: SignIn, agent: &str) -> Result<NewSession> {
    let now = service.ambient.now();
    let text = format!("{PREFIX}{:032x}{:032x}", service.ambient.random(), service.ambient.random());
    let session = Session {
        form: Session::FORM,
        id: SessionId::new(now, service.ambient.random()),
        tenant: account.tenant.clone(),
        person: account.person.clone(),
        roles: account.roles.clone(),
        secret: Digest::of(text.as_bytes()),
        sign_in,
        agent: Untrusted::new(agent.chars().take(LONGEST_AGENT).collect::<String>()),
        created_at: now,
        seen_at: now,
        proven_at: now,
        ends_at: now.plus(service.config.console.longest.get()),
        ended_at: None,
    };
    let event = Event::SessionStarted {
        session: session.id,
        person: session.person.clone(),
        by: sign_in,
        roles: session.roles.iter().copied().collect(),
    };
    let entry = Entry::new(session.tenant.clone(), now, Actor::Person(session.person.clone()), event);
    // Whoever changes the account ends its sessions: this one must not slip past.
    let expect = vec![super::password::still(account)];
    service.commit(Change { expect, writes: vec![Write::Session(Box::new(session.clone()))], entries: vec![entry] }).await?;
    Ok(NewSession { session, text })
}

/// The live session whose cookie has this text; notes that it was used.
///
/// # Errors
/// The store failed.
pub async fn resume(service: &Service, text: &str) -> Result<Option<Session>> {
    let Some(session) = look(service, text).await? else { return Ok(None) };
    let now = service.ambient.now();
    if now >= session.seen_at.plus(SEEN_EVERY) {
        let seen = Write::SessionSeen { session: session.id, at: now };
        service.commit(Change { writes: vec![seen], ..Change::default() }).await?;
    }
    Ok(Some(session))
}

/// The live session whose cookie has this text. Looking is no use of it: what a page does by itself keeps nobody signed in.
///
/// # Errors
/// The store failed.
pub async fn look(service: &Service, text: &str) -> Result<Option<Session>> {
    if !text.starts_with(PREFIX) {
        return Ok(None);
    }
    let found = service.store.session(&Digest::of(text.as_bytes())).await?;
    Ok(found.filter(|session| session.is_live(service.ambient.now(), service.config.console.idle.get())))
}

/// Ends one session of the caller's own.
///
/// # Errors
/// The person has no such session, or the store failed.
pub async fn end(service: &Service, session: &Session, which: SessionId) -> Result<()> {
    let own = service.store.sessions(&session.tenant, Some(&session.person)).await?;
    let Some(mut ended) = own.into_iter().find(|own| own.id == which) else {
        return Err(ActionError::NotFound { what: "session", id: which.to_string() });
    };
    let now = service.ambient.now();
    ended.ended_at = Some(now);
    let event = Event::SessionEnded { session: which, person: ended.person.clone() };
    let entry = Entry::new(ended.tenant.clone(), now, Actor::Person(session.person.clone()), event);
    service.commit(Change { expect: Vec::new(), writes: vec![Write::Session(Box::new(ended))], entries: vec![entry] }).await?;
    Ok(())
}

/// Ends every session of the caller but this one.
///
/// # Errors
/// The store failed.
pub async fn end_others(service: &Service, session: &Session) -> Result<()> {
    let now = service.ambient.now();
    let ended = Write::SessionsEnded { tenant: session.tenant.clone(), person: session.person.clone(), except: Some(session.id), at: now };
    let event = Event::SessionsEnded { person: session.person.clone() };
    let entry = Entry::new(session.tenant.clone(), now, Actor::Person(session.person.clone()), event);
    let expect = vec![Expectation::SessionStands { session: session.id }];
    service.commit(Change { expect, writes: vec![ended], entries: vec![entry] }).await?;
    Ok(())
}

/// Ends every session of another person.
///
/// # Errors
/// The caller is no admin, or the store failed.
pub async fn end_all(service: &Service, caller: &Principal, person: &PersonId) -> Result<()> {
    service.require(caller, Role::Admin)?;
    let now = service.ambient.now();
    let name = account_name(person)?;
    let ended = Write::SessionsEnded { tenant: caller.tenant.clone(), person: name.clone(), except: None, at: now };
    let entry = Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), Event::SessionsEnded { person: name });
    service.commit(Change { writes: vec![ended], entries: vec![entry], ..Change::default() }).await?;
    Ok(())
}
