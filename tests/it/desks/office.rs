//! The whole service with a help desk of each kind, each a source of its own that results go back to.

use serde_json::{Value, json};
use sluicegate::{
    config::write_back::DeskKind,
    domain::{
        approval::Mode,
        name::SourceId,
        outbox::OutboxMessage,
        principal::Role::{Approver, Operator},
        ticket::Ticket,
    },
};

use super::fake::FakeDesk;
use crate::{
    app::{Answer, DESK_TOKEN},
    way_world::{World, set_mode, tenant},
};

/// Our own account at every help desk.
pub const BOT: &str = "sluicegate-bot";

pub struct Office {
    pub world: World,
    pub desks: Vec<FakeDesk>,
}

/// The source's name.
pub fn source(kind: DeskKind) -> String {
    json!(kind).as_str().unwrap().replace('_', "-")
}

impl Office {
    /// `adapter` reads what the help desks send.
    pub async fn open(adapter: &str) -> Self {
        let mut desks = Vec::new();
        for kind in DeskKind::ALL {
            desks.push(FakeDesk::start(kind).await);
        }
        let sources = desks.iter().map(|desk| {
            json!({
                "name": source(desk.kind), "adapter": adapter, "auth": { "scheme": "token", "secrets": [DESK_TOKEN] },
                "own_actors": [BOT], "write_back": desk.config(),
            })
        });
        let sources: Vec<_> = sources.map(|source| serde_json::from_value(source).unwrap()).collect();
        let world = World::with(|config| {
            config.sources.extend(sources);
            config.gate.storm_size = 1_000_000;
        })
        .await;
        Self { world, desks }
    }

    /// Nothing runs, and every decision is said.
    pub async fn suggests(&self) {
        let olu = self.world.person("olu", &[Approver, Operator]).await;
        set_mode(self.world.service(), &olu, Mode::Suggest).await;
    }

    /// The help desk sends this.
    pub async fn hear(&self, kind: DeskKind, body: &Value) -> Answer {
        let path = format!("/v1/intake/{}", source(kind));
        Answer::of(self.world.app.ask("POST", &path).bearer_auth(DESK_TOKEN).body(body.to_string())).await
    }

    pub async fn ticket(&self, kind: DeskKind, external_id: &str) -> Ticket {
        let source: SourceId = source(kind).parse().unwrap();
        self.world.store().ticket_of(&tenant(), &source, external_id).await.unwrap().unwrap()
    }

    /// What was queued for the ticket's help desk, oldest first.
    pub async fn messages(&self, ticket: &Ticket) -> Vec<OutboxMessage> {
        let mut all = self.world.store().messages_for(&tenant(), ticket.id).await.unwrap();
        all.sort_by_key(|message| message.created_at);
        all
    }
}
