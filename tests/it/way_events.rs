//! Outgoing events as receivers get them: signed so that others' libraries take them, and never lost to an endpoint that
//! fails, hangs or says that it is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sluicegate::{
    config::Config,
    domain::{
        approval::Mode,
        endpoint::EndpointState,
        entry::Event,
        outbox::{AttemptOutcome, Destination, OutboxMessage, OutboxState},
        principal::{
            Principal,
            Role::{Auditor, Operator, Responder},
        },
        time::Timestamp,
    },
    log::checkpoint::Checkpoint,
    pipeline::{actions::endpoint::count_disabled, events, workers},
    store::interface::Page,
};
use tokio::sync::Notify;

use crate::{
    app::over,
    peers,
    way_world::{GENEROUS, World, does_not_print, serve, set_mode, tenant, within, work},
};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OLDER: &str = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
/// The Ed25519 key of RFC 8032 section 7.1, test 1.
const PRIVATE: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const DAY: Duration = Duration::from_secs(86_400);

/// Headers and raw body of one request.
type Heard = (BTreeMap<String, String>, Vec<u8>);

/// A receiver that writes down what it hears and answers as it is told.
#[derive(Clone)]
pub struct Receiver {
    heard: Arc<Mutex<Vec<Heard>>>,
    answer: Arc<AtomicU16>,
    /// Rung at every request.
    rung: Arc<Notify>,
}

impl Receiver {
    pub async fn start() -> (Self, String) {
        let receiver = Self { heard: Arc::default(), answer: Arc::new(AtomicU16::new(204)), rung: Arc::default() };
        let address = serve(Router::new().fallback(Self::hear).with_state(receiver.clone())).await;
        (receiver, format!("http://{address}/hook?token=s3cr3t-t0ken"))
    }

    pub fn answers(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    async fn hear(State(this): State<Self>, headers: HeaderMap, body: Bytes) -> StatusCode {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        this.heard.lock().unwrap().push((headers, body.to_vec()));
        this.rung.notify_waiters();
        let status = this.answer.load(Ordering::SeqCst);
        if status == 0 {
            std::future::pending::<()>().await;
        }
        StatusCode::from_u16(status).unwrap()
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.heard.lock().unwrap().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(headers, _)| headers["webhook-id"].clone()).collect()
    }

    fn of(&self, event_type: &str) -> Vec<Value> {
        self.bodies().into_iter().filter(|body| body["type"] == event_type).collect()
    }
}

fn webhook(name: &str, url: &str, more: Value) -> Value {
    let mut webhook = json!({ "name": name, "url": url, "secret": SECRET, "allow_addresses": ["127.0.0.0/8"] });
    webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    webhook
}

fn webhooks(config: &mut Config, webhooks: Vec<Value>) {
    config.webhooks = webhooks.into_iter().map(|webhook| serde_json::from_value(webhook).unwrap()).collect();
    // It is the events that count here.
    config.sources[1].write_back = None;
}

async fn messages(world: &World, name: &str) -> Vec<OutboxMessage> {
    let all = world.store().messages(&tenant(), None, Page { before: None, limit: 500 }).await.unwrap();
    all.into_iter().filter(|message| message.destination == Destination::Webhook(name.to_owned())).collect()
}

async fn entries(world: &World) -> Vec<Event> {
    world.store().entry_range(0, 100_000).await.unwrap().into_iter().map(|logged| logged.entry.event).collect()
}

/// People act, and those outside hear of it.
async fn suggest(world: &World, by: &Principal) {
    set_mode(world.service(), by, Mode::Suggest).await;
}

fn wall_clock() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap())
}

