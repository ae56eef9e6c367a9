//! The whole way with an automation endpoint and a help desk that really listen, and the people who act.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    routing::get,
};
use serde_json::{Value, json};
use sluicegate::{
    config::{Config, secret::Secret},
    domain::{
        ambient::Ambient as _,
        approval::{Caps, Mode, PreApproval, Scope},
        dual_authorization::DualAuthorization,
        entry::Event,
        execution::{Execution, ExecutionState, StepOutcome},
        id::{ExecutionId, RecommendationId, TicketId},
        name::{PersonId, RunbookId, TenantId},
        outbox::OutboxState,
        outcome::OutcomeKind,
        principal::{Actor, Principal, Role},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        verdict::Decision,
    },
    pipeline::{
        actions::{approve, dual_authorization, modes, password, pre_approve, token},
        error::ActionError,
        service::Service,
        workers,
    },
    store::interface::{Page, Store, TicketFilter},
};
use tokio::sync::oneshot;

use crate::app::{Answer, App, START, signed};

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a test waits for, or a failure that says so instead of a test that hangs.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// A call that the automation endpoint got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub key: Option<String>,
}

/// Stops the first call whose method and path begin so, until the test lets it go on.
struct Hold {
    call: String,
    arrived: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

#[derive(Clone, Default)]
pub struct Automation {
    calls: Arc<Mutex<Vec<Call>>>,
    hold: Arc<Mutex<Option<Hold>>>,
    broken: Arc<AtomicBool>,
}

impl Automation {
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls that change something.
    pub fn changes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method == "POST").collect()
    }

    /// Whether a restart no longer helps.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// The first call that begins so is announced and waits.
    pub fn hold(&self, call: &str) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((arrived, heard), (go, go_on)) = (oneshot::channel(), oneshot::channel());
        *self.hold.lock().unwrap() = Some(Hold { call: call.to_owned(), arrived, go_on });
        (heard, go)
    }

    async fn answer(State(this): State<Self>, method: Method, uri: Uri, headers: HeaderMap, _body: Bytes) -> Json<Value> {
        let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let call = Call { method: method.to_string(), path: uri.path().to_owned(), key };
        let said = format!("{} {}", call.method, call.path);
        this.calls.lock().unwrap().push(call);
        let held = {
            let mut hold = this.hold.lock().unwrap();
            if hold.as_ref().is_some_and(|hold| said.starts_with(&hold.call)) { hold.take() } else { None }
        };
        if let Some(held) = held {
            held.arrived.send(()).unwrap();
            let _ = within("the test to let the call go on", held.go_on).await;
        }
        // A printer is well once it was restarted, and not before.
        let restarts = format!("{}/restart", uri.path().trim_end_matches("/restart"));
        let healthy = !this.broken.load(Ordering::SeqCst) && this.changes().iter().any(|call| call.path == restarts);
        Json(json!({ "state": if healthy { "healthy" } else { "faulty" } }))
    }
}

/// Tickets of the help desk: comments in order, and whether it was solved.
#[derive(Clone, Default)]
pub struct HelpDesk {
    puts: Arc<Mutex<Vec<(String, Value)>>>,
    away: Arc<AtomicBool>,
}

impl HelpDesk {
    pub fn comments(&self, ticket: &str) -> Vec<String> {
        let puts = self.puts.lock().unwrap();
        let of = puts.iter().filter(|(id, _)| id.trim_end_matches(".json") == ticket);
        of.map(|(_, put)| put["ticket"]["comment"]["body"].as_str().unwrap().to_owned()).collect()
    }

    pub fn is_solved(&self, ticket: &str) -> bool {
        self.puts.lock().unwrap().iter().any(|(id, put)| id.trim_end_matches(".json") == ticket && put["ticket"]["status"] == "solved")
    }

    /// Whether every write is answered with 503 from now on.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub fn is_untouched(&self) -> bool {
        self.puts.lock().unwrap().is_empty()
    }

    async fn put(State(this): State<Self>, Path(id): Path<String>, Json(body): Json<Value>) -> StatusCode {
        if this.away.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        this.puts.lock().unwrap().push((id, body));
        StatusCode::OK
    }

    async fn get(State(this): State<Self>, Path(_id): Path<String>) -> Result<Json<Value>, StatusCode> {
        if this.away.load(Ordering::SeqCst) {
            Err(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            Ok(Json(json!({"ticket": {"updated_at": "x"}})))
        }
    }

    async fn list(State(this): State<Self>, Path(id): Path<String>) -> Json<Value> {
        let comments: Vec<Value> = this.comments(&id).into_iter().map(|body| json!({ "body": body })).collect();
        Json(json!({ "comments": comments, "next_page": null }))
    }
}

