//! API tokens: made once, shown once, stored as a digest.

use std::collections::BTreeSet;

use crate::{
    domain::{
        digest::Digest,
        entry::{Entry, Event},
        id::TokenId,
        name::{PersonId, TenantId},
        principal::{Actor, Role, Token},
        time::Timestamp,
    },
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Write},
};

/// A token's text begins with this, so that secret scanners can find leaked ones.
const PREFIX: &str = "slg_";

/// A new token with the only copy of its text.
#[derive(Debug)]
pub struct NewToken {
    pub token: Token,
    pub text: String,
}

/// Makes a token for `person`. Whoever may call this is the caller's business: the command line trusts whoever
/// can write the database, the API asks for the admin role.
///
/// # Errors
/// No role given, or the store failed.
pub async fn create(
    service: &Service,
    by: Actor,
    tenant: TenantId,
    person: PersonId,
    roles: BTreeSet<Role>,
    expires_at: Option<Timestamp>,
) -> Result<NewToken> {
    if roles.is_empty() {
        return Err(ActionError::Invalid {
            pointer: "/roles".to_owned(),
            message: format!("a token needs a role: choose from {}", Role::ALL.map(Role::as_str).join(", ")),
        });
    }
    let now = service.ambient.now();
    let text = format!("{PREFIX}{:032x}{:032x}", service.ambient.random(), service.ambient.random());
    let token = Token {
        id: TokenId::new(now, service.ambient.random()),
        tenant: tenant.clone(),
        person: person.clone(),
        roles: roles.clone(),
        secret: Digest::of(text.as_bytes()),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    let event = Event::TokenCreated { token: token.id, person, roles: roles.into_iter().collect() };
    let change = Change { expect: vec![], writes: vec![Write::Token(token.clone())], entries: vec![Entry::new(tenant, now, by, event)] };
    service.commit(change).await?;
    Ok(NewToken { token, text })
}

/// Ends a token at once.
///
/// # Errors
/// No such token in the tenant, or the store failed.
pub async fn revoke(service: &Service, by: Actor, tenant: &TenantId, id: TokenId) -> Result<Token> {
    let mut token = service
        .store
        .tokens(tenant)
        .await?
        .into_iter()
        .find(|token| token.id == id)
        .ok_or_else(|| ActionError::NotFound { what: "token", id: id.to_string() })?;
    let now = service.ambient.now();
    token.revoked_at = Some(now);
    let event = Event::TokenRevoked { token: id, person: token.person.clone() };
    let change =
        Change { expect: vec![], writes: vec![Write::Token(token.clone())], entries: vec![Entry::new(tenant.clone(), now, by, event)] };
    service.commit(change).await?;
    Ok(token)
}
