//! What any store does, and what holds after a crash.
//!
//! * [`Store::commit`] returns `Ok` only after the change is on disk to the degree that `kill -9` and a power
//!   cut cannot take it back. `Err(Conflict)` and `Err(Overloaded)` wrote nothing. `Err(Unavailable)` wrote
//!   nothing that this process has seen; a replica may find the change there, so callers retry under the
//!   same conditions and learn from the conflict.
//! * Reads see every commit that returned before they began.
//! * A claim hides work from other claimers until its lease ends; it grants nothing. Two workers on one piece
//!   of work are told apart by the revisions their changes expect, so the slower one's commit fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{
    change::{Change, Committed, Conflict},
    vectors::{StoredCode, StoredVector},
    worklist::{Order, ResponseTargets, Tally, TicketRow, Wanted, WorklistCounts},
};
use crate::domain::{
    account::Account,
    approval::{Modes, PreApproval},
    delivery::{DeadLetter, Delivery},
    digest::Digest,
    dual_authorization::DualAuthorization,
    endpoint::Endpoint,
    entry::Entry,
    execution::{Execution, ExecutionState},
    feedback::Feedback,
    handling::Handling,
    id::{DeadLetterId, DeliveryId, DualAuthorizationId, ExecutionId, FeedbackId, OutboxId, RecommendationId, StormId, TicketId},
    invitation::Invitation,
    model::{Models, ShadowPair},
    name::{PersonId, RunbookId, SourceId, TenantId},
    outbox::{OutboxMessage, OutboxState},
    outcome::Outcome,
    principal::Token,
    recommendation::{Recommendation, RecommendationState},
    session::Session,
    state::TicketState,
    storm::Storm,
    ticket::Ticket,
    time::Timestamp,
};

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Too much waits for the disk; try again in a second.
    #[error("the store has more waiting than it can write soon: {waiting} changes")]
    Overloaded { waiting: usize },
    /// The disk, the database or the network said no.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A stored form that this program cannot read.
    #[error("stored {what} `{id}` cannot be read: {why}")]
    Unreadable { what: &'static str, id: String, why: String },
}

impl StoreError {
    /// True when asking again later may help: it is about the moment and not about what was asked.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overloaded { .. })
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// One page of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<Cursor> {
    /// Only what is older than this.
    pub before: Option<Cursor>,
    /// At most this many; stores cap it at 500.
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
pub struct TicketFilter {
    /// Empty means any.
    pub states: Vec<TicketState>,
    pub source: Option<SourceId>,
}

#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    pub ticket: Option<TicketId>,
    pub runbook: Option<RunbookId>,
    /// The event's tag.
    pub event: Option<String>,
    /// The actor's id, whatever its kind.
    pub actor: Option<String>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// An entry with its place in the log and the bytes its leaf was taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEntry {
    pub index: u64,
    pub entry: Entry,
    pub bytes: Vec<u8>,
}

/// Automatic executions counted for the caps at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapUse {
    pub runbook_hour: u64,
    pub target_hour: u64,
    pub requester_hour: u64,
    pub running: u64,
}

/// Would-be automatic decisions of one runbook version whose outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutcomeRecord {
    pub known: u64,
    pub wrong: u64,
}

/// What is known of one automatic run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutomaticOutcome {
    pub recommendation: RecommendationId,
    pub wrong: bool,
}

