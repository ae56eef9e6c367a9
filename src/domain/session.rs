//! A signed-in browser: who sits before it, how they proved it, and until when it is believed.
//!
//! Never holds the cookie's text, only its digest. Never reads a clock.
// INVARIANT: a session has the roles its person had when it began; whoever changes a person's roles or password ends
// that person's sessions in the same change.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::SessionId,
    name::{PersonId, TenantId},
    principal::{Principal, Role},
    time::Timestamp,
    untrusted::Untrusted,
};

/// How the person proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// With the password of a local account.
    Password,
    /// At the single sign-on provider.
    Oidc,
}

impl SignIn {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Oidc => "oidc",
        }
    }
}

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Version of this stored form.
    pub form: u32,
    pub id: SessionId,
    pub tenant: TenantId,
    pub person: PersonId,
    pub roles: BTreeSet<Role>,
    /// SHA-256 of the cookie's text. Kept beside the document, never in it.
    #[serde(skip, default = "no_digest")]
    pub secret: Digest,
    pub sign_in: SignIn,
    /// The browser's own word for itself, cut: for the list of sessions only.
    pub agent: Untrusted,
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// When the person last proved to be there.
    pub proven_at: Timestamp,
    /// However much it is used, it ends then.
    pub ends_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

fn no_digest() -> Digest {
    Digest::from_bytes([0; 32])
}

impl Session {
    pub const FORM: u32 = 1;

    /// False when it was ended, its time is over, or nobody used it for longer than `idle`.
    pub fn is_live(&self, now: Timestamp, idle: Duration) -> bool {
        self.ended_at.is_none() && now < self.ends_at && now < self.seen_at.plus(idle)
    }

    pub fn principal(&self) -> Principal {
        Principal { person: self.person.clone(), tenant: self.tenant.clone(), roles: self.roles.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    fn session() -> Session {
        Session {
            form: Session::FORM,
            id: SessionId::new(at(0), 1),
            tenant: TenantId::default(),
            person: PersonId::new("ana").unwrap(),
            roles: BTreeSet::from([Role::Approver]),
            secret: Digest::of(b"cookie"),
            sign_in: SignIn::Password,
            agent: Untrusted::new("a browser"),
            created_at: at(0),
            seen_at: at(10),
            proven_at: at(0),
            ends_at: at(600),
            ended_at: None,
        }
    }

    #[test]
    fn a_session_ends_by_word_by_idleness_or_by_its_time() {
        let idle = Duration::from_secs(30 * 60);
        assert!(session().is_live(at(39), idle));
        assert!(!session().is_live(at(40), idle), "idle");
        assert!(!Session { seen_at: at(599), ..session() }.is_live(at(600), idle), "over");
        assert!(!Session { ended_at: Some(at(11)), ..session() }.is_live(at(12), idle), "ended");
    }

    #[test]
    fn the_stored_document_has_nothing_of_the_cookie() {
        let doc = serde_json::to_string(&session()).unwrap();
        assert!(!doc.contains("secret"), "{doc}");
        assert_eq!(serde_json::from_str::<Session>(&doc).unwrap(), Session { secret: no_digest(), ..session() });
    }
}
