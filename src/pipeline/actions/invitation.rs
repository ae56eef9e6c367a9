//! Links by which people get their accounts: the first admin, a colleague, whoever forgot a password.
// INVARIANT: at most one link stands for a person; a new one takes the place of the one before.
// INVARIANT: whoever made the link counts as the one who set the password, because they could have.

use std::collections::BTreeSet;

use crate::{
    config::secret::Secret,
    domain::{
        account::Account,
        digest::Digest,
        entry::{Entry, Event},
        id::InvitationId,
        invitation::Invitation,
        name::{PersonId, TenantId},
        principal::{Actor, Principal, Role},
    },
    gate::approval::same_person,
    pipeline::{
        actions::password::{account_name, fits, still},
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// The link's secret begins with this, so that secret scanners can find leaked ones.
const PREFIX: &str = "slgi_";

/// A new invitation with the only copy of its secret.
pub struct NewInvitation {
    pub invitation: Invitation,
    pub text: String,
}

impl NewInvitation {
    /// Where the person goes with it.
    pub fn link(&self, public_url: &str) -> String {
        format!("{}/welcome/{}", public_url.trim_end_matches('/'), self.text)
    }
}

/// Invites a person with these roles; for one who has an account already: the roles stay, the password is theirs to set.
///
/// # Errors
/// The caller is no admin or invites themselves, or no role is given.
pub async fn invite(service: &Service, caller: &Principal, person: &PersonId, roles: BTreeSet<Role>) -> Result<NewInvitation> {
    service.require(caller, Role::Admin)?;
    if same_person(&caller.person, person) {
        return Err(ActionError::Refused(vec!["another admin has to invite you: nobody makes a link for their own account".to_owned()]));
    }
    make_for(service, Actor::Person(caller.person.clone()), &caller.tenant, person, roles).await
}

/// Invites a person. Whoever may call this is the caller's business: the command line trusts whoever can write the database.
///
/// # Errors
/// No role is given for a person without an account, or the store failed.
pub async fn make_for(service: &Service, by: Actor, tenant: &TenantId, person: &PersonId, roles: BTreeSet<Role>) -> Result<NewInvitation> {
    let name = account_name(person)?;
    let account = service.store.account(tenant, &name).await?;
    let roles = match account.filter(|account| !account.roles.is_empty()) {
        Some(_) => BTreeSet::new(),
        None if roles.is_empty() => {
            let message = format!("an account needs a role: choose from {}", Role::ALL.map(Role::as_str).join(", "));
            return Err(ActionError::Invalid { pointer: "/roles".to_owned(), message });
        }
        None => roles,
    };
    make(service, by, tenant, Some(name), roles).await
}

/// The link for the first admin, when nobody can sign in as one; the one made before stops working.
///
/// # Errors
/// The store failed.
pub async fn first_admin(service: &Service, tenant: &TenantId) -> Result<Option<NewInvitation>> {
    let accounts = service.store.accounts(tenant).await?;
    if accounts.iter().any(|account| account.disabled_at.is_none() && account.roles.contains(&Role::Admin)) {
        return Ok(None);
    }
    let roles = BTreeSet::from([Role::Admin]);
    make(service, Actor::Engine, tenant, None, roles).await.map(Some)
}

async fn make(service: &Service, by: Actor, tenant: &TenantId, person: Option<PersonId>, roles: BTreeSet<Role>) -> Result<NewInvitation> {
    let now = service.ambient.now();
    let mut change = Change::default();
    for mut earlier in service.store.invitations(tenant).await?.into_iter().filter(|earlier| earlier.person == person) {
        earlier.withdrawn_at = Some(now);
        let event = Event::InvitationWithdrawn { invitation: earlier.id };
        change.expect.push(Expectation::InvitationOpen { invitation: earlier.id });
        change.entries.push(Entry::new(tenant.clone(), now, by.clone(), event));
        change.writes.push(Write::Invitation(earlier));
    }
    let text = format!("{PREFIX}{:032x}{:032x}", service.ambient.random(), service.ambient.random());
    let invitation = Invitation {
        form: Invitation::FORM,
        id: InvitationId::new(now, service.ambient.random()),
        tenant: tenant.clone(),
        person,
        roles,
        secret: Digest::of(text.as_bytes()),
        made_by: by.clone(),
        created_at: now,
        expires_at: now.plus(service.config.console.invitation.get()),
        used_at: None,
        withdrawn_at: None,
    };
    let event = Event::InvitationMade {
        invitation: invitation.id,
        person: invitation.person.clone(),
        roles: invitation.roles.iter().copied().collect(),
        expires_at: invitation.expires_at,
    };
    change.entries.push(Entry::new(tenant.clone(), now, by, event));
    change.writes.push(Write::Invitation(invitation.clone()));
    service.commit(change).await?;
    Ok(NewInvitation { invitation, text })
}

/// Takes a link back.
///
/// # Errors
/// The caller is no admin, there is no such link, or it was used meanwhile.
pub async fn withdraw(service: &Service, caller: &Principal, id: InvitationId) -> Result<()> {
    service.require(caller, Role::Admin)?;
    let found = service.store.invitations(&caller.tenant).await?.into_iter().find(|invitation| invitation.id == id);
    let mut invitation = found.ok_or_else(|| ActionError::NotFound { what: "invitation", id: id.to_string() })?;
    let now = service.ambient.now();
    invitation.withdrawn_at = Some(now);
    let event = Event::InvitationWithdrawn { invitation: id };
    let entry = Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event);
    let expect = vec![Expectation::InvitationOpen { invitation: id }];
    service.commit(Change { expect, writes: vec![Write::Invitation(invitation)], entries: vec![entry] }).await?;
    Ok(())
}

/// The invitation whose link this is, while it works.
///
/// # Errors
/// The store failed.
pub async fn look(service: &Service, text: &str) -> Result<Option<Invitation>> {
    if !text.starts_with(PREFIX) {
        return Ok(None);
    }
    let found = service.store.invitation(&Digest::of(text.as_bytes())).await?;
    Ok(found.filter(|invitation| invitation.is_open(service.ambient.now())))
}

/// Sets the password of whom the link is for; `name` is asked of the first admin only. The link works no more.
///
/// # Errors
/// The link works no more, or the name or the password cannot be.
pub async fn accept(service: &Service, text: &str, name: Option<&str>, password: &Secret) -> Result<Account> {
    let Some(mut invitation) = look(service, text).await? else {
        return Err(ActionError::NotFound { what: "invitation", id: "of this link".to_owned() });
    };
    let person = match &invitation.person {
        Some(person) => person.clone(),
        None => {
            let name = PersonId::new(name.unwrap_or_default())
                .map_err(|why| ActionError::Invalid { pointer: "/name".to_owned(), message: why.to_string() })?;
            account_name(&name)?
        }
    };
    fits(&person, password)?;
    let before = service.store.account(&invitation.tenant, &person).await?;
    if invitation.person.is_none() && before.is_some() {
        let message = format!("there is an account `{person}` already: choose another name");
        return Err(ActionError::Invalid { pointer: "/name".to_owned(), message });
    }
    let hash = service.passwords.hash(password, service.ambient.random()).await?;
    let now = service.ambient.now();
    let mut expect = vec![Expectation::InvitationOpen { invitation: invitation.id }];
    expect.extend(before.as_ref().map(still));
    let mut account = before.unwrap_or_else(|| Account::of(&invitation.tenant, &person, now));
    account.password = Some(hash);
    account.changed_at = now;
    if let Actor::Person(by) = &invitation.made_by {
        account.changed_by = by.clone();
    }
    if account.roles.is_empty() {
        account.roles = invitation.roles.clone();
    }
    invitation.used_at = Some(now);
    let (tenant, actor) = (invitation.tenant.clone(), Actor::Person(person.clone()));
    let used = Event::InvitationUsed { invitation: invitation.id, person: person.clone() };
    let entries = [used, Event::PasswordSet { person: person.clone() }].map(|event| Entry::new(tenant.clone(), now, actor.clone(), event));
    let writes = vec![
        Write::Account(account.clone()),
        Write::Invitation(invitation),
        Write::SessionsEnded { tenant, person, except: None, at: now },
    ];
    service.commit(Change { expect, writes, entries: entries.into() }).await?;
    Ok(account)
}