#[tokio::test]
async fn delivered_events_are_verified_by_the_official_libraries_and_a_changed_bit_is_refused() {
    let (receiver, url) = Receiver::start().await;
    let secrets = json!({ "secret": [SECRET, OLDER, PRIVATE] });
    let world = World::with(|config| webhooks(config, vec![webhook("ops", &url, secrets)])).await;
    // The libraries look at the clock of this machine.
    world.app.ambient.set(wall_clock());
    world.automated(GENEROUS).await;
    world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    workers::publish::step(world.service()).await.unwrap();
    world.work().await;

    let types: BTreeSet<String> = receiver.bodies().iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect();
    assert!(
        types.is_superset(
            &["ticket.triaged", "recommendation.created", "execution.finished", "checkpoint.published"].map(str::to_owned).into()
        ),
        "{types:?}"
    );
    let schema = events::schema().unwrap();
    for body in receiver.bodies() {
        let named = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let event_type = body["type"].as_str().unwrap();
        assert_eq!(named(&body["data"]), named(&schema["$defs"][event_type]["properties"]), "{body}");
        assert_eq!(body["dataschema"], format!("http://127.0.0.1:8321/schemas/events.json#/$defs/{event_type}"));
        assert_eq!(body.as_object().unwrap().contains_key("subject"), event_type != "checkpoint.published");
    }

    let heard = receiver.heard.lock().unwrap().clone();
    let deliveries: Vec<Value> = heard.iter().map(|(headers, body)| json!({ "headers": headers, "body": STANDARD.encode(body) })).collect();
    assert!(heard.iter().all(|(headers, _)| headers["webhook-signature"].split(' ').count() == 3), "one signature for each secret");
    for secret in [SECRET, OLDER] {
        let input = json!({ "secret": secret, "public_key": PUBLIC, "deliveries": deliveries });
        let node = tokio::task::spawn_blocking({
            let input = input.clone();
            move || peers::verify_with_node(&input)
        });
        let python = tokio::task::spawn_blocking(move || peers::verify_with_python(&input));
        let (node, python) = (within("node", node).await.unwrap(), within("python", python).await.unwrap());
        assert_eq!((node.len(), python.len()), (heard.len(), heard.len()));
        let refused = "WebhookVerificationError";
        for verdict in node {
            assert_eq!(verdict, json!({ "v1": ["verified", refused, refused], "v1a": ["verified", "refused", "refused"] }));
        }
        for verdict in python {
            assert_eq!(verdict, json!({ "v1": ["verified", refused, refused] }));
        }
    }
    let auditor = world.app.token(&[Auditor]).await;
    let shown = world.app.get(&auditor, "/v1/endpoints").await;
    assert_eq!(shown.json()["items"][0]["public_keys"], json!([PUBLIC]));
    assert!(!shown.text.contains("s3cr3t") && !shown.text.contains("whsk_") && !shown.text.contains("whsec_"), "{shown:?}");
}

