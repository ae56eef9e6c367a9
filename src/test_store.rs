//! The embedded store on a file of its own, with a switch that cuts it off at a commit, and a clock turned by hand.
//!
//! Only for the tests of the rooms above the store.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    domain::{
        account::Account,
        ambient::Ambient,
        approval::{Modes, PreApproval},
        delivery::{DeadLetter, Delivery},
        digest::Digest,
        dual_authorization::DualAuthorization,
        entry::Entry,
        execution::Execution,
        id::{DeadLetterId, DeliveryId, DualAuthorizationId, ExecutionId, OutboxId, RecommendationId, TicketId},
        name::{PersonId, RunbookId, SourceId, TenantId},
        outbox::{OutboxMessage, OutboxState},
        outcome::Outcome,
        principal::Token,
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    store::{
        change::{Change, Committed, Write},
        interface::{
            AutomaticOutcome, CapUse, EntryFilter, LoggedEntry, OutcomeRecord, Page, Result, Store, StoreError, TicketFilter, WouldAct,
        },
        sqlite::SqliteStore,
    },
};

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

pub struct TestStore {
    inner: SqliteStore,
    /// Commits left before the store is cut off; 0 for never.
    cut_after: AtomicUsize,
    /// Whether the commit that is cut still lands.
    lands: AtomicBool,
    commits: AtomicUsize,
    _folder: tempfile::TempDir,
}

