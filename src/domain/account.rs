//! A person's account: by which password they prove, once more, that it is they.

use serde::{Deserialize, Serialize};

use super::{
    name::{PersonId, TenantId},
    time::Timestamp,
};

/// An account as stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Version of this stored form.
    pub form: u32,
    pub tenant: TenantId,
    pub person: PersonId,
    /// Argon2id hash of the password as a PHC string. Kept beside the document, never in it.
    #[serde(skip)]
    pub password: String,
    pub changed_at: Timestamp,
    pub changed_by: PersonId,
}

impl Account {
    pub const FORM: u32 = 1;
}

// Not derived: a hash in a log line can be attacked offline.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({} of {})", self.person, self.tenant)
    }
}
