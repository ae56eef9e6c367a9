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