/// How many proposals of one runbook version the gate would have let run, had the runbook been trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldAct {
    pub runbook: RunbookId,
    pub digest: Digest,
    pub decisions: u64,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies one change, all or nothing, durably.
    async fn commit(&self, change: Change) -> Result<Committed>;

    /// Every entry of the action log committed through this store from now on, whoever commits it. For waking
    /// workers and live views: a slow listener loses some, so nobody may rely on hearing all.
    fn listen(&self) -> broadcast::Receiver<Arc<Entry>>;

    // Work to be done. Claims cross tenants: workers serve all of them.

    /// Tickets in state `received`, oldest first, that no live lease hides.
    async fn claim_tickets(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Ticket>>;
    /// Executions that are not final and whose `not_before` has come, that no live lease hides.
    async fn claim_executions(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Execution>>;
    /// Waiting messages whose `next_attempt_at` has come, that no live lease hides, and whose endpoint is not disabled; of
    /// one ticket and destination only the oldest, so order per ticket holds. Of one destination at most `each` are hidden
    /// by live leases at a time, so that a receiver that hangs does not keep the others waiting.
    async fn claim_messages(&self, now: Timestamp, lease: Duration, limit: usize, each: usize) -> Result<Vec<OutboxMessage>>;
    /// Open recommendations that await approval and whose `expires_at` has passed.
    async fn expired_recommendations(&self, now: Timestamp, limit: usize) -> Result<Vec<Recommendation>>;
    /// Pre-approvals neither revoked nor voided, of every tenant, expired ones too; oldest first.
    async fn standing_pre_approvals(&self) -> Result<Vec<PreApproval>>;
    /// Ends the lease of a ticket so that it is claimed again at once.
    async fn release_ticket(&self, ticket: TicketId) -> Result<()>;
    async fn release_execution(&self, execution: ExecutionId) -> Result<()>;
    /// Ends the lease of a message, so that the time of its next try alone says when it is claimed again.
    async fn release_message(&self, message: OutboxId) -> Result<()>;

    // Reads. `tenant` comes from the caller's identity, never from a parameter.

    async fn ticket(&self, tenant: &TenantId, id: TicketId) -> Result<Option<Ticket>>;
    async fn ticket_of(&self, tenant: &TenantId, source: &SourceId, external_id: &str) -> Result<Option<Ticket>>;
    async fn tickets(&self, tenant: &TenantId, filter: &TicketFilter, page: Page<TicketId>) -> Result<Vec<Ticket>>;
    async fn ticket_counts(&self, tenant: &TenantId) -> Result<BTreeMap<TicketState, u64>>;
    /// Lists of tickets, at most 500 rows; what falls due is counted from `targets`, what is awake from `now`.
    async fn ticket_rows(
        &self,
        tenant: &TenantId,
        wanted: &Wanted,
        order: Order,
        limit: usize,
        targets: ResponseTargets,
        now: Timestamp,
    ) -> Result<Vec<TicketRow>>;
    /// How much waits for people, and how much of it each of them took.
    async fn worklist_counts(&self, tenant: &TenantId, now: Timestamp) -> Result<WorklistCounts>;
    /// Every category that a ticket was given, by name.
    async fn ticket_categories(&self, tenant: &TenantId) -> Result<Vec<String>>;
    /// Tickets received and runs begun at or after `since`, counted. Reads all of them: for a report that is kept a while.
    async fn tally(&self, tenant: &TenantId, since: Timestamp) -> Result<Tally>;
    /// How people handle the ticket; `None` when there is no such ticket.
    async fn handling(&self, tenant: &TenantId, ticket: TicketId) -> Result<Option<Handling>>;
    /// Tickets of this shape received at or after `since`.
    async fn shape_count(&self, tenant: &TenantId, shape: &Digest, since: Timestamp) -> Result<u64>;
    async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>>;
    async fn dead_letters(&self, tenant: &TenantId, page: Page<DeadLetterId>) -> Result<Vec<DeadLetter>>;
    async fn dead_letter(&self, tenant: &TenantId, id: DeadLetterId) -> Result<Option<DeadLetter>>;
    async fn recommendation(&self, tenant: &TenantId, id: RecommendationId) -> Result<Option<Recommendation>>;
    /// The newest recommendation of the ticket.
    async fn recommendation_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Option<Recommendation>>;
    async fn recommendations(
        &self,
        tenant: &TenantId,
        state: Option<RecommendationState>,
        page: Page<RecommendationId>,
    ) -> Result<Vec<Recommendation>>;
    async fn execution(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Execution>>;
    /// In any of `states`; none means any.
    async fn executions(&self, tenant: &TenantId, states: &[ExecutionState], page: Page<ExecutionId>) -> Result<Vec<Execution>>;
    /// Newest first.
    async fn executions_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<Execution>>;
    async fn message(&self, tenant: &TenantId, id: OutboxId) -> Result<Option<OutboxMessage>>;
    async fn messages(&self, tenant: &TenantId, state: Option<OutboxState>, page: Page<OutboxId>) -> Result<Vec<OutboxMessage>>;
    async fn messages_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<OutboxMessage>>;
    /// How the endpoint does; `None` when nothing of it ever failed.
    async fn endpoint(&self, tenant: &TenantId, destination: &str) -> Result<Option<Endpoint>>;
    /// Every endpoint that ever failed, by destination.
    async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<Endpoint>>;
    async fn pre_approvals(&self, tenant: &TenantId, runbook: Option<&RunbookId>) -> Result<Vec<PreApproval>>;
    async fn modes(&self, tenant: &TenantId) -> Result<Modes>;
    /// Which model decides; the default while nobody chose.
    async fn models(&self) -> Result<Models>;
    /// What the shadow with this manifest said beside the model in force, counted over tickets of every tenant; most
    /// frequent first, at most 500 pairs.
    async fn shadow_pairs(&self, shadow: &Digest) -> Result<Vec<ShadowPair>>;
    async fn feedback(&self, tenant: &TenantId, id: FeedbackId) -> Result<Option<Feedback>>;
    /// Corrections, newest first.
    async fn feedback_page(&self, tenant: &TenantId, page: Page<FeedbackId>) -> Result<Vec<Feedback>>;
    /// Corrections of one ticket, newest first.
    async fn feedback_of(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<Feedback>>;
    /// Storms that were raised, newest first.
    async fn storms(&self, tenant: &TenantId, page: Page<StormId>) -> Result<Vec<Storm>>;
    /// Resolved tickets of every tenant that have no vector, oldest first.
    async fn tickets_without_vector(&self, limit: usize) -> Result<Vec<Ticket>>;
    /// The embedding that the stored vectors are of.
    async fn vector_space(&self) -> Result<Option<Digest>>;
    /// Codes of every tenant stored after `place`, in the order in which they were.
    async fn codes_after(&self, place: u64, limit: usize) -> Result<Vec<StoredCode>>;
    /// The vectors at these places whose tickets are the tenant's; a ticket may have been opened again since.
    async fn vectors_at(&self, tenant: &TenantId, places: &[u64]) -> Result<Vec<StoredVector>>;
    async fn cap_use(
        &self,
        tenant: &TenantId,
        runbook: &RunbookId,
        target: &Digest,
        requester: Option<&Digest>,
        now: Timestamp,
    ) -> Result<CapUse>;
    /// Counts the tickets with a known outcome of a would-be automatic decision of exactly this runbook version, each
    /// once, and those of them of which any outcome is wrong.
    async fn outcome_record(&self, tenant: &TenantId, runbook: &RunbookId, digest: &Digest) -> Result<OutcomeRecord>;
    /// Whether each automatic run of exactly this runbook version, decided at or after `since`, was wrong; in the
    /// order of the decisions.
    async fn automatic_outcomes(
        &self,
        tenant: &TenantId,
        runbook: &RunbookId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Vec<AutomaticOutcome>>;
    async fn outcome(&self, tenant: &TenantId, recommendation: RecommendationId) -> Result<Option<Outcome>>;
    /// Outcomes of would-be automatic decisions made at or after `since`, newest decision first.
    async fn outcomes(
        &self,
        tenant: &TenantId,
        runbook: Option<&RunbookId>,
        since: Timestamp,
        page: Page<RecommendationId>,
    ) -> Result<Vec<Outcome>>;
    /// Would-be automatic decisions made at or after `since`, by runbook version.
    async fn would_act(&self, tenant: &TenantId, since: Timestamp) -> Result<Vec<WouldAct>>;
    async fn dual_authorization(&self, tenant: &TenantId, id: DualAuthorizationId) -> Result<Option<DualAuthorization>>;
    /// All of them, whatever became of them.
    async fn dual_authorizations(&self, tenant: &TenantId, page: Page<DualAuthorizationId>) -> Result<Vec<DualAuthorization>>;
    /// Tickets of this requester received at or after `since`; see `Ticket::requester_digest`.
    async fn requester_count(&self, tenant: &TenantId, requester: &Digest, since: Timestamp) -> Result<u64>;
    async fn account(&self, tenant: &TenantId, person: &PersonId) -> Result<Option<Account>>;
    /// Every account, by name.
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<Account>>;
    /// The session whose cookie has this digest, ended or not. Crosses tenants: the session says whose it is.
    async fn session(&self, secret: &Digest) -> Result<Option<Session>>;
    /// Sessions that nobody ended, newest first; whether they are over or idle is the caller's to see. At most 500.
    async fn sessions(&self, tenant: &TenantId, person: Option<&PersonId>) -> Result<Vec<Session>>;
    /// The invitation whose link has this digest, used or not. Crosses tenants: the invitation says whose it is.
    async fn invitation(&self, secret: &Digest) -> Result<Option<Invitation>>;
    /// Those neither used nor taken back, expired ones too, newest first. At most 500.
    async fn invitations(&self, tenant: &TenantId) -> Result<Vec<Invitation>>;
    /// The token whose secret has this digest. Crosses tenants: the token says whose it is.
    async fn token(&self, secret: &Digest) -> Result<Option<Token>>;
    async fn tokens(&self, tenant: &TenantId) -> Result<Vec<Token>>;

    // The action log.

    /// Entries integrated so far.
    async fn log_size(&self) -> Result<u64>;
    /// Newest first.
    async fn entries(&self, tenant: &TenantId, filter: &EntryFilter, page: Page<u64>) -> Result<Vec<LoggedEntry>>;
    /// `count` entries from `start`, all tenants, in log order: for exports and for whoever audits the whole.
    async fn entry_range(&self, start: u64, count: usize) -> Result<Vec<LoggedEntry>>;
    /// The hashes of one tile (tlog-tiles: height 8, at most 256 hashes, fewer in the last one); empty when there is none.
    async fn tile(&self, level: u8, index: u64) -> Result<Vec<[u8; 32]>>;

    /// Cheap proof that the store answers and can write.
    async fn check(&self) -> Result<()>;
    /// Writes what waits and closes; later calls fail with `Unavailable`.
    async fn close(&self) -> Result<()>;
}
