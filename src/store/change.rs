//! A change of state as a value: what must hold, what is written, what the action log says of it.
//!
//! One change is one transaction. Because it is a value, stores can group changes that arrive together into
//! one durable commit, and a fault injector can fail any of them.
// INVARIANT: whoever writes a new state of a ticket, recommendation, execution, pre-approval, mode or token puts the
// log entry that says so into the same change (`tests/it/way_world.rs` holds every state against the log).

use std::time::Duration;

use super::vectors::NewVector;
use crate::domain::{
    account::Account,
    approval::{Caps, Modes, PreApproval},
    delivery::{DeadLetter, Delivery},
    digest::Digest,
    dual_authorization::DualAuthorization,
    endpoint::Endpoint,
    entry::Entry,
    execution::Execution,
    feedback::Feedback,
    handling::Handling,
    id::{
        DeadLetterId, DeliveryId, DualAuthorizationId, ExecutionId, FeedbackId, InvitationId, OutboxId, PreApprovalId, RecommendationId,
        SessionId, TicketId,
    },
    invitation::Invitation,
    model::{Models, ShadowAnswer},
    name::{PersonId, RunbookId, SourceId, TenantId},
    outbox::OutboxMessage,
    outcome::Outcome,
    principal::Token,
    recommendation::Recommendation,
    session::Session,
    storm::Storm,
    ticket::Ticket,
    time::Timestamp,
};

/// Conditions, writes and log entries that stand or fall together.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub expect: Vec<Expectation>,
    pub writes: Vec<Write>,
    pub entries: Vec<Entry>,
}

impl Change {
    /// Both, as one change.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.expect.extend(other.expect);
        self.writes.extend(other.writes);
        self.entries.extend(other.entries);
        self
    }
}

/// Something that must hold when the change commits; the first that does not gives a [`Conflict`].
#[derive(Debug, Clone)]
pub enum Expectation {
    /// The source has sent nothing under this key yet.
    NewDelivery {
        tenant: TenantId,
        source: SourceId,
        dedup_key: String,
    },
    /// No ticket stands for this external id yet.
    NewTicket {
        tenant: TenantId,
        source: SourceId,
        external_id: String,
    },
    /// The stored ticket has exactly this version.
    TicketVersion {
        ticket: TicketId,
        version: u64,
    },
    RecommendationRevision {
        recommendation: RecommendationId,
        revision: u64,
    },
    ExecutionRevision {
        execution: ExecutionId,
        revision: u64,
    },
    /// The message waits and this many sends have begun.
    MessageAttempts {
        message: OutboxId,
        attempts: u32,
    },
    /// The message was delivered or given up after exactly so many sends.
    MessageSettled {
        message: OutboxId,
        attempts: u32,
    },
    /// The webhook endpoint has exactly this revision; 0 when nothing is stored of it.
    EndpointRevision {
        tenant: TenantId,
        destination: String,
        revision: u64,
    },
    ModesRevision {
        tenant: TenantId,
        revision: u64,
    },
    ModelsRevision {
        revision: u64,
    },
    /// No storm was raised for this first ticket.
    NewStorm {
        first: TicketId,
    },
    FeedbackRevision {
        feedback: FeedbackId,
        revision: u64,
    },
    /// The key is unused; a used one gives [`Conflict::IdempotencyKeyUsed`] with its first answer.
    NewIdempotencyKey {
        tenant: TenantId,
        key: String,
    },
    /// One more automatic execution stays inside the caps. Counted in the commit itself, so it is exact
    /// however many workers commit at once.
    WithinCaps {
        tenant: TenantId,
        runbook: RunbookId,
        target: Digest,
        requester: Option<Digest>,
        caps: Caps,
        now: Timestamp,
    },
    /// The outcome of the proposal has exactly this revision; 0 when none is known.
    OutcomeRevision {
        recommendation: RecommendationId,
        revision: u64,
    },
    /// The dual authorization has exactly this revision.
    DualAuthorizationRevision {
        authorization: DualAuthorizationId,
        revision: u64,
    },
    /// The account was last changed at exactly this time.
    AccountChangedAt {
        tenant: TenantId,
        person: PersonId,
        changed_at: Timestamp,
    },
    /// The pre-approval is there, neither revoked nor voided.
    PreApprovalStands {
        pre_approval: PreApprovalId,
    },
    /// How people handle the ticket has exactly this revision; 0 when nobody touched it.
    HandlingRevision {
        ticket: TicketId,
        revision: u64,
    },
    /// The session was not ended.
    SessionStands {
        session: SessionId,
    },
    /// The link was neither used nor taken back.
    InvitationOpen {
        invitation: InvitationId,
    },
    /// The dead letter is still there.
    DeadLetterWaits {
        dead_letter: DeadLetterId,
    },
}

