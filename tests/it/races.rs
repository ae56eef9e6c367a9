//! Two who act on one proposal at once, over the real store, in every order or in thousands of drawn ones.
//!
//! Whatever the order: one wins, the other is told what changed, the log tells the same story as the store, and no
//! step is sent that policy, calendar and kill switch did not allow when it was asked for.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, Uri},
};
use serde_json::{Value, json};
use sluicegate::{
    config::{Config, engine},
    domain::{
        ambient::Ambient,
        digest::Digest,
        entry::{Entry, Event},
        execution::{Execution, ExecutionState, StepOutcome},
        id::{RecommendationId, TicketId, TokenId},
        name::{PersonId, TenantId},
        principal::{
            Actor, Principal,
            Role::{self, Approver, Operator, Responder},
            Token,
        },
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    execute::{Engine, engine::Pace},
    pipeline::{
        actions::{approve::approve, modes, reject::reject},
        decider::Decider,
        error::ActionError,
        service::Service,
        workers,
    },
    store::{
        change::{Change, Write},
        interface::{EntryFilter, Page, Store},
    },
};

use crate::{
    app::{App, RUNBOOK, START, over},
    schedule::{Job, Order, Stage, Turn, next},
    way_world::{does_not_print, seen},
};

/// Schedules of each race; `./test proofs` sets 10000, optimised, which takes unoptimised many minutes.
fn schedules() -> usize {
    std::env::var("SLUICEGATE_TEST_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

/// The automation endpoint: all is well, and every call is written down.
#[derive(Clone, Default)]
struct Automation(Arc<Mutex<Vec<(Method, String)>>>);

impl Automation {
    async fn answer(State(this): State<Self>, method: Method, uri: Uri) -> Json<Value> {
        this.0.lock().unwrap().push((method, uri.path().to_owned()));
        Json(json!({ "state": "healthy" }))
    }
}

/// A service for each actor over one store, and one proposal to make copies of.
struct Arena {
    app: App,
    automation: Automation,
    stage: Stage,
    services: Vec<Arc<Service>>,
    ticket: Ticket,
    proposal: Recommendation,
    copies: AtomicU64,
}

/// A copy of the proposal in a tenant of its own, so that no race sees another's caps, modes or outcomes.
#[derive(Clone)]
struct Case {
    tenant: TenantId,
    ticket: TicketId,
    proposal: Recommendation,
}

/// What store and endpoint say after a race.
struct Story {
    ticket: Ticket,
    proposal: Recommendation,
    runs: Vec<Execution>,
    /// Oldest first.
    log: Vec<Entry>,
    calls: Vec<(Method, String)>,
}

impl Arena {
    async fn new(actors: usize, change: impl FnOnce(&mut Config)) -> Self {
        let automation = Automation::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().fallback(Automation::answer).with_state(automation.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let app = App::started(|config| {
            config.connectors[0].base_url = base.parse().unwrap();
            (config.gate.error_limit, config.gate.least_fit) = (1.0, 0.5);
            change(config);
        })
        .await;
        let answer = app.desk(does_not_print("17", "prn-00007").to_string()).await;
        let id: TicketId = answer.json()["tickets"][0].as_str().unwrap().parse().unwrap();
        app.triage().await;
        let store = &app.service.store;
        let ticket = store.ticket(&TenantId::default(), id).await.unwrap().unwrap();
        assert_eq!(ticket.state, TicketState::AwaitingApproval);
        let proposal = store.recommendation_for(&TenantId::default(), id).await.unwrap().unwrap();
        let stage = Stage::new(actors);
        let replica = |actor| {
            let store = stage.turnstile.store(actor, Arc::clone(&app.service.store));
            let mut service = over(Arc::clone(&store), Arc::clone(&app.ambient), (*app.service.config).clone());
            service.put_in_force(app.service.decider());
            // A step that is tried again is tried at once: nothing here is about how long anybody waits.
            let pace = Pace { retry: Duration::ZERO, look: (Duration::ZERO, Duration::ZERO), ..Pace::default() };
            let sole = Arc::get_mut(&mut service).expect("nobody else has it yet");
            sole.engine = Engine::new(store, Arc::clone(&app.ambient) as Arc<dyn Ambient>, Arc::clone(&sole.connectors)).with_pace(pace);
            service
        };
        Self { services: (0..actors).map(replica).collect(), automation, stage, ticket, proposal, copies: AtomicU64::new(0), app }
    }

    fn store(&self) -> &Arc<dyn Store> {
        &self.app.service.store
    }

    async fn copy(&self) -> Case {
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        let (at, own) = (Timestamp::from_millis(START), u128::from(number) << 8);
        let tenant = TenantId::new(format!("t{number}")).unwrap();
        let (mut ticket, mut proposal) = (self.ticket.clone(), self.proposal.clone());
        (ticket.id, ticket.tenant) = (TicketId::new(at, own), tenant.clone());
        (proposal.id, proposal.tenant, proposal.ticket) = (RecommendationId::new(at, own), tenant.clone(), ticket.id);
        let token = |n: u128, person: Principal| Token {
            id: TokenId::new(at, own + n),
            tenant: tenant.clone(),
            person: person.person,
            roles: person.roles,
            secret: Digest::of(&(own + n).to_le_bytes()),
            created_at: at,
            expires_at: None,
            revoked_at: None,
        };
        let case = Case { tenant: tenant.clone(), ticket: ticket.id, proposal: proposal.clone() };
        let writes = vec![
            self.app.service.write_ticket(ticket),
            Write::Recommendation(Box::new(proposal)),
            Write::Token(token(0, case.person("olu", &[Approver]))),
            Write::Token(token(1, case.person("kim", &[Approver]))),
        ];
        self.store().commit(Change { writes, ..Change::default() }).await.unwrap();
        case
    }

    /// Marks in the log where something changed that is not in the store.
    async fn mark(store: &dyn Store, case: &Case) {
        let event = Event::ServiceStarted { version: "changed".to_owned() };
        let entries = vec![Entry::new(case.tenant.clone(), Timestamp::from_millis(START), Actor::Engine, event)];
        store.commit(Change { entries, ..Change::default() }).await.unwrap();
    }

    async fn story(&self, case: &Case) -> Story {
        let (store, tenant) = (self.store(), &case.tenant);
        let mut log = store.entries(tenant, &EntryFilter::default(), Page { before: None, limit: 500 }).await.unwrap();
        log.reverse();
        Story {
            ticket: store.ticket(tenant, case.ticket).await.unwrap().unwrap(),
            proposal: store.recommendation(tenant, case.proposal.id).await.unwrap().unwrap(),
            runs: store.executions_for(tenant, case.ticket).await.unwrap(),
            log: log.into_iter().map(|logged| logged.entry).collect(),
            calls: std::mem::take(&mut *self.automation.0.lock().unwrap()),
        }
    }
}

impl Case {
    fn person(&self, name: &str, roles: &[Role]) -> Principal {
        Principal { person: PersonId::new(name).unwrap(), tenant: self.tenant.clone(), roles: roles.iter().copied().collect() }
    }
}

impl Story {
    fn tags(&self) -> Vec<&str> {
        self.log.iter().map(|entry| entry.event.tag()).collect()
    }

    fn changes(&self) -> usize {
        self.calls.iter().filter(|(method, _)| *method == Method::POST).count()
    }

    /// Holds every state and step in the store against the log, and every call against the steps begun.
    fn is_one_story(&self) {
        let (mut ticket, mut runs, mut begun) = (TicketState::AwaitingApproval, BTreeMap::new(), BTreeMap::new());
        for entry in &self.log {
            match &entry.event {
                Event::TicketMoved { from, to, .. } => {
                    assert_eq!(*from, ticket, "{:?}", self.log);
                    ticket = *to;
                }
                Event::ExecutionCreated { execution, .. } => {
                    assert!(runs.insert(*execution, ExecutionState::Pending).is_none());
                }
                Event::ExecutionMoved { execution, from, to, .. } => assert_eq!(runs.insert(*execution, *to), Some(*from)),
                Event::StepRecorded { step, attempt, outcome: StepOutcome::Started, .. } => {
                    // A step whose outcome is unknown is recorded as started a second time; never a third.
                    *begun.entry((step.as_str().to_owned(), *attempt)).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        assert_eq!(self.ticket.state, ticket, "{:?}", self.log);
        assert_eq!(self.runs.iter().map(|run| (run.id, run.state)).collect::<BTreeMap<_, _>>(), runs, "{:?}", self.log);
        assert!(begun.values().all(|times| *times == 1), "{begun:?}");
        assert_eq!(self.calls.len(), begun.len(), "every call has its own line, written before it: {:?} {begun:?}", self.calls);
    }
}

type Slot<T> = Arc<Mutex<Option<T>>>;

fn slot<T>() -> Slot<T> {
    Arc::new(Mutex::new(None))
}

fn said<T>(slot: &Slot<T>) -> T {
    slot.lock().unwrap().take().expect("every actor said something")
}

fn job<T: Send + 'static, F: Future<Output = T> + 'static>(slot: &Slot<T>, act: impl FnOnce() -> F + Send + 'static) -> Job {
    let slot = Arc::clone(slot);
    Box::new(move || {
        Box::pin(async move {
            let said = act().await;
            *slot.lock().unwrap() = Some(said);
        })
    })
}

type Answer = Result<Recommendation, ActionError>;

fn approving(service: &Arc<Service>, case: &Case, by: &str, slot: &Slot<Answer>) -> Job {
    let (service, case, by) = (Arc::clone(service), case.clone(), case.person(by, &[Approver]));
    job(slot, move || async move { approve(&service, &by, case.proposal.id, seen(&case.proposal)).await })
}

/// The loser is told what is no longer as it was seen.
fn is_told_what_changed(answer: &Answer) {
    let Err(ActionError::Changed(why)) = answer else { panic!("{answer:?}") };
    assert!(["ticket", "recommendation", "revision"].iter().any(|what| why.contains(what)), "{why}");
}

/// Which schedules were gone through.
#[derive(Default)]
struct Explored {
    runs: usize,
    distinct: HashSet<Vec<u8>>,
}

impl Explored {
    fn add(&mut self, turns: &[Turn]) {
        self.runs += 1;
        self.distinct.insert(turns.iter().map(|turn| turn.actor as u8).collect());
    }

    fn say(&self, race: &str, all: Option<usize>) {
        let all = all.map_or_else(String::new, |all| format!("; all {all} of the two alone"));
        println!("{race}: {} schedules, {} of them different{all}", self.runs, self.distinct.len());
    }
}

/// The order of the nth drawn schedule of actors with about so many calls.
fn drawn(n: usize, left: &[u64]) -> Order {
    Order::Drawn { seed: n as u64, left: left.to_vec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_two_approvals_in_any_order_one_wins_and_the_other_is_told_what_changed() {
    let arena = Arena::new(2, |_| {}).await;
    let (mut explored, mut wins) = (Explored::default(), [0, 0]);
    while explored.runs < schedules() {
        let case = arena.copy().await;
        let (olu, kim) = (slot(), slot());
        let jobs = vec![approving(&arena.services[0], &case, "olu", &olu), approving(&arena.services[1], &case, "kim", &kim)];
        explored.add(&arena.stage.run(jobs, drawn(explored.runs, &[9, 9])));
        let (olu, kim) = (said(&olu), said(&kim));
        let (winner, loser) = if olu.is_ok() { (0, &kim) } else { (1, &olu) };
        wins[winner] += 1;
        assert!(olu.is_ok() != kim.is_ok(), "{olu:?} {kim:?}");
        is_told_what_changed(loser);
        let story = arena.story(&case).await;
        story.is_one_story();
        assert_eq!(story.tags(), ["recommendation_approved", "execution_created", "ticket_moved"]);
        let by = Actor::Person(PersonId::new(["olu", "kim"][winner]).unwrap());
        assert!(story.log.iter().all(|entry| entry.actor == by));
        assert_eq!((story.runs.len(), &story.runs[0].started_by), (1, &by));
        assert_eq!((story.proposal.state, story.proposal.approvals.len()), (RecommendationState::Approved, 1));
    }
    assert!(wins.iter().all(|times| *times > explored.runs / 4), "{wins:?}");
    explored.say("approve/approve", None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_an_approval_and_a_rejection_in_every_order_one_wins() {
    let arena = Arena::new(3, |_| {}).await;
    let (mut explored, mut wins, mut order, mut all) = (Explored::default(), [0, 0], Some(Vec::new()), 0);
    while explored.runs < schedules() {
        let case = arena.copy().await;
        let (olu, kim, rea) = (slot(), slot(), slot());
        let mut jobs = vec![approving(&arena.services[0], &case, "olu", &olu), {
            let (service, case, by) = (Arc::clone(&arena.services[1]), case.clone(), case.person("rea", &[Responder]));
            job(&rea, move || async move { reject(&service, &by, case.proposal.id, case.proposal.revision, "not this host").await })
        }];
        // Every order of the two; then drawn orders with a second approver among them.
        let crowd = order.is_none();
        let turns = match order.take() {
            Some(prefix) => {
                all += 1;
                let turns = arena.stage.run(jobs, Order::Prefix(prefix));
                order = next(&turns);
                turns
            }
            None => {
                jobs.push(approving(&arena.services[2], &case, "kim", &kim));
                arena.stage.run(jobs, drawn(explored.runs, &[9, 3, 9]))
            }
        };
        explored.add(&turns);
        let mut answers = vec![said(&olu), said(&rea)];
        answers.extend(crowd.then(|| said(&kim)));
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        answers.iter().filter(|answer| answer.is_err()).for_each(is_told_what_changed);
        let rejected = answers[1].is_ok();
        wins[usize::from(rejected)] += 1;
        let story = arena.story(&case).await;
        story.is_one_story();
        let (tags, runs, state, ticket): (&[&str], _, _, _) = if rejected {
            (&["recommendation_rejected", "ticket_moved", "outcome_recorded"], 0, RecommendationState::Rejected, TicketState::Rejected)
        } else {
            (&["recommendation_approved", "execution_created", "ticket_moved"], 1, RecommendationState::Approved, TicketState::Executing)
        };
        assert_eq!((story.tags().as_slice(), story.runs.len(), story.proposal.state, story.ticket.state), (tags, runs, state, ticket));
    }
    assert!(wins.iter().all(|times| *times > 100.min(explored.runs / 10)), "{wins:?}");
    explored.say("approve/reject", order.is_none().then_some(all));
}

/// What comes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Policy,
    Freeze,
    KillSwitch,
}

/// The approval and the run that follows it by one actor, what stops them by another, and later a second approver.
///
/// A step that is sent after the stop must have been asked for before it. For the kill switch there is not even that:
/// the line that begins a step commits only under the modes that the gate saw.
async fn race_against(stop: Stop) {
    let folder = tempfile::tempdir().unwrap();
    let (calm, strict) = (folder.path().join("calm"), folder.path().join("strict"));
    for folder in [&calm, &strict] {
        std::fs::create_dir(folder).unwrap();
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        for name in ["automation.cedar", "approval.cedar", "sluicegate.cedarschema"] {
            std::fs::copy(shipped.join(name), folder.join(name)).unwrap();
        }
        let window = "[[window]]\nname = \"w\"\nkind = \"freeze\"\nzone = \"UTC\"\nfrom = \"2023-11-14T23:00:00\"\nuntil = \"2023-11-15T01:00:00\"\n";
        std::fs::write(folder.join("freeze.toml"), window).unwrap();
    }
    std::fs::write(
        strict.join("stop.cedar"),
        "@id(\"stop\") @reason(\"stop\") forbid (principal, action in Action::\"execute\", resource);",
    )
    .unwrap();
    let arena = Arena::new(3, |config| config.gate.policies.clone_from(&calm)).await;
    let before = arena.app.service.decider();
    let mut config = (*arena.app.service.config).clone();
    config.gate.policies = strict;
    let after = Arc::new(Decider::load(&config).unwrap());

    let (mut explored, mut order, mut all) = (Explored::default(), Some(Vec::new()), 0);
    // Never approved, approved and refused at execution time, and run.
    let mut ends = [0; 3];
    let mut late_steps = 0;
    while explored.runs < schedules() {
        arena.app.ambient.set(Timestamp::from_millis(START));
        arena.services.iter().for_each(|service| service.put_in_force(Arc::clone(&before)));
        let case = arena.copy().await;
        let (olu, kim, stopped) = (slot(), slot(), slot());
        let approving_and_working = {
            let (service, case, turnstile) = (Arc::clone(&arena.services[0]), case.clone(), Arc::clone(&arena.stage.turnstile));
            job(&olu, move || async move {
                let answer = approve(&service, &case.person("olu", &[Approver]), case.proposal.id, seen(&case.proposal)).await;
                while workers::execute::step(&service, 1).await.unwrap() > 0 || turnstile.idle(0) {}
                answer
            })
        };
        let stopping = {
            let (services, case, turnstile) = (arena.services.clone(), case.clone(), Arc::clone(&arena.stage.turnstile));
            let (ambient, store, after) = (Arc::clone(&arena.app.ambient), Arc::clone(arena.store()), Arc::clone(&after));
            job(&stopped, move || async move {
                match stop {
                    Stop::KillSwitch => drop(modes::stop(&services[1], &case.person("ops", &[Operator]), "drill").await.unwrap()),
                    Stop::Policy => {
                        turnstile.pass(1, "stop");
                        services.iter().for_each(|service| service.put_in_force(Arc::clone(&after)));
                        Arena::mark(store.as_ref(), &case).await;
                    }
                    Stop::Freeze => {
                        turnstile.pass(1, "stop");
                        ambient.set(Timestamp::from_millis(START + 3_600_000));
                        Arena::mark(store.as_ref(), &case).await;
                    }
                }
            })
        };
        let mut jobs = vec![approving_and_working, stopping];
        let crowd = order.is_none();
        let turns = match order.take() {
            Some(prefix) => {
                all += 1;
                let turns = arena.stage.run(jobs, Order::Prefix(prefix));
                order = next(&turns);
                turns
            }
            None => {
                jobs.push(approving(&arena.services[2], &case, "kim", &kim));
                arena.stage.run(jobs, drawn(explored.runs, &[50, 2, 9]))
            }
        };
        explored.add(&turns);
        said(&stopped);
        let mut answers = vec![said(&olu)];
        answers.extend(crowd.then(|| said(&kim)));
        let approved = answers.iter().filter(|answer| answer.is_ok()).count();
        let of_an_error = |answer: &Answer| matches!(answer, Ok(_) | Err(ActionError::Changed(_) | ActionError::Refused(_)));
        assert!(approved <= 1 && answers.iter().all(of_an_error), "{answers:?}");

        let story = arena.story(&case).await;
        story.is_one_story();
        assert_eq!(story.runs.len(), approved);
        let place = |tags: &[&str]| story.log.iter().position(|entry| tags.contains(&entry.event.tag()));
        let stop_at = place(&["kill_switch", "service_started"]).expect("the stop is in the log");
        let late: Vec<_> = story.log[stop_at..].iter().filter(|entry| begins_a_gated_step(&entry.event)).collect();
        late_steps += late.len();
        if late.len() == 1 {
            // Its question was on its way, so the worker's next call then was none of those that open a question.
            let asked_before = next_call_of_the_worker(&turns);
            assert!(stop != Stop::KillSwitch, "{turns:?}\n{:?}", story.log);
            assert!(place(&["execution_created"]).unwrap() < stop_at && !OPENING.contains(&asked_before), "{asked_before} {turns:?}");
        }
        assert!(late.len() <= 1, "{:?}", story.log);
        let end = match story.runs.first().map(|run| run.state) {
            None => {
                assert_eq!((story.ticket.state, story.calls.len()), (TicketState::AwaitingApproval, 0));
                0
            }
            Some(ExecutionState::Refused) => {
                assert_eq!((story.ticket.state, story.changes()), (TicketState::Recommended, 0));
                1
            }
            Some(ExecutionState::Succeeded) => {
                assert_eq!((story.ticket.state, story.changes()), (TicketState::Resolved, 1));
                2
            }
            Some(other) => panic!("{other:?} {:?}", story.log),
        };
        ends[end] += 1;
        // Stopped before anybody looked: nobody approves.
        let first_look = turns.iter().position(|turn| turn.actor != 1).unwrap();
        let last_of_the_stop = turns.iter().rposition(|turn| turn.actor == 1).unwrap();
        assert!(last_of_the_stop > first_look || approved == 0);
    }
    // The few schedules of a quick run need not reach every end.
    assert!(explored.runs < 2_000 || ends.iter().all(|times| *times > 0), "{ends:?}");
    println!("{stop:?}: never approved, refused at execution time, run: {ends:?}; {late_steps} steps on their way when it came");
    explored.say(&format!("approve/{stop:?}"), order.is_none().then_some(all));
}

/// What a worker calls first when it asks the gate, and when it looks for work.
const OPENING: [&str; 4] = ["ticket", "recommendation", "claim_executions", "look"];

fn next_call_of_the_worker(turns: &[Turn]) -> &'static str {
    let stop = turns.iter().rposition(|turn| turn.actor == 1).unwrap();
    turns[stop..].iter().find(|turn| turn.actor == 0).unwrap().call
}

/// The runbook's verify step only looks, and is not asked for.
fn begins_a_gated_step(event: &Event) -> bool {
    matches!(event, Event::StepRecorded { step, outcome: StepOutcome::Started, .. } if step.as_str() != "check")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_approval_and_its_run_against_a_policy_change_at_every_point_go_by_the_policy_at_execution_time() {
    race_against(Stop::Policy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_approval_and_its_run_against_the_start_of_a_freeze_at_every_point_stop_in_it() {
    race_against(Stop::Freeze).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn once_the_kill_switch_is_in_the_log_no_step_begins_whatever_the_order() {
    race_against(Stop::KillSwitch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_two_workers_on_one_run_in_any_order_one_sends_the_change_and_one_ends_the_run() {
    // A change that must not be sent twice even where the first worker seems dead.
    let text = RUNBOOK.replace("idempotent: true", "idempotent: false");
    let text = text.replace(
        "rollback, use: automation.post, with: {path: \"/hosts/{{host}}/restart\"}",
        "rollback, use: automation.post, with: {path: \"/hosts/{{host}}/stop\"}",
    );
    assert!(text.contains("/stop"));
    let runbooks = tempfile::tempdir().unwrap();
    std::fs::write(runbooks.path().join("restart-spooler.md"), text).unwrap();
    // A lease of no length: each worker may take what the other one holds, at any point.
    let arena = Arena::new(2, |config| {
        config.runbooks.folder = runbooks.path().to_owned();
        let stop = json!({"method": "post", "path": "/hosts/*/stop"});
        let engine::Engine::Http(allow) = &mut config.connectors[0].engine else { panic!("the arena's connector is `http`") };
        allow.push(serde_json::from_value(stop).unwrap());
        config.pipeline.lease = sluicegate::config::span::Span::secs(0);
    })
    .await;
    let (mut explored, mut taken_over, mut ends) = (Explored::default(), 0, BTreeMap::new());
    while explored.runs < schedules() {
        let case = arena.copy().await;
        let olu = case.person("olu", &[Approver]);
        approve(&arena.app.service, &olu, case.proposal.id, seen(&case.proposal)).await.unwrap();
        let ended: [Slot<()>; 2] = [slot(), slot()];
        let working = |actor: usize| {
            let (service, turnstile) = (Arc::clone(&arena.services[actor]), Arc::clone(&arena.stage.turnstile));
            job(
                &ended[actor],
                move || async move { while workers::execute::step(&service, 1).await.unwrap() > 0 || turnstile.idle(actor) {} },
            )
        };
        let turns = arena.stage.run(vec![working(0), working(1)], drawn(explored.runs, &[45, 45]));
        explored.add(&turns);
        let story = arena.story(&case).await;
        story.is_one_story();
        let ended = story.log.iter().filter(|entry| matches!(&entry.event, Event::ExecutionMoved { to, .. } if to.is_final())).count();
        assert_eq!((ended, story.runs.len()), (1, 1), "{:?}", story.log);
        *ends.entry(story.runs[0].state.as_str()).or_insert(0) += 1;
        let sent = story.calls.iter().filter(|(method, path)| *method == Method::POST && path.ends_with("/restart")).count();
        // Refused: each look was taken over before its answer was written, so nobody looked, and nothing was changed.
        assert_eq!(sent, usize::from(story.runs[0].state != ExecutionState::Refused), "{:?}", story.log);
        taken_over += usize::from(turns.windows(2).filter(|pair| pair[0].actor != pair[1].actor).count() > 2);
    }
    assert!(taken_over > explored.runs / 2, "{taken_over}");
    assert!(ends["succeeded"] > explored.runs / 2, "{ends:?}");
    println!("two workers: {ends:?}, taken over in {taken_over}");
    explored.say("two workers", None);
}
