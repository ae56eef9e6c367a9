//! The embedded store's front: what callers hold, and the doors to the writer and the readers.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::params_from_iter;
use tokio::sync::{broadcast, oneshot};

use super::{
    claims::{Claimed, Leases, Work},
    journal,
    read::{self, Where},
    readers::Readers,
    rows::{Document, Prepared, int, outbox_state, parse, recommendation_state},
    schema, vectors, worklist,
    writer::{Answer, Command, Writer},
};
use crate::{
    domain::{
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
    },
    log::tree::TileId,
    store::{
        change::{Change, Committed},
        interface::{
            AutomaticOutcome, CapUse, EntryFilter, LoggedEntry, OutcomeRecord, Page, Result, Store, StoreError, TicketFilter, WouldAct,
        },
        vectors::{StoredCode, StoredVector},
        worklist::{Order, ResponseTargets, Tally, TicketRow, Wanted, WorklistCounts},
    },
};

/// How much may wait and how many may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Changes and claims that may wait for the writer; more gives [`StoreError::Overloaded`].
    pub queue: usize,
    /// Bytes that may wait for the writer.
    pub queue_bytes: usize,
    /// Reads at the same time.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 4096, queue_bytes: 128 << 20, readers: 4 }
    }
}

/// The embedded store. Dropping it finishes what waits, without an answer to anybody; `close` is the polite way.
pub struct SqliteStore {
    /// `None` once closed.
    queue: Mutex<Option<SyncSender<Command>>>,
    waiting_bytes: Arc<AtomicUsize>,
    options: Options,
    readers: Readers,
    happenings: broadcast::Sender<Arc<Entry>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A listener slower than this many entries loses some.
const HAPPENINGS: usize = 8192;

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

impl SqliteStore {
    /// Opens or makes the database at `path`, and the folder it is in. Blocks for as long as migrations take.
    ///
    /// # Errors
    /// The folder cannot be written, another process has the database, it is of a newer program or of another
    /// one, or its action log does not agree with itself. Each says which file and what to do.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// As [`open`](Self::open), with bounds of the caller's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, options: Options) -> Result<Self> {
        let lock = schema::lock(path)?;
        let connection = schema::open_writer(path)?;
        let frontier = Some(journal::load(&connection)?);
        let (sender, queue) = sync_channel(options.queue.max(1));
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer =
            Writer { connection, frontier, queue, waiting_bytes: Arc::clone(&waiting_bytes), leases: Leases::default(), _lock: lock };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            waiting_bytes,
            options,
            readers: Readers::new(path.to_owned(), options.readers),
            happenings: broadcast::channel(HAPPENINGS).0,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Bounds the database file to `bytes` from now on: a change that would make it larger fails with
    /// `Unavailable` and nothing of it is stored. Keeps room on a disk that others use too.
    ///
    /// # Errors
    /// The store is closed or cannot answer.
    pub async fn limit_size(&self, bytes: u64) -> Result<()> {
        self.ask(0, |answer| Command::LimitSize { bytes, answer }).await
    }

    fn sender(&self) -> Result<SyncSender<Command>> {
        // A poisoned lock guards a sender that is whole all the same: nothing under it can stop half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    /// Puts a command of `weight` bytes in the queue and waits for its answer.
    async fn ask<T>(&self, weight: usize, command: impl FnOnce(Answer<T>) -> Command) -> Result<T> {
        let sender = self.sender()?;
        let waiting = self.waiting_bytes.fetch_add(weight, Ordering::Relaxed);
        let give_back = || self.waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
        // One change alone always gets in, however large: it is no sign of overload.
        if weight > 0 && waiting > 0 && waiting + weight > self.options.queue_bytes {
            give_back();
            return Err(StoreError::Overloaded { waiting: self.options.queue });
        }
        let (answer, answered) = oneshot::channel();
        match sender.try_send(command(answer)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                give_back();
                return Err(StoreError::Overloaded { waiting: self.options.queue });
            }
            Err(TrySendError::Disconnected(_)) => {
                give_back();
                return Err(closed());
            }
        }
        drop(sender);
        answered.await.map_err(|_| StoreError::Unavailable("the store closed before it answered".to_owned()))?
    }