#[tokio::test]
async fn days_of_nothing_but_failure_disable_an_endpoint_its_owner_is_told_and_nothing_is_lost() {
    let ((ops, ops_url), (audit, audit_url), (chat, chat_url)) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let world = World::with(move |config| {
        let owned = json!({ "events": ["ticket.triaged"], "owner_chat": "desk", "disable_after": "5d" });
        webhooks(config, vec![webhook("ops", &ops_url, owned), webhook("audit", &audit_url, json!({ "events": ["webhook.disabled"] }))]);
        let desk =
            json!({ "name": "desk", "kind": "slack", "url": chat_url, "occasions": ["demoted"], "allow_addresses": ["127.0.0.0/8"] });
        config.chats = vec![serde_json::from_value(desk).unwrap()];
    })
    .await;
    world.app.ambient.turn(DAY);
    let ola = world.person("ola", &[Operator]).await;
    suggest(&world, &ola).await;
    ops.answers(503);
    world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let endpoint = || async { world.store().endpoint(&tenant(), "webhook/ops").await.unwrap().unwrap() };
    assert!(matches!(endpoint().await.state, EndpointState::Failing { .. }));

    // The first message is tried for more than three days and given up; the second finds the endpoint still failing.
    for _ in 0..4 * 24 {
        world.app.ambient.turn(DAY / 24);
        world.work().await;
    }
    assert_eq!(messages(&world, "ops").await[0].state, OutboxState::Dead);
    world.tell(&does_not_print("2", "prn-00002")).await;
    world.work().await;
    for _ in 0..2 * 24 {
        world.app.ambient.turn(DAY / 24);
        world.work().await;
    }
    let EndpointState::Disabled { since, at, why } = endpoint().await.state else { panic!("{:?}", endpoint().await) };
    assert!(at.since(since) >= DAY * 5 && at.since(since) < DAY * 6 && why.contains("503"), "{since} {at} {why}");
    let tries = ops.ids().len();

    // Everybody who should hears of it, once, in the change itself.
    let disabled: Vec<Event> = entries(&world).await.into_iter().filter(|event| matches!(event, Event::EndpointDisabled { .. })).collect();
    assert_eq!(disabled, [Event::EndpointDisabled { destination: "webhook/ops".to_owned(), failing_since: since, reason: why.clone() }]);
    let told = audit.of("webhook.disabled");
    assert_eq!((told.len(), &told[0]["data"]["webhook"], &told[0]["data"]["reason"]), (1, &json!("ops"), &json!(why)));
    let notices = chat.bodies();
    assert_eq!(notices.len(), 1, "its owner's chat, which asked for other occasions, hears of its own endpoint");
    assert!(notices[0]["blocks"][0]["text"]["text"].as_str().unwrap().contains("Webhook ops is disabled"), "{notices:?}");
    assert!(!notices[0].to_string().contains("s3cr3t"));

    // Nothing more is sent, whatever comes and however long; a restart changes nothing.
    world.tell(&does_not_print("3", "prn-00003")).await;
    world.app.ambient.turn(DAY * 30);
    world.work().await;
    let again = over(Arc::clone(world.store()), Arc::clone(&world.app.ambient), (*world.service().config).clone());
    work(&again).await;
    assert_eq!(ops.ids().len(), tries);
    let waiting = messages(&world, "ops").await.iter().filter(|message| message.state == OutboxState::Waiting).count();
    assert_eq!(waiting, 2);

    // An operator enables it: what waited goes on, and what was given up is sent again.
    ops.answers(204);
    let (operator, responder) = (world.app.token(&[Operator]).await, world.app.token(&[Responder]).await);
    world.app.send(&responder, "POST", "/v1/endpoints/ops/enable", json!({})).await.is(403, "missing-role");
    world.app.send(&operator, "POST", "/v1/endpoints/nobody/enable", json!({})).await.is(404, "not-found");
    assert_eq!(world.app.send(&operator, "POST", "/v1/endpoints/ops/enable", json!({})).await.status, 200);
    world.app.send(&operator, "POST", "/v1/endpoints/ops/enable", json!({})).await.is(409, "changed");
    world.work().await;
    let stored = messages(&world, "ops").await;
    let dead: Vec<_> = stored.iter().filter(|message| message.state == OutboxState::Dead).collect();
    assert_eq!((stored.len(), dead.len()), (3, 1));
    let path = format!("/v1/outbox/{}/redeliver", dead[0].id);
    assert_eq!(world.app.send(&operator, "POST", &path, json!({})).await.status, 202);
    world.work().await;
    let delivered: BTreeSet<String> = ops.ids().split_off(tries).into_iter().collect();
    assert_eq!(delivered, stored.iter().map(|message| message.id.to_string()).collect(), "each of them, under its own id");
    assert_eq!(endpoint().await.state, EndpointState::Working);
    world.audit().await;
}

