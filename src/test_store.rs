//! Executions and messages in memory, with the store's rules for conflicts, and a switch that cuts it off.
//!
//! Only for the tests of the rooms above the store; everything else answers `Unavailable`.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    domain::{
        ambient::Ambient,
        approval::{Modes, PreApproval},
        delivery::{DeadLetter, Delivery},
        digest::Digest,
        entry::Entry,
        execution::Execution,
        id::{DeadLetterId, DeliveryId, ExecutionId, OutboxId, RecommendationId, TicketId},
        name::{RunbookId, SourceId, TenantId},
        outbox::{OutboxMessage, OutboxState},
        principal::Token,
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    store::{
        change::{Change, Committed, Conflict, Expectation, Write},
        interface::{CapUse, EntryFilter, LoggedEntry, OutcomeRecord, Page, Result, Store, StoreError, TicketFilter},
    },
};

fn not_here() -> StoreError {
    StoreError::Unavailable("not in the test store".to_owned())
}

/// Time and randomness that tests turn by hand; each call moves the time by a millisecond.
#[derive(Default)]
pub struct Turned {
    now: AtomicU64,
    random: AtomicU64,
}

impl Turned {
    pub fn forward(&self, by: Duration) {
        self.now.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Ambient for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.now.fetch_add(1, Ordering::SeqCst)).unwrap())
    }

    fn random(&self) -> u128 {
        u128::from(self.random.fetch_add(1, Ordering::SeqCst))
    }
}

#[derive(Default)]
pub struct TestStore {
    pub executions: Mutex<BTreeMap<ExecutionId, Execution>>,
    pub messages: Mutex<BTreeMap<OutboxId, OutboxMessage>>,
    pub entries: Mutex<Vec<Entry>>,
    /// Commits left before the store is cut off; 0 for never.
    cut_after: AtomicUsize,
    /// Whether the commit that is cut still lands.
    lands: std::sync::atomic::AtomicBool,
    pub commits: AtomicUsize,
}

impl TestStore {
    /// The `nth` commit from now fails; with `lands`, it is stored all the same. Later ones fail and are not.
    pub fn cut_at(&self, nth: usize, lands: bool) {
        self.lands.store(lands, Ordering::SeqCst);
        self.cut_after.store(self.commits.load(Ordering::SeqCst) + nth, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.cut_after.store(0, Ordering::SeqCst);
    }

    fn apply(&self, change: Change) -> Result<()> {
        let (mut executions, mut messages) = (self.executions.lock().unwrap(), self.messages.lock().unwrap());
        for expectation in &change.expect {
            let (what, id, expected, found) = match expectation {
                Expectation::ExecutionRevision { execution, revision } => {
                    ("execution", execution.to_string(), *revision, executions.get(execution).map(|found| found.revision))
                }
                Expectation::MessageAttempts { message, attempts } => {
                    let found =
                        messages.get(message).filter(|found| found.state == OutboxState::Waiting).map(|found| found.attempts.into());
                    ("message", message.to_string(), u64::from(*attempts), found)
                }
                _ => return Err(not_here()),
            };
            if found != Some(expected) {
                return Err(Conflict::Changed { what, id, expected, found }.into());
            }
        }
        for write in change.writes {
            match write {
                Write::Execution(execution) => {
                    executions.insert(execution.id, *execution);
                }
                Write::Message(message) => {
                    messages.insert(message.id, *message);
                }
                _ => return Err(not_here()),
            }
        }
        self.entries.lock().unwrap().extend(change.entries);
        Ok(())
    }
}

#[async_trait]
impl Store for TestStore {
    async fn commit(&self, change: Change) -> Result<Committed> {
        let nth = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        let cut = self.cut_after.load(Ordering::SeqCst);
        if cut != 0 && nth >= cut {
            if nth == cut && self.lands.load(Ordering::SeqCst) {
                self.apply(change)?;
            }
            return Err(StoreError::Unavailable("cut by the test".to_owned()));
        }
        self.apply(change)?;
        Ok(Committed { first_index: 0 })
    }

    async fn execution(&self, _tenant: &TenantId, id: ExecutionId) -> Result<Option<Execution>> {
        Ok(self.executions.lock().unwrap().get(&id).cloned())
    }

