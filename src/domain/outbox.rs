//! Messages that leave: write-backs to a help desk and outgoing webhooks, queued in the transaction of the change.

use serde::{Deserialize, Serialize};

use super::{
    id::{OutboxId, TicketId},
    name::{SourceId, TenantId},
    time::Timestamp,
};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Destination {
    /// Back to the help desk that sent the ticket.
    HelpDesk(SourceId),
    /// A configured webhook endpoint, by its name.
    Webhook(String),
}

impl Destination {
    /// One text per destination, for the store's keys.
    pub fn key(&self) -> String {
        match self {
            Self::HelpDesk(source) => format!("help_desk/{source}"),
            Self::Webhook(name) => format!("webhook/{name}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// A comment and field changes on the sender's ticket.
    WriteBack {
        external_id: String,
        /// Plain text, already redacted.
        comment: String,
        /// `None` leaves it as it is.
        priority: Option<super::priority::Priority>,
        /// True sets the sender's ticket to solved.
        resolved: bool,
        tags: Vec<String>,
    },
    /// An event for an outgoing webhook: CloudEvents type and data.
    Event { event_type: String, data: serde_json::Value },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    Waiting,
    Delivered,
    /// Gave up; a person may replay it.
    Dead,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutboxMessage {
    /// Version of this stored form.
    pub form: u32,
    /// Also the idempotency mark: read before write finds it at the receiver.
    pub id: OutboxId,
    pub tenant: TenantId,
    /// `None` when it is about no ticket, like a runbook's demotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    pub destination: Destination,
    pub message: Message,
    pub state: OutboxState,
    /// Sends begun so far. A message with more than none may already be at the receiver.
    pub attempts: u32,
    pub created_at: Timestamp,
    pub next_attempt_at: Timestamp,
    pub last_error: Option<String>,
}

impl OutboxMessage {
    pub const FORM: u32 = 1;

    /// The words by which a comment of ours is known again, on a line of their own.
    pub fn mark(id: OutboxId) -> String {
        format!("{MARK}{id}]")
    }

    /// The message whose mark `line` is; a quoted or made-up mark is none.
    pub fn marked(line: &str) -> Option<OutboxId> {
        line.trim().strip_prefix(MARK)?.strip_suffix(']')?.parse().ok()
    }
}

const MARK: &str = "[sluicegate:";