/// On a free port of this machine, until the test ends.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

pub struct World {
    pub app: App,
    pub automation: Automation,
    pub desk: HelpDesk,
    deliveries: Mutex<u32>,
}

/// Endpoints that listen, and a configuration that names them.
pub async fn endpoints() -> (Automation, HelpDesk, impl Fn(&mut Config)) {
    let (automation, desk) = (Automation::default(), HelpDesk::default());
    let engine = serve(Router::new().fallback(Automation::answer).with_state(automation.clone())).await;
    let tickets = Router::new()
        .route("/api/v2/tickets/{id}", axum::routing::put(HelpDesk::put).get(HelpDesk::get))
        .route("/api/v2/tickets/{id}/comments.json", get(HelpDesk::list))
        .with_state(desk.clone());
    let tickets = serve(tickets).await;
    let configure = move |config: &mut Config| {
        config.connectors[0].base_url = format!("http://{engine}/").parse().unwrap();
        let write_back = json!({
            "kind": "zendesk", "base_url": format!("http://{tickets}/"), "email": "bot@example.com", "token": "t0k3n",
            "allow_addresses": ["127.0.0.0/8"], "resolved": "solved",
        });
        config.sources[1].write_back = serde_json::from_value(write_back).unwrap();
        // The harness has no history of outcomes; what the bound does is the gate's to test.
        config.gate.error_limit = 1.0;
        config.gate.least_fit = 0.5;
    };
    (automation, desk, configure)
}

pub fn tenant() -> TenantId {
    TenantId::default()
}

pub fn runbook() -> RunbookId {
    RunbookId::new("restart-spooler").unwrap()
}

pub const GENEROUS: Caps = Caps { per_hour: 100, per_target_hour: 100, per_requester_hour: 100, concurrent: 100 };

/// Somebody with a live token, as the gate asks for roles.
pub async fn person(service: &Service, name: &str, roles: &[Role]) -> Principal {
    let roles: BTreeSet<Role> = roles.iter().copied().collect();
    let person = PersonId::new(name).unwrap();
    token::create(service, Actor::Engine, tenant(), person.clone(), roles.clone(), None).await.unwrap();
    Principal { person, tenant: tenant(), roles }
}

/// Shadow or suggest, by one operator.
pub async fn set_mode(service: &Service, by: &Principal, mode: Mode) {
    let revision = service.store.modes(&tenant()).await.unwrap().revision;
    modes::set_mode(service, by, &Scope::Global, mode, revision).await.unwrap();
}

/// Of everybody here whom [`with_password`] gave one.
pub fn password_of(person: &Principal) -> Secret {
    Secret::new(format!("the password of {}", person.person))
}

/// As [`person`], with a password that they can prove themselves by.
pub async fn with_password(service: &Service, name: &str, roles: &[Role]) -> Principal {
    let principal = person(service, name, roles).await;
    password::put(service, Actor::Engine, &tenant(), &principal.person, &password_of(&principal)).await.unwrap();
    principal
}

pub async fn ask_auto(service: &Service, by: &Principal, scope: Scope) -> Result<DualAuthorization, ActionError> {
    let asked = dual_authorization::Asked::AutoMode { scope, reason: "it has earned it".to_owned(), proof: password_of(by).into() };
    dual_authorization::request(service, by, asked).await
}

pub async fn confirm(service: &Service, by: &Principal, asked: &DualAuthorization) -> Result<DualAuthorization, ActionError> {
    dual_authorization::confirm(service, by, asked.id, asked.revision, &password_of(by).into()).await
}

/// `auto` everywhere: `by`, who has a password, asks, and `vera` confirms.
pub async fn switch_on(service: &Service, by: &Principal) {
    let vera = with_password(service, "vera", &[Role::Approver]).await;
    let asked = ask_auto(service, by, Scope::Global).await.unwrap();
    confirm(service, &vera, &asked).await.unwrap();
}

pub async fn pre_approve(service: &Service, by: &Principal, caps: Caps) -> PreApproval {
    let digest = service.decider().library().get(&runbook()).unwrap().digest;
    let expires_at = service.ambient.now().plus(Duration::from_secs(86_400));
    let asked = pre_approve::NewPreApproval {
        runbook: runbook(),
        digest,
        mode: Mode::Auto,
        caps,
        sources: BTreeSet::new(),
        categories: BTreeSet::new(),
        during: None,
        expires_at,
    };
    pre_approve::make(service, by, asked).await.unwrap()
}

/// Every worker steps until none finds anything.
pub async fn work(service: &Arc<Service>) {
    within("the workers to come to rest", work_to_rest(service)).await;
}