    async fn messages_for(&self, _tenant: &TenantId, ticket: TicketId) -> Result<Vec<OutboxMessage>> {
        Ok(self.messages.lock().unwrap().values().filter(|message| message.ticket == ticket).cloned().collect())
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn claim_tickets(&self, _now: Timestamp, _lease: Duration, _limit: usize) -> Result<Vec<Ticket>> {
        Err(not_here())
    }

    async fn claim_executions(&self, _now: Timestamp, _lease: Duration, _limit: usize) -> Result<Vec<Execution>> {
        Err(not_here())
    }

    async fn claim_messages(&self, _now: Timestamp, _lease: Duration, _limit: usize) -> Result<Vec<OutboxMessage>> {
        Err(not_here())
    }

    async fn expired_recommendations(&self, _now: Timestamp, _limit: usize) -> Result<Vec<Recommendation>> {
        Err(not_here())
    }

    async fn release_ticket(&self, _ticket: TicketId) -> Result<()> {
        Err(not_here())
    }

    async fn release_execution(&self, _execution: ExecutionId) -> Result<()> {
        Err(not_here())
    }

    async fn ticket(&self, _tenant: &TenantId, _id: TicketId) -> Result<Option<Ticket>> {
        Err(not_here())
    }

    async fn ticket_of(&self, _tenant: &TenantId, _source: &SourceId, _external_id: &str) -> Result<Option<Ticket>> {
        Err(not_here())
    }

    async fn tickets(&self, _tenant: &TenantId, _filter: &TicketFilter, _page: Page<TicketId>) -> Result<Vec<Ticket>> {
        Err(not_here())
    }

    async fn ticket_counts(&self, _tenant: &TenantId) -> Result<BTreeMap<TicketState, u64>> {
        Err(not_here())
    }

    async fn shape_count(&self, _tenant: &TenantId, _shape: &Digest, _since: Timestamp) -> Result<u64> {
        Err(not_here())
    }

    async fn delivery(&self, _tenant: &TenantId, _id: DeliveryId) -> Result<Option<Delivery>> {
        Err(not_here())
    }

    async fn dead_letters(&self, _tenant: &TenantId, _page: Page<DeadLetterId>) -> Result<Vec<DeadLetter>> {
        Err(not_here())
    }

    async fn dead_letter(&self, _tenant: &TenantId, _id: DeadLetterId) -> Result<Option<DeadLetter>> {
        Err(not_here())
    }

    async fn recommendation(&self, _tenant: &TenantId, _id: RecommendationId) -> Result<Option<Recommendation>> {
        Err(not_here())
    }

    async fn recommendation_for(&self, _tenant: &TenantId, _ticket: TicketId) -> Result<Option<Recommendation>> {
        Err(not_here())
    }

    async fn recommendations(
        &self,
        _tenant: &TenantId,
        _state: Option<RecommendationState>,
        _page: Page<RecommendationId>,
    ) -> Result<Vec<Recommendation>> {
        Err(not_here())
    }

    async fn executions_for(&self, _tenant: &TenantId, _ticket: TicketId) -> Result<Vec<Execution>> {
        Err(not_here())
    }

    async fn messages(&self, _tenant: &TenantId, _state: Option<OutboxState>, _page: Page<OutboxId>) -> Result<Vec<OutboxMessage>> {
        Err(not_here())
    }

    async fn pre_approvals(&self, _tenant: &TenantId, _runbook: Option<&RunbookId>) -> Result<Vec<PreApproval>> {
        Err(not_here())
    }

    async fn modes(&self, _tenant: &TenantId) -> Result<Modes> {
        Err(not_here())
    }

    async fn cap_use(
        &self,
        _tenant: &TenantId,
        _runbook: &RunbookId,
        _target: &Digest,
        _requester: Option<&Digest>,
        _now: Timestamp,
    ) -> Result<CapUse> {
        Err(not_here())
    }

    async fn outcomes(&self, _tenant: &TenantId, _runbook: &RunbookId, _digest: &Digest) -> Result<OutcomeRecord> {
        Err(not_here())
    }

    async fn token(&self, _secret: &Digest) -> Result<Option<Token>> {
        Err(not_here())
    }

    async fn tokens(&self, _tenant: &TenantId) -> Result<Vec<Token>> {
        Err(not_here())
    }

    async fn log_size(&self) -> Result<u64> {
        Err(not_here())
    }

    async fn entries(&self, _tenant: &TenantId, _filter: &EntryFilter, _page: Page<u64>) -> Result<Vec<LoggedEntry>> {
        Err(not_here())
    }

    async fn entry_range(&self, _start: u64, _count: usize) -> Result<Vec<LoggedEntry>> {
        Err(not_here())
    }

    async fn close(&self) -> Result<()> {
        Err(not_here())
    }

    async fn tile(&self, _level: u8, _index: u64) -> Result<Vec<[u8; 32]>> {
        Err(not_here())
    }
}
