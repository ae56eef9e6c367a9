//! A link that works once: with it a person sets the password of their account.
//!
//! The first admin, a new colleague and a forgotten password are this one thing. Never holds the link's secret, only its
//! digest. Never reads a clock.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::InvitationId,
    name::{PersonId, TenantId},
    principal::{Actor, Role},
    time::Timestamp,
};

/// An invitation as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Version of this stored form.
    pub form: u32,
    pub id: InvitationId,
    pub tenant: TenantId,
    /// Whom it is for; `None` for the first admin, who says their own name.
    pub person: Option<PersonId>,
    /// The roles that the account will have; empty for an account that keeps those it has.
    pub roles: BTreeSet<Role>,
    /// SHA-256 of the link's secret. Kept beside the document, never in it.
    #[serde(skip, default = "no_digest")]
    pub secret: Digest,
    pub made_by: Actor,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// Another was made in its place, or an admin took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Timestamp>,
}

fn no_digest() -> Digest {
    Digest::from_bytes([0; 32])
}

impl Invitation {
    pub const FORM: u32 = 1;

    /// True when the link may be used at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.withdrawn_at.is_none() && now < self.expires_at
    }
}