async fn work_to_rest(service: &Arc<Service>) {
    loop {
        let triaged = workers::triage::step(service).await.unwrap();
        let ran = workers::execute::step(service, 16).await.unwrap();
        let said = workers::deliver::step(service, 16).await.unwrap();
        let closed = workers::expire::step(service).await.unwrap();
        if triaged + ran + said + closed == 0 {
            return;
        }
    }
}

pub fn does_not_print(external_id: &str, host: &str) -> Value {
    json!({
        "external_id": external_id,
        "title": format!("Printer {host} does not print, documents just sit in the queue"),
        "body": "nothing prints",
        "requester": { "id": format!("u-{external_id}"), "email": format!("user{external_id}@example.com") },
    })
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(change, |store| store).await
    }

    /// As [`with`](Self::with), with another store around the real one.
    pub async fn on(change: impl FnOnce(&mut Config), wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + 'static) -> Self {
        let (automation, desk, configure) = endpoints().await;
        let change = |config: &mut Config| {
            configure(config);
            change(config);
        };
        let app = within("the service to start", App::started_on(change, Box::new(wrap))).await;
        Self { app, automation, desk, deliveries: Mutex::new(0) }
    }

    pub fn service(&self) -> &Arc<Service> {
        &self.app.service
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.app.service.store
    }

    pub async fn person(&self, name: &str, roles: &[Role]) -> Principal {
        person(self.service(), name, roles).await
    }

    /// Automation in force: a pre-approval by `olu`, and mode auto, asked by `olu` and confirmed by `vera`.
    pub async fn automated(&self, caps: Caps) -> PreApproval {
        let olu = with_password(self.service(), "olu", &[Role::Approver]).await;
        switch_on(self.service(), &olu).await;
        pre_approve(self.service(), &olu, caps).await
    }

    /// A signed delivery over HTTP of what happened to the ticket.
    pub async fn tell(&self, data: &Value) -> TicketId {
        let number = {
            let mut deliveries = self.deliveries.lock().unwrap();
            *deliveries += 1;
            *deliveries
        };
        let answer = self.deliver(&format!("msg_{number}"), data).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["tickets"][0].as_str().unwrap().parse().unwrap()
    }

    pub async fn deliver(&self, id: &str, data: &Value) -> Answer {
        let seconds = self.app.ambient.now().as_seconds();
        assert!(seconds >= START / 1000);
        let mut data = data.clone();
        let resolved = data.as_object_mut().unwrap().remove("event").is_some_and(|event| event == "resolved");
        let kind = if resolved { "ticket.resolved" } else { "ticket.updated" };
        let body = json!({ "type": kind, "timestamp": "2023-11-14T22:13:20Z", "data": data }).to_string().into_bytes();
        let request = self.app.ask("POST", "/v1/intake/hooks").body(body.clone());
        Answer::of(signed(id, seconds, &body).into_iter().fold(request, |request, (name, value)| request.header(name, value))).await
    }

    pub async fn work(&self) {
        work(self.service()).await;
    }

    pub async fn ticket(&self, id: TicketId) -> Ticket {
        self.store().ticket(&tenant(), id).await.unwrap().unwrap()
    }

    pub async fn proposal(&self, id: TicketId) -> Recommendation {
        self.store().recommendation_for(&tenant(), id).await.unwrap().unwrap()
    }

    pub async fn runs(&self, id: TicketId) -> Vec<Execution> {
        self.store().executions_for(&tenant(), id).await.unwrap()
    }

    pub async fn events(&self, id: TicketId) -> Vec<Event> {
        let all = self.store().entry_range(0, 100_000).await.unwrap();
        all.into_iter().map(|logged| logged.entry.event).filter(|event| event.ticket() == Some(id)).collect()
    }

    pub async fn audit(&self) {
        audit(self.store().as_ref()).await;
    }
}

/// The approval of exactly what is there.
pub fn seen(recommendation: &Recommendation) -> approve::Approve {
    approve::Approve { revision: recommendation.revision, binding: recommendation.binding().unwrap(), comment: None }
}

/// The ids of the checks that refused.
pub fn refused_by(recommendation: &Recommendation) -> Vec<&str> {
    recommendation.verdict.refusals().map(|reason| reason.id.as_str()).collect()
}