/// One row made or replaced.
#[derive(Debug, Clone)]
pub enum Write {
    Delivery(Delivery),
    DeadLetter(DeadLetter),
    DeadLetterReplayed(DeadLetterId),
    /// `shape` is the digest of the text with numbers and names taken out; equal shapes in a short time are a storm.
    Ticket {
        ticket: Box<Ticket>,
        shape: Digest,
    },
    Recommendation(Box<Recommendation>),
    Execution(Box<Execution>),
    Message(Box<OutboxMessage>),
    /// With a change from or to disabled, every waiting message of the endpoint is held back or let go.
    Endpoint(Endpoint),
    /// Something arrived at the endpoint: one that was failing works again. One that is disabled stays so, and of one
    /// that worked nothing is written.
    EndpointWorks {
        tenant: TenantId,
        destination: String,
    },
    PreApproval(PreApproval),
    Modes {
        tenant: TenantId,
        modes: Modes,
    },
    Models(Models),
    Feedback(Box<Feedback>),
    Storm(Storm),
    /// Of a resolved ticket; left out when the ticket changed since it was read.
    TicketVector(NewVector),
    /// The embedding that vectors are of from now on. Those of another one go.
    VectorSpace(Digest),
    ShadowAnswer(ShadowAnswer),
    Token(Token),
    Outcome(Box<Outcome>),
    DualAuthorization(Box<DualAuthorization>),
    Account(Account),
    /// The ticket is there already, or comes in the same change.
    Handling(Handling),
    Session(Box<Session>),
    /// The session was used.
    SessionSeen {
        session: SessionId,
        at: Timestamp,
    },
    /// Every session of the person ends, but for the one named.
    SessionsEnded {
        tenant: TenantId,
        person: PersonId,
        except: Option<SessionId>,
        at: Timestamp,
    },
    Invitation(Invitation),
    IdempotencyKey {
        tenant: TenantId,
        key: String,
        request: Digest,
        answer: serde_json::Value,
        at: Timestamp,
    },
}

/// A condition of the change that did not hold. Nothing was written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Conflict {
    #[error("delivery `{first}` already brought this")]
    DuplicateDelivery { first: DeliveryId, tickets: Vec<TicketId> },
    #[error("ticket `{ticket}` already stands for this external id")]
    TicketExists { ticket: TicketId },
    #[error("{what} `{id}` changed: expected revision {expected}, found {}", found.map_or("none".to_owned(), |found| found.to_string()))]
    Changed { what: &'static str, id: String, expected: u64, found: Option<u64> },
    #[error("the idempotency key was used before")]
    IdempotencyKeyUsed { request: Digest, answer: serde_json::Value },
    #[error("the cap `{cap}` of runbook `{runbook}` is used up: {used} of {limit}")]
    CapReached { runbook: RunbookId, cap: &'static str, used: u64, limit: u64 },
    #[error("dead letter `{dead_letter}` was already replayed")]
    DeadLetterGone { dead_letter: DeadLetterId },
}

/// What a change became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Index in the action log of the change's first entry; the log's size when it had none.
    pub first_index: u64,
}

/// Caps count automatic executions created in this window.
pub const CAP_WINDOW: Duration = Duration::from_secs(3600);
