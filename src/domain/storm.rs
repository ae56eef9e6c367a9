//! Tickets of one cause: a major-incident candidate.

use serde::{Deserialize, Serialize};

use super::{
    id::{StormId, TicketId},
    name::TenantId,
    time::Timestamp,
};

/// A cluster of near-duplicates that grew past the limit. Raised once; its members run nothing by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Storm {
    /// Version of this stored form.
    pub form: u32,
    pub id: StormId,
    pub tenant: TenantId,
    /// The ticket that came first: the candidate for the major incident.
    pub first: TicketId,
    /// Tickets inside the window when it was raised.
    pub size: u64,
    pub detected_at: Timestamp,
}

impl Storm {
    pub const FORM: u32 = 1;
}
