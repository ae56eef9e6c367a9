//! Who works on a ticket, and until when nobody wants to see it.
//!
//! Apart from the ticket itself, so that taking one never conflicts with what the pipeline does to it.

use serde::{Deserialize, Serialize};

use super::{
    id::TicketId,
    name::{PersonId, TenantId},
    time::Timestamp,
};

/// How people handle one ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Handling {
    pub tenant: TenantId,
    pub ticket: TicketId,
    /// Who took it.
    pub assignee: Option<PersonId>,
    /// Until then it is not in the queue.
    pub snoozed_until: Option<Timestamp>,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
}

impl Handling {
    /// Nobody took it.
    pub fn of(tenant: TenantId, ticket: TicketId) -> Self {
        Self { tenant, ticket, assignee: None, snoozed_until: None, revision: 0 }
    }
}
