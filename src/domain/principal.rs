//! Who acts: people and service accounts with roles, or Sluicegate itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::name::{PersonId, TenantId};

/// What a caller may do. Roles do not include each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works tickets: reads the queue, rejects and corrects.
    Responder,
    /// Approves executions and makes pre-approvals.
    Approver,
    /// Reads everything, changes nothing.
    Auditor,
    /// Runs the service: modes, kill switch, dead letters, connectors.
    Operator,
    /// Makes tokens and accounts.
    Admin,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Responder, Self::Approver, Self::Auditor, Self::Operator, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a role: choose from {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Principal {
    pub person: PersonId,
    pub tenant: TenantId,
    pub roles: BTreeSet<Role>,
}

impl Principal {
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// Who caused an entry of the action log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// Sluicegate itself.
    Engine,
    /// A configured sender.
    Source(super::name::SourceId),
    /// A person or service account.
    Person(PersonId),
}

/// An API token as stored: who it speaks for, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Token {
    pub id: super::id::TokenId,
    pub tenant: TenantId,
    pub person: PersonId,
    pub roles: BTreeSet<Role>,
    /// SHA-256 of the whole token text. The secret has 128 random bits, so a plain digest cannot be searched.
    #[serde(skip_serializing, default = "no_digest")]
    #[schema(ignore)]
    pub secret: super::digest::Digest,
    pub created_at: super::time::Timestamp,
    pub expires_at: Option<super::time::Timestamp>,
    pub revoked_at: Option<super::time::Timestamp>,
}

fn no_digest() -> super::digest::Digest {
    super::digest::Digest::from_bytes([0; 32])
}

impl Token {
    /// True when the token may be used at `now`.
    pub fn is_live(&self, now: super::time::Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    pub fn principal(&self) -> Principal {
        Principal { person: self.person.clone(), tenant: self.tenant.clone(), roles: self.roles.clone() }
    }
}
