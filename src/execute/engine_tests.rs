//! Runs against real HTTP servers that lie, fail and hang, with the store cut at every commit.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use super::*;
use crate::{
    domain::{
        digest::Digest,
        execution::{StepOutcome, Undo},
        id::{ExecutionId, RecommendationId, TicketId},
        name::TenantId,
        priority::Risk,
        runbook::{Examples, Triggers},
        template::Argument,
        time::Timestamp,
    },
    test_store::{TestStore, Turned},
};

#[path = "engine_tests/crashes.rs"]
mod crashes;
#[path = "engine_tests/faults.rs"]
mod faults;
#[path = "engine_tests/outputs.rs"]
mod outputs;
#[path = "engine_tests/stops.rs"]
mod stops;

/// What the server does with calls to a path.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Behaviour {
    Answer(u16),
    /// Takes effect, and the connection is cut without an answer.
    EffectThenCut,
    /// So at the first call, and this status at each later one.
    CutOnceThen(u16),
    /// 200 from the n-th call on, 503 before.
    From(usize),
    Hang,
    /// Says 200 and a body that is not what was asked for.
    Lie,
    /// Says truthfully whether that change was received.
    Tells(&'static str),
    /// 200 and this.
    Says(&'static str),
}

#[derive(Default)]
struct World {
    behaviours: Mutex<BTreeMap<String, Behaviour>>,
    /// Path and idempotency key of every request, in order.
    calls: Mutex<Vec<(String, Option<String>)>>,
    /// The process dies while this request is open, counted from 1: whether it took effect, and who is told.
    /// Their bodies.
    bodies: Mutex<Vec<String>>,
    /// Requests that never took effect.
    lost: AtomicUsize,
    crash: Mutex<Option<(usize, bool, tokio::sync::oneshot::Sender<()>)>>,
}

impl World {
    fn set(&self, path: &str, behaviour: Behaviour) {
        self.behaviours.lock().unwrap().insert(path.to_owned(), behaviour);
    }

    fn paths(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    fn count(&self, path: &str) -> usize {
        self.paths().iter().filter(|called| *called == path).count()
    }
}

async fn serve(State(world): State<Arc<World>>, _method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().trim_start_matches('/').to_owned();
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let mut crash = world.crash.lock().unwrap().take();
    let nth = world.calls.lock().unwrap().len() + world.lost.load(Ordering::SeqCst) + 1;
    if let Some((_, takes_effect, dies)) = crash.take_if(|(at, ..)| *at == nth) {
        match takes_effect {
            true => world.calls.lock().unwrap().push((path, key)),
            false => drop(world.lost.fetch_add(1, Ordering::SeqCst)),
        }
        dies.send(()).unwrap();
        return std::future::pending().await;
    }
    *world.crash.lock().unwrap() = crash;
    world.calls.lock().unwrap().push((path.clone(), key));
    world.bodies.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
    let behaviour = world.behaviours.lock().unwrap().get(&path).copied().unwrap_or(Behaviour::Answer(200));
    match behaviour {
        Behaviour::Answer(status) => (StatusCode::from_u16(status).unwrap(), r#"{"ok": true}"#).into_response(),
        Behaviour::From(nth) if world.count(&path) >= nth => r#"{"ok": true}"#.into_response(),
        Behaviour::From(_) => (StatusCode::SERVICE_UNAVAILABLE, "").into_response(),
        Behaviour::Tells(change) => format!(r#"{{"ok": {}}}"#, world.count(change) > 0).into_response(),
        Behaviour::Says(body) => body.into_response(),
        Behaviour::Lie => r#"{"ok": "yes", "really": true}"#.into_response(),
        Behaviour::Hang => std::future::pending().await,
        // A panic in a handler makes the server drop the connection without an answer.
        Behaviour::CutOnceThen(status) if world.count(&path) > 1 => StatusCode::from_u16(status).unwrap().into_response(),
        Behaviour::EffectThenCut | Behaviour::CutOnceThen(_) => panic!("cut on purpose"),
    }
}

struct Bench {
    world: Arc<World>,
    store: TestStore,
    clock: Arc<Turned>,
    engine: Engine,
}

impl Bench {
    async fn new() -> Self {
        let world = Arc::new(World::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = serde_json::json!([{
            "name": "automation", "kind": "http", "base_url": base, "timeout": "20s", "allow_addresses": ["127.0.0.1/32"],
            "allow": [{"method": "get", "path": "/*"}, {"method": "post", "path": "/*"}],
        }]);
        let connectors = Arc::new(Connectors::from_config(&serde_json::from_value::<Vec<_>>(config).unwrap()).unwrap());
        let store = TestStore::open();
        let pace = Pace { retry: Duration::from_millis(1), look: (Duration::from_millis(5), Duration::from_millis(5)), ..Pace::default() };
        let clock = Arc::new(Turned::default());
        let engine = Engine::new(store.shared(), clock.clone(), connectors).with_pace(pace);
        Self { world, store, clock, engine }
    }

    async fn stored(&self, runbook: &Runbook) -> Execution {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let execution = Execution {
            form: Execution::FORM,
            id: ExecutionId::new(at, 1),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, 2),
            recommendation: RecommendationId::new(at, 3),
            runbook: runbook.id.clone(),
            runbook_digest: runbook.digest,
            parameters: BTreeMap::new(),
            target: Digest::of(b"t"),
            requester: None,
            started_by: Actor::Engine,
            state: ExecutionState::Pending,
            steps: Vec::new(),
            revision: 1,
            created_at: at,
            not_before: at,
            finished_at: None,
            cancel: None,
            undoes: None,
            undone_by: None,
        };
        self.store.put_ticket(execution.ticket, at).await;
        self.store.put(Write::Execution(Box::new(execution.clone()))).await;
        execution
    }

    async fn run(&self, runbook: &Runbook) -> Execution {
        self.engine.run(self.stored(runbook).await, runbook, &Free).await.unwrap()
    }

    /// The run, not begun, that takes back what `done` did.
    async fn undo(&self, done: &Execution) -> Execution {
        let undo = Execution {
            id: ExecutionId::new(done.created_at, 9),
            state: ExecutionState::Pending,
            steps: Vec::new(),
            revision: 1,
            undoes: Some(Undo { of: done.id, holds_ticket: false, log: done.steps.clone() }),
            ..done.clone()
        };
        self.store.put(Write::Execution(Box::new(undo.clone()))).await;
        undo
    }

    async fn current(&self) -> Execution {
        self.store.execution(&TenantId::default(), ExecutionId::new(Timestamp::from_millis(1_700_000_000_000), 1)).await.unwrap().unwrap()
    }

    /// Moves of the execution as the action log tells them, ending in the stored state.
    async fn check_log(&self) {
        let mut state = ExecutionState::Pending;
        for entry in self.store.log().await.iter() {
            if let Event::ExecutionMoved { from, to, .. } = &entry.event {
                assert_eq!(*from, state);
                state = *to;
            }
        }
        assert_eq!(state, self.current().await.state);
    }
}

/// Nothing around the run stands in its way.
struct Free;

#[async_trait]
impl Surroundings for Free {
    async fn may_proceed(&self, _execution: &Execution, _next: &Step) -> Result<Vec<Condition>, Stop> {
        Ok(Vec::new())
    }

    async fn closing(&self, _execution: &Execution) -> Result<Change, StoreError> {
        Ok(Change::default())
    }
}

/// Stops before one step.
struct StopsBefore(&'static [&'static str]);

#[async_trait]
impl Surroundings for StopsBefore {
    async fn may_proceed(&self, _execution: &Execution, next: &Step) -> Result<Vec<Condition>, Stop> {
        if self.0.contains(&next.id.as_str()) { Err(Stop::Refused("the kill switch is on".to_owned())) } else { Ok(Vec::new()) }
    }

    async fn closing(&self, _execution: &Execution) -> Result<Change, StoreError> {
        Ok(Change::default())
    }
}

/// Says yes to each step once under modes that are no longer, then no.
#[derive(Default)]
struct StaleYes(Mutex<Vec<String>>);

#[async_trait]
impl Surroundings for StaleYes {
    async fn may_proceed(&self, execution: &Execution, next: &Step) -> Result<Vec<Condition>, Stop> {
        let mut asked = self.0.lock().unwrap();
        asked.push(next.id.to_string());
        if asked.len() > 1 {
            return Err(Stop::Refused("the kill switch is on".to_owned()));
        }
        Ok(vec![Condition::ModesRevision { tenant: execution.tenant.clone(), revision: 7 }])
    }

    async fn closing(&self, _execution: &Execution) -> Result<Change, StoreError> {
        Ok(Change::default())
    }
}

#[tokio::test]
async fn a_yes_whose_ground_changed_before_the_step_began_sends_nothing_and_is_asked_for_again() {
    let bench = Bench::new().await;
    let (runbook, stale) = (runbook(true), StaleYes::default());
    let ended = bench.engine.run(bench.stored(&runbook).await, &runbook, &stale).await.unwrap();
    assert_eq!((ended.state, ended.steps.len(), bench.world.paths().len()), (ExecutionState::Refused, 0, 0));
    assert_eq!(*stale.0.lock().unwrap(), ["look", "look"]);
    bench.check_log().await;
}

fn step(id: &str, kind: StepKind, idempotent: bool, rollback: Option<&str>) -> Step {
    Step {
        id: id.parse().unwrap(),
        kind,
        connector: "automation".parse().unwrap(),
        operation: if matches!(kind, StepKind::Change | StepKind::Rollback) { "post" } else { "get" }.to_owned(),
        with: Argument::parse(&serde_json::json!({ "path": format!("/{id}") })).unwrap(),
        expect: (kind == StepKind::Verify).then(|| "status == 200 && body.ok == true".to_owned()),
        timeout: Duration::from_secs(20),
        within: Duration::from_millis(30),
        idempotent,
        rollback: rollback.map(|id| id.parse().unwrap()),
        outputs: BTreeMap::new(),
    }
}

/// The runbook with a short timeout for one step, whose server hangs; a busy machine must not run into it elsewhere.
fn impatient(id: &str) -> Runbook {
    let mut runbook = runbook(false);
    runbook.steps.iter_mut().filter(|step| step.id.as_str() == id).for_each(|step| step.timeout = Duration::from_millis(250));
    runbook
}

/// look, change one, change two, check; each change with its rollback.
fn runbook(idempotent: bool) -> Runbook {
    use StepKind::{Change, Precheck, Rollback, Verify};
    Runbook {
        id: "restart".parse().unwrap(),
        title: "t".to_owned(),
        owner: "o".to_owned(),
        authors: Default::default(),
        reviewed: None,
        review_every: None,
        triggers: Triggers::default(),
        symptoms: Vec::new(),
        categories: Default::default(),
        parameters: BTreeMap::new(),
        risk: Risk::Low,
        reversible: true,
        time_limit: Runbook::USUAL_TIME_LIMIT,
        steps: vec![
            step("look", Precheck, true, None),
            step("one", Change, idempotent, Some("undo-one")),
            step("two", Change, idempotent, Some("undo-two")),
            step("check", Verify, true, None),
            step("undo-one", Rollback, idempotent, None),
            step("undo-two", Rollback, idempotent, None),
        ],
        examples: Examples::default(),
        body: String::new(),
        digest: Digest::of(b"runbook"),
    }
}

#[tokio::test]
async fn a_good_run_calls_each_step_once_with_its_own_key_and_logs_before_and_after() {
    let bench = Bench::new().await;
    let done = bench.run(&runbook(false)).await;
    assert_eq!(done.state, ExecutionState::Succeeded);
    assert_eq!(bench.world.paths(), ["look", "one", "two", "check"]);
    let keys: Vec<_> = bench.world.calls.lock().unwrap().iter().map(|(_, key)| key.clone()).collect();
    assert_eq!(keys, [None, Some(format!("{}-one", done.id)), Some(format!("{}-two", done.id)), None]);
    let told: Vec<_> = bench
        .store
        .log()
        .await
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::StepRecorded { step, outcome, .. } => Some((step.to_string(), *outcome)),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = ["look", "one", "two", "check"]
        .iter()
        .flat_map(|id| [((*id).to_owned(), StepOutcome::Started), ((*id).to_owned(), StepOutcome::Succeeded)])
        .collect();
    assert_eq!(told, expected);
    assert_eq!(bench.current().await, done);
    bench.check_log().await;
}

#[tokio::test]
async fn a_failure_at_any_step_undoes_what_was_done_in_reverse() {
    use ExecutionState::{Refused, RolledBack};
    for (failing, status, state, calls) in [
        ("look", 404, Refused, vec!["look"]),
        ("one", 403, Refused, vec!["look", "one"]),
        ("one", 500, RolledBack, vec!["look", "one", "undo-one"]),
        ("one", 302, RolledBack, vec!["look", "one", "undo-one"]),
        ("two", 409, RolledBack, vec!["look", "one", "two", "undo-one"]),
        ("two", 500, RolledBack, vec!["look", "one", "two", "undo-two", "undo-one"]),
    ] {
        let bench = Bench::new().await;
        bench.world.set(failing, Behaviour::Answer(status));
        let done = bench.run(&runbook(false)).await;
        assert_eq!((done.state, bench.world.paths()), (state, calls.iter().map(|call| (*call).to_owned()).collect()), "{failing} {status}");
        bench.check_log().await;
    }
    for behaviour in [Behaviour::Answer(500), Behaviour::Lie, Behaviour::Hang] {
        let bench = Bench::new().await;
        bench.world.set("check", behaviour);
        let done = bench.run(&impatient("check")).await;
        assert_eq!(done.state, RolledBack, "{behaviour:?}");
        assert!(bench.world.paths().ends_with(&["undo-two".to_owned(), "undo-one".to_owned()]));
    }
}

#[tokio::test]
async fn what_cannot_be_undone_is_failed() {
    let bench = Bench::new().await;
    bench.world.set("check", Behaviour::Answer(500));
    bench.world.set("undo-two", Behaviour::Answer(500));
    let done = bench.run(&runbook(false)).await;
    assert_eq!(done.state, ExecutionState::Failed);
    assert_eq!(bench.world.count("undo-one"), 0, "change one may be what change two stands on");

    let bench = Bench::new().await;
    bench.world.set("check", Behaviour::Answer(500));
    let mut without = runbook(false);
    without.steps[1].rollback = None;
    assert_eq!(bench.run(&without).await.state, ExecutionState::Failed);
    assert_eq!(bench.world.count("undo-two"), 1);
}

#[tokio::test]
async fn an_idempotent_step_is_retried_with_the_same_key_and_a_cap_and_others_never() {
    let bench = Bench::new().await;
    bench.world.set("one", Behaviour::From(3));
    assert_eq!(bench.run(&runbook(true)).await.state, ExecutionState::Succeeded);
    let keys: std::collections::BTreeSet<_> =
        bench.world.calls.lock().unwrap().iter().filter(|(path, _)| path == "one").map(|(_, key)| key.clone()).collect();
    assert_eq!((bench.world.count("one"), keys.len()), (3, 1));

    let bench = Bench::new().await;
    bench.world.set("one", Behaviour::From(4));
    assert_eq!(bench.run(&runbook(true)).await.state, ExecutionState::RolledBack);
    assert_eq!(bench.world.count("one"), 3);

    let bench = Bench::new().await;
    bench.world.set("one", Behaviour::From(2));
    assert_eq!(bench.run(&runbook(false)).await.state, ExecutionState::RolledBack);
    assert_eq!(bench.world.count("one"), 1);
}

#[tokio::test]
async fn verify_is_looked_at_until_it_is_met() {
    let bench = Bench::new().await;
    bench.world.set("check", Behaviour::From(3));
    let mut patient = runbook(false);
    patient.steps[3].within = Duration::from_secs(20);
    assert_eq!(bench.run(&patient).await.state, ExecutionState::Succeeded);
    assert_eq!(bench.world.count("check"), 3);
}

#[tokio::test]
async fn an_unknown_outcome_of_a_change_is_decided_by_verify_and_never_called_again() {
    for behaviour in [Behaviour::EffectThenCut, Behaviour::Hang] {
        // The last change: verify can tell.
        for (check, state) in [(200, ExecutionState::Succeeded), (500, ExecutionState::InDoubt)] {
            let bench = Bench::new().await;
            bench.world.set("two", behaviour);
            bench.world.set("check", Behaviour::Answer(check));
            let done = bench.run(&impatient("two")).await;
            assert_eq!((done.state, bench.world.count("two")), (state, 1), "{behaviour:?} {check}");
            bench.check_log().await;
        }
        // An earlier change: what follows would build on it.
        let bench = Bench::new().await;
        bench.world.set("one", behaviour);
        assert_eq!(bench.run(&impatient("one")).await.state, ExecutionState::InDoubt);
        assert_eq!(bench.world.paths(), ["look", "one"]);
        // No verify step: a person.
        let bench = Bench::new().await;
        bench.world.set("two", behaviour);
        let mut blind = impatient("two");
        blind.steps.remove(3);
        assert_eq!(bench.run(&blind).await.state, ExecutionState::InDoubt);
    }
}

#[tokio::test]
async fn a_stop_before_any_step_ends_in_the_state_that_tells_the_truth() {
    use ExecutionState::{Failed, Refused, RolledBack};
    for (stops, state, calls) in
        [(&["look"][..], Refused, 0), (&["one"], Refused, 1), (&["two"], RolledBack, 3), (&["two", "undo-one"], Failed, 2)]
    {
        let bench = Bench::new().await;
        let runbook = runbook(false);
        let done = bench.engine.run(bench.stored(&runbook).await, &runbook, &StopsBefore(stops)).await.unwrap();
        assert_eq!((done.state, bench.world.paths().len()), (state, calls), "{stops:?}");
        bench.check_log().await;
    }
}

#[tokio::test]
async fn a_runbook_that_changed_or_names_another_call_runs_nothing() {
    let bench = Bench::new().await;
    let execution = bench.stored(&runbook(false)).await;
    let mut changed = runbook(false);
    changed.digest = Digest::of(b"one byte more");
    assert_eq!(bench.engine.run(execution, &changed, &Free).await.unwrap().state, ExecutionState::Refused);

    for spoil in [0usize, 1, 2] {
        let bench = Bench::new().await;
        let mut odd = runbook(false);
        match spoil {
            0 => odd.steps[5].connector = "elsewhere".parse().unwrap(),
            1 => odd.steps[2].operation = "delete".to_owned(),
            _ => odd.steps[3].expect = Some("status ==".to_owned()),
        }
        assert_eq!(bench.run(&odd).await.state, ExecutionState::Refused, "{spoil}");
        assert!(bench.world.paths().is_empty(), "{spoil}");
    }
}

#[tokio::test]
async fn of_many_workers_on_one_execution_one_calls() {
    let bench = Arc::new(Bench::new().await);
    let runbook = runbook(false);
    let execution = bench.stored(&runbook).await;
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (bench, runbook, execution) = (Arc::clone(&bench), runbook.clone(), execution.clone());
            tokio::spawn(async move { bench.engine.run(execution, &runbook, &Free).await })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        match worker.await.unwrap() {
            Ok(execution) => done += usize::from(execution.state == ExecutionState::Succeeded),
            Err(error) => assert!(matches!(error, ExecuteError::TakenOver(_)), "{error}"),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(bench.world.paths(), ["look", "one", "two", "check"]);
}

/// Every commit of a run, cut so that it lands and so that it does not, then resumed; on calm and on broken worlds.
#[tokio::test]
async fn a_crash_at_any_commit_ends_in_the_truth_and_never_in_a_second_call() {
    // Side by side, because most of the time goes into waiting for the disk.
    let mut worlds = tokio::task::JoinSet::new();
    for idempotent in [false, true] {
        for (broken, behaviour) in [
            ("none", Behaviour::Answer(200)),
            ("check", Behaviour::Answer(500)),
            ("two", Behaviour::Answer(500)),
            ("two", Behaviour::EffectThenCut),
        ] {
            for lands in [false, true] {
                worlds.spawn(async move {
                    let mut points = 0;
                    for nth in 1.. {
                        let bench = Bench::new().await;
                        bench.world.set("check", Behaviour::Tells("two"));
                        bench.world.set(broken, behaviour);
                        let runbook = runbook(idempotent);
                        bench.store.cut_at(nth, lands);
                        let first = bench.engine.run(bench.stored(&runbook).await, &runbook, &Free).await;
                        bench.store.heal();
                        let cut = first.is_err();
                        if cut && !bench.current().await.state.is_final() {
                            bench.engine.run(bench.current().await, &runbook, &Free).await.unwrap();
                        }
                        let told =
                            format!("{broken} {behaviour:?} idempotent {idempotent} commit {nth} lands {lands}: {:?}", bench.world.paths());
                        let state = bench.current().await.state;
                        assert!(state.is_final(), "{told}");
                        bench.check_log().await;
                        for change in ["one", "two", "undo-one", "undo-two"] {
                            // An idempotent one may be sent once more for the answer that the crash lost.
                            let most = if idempotent { 4 } else { 1 };
                            assert!(bench.world.count(change) <= most, "{told}");
                        }
                        let (one, two) = (bench.world.count("one"), bench.world.count("two"));
                        match state {
                            ExecutionState::Succeeded => {
                                assert!(one > 0 && two > 0 && bench.world.count("check") > 0 && broken != "check", "{told}")
                            }
                            ExecutionState::Refused => assert_eq!(one + two, 0, "{told}"),
                            ExecutionState::RolledBack => assert!(broken != "none" && bench.world.count("undo-one") > 0, "{told}"),
                            ExecutionState::InDoubt => assert!(!idempotent || behaviour == Behaviour::EffectThenCut, "{told}"),
                            other => panic!("{other:?}: {told}"),
                        }
                        if !cut {
                            break;
                        }
                        points += 1;
                    }
                    points
                });
            }
        }
    }
    let mut points = 0;
    while let Some(crashed) = worlds.join_next().await {
        points += crashed.unwrap();
    }
    assert!(points >= 100, "{points}");
}

#[tokio::test]
async fn a_connector_that_keeps_failing_rests_and_says_so() {
    let health = |bench: &Bench| *bench.engine.connectors.health(bench.engine.ambient.now()).values().next().unwrap();
    // An answer that what was asked for is not there is one; not to be let in, or to be told off, is none.
    for (status, fails) in [(404, false), (401, true), (403, true), (429, true), (500, true)] {
        let bench = Bench::new().await;
        bench.world.set("look", Behaviour::Answer(status));
        for _ in 0..crate::execute::breaker::THRESHOLD {
            bench.run(&runbook(false)).await;
        }
        assert_eq!(health(&bench) == crate::execute::connectors::Health::Failing, fails, "{status}");
    }
    let bench = Bench::new().await;
    bench.world.set("look", Behaviour::Answer(503));
    for _ in 0..crate::execute::breaker::THRESHOLD {
        bench.run(&runbook(false)).await;
    }
    assert_eq!(health(&bench), crate::execute::connectors::Health::Failing);
    let before = bench.world.paths().len();
    assert_eq!(bench.run(&runbook(false)).await.state, ExecutionState::Refused);
    assert_eq!(bench.world.paths().len(), before, "not even tried");
    // After its rest one try decides, and the gate lets it: nothing else would ever heal the connector.
    bench.clock.forward(crate::execute::breaker::REST);
    assert_eq!(health(&bench), crate::execute::connectors::Health::Healthy);
    bench.world.set("look", Behaviour::Answer(200));
    let run = bench.run(&runbook(false)).await;
    assert!(bench.world.paths().len() > before, "{run:?}");
    assert_eq!(bench.engine.connectors.states(bench.engine.ambient.now())[0].failures_in_a_row, 0);
}
