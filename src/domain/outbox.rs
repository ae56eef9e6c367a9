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
        /// `None` leaves it as it is; so do the next two.
        priority: Option<super::priority::Priority>,
        /// In our words; the help desk's are a matter of configuration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignment_group: Option<String>,
        /// True brings the sender's ticket to its end.
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

    /// The message whose mark `line` is, plain or inside the Markdown comment that hides it; a quoted or made-up mark is none.
    pub fn marked(line: &str) -> Option<OutboxId> {
        let line = line.trim();
        let line = line.strip_prefix("<!--").and_then(|line| line.strip_suffix("-->")).map_or(line, str::trim);
        line.strip_prefix(MARK)?.strip_suffix(']')?.parse().ok()
    }
}

const MARK: &str = "[sluicegate:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_back_from_before_categories_and_groups_is_read() {
        let stored = r#"{"kind":"write_back","external_id":"42","comment":"c","priority":"P2","resolved":true,"tags":["sluicegate:x"]}"#;
        let read: Message = serde_json::from_str(stored).unwrap();
        let expected = Message::WriteBack {
            external_id: "42".to_owned(),
            comment: "c".to_owned(),
            priority: Some(super::super::priority::Priority::P2),
            category: None,
            assignment_group: None,
            resolved: true,
            tags: vec!["sluicegate:x".to_owned()],
        };
        assert_eq!(read, expected);
        assert_eq!(serde_json::to_string(&read).unwrap(), stored, "and an older program reads what has none");
    }

    #[test]
    fn a_mark_is_known_plain_and_hidden_in_markdown() {
        let id = OutboxId::new(Timestamp::from_millis(1_700_000_000_000), 7);
        let mark = OutboxMessage::mark(id);
        for line in [mark.clone(), format!("  {mark}\r"), format!("<!-- {mark} -->"), format!("<!--{mark}-->")] {
            assert_eq!(OutboxMessage::marked(&line), Some(id), "{line}");
        }
        for line in [format!("> {mark}"), format!("<!-- {mark}"), format!("{mark} -->"), "<!-- -->".to_owned()] {
            assert_eq!(OutboxMessage::marked(&line), None, "{line}");
        }
    }
}
