//! The sender over a real store, one help desk, and messages for one of its tickets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use sluicegate::{
    config::{Config, write_back::DeskKind},
    domain::{
        ambient::Ambient as _,
        id::OutboxId,
        outbox::{Destination, Message, OutboxMessage, OutboxState},
        priority::Priority,
    },
    notify::{NotifyError, Sender, Senders},
    store::{
        faulty::{Fault as StoreFault, Faulty},
        interface::Store,
        sqlite::SqliteStore,
    },
};

use super::{fake::FakeDesk, models};
use crate::{app::Manual, store_contract::samples};

pub struct Bench {
    pub desk: FakeDesk,
    pub store: Arc<SqliteStore>,
    pub time: Arc<Manual>,
    senders: Arc<Senders>,
    sender: Sender,
    drawn: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub async fn new(kind: DeskKind) -> Self {
        Self::with(kind, |table| table).await
    }

    /// With another `write_back` table.
    pub async fn with(kind: DeskKind, change: impl FnOnce(serde_json::Value) -> serde_json::Value) -> Self {
        let desk = FakeDesk::start(kind).await;
        let config: Config = serde_json::from_value(json!({
            "sources": [{ "name": "desk", "adapter": "json", "auth": { "scheme": "token", "secrets": [] }, "write_back": change(desk.config()) }],
        }))
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap());
        store.commit(samples::intake(&samples::ticket(&samples::tenant(), 1))).await.unwrap();
        let (time, senders) = (Arc::new(Manual::new()), Arc::new(Senders::from_config(&config).unwrap()));
        let sender = Sender::new(Arc::clone(&store) as Arc<dyn Store>, time.clone(), Arc::clone(&senders));
        Self { desk, store, time, senders, sender, drawn: AtomicU64::new(1), _folder: folder }
    }

    /// A message in the outbox.
    pub async fn queue(&self, message: Message) -> OutboxMessage {
        let ticket = samples::ticket(&samples::tenant(), 1);
        let now = self.time.now();
        let message = OutboxMessage {
            form: OutboxMessage::FORM,
            id: OutboxId::new(now, u128::from(self.drawn.fetch_add(1, Ordering::SeqCst))),
            tenant: ticket.tenant,
            ticket: Some(ticket.id),
            destination: Destination::HelpDesk("desk".parse().unwrap()),
            message,
            state: OutboxState::Waiting,
            attempts: 0,
            created_at: now,
            next_attempt_at: now,
            last_error: None,
            earlier_attempts: 0,
            log: Vec::new(),
        };
        self.store.commit(samples::queued(&message)).await.unwrap();
        message
    }

    pub async fn stored(&self, message: &OutboxMessage) -> OutboxMessage {
        let all = self.store.messages_for(&message.tenant, message.ticket.unwrap()).await.unwrap();
        all.into_iter().find(|stored| stored.id == message.id).unwrap()
    }

    pub async fn deliver(&self, message: OutboxMessage) -> OutboxMessage {
        self.sender.deliver(message).await.unwrap()
    }

    /// One try of a process whose store is cut off at its `nth` commit, from 1.
    pub async fn deliver_and_crash(&self, message: OutboxMessage, nth: u64, fault: StoreFault) -> Result<OutboxMessage, NotifyError> {
        let store = Arc::new(Faulty::on_commits(Arc::clone(&self.store) as Arc<dyn Store>, [(nth, fault)]));
        Sender::new(store, self.time.clone(), Arc::clone(&self.senders)).deliver(message).await
    }

    /// Tries when the schedule says, until the message waits no longer.
    pub async fn until_settled(&self, message: &OutboxMessage) -> OutboxMessage {
        let mut message = self.stored(message).await;
        while message.state == OutboxState::Waiting {
            self.time.turn(message.next_attempt_at.since(self.time.now()) + Duration::from_millis(1));
            message = self.deliver(message).await;
        }
        message
    }
}

/// Everything that a message can change.
pub fn everything(kind: DeskKind) -> Message {
    Message::WriteBack {
        external_id: models::id(kind).to_owned(),
        comment: "Done: restarted <the> spooler.\nhttps://sluicegate.example/v1/tickets/tkt_1".to_owned(),
        priority: Some(Priority::P2),
        category: Some("hardware/printer".to_owned()),
        assignment_group: Some("field".to_owned()),
        resolved: true,
        tags: vec!["sluicegate:resolved".to_owned()],
    }
}
