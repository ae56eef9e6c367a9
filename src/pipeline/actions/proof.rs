//! That the person is there and not only their browser or token: their password, or a sign-on a moment ago.

use crate::{
    config::secret::Secret,
    domain::{
        account::Account,
        principal::Principal,
        session::{Session, SignIn},
    },
    pipeline::{
        actions::password::{self, account_name},
        error::{ActionError, Result},
        service::Service,
    },
};

/// What a dangerous change takes.
///
/// Read from a request it is a password: who comes with a token has no session.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(from = "Secret")]
pub enum Proof {
    Password(Secret),
    /// Of whoever has no password here: the session of a person who proved to the provider that they are there.
    SignedIn(Box<Session>),
}

impl From<Secret> for Proof {
    fn from(password: Secret) -> Self {
        Self::Password(password)
    }
}

impl Proof {
    /// What a person in this session gives: who signed in elsewhere has no password to type.
    pub fn of(session: &Session, password: Secret) -> Self {
        match session.sign_in {
            SignIn::Password => Self::Password(password),
            SignIn::Oidc => Self::SignedIn(Box::new(session.clone())),
        }
    }

    /// Whether this session's person proved recently enough that they are there.
    pub fn is_fresh(service: &Service, session: &Session) -> bool {
        session.sign_in == SignIn::Oidc && service.ambient.now() < session.proven_at.plus(service.config.console.prove_again.get())
    }
}

/// The caller's account, when the proof holds.
///
/// # Errors
/// [`ActionError::NotProven`], alike for everything that is wrong.
pub async fn prove(service: &Service, caller: &Principal, proof: &Proof) -> Result<Account> {
    match proof {
        Proof::Password(password) => password::prove(service, caller, password).await,
        Proof::SignedIn(session) => {
            let own = session.person == account_name(&caller.person)? && session.tenant == caller.tenant;
            let account = service.store.account(&caller.tenant, &session.person).await?;
            let usable = account.filter(|account| account.disabled_at.is_none() && account.subject.is_some());
            usable.filter(|_| own && Proof::is_fresh(service, session)).ok_or(ActionError::NotProven)
        }
    }
}