impl TestStore {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(&folder.path().join("store.db")).unwrap();
        Self { inner, cut_after: AtomicUsize::new(0), lands: AtomicBool::new(false), commits: AtomicUsize::new(0), _folder: folder }
    }

    /// Stores the ticket that executions and messages belong to.
    pub async fn put_ticket(&self, id: TicketId, at: Timestamp) {
        let report = serde_json::json!({
            "external_id": id.to_string(), "external_key": null, "url": null, "kind": "incident", "event": "opened", "title": "t", "body": "b",
            "requester": null, "impact": null, "urgency": null, "category_hint": null, "labels": {}, "attributes": {}, "tags": [],
            "reported_at": null, "updated_at": null,
        });
        let ticket = Ticket {
            form: Ticket::FORM,
            id,
            tenant: TenantId::default(),
            source: "desk".parse().unwrap(),
            delivery: DeliveryId::new(at, 0),
            report: serde_json::from_value(report).unwrap(),
            state: TicketState::Received,
            version: 1,
            received_at: at,
            updated_at: at,
        };
        self.put(Write::Ticket { ticket: Box::new(ticket), shape: Digest::of(b"shape") }).await;
    }

    /// Writes without conditions or entries, and without counting for the cut.
    pub async fn put(&self, write: Write) {
        self.inner.commit(Change { writes: vec![write], ..Change::default() }).await.unwrap();
    }

    /// The action log from its start.
    pub async fn log(&self) -> Vec<Entry> {
        self.inner.entry_range(0, 10_000).await.unwrap().into_iter().map(|logged| logged.entry).collect()
    }

    /// The `nth` commit from now fails; with `lands`, it is stored all the same. Later ones fail and are not.
    pub fn cut_at(&self, nth: usize, lands: bool) {
        self.lands.store(lands, Ordering::SeqCst);
        self.cut_after.store(self.commits.load(Ordering::SeqCst) + nth, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.cut_after.store(0, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for TestStore {
    async fn commit(&self, change: Change) -> Result<Committed> {
        let nth = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        let cut = self.cut_after.load(Ordering::SeqCst);
        if cut != 0 && nth >= cut {
            if nth == cut && self.lands.load(Ordering::SeqCst) {
                self.inner.commit(change).await?;
            }
            return Err(StoreError::Unavailable("cut by the test".to_owned()));
        }
        self.inner.commit(change).await
    }

    fn listen(&self) -> tokio::sync::broadcast::Receiver<std::sync::Arc<Entry>> {
        self.inner.listen()
    }

    async fn claim_tickets(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Ticket>> {
        self.inner.claim_tickets(now, lease, limit).await
    }

    async fn claim_executions(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Execution>> {
        self.inner.claim_executions(now, lease, limit).await
    }

    async fn claim_messages(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<OutboxMessage>> {
        self.inner.claim_messages(now, lease, limit).await
    }

    async fn expired_recommendations(&self, now: Timestamp, limit: usize) -> Result<Vec<Recommendation>> {
        self.inner.expired_recommendations(now, limit).await
    }

    async fn standing_pre_approvals(&self) -> Result<Vec<PreApproval>> {
        self.inner.standing_pre_approvals().await
    }

    async fn release_ticket(&self, ticket: TicketId) -> Result<()> {
        self.inner.release_ticket(ticket).await
    }

    async fn release_execution(&self, execution: ExecutionId) -> Result<()> {
        self.inner.release_execution(execution).await
    }

    async fn release_message(&self, message: OutboxId) -> Result<()> {
        self.inner.release_message(message).await
    }

    async fn ticket(&self, tenant: &TenantId, id: TicketId) -> Result<Option<Ticket>> {
        self.inner.ticket(tenant, id).await
    }

    async fn ticket_of(&self, tenant: &TenantId, source: &SourceId, external_id: &str) -> Result<Option<Ticket>> {
        self.inner.ticket_of(tenant, source, external_id).await
    }

    async fn tickets(&self, tenant: &TenantId, filter: &TicketFilter, page: Page<TicketId>) -> Result<Vec<Ticket>> {
        self.inner.tickets(tenant, filter, page).await
    }

    async fn ticket_counts(&self, tenant: &TenantId) -> Result<BTreeMap<TicketState, u64>> {
        self.inner.ticket_counts(tenant).await
    }

    async fn shape_count(&self, tenant: &TenantId, shape: &Digest, since: Timestamp) -> Result<u64> {
        self.inner.shape_count(tenant, shape, since).await
    }

    async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>> {
        self.inner.delivery(tenant, id).await
    }

    async fn dead_letters(&self, tenant: &TenantId, page: Page<DeadLetterId>) -> Result<Vec<DeadLetter>> {
        self.inner.dead_letters(tenant, page).await
    }

    async fn dead_letter(&self, tenant: &TenantId, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        self.inner.dead_letter(tenant, id).await
    }

    async fn recommendation(&self, tenant: &TenantId, id: RecommendationId) -> Result<Option<Recommendation>> {
        self.inner.recommendation(tenant, id).await
    }

    async fn recommendation_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Option<Recommendation>> {
        self.inner.recommendation_for(tenant, ticket).await
    }

    async fn recommendations(
        &self,
        tenant: &TenantId,
        state: Option<RecommendationState>,
        page: Page<RecommendationId>,
    ) -> Result<Vec<Recommendation>> {
        self.inner.recommendations(tenant, state, page).await
    }

    async fn execution(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Execution>> {
        self.inner.execution(tenant, id).await
    }

    async fn executions_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<Execution>> {
        self.inner.executions_for(tenant, ticket).await
    }

    async fn messages(&self, tenant: &TenantId, state: Option<OutboxState>, page: Page<OutboxId>) -> Result<Vec<OutboxMessage>> {
        self.inner.messages(tenant, state, page).await
    }

    async fn messages_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<OutboxMessage>> {
        self.inner.messages_for(tenant, ticket).await
    }

    async fn pre_approvals(&self, tenant: &TenantId, runbook: Option<&RunbookId>) -> Result<Vec<PreApproval>> {
        self.inner.pre_approvals(tenant, runbook).await
    }

    async fn modes(&self, tenant: &TenantId) -> Result<Modes> {
        self.inner.modes(tenant).await
    }

    async fn cap_use(
        &self,
        tenant: &TenantId,
        runbook: &RunbookId,
        target: &Digest,
        requester: Option<&Digest>,
        now: Timestamp,
    ) -> Result<CapUse> {
        self.inner.cap_use(tenant, runbook, target, requester, now).await
    }

    async fn outcome_record(&self, tenant: &TenantId, runbook: &RunbookId, digest: &Digest) -> Result<OutcomeRecord> {
        self.inner.outcome_record(tenant, runbook, digest).await
    }

    async fn automatic_outcomes(
        &self,
        tenant: &TenantId,
        runbook: &RunbookId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Vec<AutomaticOutcome>> {
        self.inner.automatic_outcomes(tenant, runbook, digest, since).await
    }

    async fn outcome(&self, tenant: &TenantId, recommendation: RecommendationId) -> Result<Option<Outcome>> {
        self.inner.outcome(tenant, recommendation).await
    }

    async fn outcomes(
        &self,
        tenant: &TenantId,
        runbook: Option<&RunbookId>,
        since: Timestamp,
        page: Page<RecommendationId>,
    ) -> Result<Vec<Outcome>> {
        self.inner.outcomes(tenant, runbook, since, page).await
    }

    async fn would_act(&self, tenant: &TenantId, since: Timestamp) -> Result<Vec<WouldAct>> {
        self.inner.would_act(tenant, since).await
    }

    async fn dual_authorization(&self, tenant: &TenantId, id: DualAuthorizationId) -> Result<Option<DualAuthorization>> {
        self.inner.dual_authorization(tenant, id).await
    }

    async fn dual_authorizations(&self, tenant: &TenantId, page: Page<DualAuthorizationId>) -> Result<Vec<DualAuthorization>> {
        self.inner.dual_authorizations(tenant, page).await
    }

    async fn dual_authorizations_for(&self, tenant: &TenantId, recommendation: RecommendationId) -> Result<Vec<DualAuthorization>> {
        self.inner.dual_authorizations_for(tenant, recommendation).await
    }

    async fn requester_count(&self, tenant: &TenantId, requester: &Digest, since: Timestamp) -> Result<u64> {
        self.inner.requester_count(tenant, requester, since).await
    }

    async fn account(&self, tenant: &TenantId, person: &PersonId) -> Result<Option<Account>> {
        self.inner.account(tenant, person).await
    }

    async fn token(&self, secret: &Digest) -> Result<Option<Token>> {
        self.inner.token(secret).await
    }

    async fn tokens(&self, tenant: &TenantId) -> Result<Vec<Token>> {
        self.inner.tokens(tenant).await
    }

    async fn log_size(&self) -> Result<u64> {
        self.inner.log_size().await
    }

    async fn entries(&self, tenant: &TenantId, filter: &EntryFilter, page: Page<u64>) -> Result<Vec<LoggedEntry>> {
        self.inner.entries(tenant, filter, page).await
    }

    async fn entry_range(&self, start: u64, count: usize) -> Result<Vec<LoggedEntry>> {
        self.inner.entry_range(start, count).await
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Vec<[u8; 32]>> {
        self.inner.tile(level, index).await
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
