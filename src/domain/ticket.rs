//! The ticket: the normalised incident, service request, problem, change or alert, whatever sent it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::{DeliveryId, TicketId},
    name::{SourceId, TenantId},
    priority::Level,
    state::TicketState,
    time::Timestamp,
    untrusted::Untrusted,
};

/// The ITIL record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketKind {
    #[default]
    Incident,
    ServiceRequest,
    Problem,
    Change,
    Alert,
}

/// What the sender says happened to the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketEvent {
    #[default]
    Opened,
    Updated,
    Resolved,
}

/// Who asks. `id` is the sender's stable identifier and the only one compared; the rest is for display.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Requester {
    pub id: Untrusted,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Untrusted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Untrusted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Untrusted>,
}

/// What a sender's JSON says, in our words: an adapter's output, before the ticket has an id of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// The sender's stable id of the ticket. Two reports with one `(source, external_id)` are one ticket.
    pub external_id: String,
    /// The key people use, like `INC0012345`.
    pub external_key: Option<String>,
    /// Where people open the ticket. Shown as a link; never fetched.
    pub url: Option<Untrusted>,
    pub kind: TicketKind,
    pub event: TicketEvent,
    pub title: Untrusted,
    /// May be HTML, wiki text or an e-mail thread; normalising is `text`'s.
    pub body: Untrusted,
    /// True when the sender says that `body` is HTML.
    #[serde(default)]
    pub body_is_html: bool,
    pub requester: Option<Requester>,
    pub impact: Option<Level>,
    pub urgency: Option<Level>,
    pub category_hint: Option<Untrusted>,
    /// An alert's labels.
    pub labels: BTreeMap<String, Untrusted>,
    /// Structured fields of a help desk, like `ci`.
    pub attributes: BTreeMap<String, Untrusted>,
    pub tags: BTreeSet<Untrusted>,
    pub reported_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// A stored ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ticket {
    /// Version of this stored form.
    pub form: u32,
    pub id: TicketId,
    pub tenant: TenantId,
    pub source: SourceId,
    /// The delivery that brought the latest report.
    pub delivery: DeliveryId,
    pub report: Report,
    pub state: TicketState,
    /// Grows with every change of the ticket; approvals and compare-and-set bind to it.
    pub version: u64,
    pub received_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Ticket {
    pub const FORM: u32 = 1;

    /// The digest of what the sender said: the input of every decision on this version.
    ///
    /// # Errors
    /// Never for values this program makes; the canonical writer's signature has an error.
    pub fn input_digest(&self) -> Result<Digest, serde_json::Error> {
        super::canonical::digest(&(&self.source, &self.report))
    }

    /// Who asked, as caps and rates count it: the sender's stable id at this source. `None` when nobody did.
    pub fn requester_digest(&self) -> Option<Digest> {
        let requester = self.report.requester.as_ref()?;
        Some(Digest::of_parts([self.source.as_str().as_bytes(), requester.id.as_untrusted().as_bytes()]))
    }
}
