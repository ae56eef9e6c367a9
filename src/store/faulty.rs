//! A store that fails on purpose, around a real one.
//!
//! A plan looks at every call and says what becomes of it. Failing after the inner commit is the case that
//! matters most: the change is durable and the caller was told that it is not known to be.
// INVARIANT: without a fault a call is exactly the inner store's; nothing is faked.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{
    change::{Change, Committed},
    interface::{
        AutomaticOutcome, CapUse, EntryFilter, LoggedEntry, OutcomeRecord, Page, Result, Store, StoreError, TicketFilter, WouldAct,
    },
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

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the inner store answers.
    None,
    /// `Unavailable`, and the inner store never saw the call.
    Before,
    /// The inner store did it, and the caller is told `Unavailable`.
    After,
    /// `Overloaded`, and the inner store never saw the call.
    Overloaded,
    /// No answer, ever, and the inner store never saw the call.
    Never,
    /// The inner store did it, and no answer comes.
    AfterNever,
}

/// One call as the plan sees it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// 1 for the first call of this operation.
    pub number: u64,
    /// The method's name.
    pub operation: &'static str,
    /// What would be committed; `None` for every operation but `commit`.
    pub change: Option<&'a Change>,
}

type Plan = dyn Fn(Call<'_>) -> Fault + Send + Sync;

/// The wrapper.
pub struct Faulty {
    inner: Arc<dyn Store>,
    plan: Box<Plan>,
    commits: AtomicU64,
    others: AtomicU64,
}

impl Faulty {
    /// Around `inner`; `plan` is asked at every call. Commits are numbered apart from all other calls.
    pub fn new(inner: Arc<dyn Store>, plan: impl Fn(Call<'_>) -> Fault + Send + Sync + 'static) -> Self {
        Self { inner, plan: Box::new(plan), commits: AtomicU64::new(0), others: AtomicU64::new(0) }
    }

    /// Only the commits with these numbers fail, each with its fault.
    pub fn on_commits(inner: Arc<dyn Store>, faults: impl IntoIterator<Item = (u64, Fault)>) -> Self {
        let faults: BTreeMap<u64, Fault> = faults.into_iter().collect();
        Self::new(inner, move |call| match call.change {
            Some(_) => faults.get(&call.number).copied().unwrap_or(Fault::None),
            None => Fault::None,
        })
    }

    fn fault(&self, operation: &'static str, change: Option<&Change>) -> Fault {
        let counter = if change.is_some() { &self.commits } else { &self.others };
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        (self.plan)(Call { number, operation, change })
    }
}

async fn suffer<T>(fault: Fault, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let injected = || Err(StoreError::Unavailable("a fault was injected".to_owned()));
    match fault {
        Fault::None => call.await,
        Fault::Before => injected(),
        Fault::After => {
            call.await?;
            injected()
        }
        Fault::Overloaded => Err(StoreError::Overloaded { waiting: 0 }),
        Fault::Never => std::future::pending().await,
        Fault::AfterNever => {
            call.await?;
            std::future::pending().await
        }
    }
}

/// Each method asks the plan, then is the inner store's.
macro_rules! delegate {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for Faulty {
            async fn commit(&self, change: Change) -> Result<Committed> {
                let fault = self.fault("commit", Some(&change));
                suffer(fault, self.inner.commit(change)).await
            }

            fn listen(&self) -> broadcast::Receiver<Arc<Entry>> {
                self.inner.listen()
            }

            $(async fn $name(&self, $($argument: $kind),*) -> Result<$answer> {
                suffer(self.fault(stringify!($name), None), self.inner.$name($($argument),*)).await
            })*
        }
    };
}

delegate! {
    claim_tickets(now: Timestamp, lease: Duration, limit: usize) -> Vec<Ticket>;
    claim_executions(now: Timestamp, lease: Duration, limit: usize) -> Vec<Execution>;
    claim_messages(now: Timestamp, lease: Duration, limit: usize, each: usize) -> Vec<OutboxMessage>;
    expired_recommendations(now: Timestamp, limit: usize) -> Vec<Recommendation>;
    standing_pre_approvals() -> Vec<PreApproval>;
    release_ticket(ticket: TicketId) -> ();
    release_execution(execution: ExecutionId) -> ();
    release_message(message: OutboxId) -> ();
    ticket(tenant: &TenantId, id: TicketId) -> Option<Ticket>;
    ticket_of(tenant: &TenantId, source: &SourceId, external_id: &str) -> Option<Ticket>;
    tickets(tenant: &TenantId, filter: &TicketFilter, page: Page<TicketId>) -> Vec<Ticket>;
    ticket_counts(tenant: &TenantId) -> BTreeMap<TicketState, u64>;
    ticket_rows(tenant: &TenantId, wanted: &Wanted, order: Order, limit: usize, targets: ResponseTargets, now: Timestamp) -> Vec<TicketRow>;
    worklist_counts(tenant: &TenantId, now: Timestamp) -> WorklistCounts;
    ticket_categories(tenant: &TenantId) -> Vec<String>;
    tally(tenant: &TenantId, since: Timestamp) -> Tally;
    handling(tenant: &TenantId, ticket: TicketId) -> Option<Handling>;
    shape_count(tenant: &TenantId, shape: &Digest, since: Timestamp) -> u64;
    delivery(tenant: &TenantId, id: DeliveryId) -> Option<Delivery>;
    dead_letters(tenant: &TenantId, page: Page<DeadLetterId>) -> Vec<DeadLetter>;
    dead_letter(tenant: &TenantId, id: DeadLetterId) -> Option<DeadLetter>;
    recommendation(tenant: &TenantId, id: RecommendationId) -> Option<Recommendation>;
    recommendation_for(tenant: &TenantId, ticket: TicketId) -> Option<Recommendation>;
    recommendations(tenant: &TenantId, state: Option<RecommendationState>, page: Page<RecommendationId>) -> Vec<Recommendation>;
    execution(tenant: &TenantId, id: ExecutionId) -> Option<Execution>;
    executions(tenant: &TenantId, states: &[ExecutionState], page: Page<ExecutionId>) -> Vec<Execution>;
    executions_for(tenant: &TenantId, ticket: TicketId) -> Vec<Execution>;
    message(tenant: &TenantId, id: OutboxId) -> Option<OutboxMessage>;
    messages(tenant: &TenantId, state: Option<OutboxState>, page: Page<OutboxId>) -> Vec<OutboxMessage>;
    messages_for(tenant: &TenantId, ticket: TicketId) -> Vec<OutboxMessage>;
    endpoint(tenant: &TenantId, destination: &str) -> Option<Endpoint>;
    endpoints(tenant: &TenantId) -> Vec<Endpoint>;
    pre_approvals(tenant: &TenantId, runbook: Option<&RunbookId>) -> Vec<PreApproval>;
    modes(tenant: &TenantId) -> Modes;
    models() -> Models;
    shadow_pairs(shadow: &Digest) -> Vec<ShadowPair>;
    feedback(tenant: &TenantId, id: FeedbackId) -> Option<Feedback>;
    feedback_page(tenant: &TenantId, page: Page<FeedbackId>) -> Vec<Feedback>;
    feedback_of(tenant: &TenantId, ticket: TicketId) -> Vec<Feedback>;
    storms(tenant: &TenantId, page: Page<StormId>) -> Vec<Storm>;
    tickets_without_vector(limit: usize) -> Vec<Ticket>;
    vector_space() -> Option<Digest>;
    codes_after(place: u64, limit: usize) -> Vec<StoredCode>;
    vectors_at(tenant: &TenantId, places: &[u64]) -> Vec<StoredVector>;
    cap_use(tenant: &TenantId, runbook: &RunbookId, target: &Digest, requester: Option<&Digest>, now: Timestamp) -> CapUse;
    outcome_record(tenant: &TenantId, runbook: &RunbookId, digest: &Digest) -> OutcomeRecord;
    automatic_outcomes(tenant: &TenantId, runbook: &RunbookId, digest: &Digest, since: Timestamp) -> Vec<AutomaticOutcome>;
    outcome(tenant: &TenantId, recommendation: RecommendationId) -> Option<Outcome>;
    outcomes(tenant: &TenantId, runbook: Option<&RunbookId>, since: Timestamp, page: Page<RecommendationId>) -> Vec<Outcome>;
    would_act(tenant: &TenantId, since: Timestamp) -> Vec<WouldAct>;
    dual_authorization(tenant: &TenantId, id: DualAuthorizationId) -> Option<DualAuthorization>;
    dual_authorizations(tenant: &TenantId, page: Page<DualAuthorizationId>) -> Vec<DualAuthorization>;
    requester_count(tenant: &TenantId, requester: &Digest, since: Timestamp) -> u64;
    account(tenant: &TenantId, person: &PersonId) -> Option<Account>;
    accounts(tenant: &TenantId) -> Vec<Account>;
    session(secret: &Digest) -> Option<Session>;
    sessions(tenant: &TenantId, person: Option<&PersonId>) -> Vec<Session>;
    invitation(secret: &Digest) -> Option<Invitation>;
    invitations(tenant: &TenantId) -> Vec<Invitation>;
    token(secret: &Digest) -> Option<Token>;
    tokens(tenant: &TenantId) -> Vec<Token>;
    log_size() -> u64;
    entries(tenant: &TenantId, filter: &EntryFilter, page: Page<u64>) -> Vec<LoggedEntry>;
    entry_range(start: u64, count: usize) -> Vec<LoggedEntry>;
    tile(level: u8, index: u64) -> Vec<[u8; 32]>;
    check() -> ();
    close() -> ();
}