#[tokio::test]
async fn an_endpoint_that_says_gone_is_disabled_at_once_and_its_message_waits() {
    let (receiver, url) = Receiver::start().await;
    let world = World::with(|config| {
        webhooks(config, vec![webhook("ops", &url, json!({ "events": ["ticket.triaged"], "owner_mail": "ana" }))]);
        config.recipients = vec![serde_json::from_value(json!({ "name": "ana", "address": "ana@example.com" })).unwrap()];
    })
    .await;
    let ola = world.person("ola", &[Operator]).await;
    suggest(&world, &ola).await;
    receiver.answers(410);
    for number in 0..8 {
        world.tell(&does_not_print(&number.to_string(), &format!("prn-0000{number}"))).await;
    }
    world.work().await;
    let count = entries(&world).await.iter().filter(|event| matches!(event, Event::EndpointDisabled { .. })).count();
    assert_eq!(count, 1, "however many were on their way");
    let stored = messages(&world, "ops").await;
    assert!(stored.len() == 8 && stored.iter().all(|message| message.state == OutboxState::Waiting));
    let all = world.store().messages(&tenant(), None, Page { before: None, limit: 500 }).await.unwrap();
    let told: Vec<_> = all.iter().filter(|message| message.destination == Destination::Mail("ana".to_owned())).collect();
    assert_eq!(told.len(), 1, "its owner gets one mail");
    assert!(!world.app.get("", "/metrics").await.text.contains("s3cr3t"));
    count_disabled(world.service()).await.unwrap();
    assert!(world.app.get("", "/metrics").await.text.contains("sluicegate_webhook_disabled{destination=\"webhook/ops\"} 1"));
    receiver.answers(200);
    let operator = world.app.token(&[Operator]).await;
    assert_eq!(world.app.send(&operator, "POST", "/v1/endpoints/ops/enable", json!({})).await.status, 200);
    world.work().await;
    assert!(messages(&world, "ops").await.iter().all(|message| message.state == OutboxState::Delivered));
}

#[tokio::test]
async fn the_delivery_log_tells_every_try_and_a_delivered_write_back_is_never_written_twice() {
    let (receiver, url) = Receiver::start().await;
    let world = World::with(|config| {
        let write_back = config.sources[1].write_back.clone();
        webhooks(config, vec![webhook("ops", &url, json!({ "events": ["ticket.triaged"] }))]);
        config.sources[1].write_back = write_back;
    })
    .await;
    let ola = world.person("ola", &[Operator]).await;
    suggest(&world, &ola).await;
    receiver.answers(503);
    let ticket = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    receiver.answers(204);
    world.app.ambient.turn(Duration::from_secs(7));
    world.work().await;

    let (operator, auditor) = (world.app.token(&[Operator]).await, world.app.token(&[Auditor]).await);
    let event = messages(&world, "ops").await.pop().unwrap();
    let shown = world.app.get(&auditor, &format!("/v1/outbox/{}", event.id)).await.json();
    let log = shown["log"].as_array().unwrap();
    let told: Vec<_> =
        log.iter().map(|attempt| (attempt["number"].as_u64(), attempt["outcome"].as_str(), attempt["status"].as_u64())).collect();
    assert_eq!(told, [(Some(1), Some("failed"), Some(503)), (Some(2), Some("delivered"), Some(204))]);
    assert_eq!(log[0]["error"], "the endpoint answered 503");
    assert!(log.iter().all(|attempt| attempt["took_ms"].is_u64() && attempt["at"].is_string()), "{log:?}");
    world.app.get(&auditor, "/v1/outbox/out_00000000000000000000000000").await.is(404, "not-found");

    // A webhook's message goes out again under the same id, with a signature of its own.
    let path = format!("/v1/outbox/{}/redeliver", event.id);
    world.app.send(&auditor, "POST", &path, json!({})).await.is(403, "missing-role");
    assert_eq!(world.app.send(&operator, "POST", &path, json!({})).await.status, 202);
    world.app.send(&operator, "POST", &path, json!({})).await.is(409, "changed");
    world.app.ambient.turn(Duration::from_secs(60));
    world.work().await;
    let ids = receiver.ids();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == event.id.to_string()), "{ids:?}");
    let signatures: BTreeSet<String> =
        receiver.heard.lock().unwrap().iter().map(|(headers, _)| headers["webhook-signature"].clone()).collect();
    assert_eq!(signatures.len(), 3, "signed anew at each send's time");

    // A write-back looks for its mark before it writes.
    let comments = world.desk.comments("1");
    let write_back = world.store().messages_for(&tenant(), ticket).await.unwrap();
    let write_back = write_back.into_iter().find(|message| matches!(message.destination, Destination::HelpDesk(_))).unwrap();
    assert_eq!(write_back.state, OutboxState::Delivered);
    assert_eq!(world.app.send(&operator, "POST", &format!("/v1/outbox/{}/redeliver", write_back.id), json!({})).await.status, 202);
    world.work().await;
    assert_eq!(world.desk.comments("1"), comments, "no second comment");
    let again = world.store().message(&tenant(), write_back.id).await.unwrap().unwrap();
    assert_eq!((again.state, again.attempts, again.log[1].outcome), (OutboxState::Delivered, 2, AttemptOutcome::Delivered));
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_endpoint_that_never_answers_does_not_keep_another_waiting() {
    let ((slow, slow_url), (fast, fast_url)) = (Receiver::start().await, Receiver::start().await);
    let world = World::with(|config| {
        let triaged = json!({ "events": ["ticket.triaged"] });
        webhooks(config, vec![webhook("a-slow", &slow_url, triaged.clone()), webhook("fast", &fast_url, triaged)]);
        config.gate.storm_size = 1000;
    })
    .await;
    let ola = world.person("ola", &[Operator]).await;
    suggest(&world, &ola).await;
    slow.answers(0);
    for number in 0..150 {
        world.tell(&does_not_print(&number.to_string(), &format!("prn-00{number:03}"))).await;
    }
    let running = workers::start(world.service());
    within("the fast one to hear of every ticket", async {
        loop {
            let rung = fast.rung.notified();
            if fast.ids().len() >= 150 {
                return;
            }
            rung.await;
        }
    })
    .await;
    assert!(slow.ids().len() <= 16, "no more than its share is under way: {}", slow.ids().len());
    drop(running);
}

