//! Messages that leave: write-backs to a help desk, outgoing webhooks, chats and mail, queued in the transaction of the
//! change that they speak of.

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
    /// A configured chat, by its name: its URL is a secret.
    Chat(String),
    /// A configured recipient of mail, by its name: the address itself is not put into the log, which forgets nothing.
    Mail(String),
}

impl Destination {
    /// One text per destination, for the store's keys.
    pub fn key(&self) -> String {
        match self {
            Self::HelpDesk(source) => format!("help_desk/{source}"),
            Self::Webhook(name) => format!("webhook/{name}"),
            Self::Chat(name) => format!("chat/{name}"),
            Self::Mail(name) => format!("mail/{name}"),
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
    /// Words for people, in a chat or by mail.
    Notice(Notice),
}

/// What people are told. Redacted plain text that may quote a ticket: whoever sends it escapes it for where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Notice {
    pub occasion: Occasion,
    /// One line.
    pub title: String,
    pub lines: Vec<String>,
    /// Where to look and decide. Made of our own address and an id, never of a ticket's words.
    pub link: Option<String>,
}

/// Every CloudEvents type that is sent.
pub const EVENT_TYPES: [&str; 7] = [
    "ticket.triaged",
    "recommendation.created",
    "execution.finished",
    "runbook.demoted",
    "pre_approval.voided",
    "checkpoint.published",
    "webhook.disabled",
];

/// What people may want to be told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A proposal waits for a person's yes.
    NeedsApproval,
    /// Nobody can say whether a run's change was made.
    InDoubt,
    /// A run failed, or was rolled back.
    Failed,
    /// A runbook lost its automation.
    Demoted,
    /// The kill switch was pulled or released.
    KillSwitch,
    /// Many near-duplicates came in a short time.
    Storm,
    /// A webhook endpoint failed for so long that nothing is sent to it any more.
    EndpointDisabled,
    /// A digest by mail; no chat gets one.
    Digest,
}

impl Occasion {
    /// What a chat may be told of.
    pub const OF_CHATS: [Self; 7] =
        [Self::NeedsApproval, Self::InDoubt, Self::Failed, Self::Demoted, Self::KillSwitch, Self::Storm, Self::EndpointDisabled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsApproval => "needs_approval",
            Self::InDoubt => "in_doubt",
            Self::Failed => "failed",
            Self::Demoted => "demoted",
            Self::KillSwitch => "kill_switch",
            Self::Storm => "storm",
            Self::EndpointDisabled => "endpoint_disabled",
            Self::Digest => "digest",
        }
    }
}

/// What became of one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Begun and never ended: a crash came between, and the receiver may have got it.
    Begun,
    Delivered,
    /// Not delivered, and tried again when its time comes.
    Failed,
    /// Not delivered, and trying again cannot help.
    Refused,
}

/// One send, for whoever asks why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub at: Timestamp,
    pub outcome: AttemptOutcome,
    /// From the first byte asked for to the answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// The receiver's HTTP status. A write-back may take several calls: its error says which failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
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
    /// Sends begun before the schedule of tries was last started anew, by a person or by a disabled endpoint.
    #[serde(default)]
    pub earlier_attempts: u32,
    /// The latest sends, oldest first.
    #[serde(default)]
    pub log: Vec<Attempt>,
}

/// Sends kept on a message: ten rounds of the schedule.
const LOGGED: usize = 100;

impl OutboxMessage {
    /// 2 added `earlier_attempts` and `log`.
    pub const FORM: u32 = 2;

    /// A message that waits for its first send.
    pub fn queued(
        tenant: TenantId,
        ticket: Option<TicketId>,
        id: OutboxId,
        destination: Destination,
        message: Message,
        now: Timestamp,
    ) -> Self {
        Self {
            form: Self::FORM,
            id,
            tenant,
            ticket,
            destination,
            message,
            state: OutboxState::Waiting,
            attempts: 0,
            created_at: now,
            next_attempt_at: now,
            last_error: None,
            earlier_attempts: 0,
            log: Vec::new(),
        }
    }

    /// A send begins. The time of the next one stays: a crash in the middle says nothing of the receiver, so the message
    /// is tried again as soon as it can be claimed, reading before writing.
    pub fn begin(&mut self, now: Timestamp) {
        self.form = Self::FORM;
        self.attempts += 1;
        self.log.drain(..self.log.len().saturating_sub(LOGGED - 1));
        self.log.push(Attempt { number: self.attempts, at: now, outcome: AttemptOutcome::Begun, took_ms: None, status: None, error: None });
    }

    /// Sends of the schedule's current round.
    pub const fn round(&self) -> u32 {
        self.attempts.saturating_sub(self.earlier_attempts)
    }

    /// Starts the schedule anew; the message keeps its id, so a receiver that has it knows it again.
    pub fn start_anew(&mut self, now: Timestamp) {
        self.form = Self::FORM;
        self.state = OutboxState::Waiting;
        self.earlier_attempts = self.attempts;
        self.next_attempt_at = now;
    }

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

    /// As the first form was stored.
    const FORM_1: &str = r#"{"attempts":1,"created_at":"2023-11-14T22:13:20.000Z","destination":{"kind":"webhook","name":"ops"},"form":1,"id":"out_01hf7yat800000000000000001","last_error":"the endpoint answered 503","message":{"data":{"n":1},"event_type":"ticket.triaged","kind":"event"},"next_attempt_at":"2023-11-14T22:13:25.000Z","state":"waiting","tenant":"default","ticket":"tkt_01hf7yat800000000000000002"}"#;

    #[test]
    fn the_first_form_reads_and_is_written_as_the_newest_from_its_next_send_on() {
        let mut message: OutboxMessage = serde_json::from_str(FORM_1).unwrap();
        assert_eq!((message.form, message.attempts, message.round(), message.log.len()), (1, 1, 1, 0));
        message.begin(Timestamp::from_millis(1_700_000_005_000));
        assert_eq!((message.form, message.attempts, message.log[0].number), (2, 2, 2));
        let stored = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<OutboxMessage>(&stored).unwrap(), message);
    }

    #[test]
    fn a_message_keeps_its_latest_sends_and_a_new_round_counts_from_none() {
        let mut message: OutboxMessage = serde_json::from_str(FORM_1).unwrap();
        for second in 0..150 {
            message.begin(Timestamp::from_millis(second * 1000));
        }
        assert_eq!((message.log.len(), message.log[0].number, message.log[99].number), (100, 52, 151));
        message.start_anew(Timestamp::UNIX_EPOCH);
        assert_eq!((message.attempts, message.round()), (151, 0));
    }

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