/// Holds every state in the store of the tenant against the last word of the log about it.
pub async fn audit(store: &dyn Store) {
    let mut tickets: BTreeMap<TicketId, (TicketState, u64)> = BTreeMap::new();
    let mut recommendations: BTreeMap<RecommendationId, RecommendationState> = BTreeMap::new();
    let mut executions: BTreeMap<ExecutionId, ExecutionState> = BTreeMap::new();
    let mut steps: BTreeMap<ExecutionId, BTreeMap<(String, u32), StepOutcome>> = BTreeMap::new();
    let mut messages = BTreeMap::new();
    let mut outcomes = BTreeMap::new();
    for logged in store.entry_range(0, 100_000).await.unwrap().into_iter().filter(|logged| logged.entry.tenant == tenant()) {
        match logged.entry.event {
            Event::TicketReceived { ticket, .. } => drop(tickets.insert(ticket, (TicketState::Received, 1))),
            Event::TicketUpdated { ticket, version, .. } => tickets.get_mut(&ticket).unwrap().1 = version,
            Event::TicketMoved { ticket, from, to, version } => {
                let (before, _) = tickets.insert(ticket, (to, version)).unwrap();
                assert_eq!(before, from, "the log leaves out a move of {ticket}");
            }
            Event::TicketTriaged { recommendation, decision, .. } => {
                let automatic = decision == Decision::AutoExecute;
                let state = if automatic { RecommendationState::Approved } else { RecommendationState::Open };
                assert!(recommendations.insert(recommendation, state).is_none(), "{recommendation} was made twice");
            }
            Event::RecommendationRejected { recommendation, .. } => {
                let _ = recommendations.insert(recommendation, RecommendationState::Rejected);
            }
            Event::RecommendationEdited { recommendation, .. } => {
                assert!(recommendations.insert(recommendation, RecommendationState::Open).is_none(), "{recommendation} was made twice");
            }
            Event::RecommendationSuperseded { recommendation, .. } => {
                let _ = recommendations.insert(recommendation, RecommendationState::Superseded);
            }
            Event::RecommendationExpired { recommendation, .. } => {
                let _ = recommendations.insert(recommendation, RecommendationState::Expired);
            }
            Event::ExecutionCreated { execution, recommendation, .. } => {
                recommendations.insert(recommendation, RecommendationState::Approved);
                assert!(executions.insert(execution, ExecutionState::Pending).is_none(), "{execution} was made twice");
            }
            Event::ExecutionMoved { execution, from, to, .. } => {
                assert_eq!(executions.insert(execution, to), Some(from), "the log leaves out a move of {execution}");
            }
            Event::StepRecorded { execution, step, attempt, outcome, .. } => {
                steps.entry(execution).or_default().insert((step.to_string(), attempt), outcome);
            }
            Event::OutcomeRecorded { recommendation, outcome, .. } => {
                let before: Option<OutcomeKind> = outcomes.insert(recommendation, outcome);
                assert!(
                    before.is_none_or(|before| !before.is_wrong() && outcome.is_wrong()),
                    "{recommendation}: {before:?} to {outcome:?}"
                );
            }
            Event::MessageQueued { message, .. } => drop(messages.insert(message, OutboxState::Waiting)),
            Event::MessageDelivered { message, .. } => drop(messages.insert(message, OutboxState::Delivered)),
            Event::MessageDead { message, .. } => drop(messages.insert(message, OutboxState::Dead)),
            Event::MessageRedelivered { message, .. } => drop(messages.insert(message, OutboxState::Waiting)),
            _ => {}
        }
    }
    let tenant = tenant();
    let stored = store.tickets(&tenant, &TicketFilter::default(), Page { before: None, limit: 500 }).await.unwrap();
    assert_eq!(stored.iter().map(|ticket| (ticket.id, (ticket.state, ticket.version))).collect::<BTreeMap<_, _>>(), tickets);
    let stored = store.recommendations(&tenant, None, Page { before: None, limit: 500 }).await.unwrap();
    assert_eq!(stored.iter().map(|one| (one.id, one.state)).collect::<BTreeMap<_, _>>(), recommendations);
    for recommendation in stored {
        let known = store.outcome(&tenant, recommendation.id).await.unwrap().map(|outcome| outcome.kind);
        assert_eq!(known, outcomes.get(&recommendation.id).copied(), "{}", recommendation.id);
    }
    let stored = store.messages(&tenant, None, Page { before: None, limit: 500 }).await.unwrap();
    assert_eq!(stored.iter().map(|one| (one.id, one.state)).collect::<BTreeMap<_, _>>(), messages);
    let mut ran = BTreeMap::new();
    for ticket in tickets.keys() {
        for run in store.executions_for(&tenant, *ticket).await.unwrap() {
            let told = run.steps.iter().map(|step| ((step.step.to_string(), step.attempt), step.outcome)).collect::<BTreeMap<_, _>>();
            assert_eq!(told, steps.remove(&run.id).unwrap_or_default(), "{}", run.id);
            ran.insert(run.id, run.state);
        }
    }
    assert_eq!(ran, executions);
}