#[tokio::test]
async fn checkpoints_are_published_while_the_log_grows_and_each_verifies() {
    let (receiver, url) = Receiver::start().await;
    let world = World::with(|config| {
        webhooks(config, vec![webhook("keeper", &url, json!({ "events": ["checkpoint.published"] }))]);
        config.log.publish_after = 50;
    })
    .await;
    let ola = world.person("ola", &[Operator]).await;
    let step = || async { workers::publish::step(world.service()).await.unwrap() };
    assert_eq!((step().await, step().await), (1, 0), "the first at once, the next in its time");
    world.work().await;
    world.app.ambient.turn(Duration::from_secs(3600));
    assert_eq!(step().await, 0, "what grew is the sending of the last one alone");
    suggest(&world, &ola).await;
    assert_eq!((step().await, step().await), (1, 0), "an hour is over and something happened");
    for number in 0..20 {
        world.tell(&does_not_print(&number.to_string(), &format!("prn-000{number:02}"))).await;
    }
    world.work().await;
    assert_eq!((step().await, step().await), (1, 0), "fifty entries are enough");
    let again = over(Arc::clone(world.store()), Arc::clone(&world.app.ambient), (*world.service().config).clone());
    assert_eq!(workers::publish::step(&again).await.unwrap(), 0, "a restart sends nothing twice");
    world.work().await;

    let (verifier, mut before) = (world.service().key.verifier(), 0);
    let published = receiver.of("checkpoint.published");
    assert_eq!(published.len(), 3);
    for event in published {
        let checkpoint = Checkpoint::open(event["data"]["checkpoint"].as_str().unwrap(), &verifier).unwrap();
        assert!(event["data"]["size"] == checkpoint.size && checkpoint.size > before, "{event}");
        before = checkpoint.size;
        let (size, root) = (checkpoint.size, checkpoint.root);
        assert_eq!(sluicegate::store::tree::root(&**world.store(), size).await.unwrap(), root, "it is a checkpoint of this very log");
    }
}