    async fn claim<T: Document>(&self, work: Work, now: Timestamp, lease: Duration, limit: usize, each: usize) -> Result<Vec<T>> {
        let claimed: Vec<Claimed> = self.ask(0, |answer| Command::Claim { work, now, lease, limit, each, answer }).await?;
        let mut readable = Vec::with_capacity(claimed.len());
        for (id, doc) in claimed {
            // One unreadable piece must not keep the rest from being worked on; its lease hides it meanwhile.
            match parse(&id, doc.as_bytes()) {
                Ok(piece) => readable.push(piece),
                Err(error) => tracing::error!(%error, "work that cannot be read was left alone"),
            }
        }
        Ok(readable)
    }

    async fn by_id<T: Document + Send + 'static>(&self, table: &'static str, tenant: &TenantId, id: String) -> Result<Option<T>> {
        let tenant = tenant.clone();
        self.readers
            .read(move |connection| {
                read::one(connection, &format!("SELECT id, doc FROM {table} WHERE tenant = ?1 AND id = ?2"), (tenant.as_str(), id))
            })
            .await
    }

    async fn of_ticket<T: Document + Send + 'static>(
        &self,
        table: &'static str,
        tenant: &TenantId,
        ticket: TicketId,
        limit: usize,
    ) -> Result<Vec<T>> {
        let tenant = tenant.clone();
        self.readers
            .read(move |connection| {
                let sql = format!("SELECT id, doc FROM {table} WHERE tenant = ?1 AND ticket = ?2 ORDER BY seq DESC LIMIT {limit}");
                read::many(connection, &sql, (tenant.as_str(), ticket.to_string()))
            })
            .await
    }

    async fn page<T: Document + Send + 'static, Cursor: std::fmt::Display + Send + 'static>(
        &self,
        table: &'static str,
        wanted: impl FnOnce() -> Where + Send + 'static,
        page: Page<Cursor>,
    ) -> Result<Vec<T>> {
        self.readers.read(move |connection| read::page(connection, table, wanted(), &page)).await
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.readers.close();
        drop(self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        // The lock is free when the thread has ended; waiting makes that so when the drop returns.
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread had panicked");
        }
    }
}

