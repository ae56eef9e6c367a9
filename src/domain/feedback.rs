//! A person's correction: what a label of a ticket should have been. The next training learns from those that pass.
//!
//! Nothing of the ticket's text is in here, so the log and lists may show it.
// INVARIANT: a correction never changes; what another person rules about it stands beside it.

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::{FeedbackId, TicketId},
    name::{PersonId, TenantId},
    principal::Role,
    time::Timestamp,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Feedback {
    /// Version of this stored form.
    pub form: u32,
    pub id: FeedbackId,
    pub tenant: TenantId,
    pub ticket: TicketId,
    pub ticket_version: u64,
    /// The ticket's words with numbers, hosts and other particulars taken out: near-equal tickets share it.
    pub shape: Digest,
    /// Which label: `category`, `assignment_group`, `priority`, or another target of the model.
    pub target: String,
    pub label: String,
    /// The likeliest label that the model had, given or not.
    pub said: Option<String>,
    /// Its probability, in `0..=1`.
    pub probability: f64,
    /// The model that said so.
    pub model: Digest,
    pub by: PersonId,
    /// The author's roles at that time.
    pub roles: Vec<Role>,
    pub at: Timestamp,
    pub ruling: Option<Ruling>,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
}

impl Feedback {
    pub const FORM: u32 = 1;
}

/// Another person's word on a correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ruling {
    /// Learn from it, or never do.
    pub kept: bool,
    pub by: PersonId,
    pub at: Timestamp,
    pub reason: String,
}
