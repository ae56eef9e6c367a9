//! The embedded store on a file of its own, with a switch that cuts it off at a commit, and a clock turned by hand.
//!
//! Only for the tests of the rooms above the store.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    domain::{
        ambient::Ambient,
        digest::Digest,
        entry::Entry,
        id::{DeliveryId, TicketId},
        name::TenantId,
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    store::{
        change::{Change, Write},
        faulty::{Call, Fault, Faulty},
        interface::Store,
        sqlite::SqliteStore,
    },
};

/// Time and randomness that tests turn by hand; each call moves the time by a millisecond.
#[derive(Default)]
pub struct Turned {
    now: AtomicI64,
    random: AtomicU64,
}

impl Turned {
    pub fn forward(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub fn back(&self, by: Duration) {
        self.now.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Ambient for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.now.fetch_add(1, Ordering::SeqCst))
    }

    fn random(&self) -> u128 {
        u128::from(self.random.fetch_add(1, Ordering::SeqCst))
    }
}

/// Behaves as the store itself, through the fault injector.
pub struct TestStore {
    inner: Arc<SqliteStore>,
    faulty: Arc<Faulty>,
    cut: Arc<Cut>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct Cut {
    commits: AtomicUsize,
    /// The commit from which on the store is cut off; 0 for never.
    from: AtomicUsize,
    /// Whether the commit that is cut still lands.
    lands: AtomicBool,
}

impl Cut {
    fn fault(&self, call: &Call<'_>) -> Fault {
        if call.change.is_none() {
            return Fault::None;
        }
        let nth = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        match self.from.load(Ordering::SeqCst) {
            0 => Fault::None,
            from if nth < from => Fault::None,
            from if nth == from && self.lands.load(Ordering::SeqCst) => Fault::After,
            _ => Fault::Before,
        }
    }
}

impl Deref for TestStore {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.faulty
    }
}

impl TestStore {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
        let cut = Arc::new(Cut::default());
        let faulty = Faulty::new(Arc::clone(&inner) as Arc<dyn Store>, {
            let cut = Arc::clone(&cut);
            move |call| cut.fault(&call)
        });
        Self { inner, faulty: Arc::new(faulty), cut, _folder: folder }
    }

    /// For whoever keeps a store.
    pub fn shared(&self) -> Arc<dyn Store> {
        Arc::clone(&self.faulty) as Arc<dyn Store>
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
        self.cut.lands.store(lands, Ordering::SeqCst);
        self.cut.from.store(self.cut.commits.load(Ordering::SeqCst) + nth, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.cut.from.store(0, Ordering::SeqCst);
    }
}