/// No ticket has more runs or messages than one page by far; the bound keeps one read small whatever happens.
const OF_ONE_TICKET: usize = 500;

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, change: Change) -> Result<Committed> {
        let entries = change.entries.clone();
        let prepared = Box::new(Prepared::of(change)?);
        let committed = self.ask(prepared.weight, |answer| Command::Commit(prepared, answer)).await?;
        for entry in entries {
            // Nobody listening is fine.
            let _ = self.happenings.send(Arc::new(entry));
        }
        Ok(committed)
    }

    fn listen(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.happenings.subscribe()
    }

    async fn claim_tickets(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Ticket>> {
        self.claim(Work::Tickets, now, lease, limit, limit).await
    }

    async fn claim_executions(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Execution>> {
        self.claim(Work::Executions, now, lease, limit, limit).await
    }

    async fn claim_messages(&self, now: Timestamp, lease: Duration, limit: usize, each: usize) -> Result<Vec<OutboxMessage>> {
        self.claim(Work::Messages, now, lease, limit, each).await
    }

    async fn expired_recommendations(&self, now: Timestamp, limit: usize) -> Result<Vec<Recommendation>> {
        self.readers
            .read(move |connection| {
                read::many(
                    connection,
                    "SELECT id, doc FROM recommendations WHERE state = 'open' AND awaits_approval = 1 AND expires_at < ?1
                     ORDER BY expires_at, seq LIMIT ?2",
                    (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX)),
                )
            })
            .await
    }

    async fn standing_pre_approvals(&self) -> Result<Vec<PreApproval>> {
        self.readers.read(|connection| read::many(connection, "SELECT id, doc FROM pre_approvals WHERE stands = 1 ORDER BY seq", [])).await
    }

    async fn release_ticket(&self, ticket: TicketId) -> Result<()> {
        self.ask(0, |answer| Command::Release { work: Work::Tickets, id: ticket.to_string(), answer }).await
    }

    async fn release_execution(&self, execution: ExecutionId) -> Result<()> {
        self.ask(0, |answer| Command::Release { work: Work::Executions, id: execution.to_string(), answer }).await
    }

    async fn release_message(&self, message: OutboxId) -> Result<()> {
        self.ask(0, |answer| Command::Release { work: Work::Messages, id: message.to_string(), answer }).await
    }

    async fn ticket(&self, tenant: &TenantId, id: TicketId) -> Result<Option<Ticket>> {
        self.by_id("tickets", tenant, id.to_string()).await
    }

    async fn ticket_of(&self, tenant: &TenantId, source: &SourceId, external_id: &str) -> Result<Option<Ticket>> {
        let key = [tenant.as_str().to_owned(), source.as_str().to_owned(), external_id.to_owned()];
        self.readers
            .read(move |connection| {
                read::one(connection, "SELECT id, doc FROM tickets WHERE tenant = ?1 AND source = ?2 AND external_id = ?3", key)
            })
            .await
    }

    async fn tickets(&self, tenant: &TenantId, filter: &TicketFilter, page: Page<TicketId>) -> Result<Vec<Ticket>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        let wanted = move || {
            Where::tenant(&tenant)
                .and_one_of("state", filter.states.into_iter().map(TicketState::as_str))
                .and_some("source = ?", filter.source.map(|source| source.as_str().to_owned()))
        };
        self.page("tickets", wanted, page).await
    }

    async fn ticket_counts(&self, tenant: &TenantId) -> Result<BTreeMap<TicketState, u64>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::ticket_counts(connection, &tenant)).await
    }

    async fn ticket_rows(
        &self,
        tenant: &TenantId,
        wanted: &Wanted,
        order: Order,
        limit: usize,
        targets: ResponseTargets,
        now: Timestamp,
    ) -> Result<Vec<TicketRow>> {
        let (tenant, wanted) = (tenant.clone(), wanted.clone());
        self.readers.read(move |connection| worklist::ticket_rows(connection, &tenant, &wanted, &order, limit, &targets, now)).await
    }

    async fn worklist_counts(&self, tenant: &TenantId, now: Timestamp) -> Result<WorklistCounts> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| worklist::counts(connection, &tenant, now)).await
    }

    async fn ticket_categories(&self, tenant: &TenantId) -> Result<Vec<String>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| worklist::categories(connection, &tenant)).await
    }

    async fn tally(&self, tenant: &TenantId, since: Timestamp) -> Result<Tally> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| worklist::tally(connection, &tenant, since)).await
    }

    async fn handling(&self, tenant: &TenantId, ticket: TicketId) -> Result<Option<Handling>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| worklist::handling(connection, &tenant, ticket)).await
    }

    async fn shape_count(&self, tenant: &TenantId, shape: &Digest, since: Timestamp) -> Result<u64> {
        let (tenant, shape) = (tenant.clone(), *shape);
        self.readers.read(move |connection| read::shape_count(connection, &tenant, &shape, since)).await
    }

    async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::delivery(connection, &tenant, &id.to_string())).await
    }

    async fn dead_letters(&self, tenant: &TenantId, page: Page<DeadLetterId>) -> Result<Vec<DeadLetter>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::dead_letters(connection, &tenant, &page)).await
    }

    async fn dead_letter(&self, tenant: &TenantId, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::dead_letter(connection, &tenant, &id.to_string())).await
    }

    async fn recommendation(&self, tenant: &TenantId, id: RecommendationId) -> Result<Option<Recommendation>> {
        self.by_id("recommendations", tenant, id.to_string()).await
    }

    async fn recommendation_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Option<Recommendation>> {
        Ok(self.of_ticket("recommendations", tenant, ticket, 1).await?.pop())
    }

    async fn recommendations(
        &self,
        tenant: &TenantId,
        state: Option<RecommendationState>,
        page: Page<RecommendationId>,
    ) -> Result<Vec<Recommendation>> {
        let tenant = tenant.clone();
        self.page("recommendations", move || Where::tenant(&tenant).and_some("state = ?", state.map(recommendation_state)), page).await
    }

    async fn execution(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Execution>> {
        self.by_id("executions", tenant, id.to_string()).await
    }

    async fn executions(&self, tenant: &TenantId, states: &[ExecutionState], page: Page<ExecutionId>) -> Result<Vec<Execution>> {
        let (tenant, states) = (tenant.clone(), states.to_vec());
        self.page("executions", move || Where::tenant(&tenant).and_one_of("state", states.into_iter().map(ExecutionState::as_str)), page)
            .await
    }

    async fn executions_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<Execution>> {
        self.of_ticket("executions", tenant, ticket, OF_ONE_TICKET).await
    }

    async fn messages(&self, tenant: &TenantId, state: Option<OutboxState>, page: Page<OutboxId>) -> Result<Vec<OutboxMessage>> {
        let tenant = tenant.clone();
        self.page("messages", move || Where::tenant(&tenant).and_some("state = ?", state.map(outbox_state)), page).await
    }

    async fn message(&self, tenant: &TenantId, id: OutboxId) -> Result<Option<OutboxMessage>> {
        self.by_id("messages", tenant, id.to_string()).await
    }

    async fn endpoint(&self, tenant: &TenantId, destination: &str) -> Result<Option<Endpoint>> {
        let (tenant, destination) = (tenant.clone(), destination.to_owned());
        Ok(self.readers.read(move |connection| read::endpoints(connection, &tenant, Some(&destination))).await?.pop())
    }

    async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<Endpoint>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::endpoints(connection, &tenant, None)).await
    }

    async fn messages_for(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<OutboxMessage>> {
        self.of_ticket("messages", tenant, ticket, OF_ONE_TICKET).await
    }

    async fn pre_approvals(&self, tenant: &TenantId, runbook: Option<&RunbookId>) -> Result<Vec<PreApproval>> {
        let key: Vec<String> = [Some(tenant.as_str()), runbook.map(RunbookId::as_str)].into_iter().flatten().map(str::to_owned).collect();
        let condition = if key.len() == 2 { "tenant = ?1 AND runbook = ?2" } else { "tenant = ?1" };
        self.readers
            .read(move |connection| {
                let sql = format!("SELECT id, doc FROM pre_approvals WHERE {condition} ORDER BY seq DESC");
                read::many(connection, &sql, params_from_iter(key))
            })
            .await
    }

    async fn modes(&self, tenant: &TenantId) -> Result<Modes> {
        let tenant = tenant.as_str().to_owned();
        let found =
            self.readers.read(move |connection| read::one(connection, "SELECT tenant, doc FROM modes WHERE tenant = ?1", [tenant])).await?;
        Ok(found.unwrap_or_default())
    }

    async fn models(&self) -> Result<Models> {
        let found = self.readers.read(|connection| read::one(connection, "SELECT 'in force', doc FROM models WHERE id = 1", [])).await?;
        Ok(found.unwrap_or_default())
    }

    async fn shadow_pairs(&self, shadow: &Digest) -> Result<Vec<ShadowPair>> {
        let shadow = *shadow;
        self.readers.read(move |connection| read::shadow_pairs(connection, &shadow)).await
    }

    async fn feedback(&self, tenant: &TenantId, id: FeedbackId) -> Result<Option<Feedback>> {
        self.by_id("feedback", tenant, id.to_string()).await
    }

    async fn feedback_page(&self, tenant: &TenantId, page: Page<FeedbackId>) -> Result<Vec<Feedback>> {
        let tenant = tenant.clone();
        self.page("feedback", move || Where::tenant(&tenant), page).await
    }

    async fn feedback_of(&self, tenant: &TenantId, ticket: TicketId) -> Result<Vec<Feedback>> {
        self.of_ticket("feedback", tenant, ticket, OF_ONE_TICKET).await
    }

    async fn storms(&self, tenant: &TenantId, page: Page<StormId>) -> Result<Vec<Storm>> {
        let tenant = tenant.clone();
        self.page("storms", move || Where::tenant(&tenant), page).await
    }

    async fn tickets_without_vector(&self, limit: usize) -> Result<Vec<Ticket>> {
        let sql = "SELECT id, doc FROM tickets WHERE state = 'resolved' AND vectored = 0 ORDER BY seq LIMIT ?1";
        self.readers.read(move |connection| read::many(connection, sql, [int(limit as u64)])).await
    }

    async fn vector_space(&self) -> Result<Option<Digest>> {
        self.readers.read(vectors::space).await
    }

    async fn codes_after(&self, place: u64, limit: usize) -> Result<Vec<StoredCode>> {
        self.readers.read(move |connection| vectors::codes_after(connection, place, limit)).await
    }

    async fn vectors_at(&self, tenant: &TenantId, places: &[u64]) -> Result<Vec<StoredVector>> {
        let (tenant, places) = (tenant.clone(), places.to_vec());
        self.readers.read(move |connection| vectors::at(connection, &tenant, &places)).await
    }

    async fn cap_use(
        &self,
        tenant: &TenantId,
        runbook: &RunbookId,
        target: &Digest,
        requester: Option<&Digest>,
        now: Timestamp,
    ) -> Result<CapUse> {
        let (tenant, runbook, target, requester) = (tenant.clone(), runbook.clone(), *target, requester.copied());
        self.readers.read(move |connection| read::cap_use(connection, &tenant, &runbook, &target, requester.as_ref(), now)).await
    }

    async fn outcome_record(&self, tenant: &TenantId, runbook: &RunbookId, digest: &Digest) -> Result<OutcomeRecord> {
        let (tenant, runbook, digest) = (tenant.clone(), runbook.clone(), *digest);
        self.readers.read(move |connection| read::outcome_record(connection, &tenant, &runbook, &digest)).await
    }

    async fn automatic_outcomes(
        &self,
        tenant: &TenantId,
        runbook: &RunbookId,
        digest: &Digest,
        since: Timestamp,
    ) -> Result<Vec<AutomaticOutcome>> {
        let (tenant, runbook, digest) = (tenant.clone(), runbook.clone(), *digest);
        self.readers.read(move |connection| read::automatic_outcomes(connection, &tenant, &runbook, &digest, since)).await
    }

    async fn outcome(&self, tenant: &TenantId, recommendation: RecommendationId) -> Result<Option<Outcome>> {
        self.by_id("outcomes", tenant, recommendation.to_string()).await
    }

    async fn outcomes(
        &self,
        tenant: &TenantId,
        runbook: Option<&RunbookId>,
        since: Timestamp,
        page: Page<RecommendationId>,
    ) -> Result<Vec<Outcome>> {
        let (tenant, runbook) = (tenant.clone(), runbook.map(|runbook| runbook.as_str().to_owned()));
        let wanted = move || {
            Where::tenant(&tenant)
                .and("would_act = ?", 1i64)
                .and("id >= ?", RecommendationId::new(since, 0).to_string())
                .and_some("runbook = ?", runbook)
        };
        self.page("outcomes", wanted, page).await
    }

    async fn would_act(&self, tenant: &TenantId, since: Timestamp) -> Result<Vec<WouldAct>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::would_act(connection, &tenant, since)).await
    }

    async fn dual_authorization(&self, tenant: &TenantId, id: DualAuthorizationId) -> Result<Option<DualAuthorization>> {
        self.by_id("dual_authorizations", tenant, id.to_string()).await
    }

    async fn dual_authorizations(&self, tenant: &TenantId, page: Page<DualAuthorizationId>) -> Result<Vec<DualAuthorization>> {
        let tenant = tenant.clone();
        self.page("dual_authorizations", move || Where::tenant(&tenant), page).await
    }

    async fn requester_count(&self, tenant: &TenantId, requester: &Digest, since: Timestamp) -> Result<u64> {
        let (tenant, requester) = (tenant.clone(), *requester);
        self.readers.read(move |connection| read::requester_count(connection, &tenant, &requester, since)).await
    }

    async fn account(&self, tenant: &TenantId, person: &PersonId) -> Result<Option<Account>> {
        let (tenant, person) = (tenant.clone(), person.clone());
        self.readers.read(move |connection| read::account(connection, &tenant, &person)).await
    }

    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<Account>> {
        let tenant = tenant.clone();
        self.readers.read(move |connection| read::accounts(connection, &tenant)).await
    }

    async fn session(&self, secret: &Digest) -> Result<Option<Session>> {
        let secret = *secret;
        Ok(self.readers.read(move |connection| read::sessions(connection, "secret = ?1", [secret.as_bytes()])).await?.pop())
    }

    async fn sessions(&self, tenant: &TenantId, person: Option<&PersonId>) -> Result<Vec<Session>> {
        let (tenant, person) = (tenant.as_str().to_owned(), person.map(|person| person.as_str().to_owned()));
        let wanted = "tenant = ?1 AND person = coalesce(?2, person) AND ended_at IS NULL";
        self.readers.read(move |connection| read::sessions(connection, wanted, (tenant, person))).await
    }

    async fn invitation(&self, secret: &Digest) -> Result<Option<Invitation>> {
        let secret = *secret;
        Ok(self.readers.read(move |connection| read::invitations(connection, "secret = ?1", [secret.as_bytes()])).await?.pop())
    }

    async fn invitations(&self, tenant: &TenantId) -> Result<Vec<Invitation>> {
        let tenant = tenant.as_str().to_owned();
        self.readers.read(move |connection| read::invitations(connection, "tenant = ?1 AND open = 1", [tenant])).await
    }

    async fn token(&self, secret: &Digest) -> Result<Option<Token>> {
        let secret = *secret;
        Ok(self.readers.read(move |connection| read::tokens(connection, "secret = ?1", [secret.as_bytes()])).await?.pop())
    }

    async fn tokens(&self, tenant: &TenantId) -> Result<Vec<Token>> {
        let tenant = tenant.as_str().to_owned();
        self.readers.read(move |connection| read::tokens(connection, "tenant = ?1", [tenant])).await
    }

    async fn log_size(&self) -> Result<u64> {
        self.readers.read(read::log_size).await
    }

    async fn entries(&self, tenant: &TenantId, filter: &EntryFilter, page: Page<u64>) -> Result<Vec<LoggedEntry>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers.read(move |connection| read::entries(connection, &tenant, &filter, &page)).await
    }

    async fn entry_range(&self, start: u64, count: usize) -> Result<Vec<LoggedEntry>> {
        self.readers.read(move |connection| read::entry_range(connection, start, count)).await
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Vec<[u8; 32]>> {
        self.readers.read(move |connection| journal::tile(connection, TileId { level, index })).await
    }

    async fn check(&self) -> Result<()> {
        self.ask(0, Command::Check).await
    }

    async fn close(&self) -> Result<()> {
        let Some(sender) = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        self.readers.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (answer, answered) = oneshot::channel();
        // Waits for a place in the queue: unlike other commands this one is never refused.
        tokio::task::spawn_blocking(move || {
            let sent = sender.send(Command::Close(answer)).map_err(|_| closed());
            drop(sender);
            sent?;
            let ended = answered.blocking_recv().unwrap_or_else(|_| Err(closed()));
            if let Some(thread) = thread
                && thread.join().is_err()
            {
                return Err(StoreError::Unavailable("the store's writer thread had panicked".to_owned()));
            }
            ended
        })
        .await
        .map_err(|error| StoreError::Unavailable(format!("closing did not finish: {error}")))?
    }
}
