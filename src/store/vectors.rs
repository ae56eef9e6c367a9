//! Vectors of resolved tickets as a store gives them out.

use crate::domain::{id::TicketId, name::TenantId};

/// The signs of one ticket's vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCode {
    /// Grows with every vector stored.
    pub place: u64,
    pub tenant: TenantId,
    pub code: Vec<u8>,
}

/// One ticket's vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVector {
    pub place: u64,
    pub ticket: TicketId,
    pub vector: Vec<u8>,
}

/// A vector to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVector {
    pub tenant: TenantId,
    pub ticket: TicketId,
    /// Of the ticket that was read: one that changed since gets its vector later.
    pub version: u64,
    pub code: Vec<u8>,
    pub vector: Vec<u8>,
}
