//! A person's account: what they may do, and by which password they prove that it is they.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    name::{PersonId, TenantId},
    principal::Role,
    time::Timestamp,
};

/// An account as stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Version of this stored form.
    pub form: u32,
    pub tenant: TenantId,
    pub person: PersonId,
    /// Argon2id hash of the password as a PHC string; `None` for who signs in elsewhere. Kept beside the document, never
    /// in it.
    #[serde(skip)]
    pub password: Option<String>,
    /// Who signs in with it at the single sign-on provider; `None` for a local account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What the person may do when signed in to the console; none for an account that only proves who calls.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// Since when nobody may sign in with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
    pub changed_at: Timestamp,
    pub changed_by: PersonId,
}

/// An identity at a provider. Names there may change; this does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub issuer: String,
    pub subject: String,
}

impl Account {
    /// 2 added `roles` and `disabled_at`: a program that does not know them would let a disabled account prove itself.
    /// 3 added `subject`: one that does not know it would give the name to whoever comes first.
    pub const FORM: u32 = 3;

    /// One that may do nothing and proves nothing yet.
    pub fn of(tenant: &TenantId, person: &PersonId, now: Timestamp) -> Self {
        Self {
            form: Self::FORM,
            tenant: tenant.clone(),
            person: person.clone(),
            password: None,
            subject: None,
            roles: BTreeSet::new(),
            disabled_at: None,
            changed_at: now,
            changed_by: person.clone(),
        }
    }
}

// Not derived: a hash in a log line can be attacked offline.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({} of {})", self.person, self.tenant)
    }
}
