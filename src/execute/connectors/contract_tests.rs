//! Every kind of engine through the engine that runs steps, against servers that speak its documented contract.
//!
//! The contracts are written from each engine's documentation (the pages in docs/connectors say where), not recorded
//! from a running one: exact requests, documented states, and then everything that can go wrong with them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::Connectors;
use crate::{
    domain::{
        digest::Digest,
        execution::{Execution, ExecutionState, Job, StepOutcome, StepRun},
        id::{ExecutionId, RecommendationId, TicketId},
        name::TenantId,
        principal::Actor,
        priority::Risk,
        runbook::{Examples, Output, ParameterType, Runbook, Step, StepKind, Triggers},
        template::{Argument, Value as Filled},
        time::Timestamp,
    },
    execute::{
        engine::{Engine, Pace, Stop, Surroundings},
        error::ExecuteError,
    },
    store::{
        change::{Change, Expectation as Condition, Write},
        interface::StoreError,
    },
    test_store::{TestStore, Turned},
};

mod contracts;

use contracts::{Contract, contracts};

/// What the server does with the call that starts something.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Launches {
    Take,
    Refuse(u16),
    /// Takes it, and the connection is cut without an answer.
    Cut,
    /// Takes it and never answers.
    Hang,
    /// Says 200 and something that is no answer of its kind.
    Lie(&'static str),
}

/// What it does with looks at what was started.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Looks {
    /// Every state before the end once, then the end.
    End,
    /// The same, and the end is a failure.
    Fail,
    /// The first state for ever.
    NeverEnd,
    /// This status for ever.
    Answer(u16),
    /// 200 and something that is no state.
    Lie(&'static str),
    /// Never answers.
    Hang,
}

const GARBAGE: [&str; 5] =
    ["", "<html>Sign in</html>", "{}", "[1, \"SUCCESS\"]", "{\"id\": {\"a\": 1}, \"status\": [\"succeeded\"], \"job\": null}"];

struct World {
    contract: Contract,
    launches: Launches,
    looks: Looks,
    /// What the verify step finds.
    truth: bool,
    calls: Mutex<Vec<String>>,
    looked: Mutex<BTreeMap<String, usize>>,
    wrong: Mutex<Vec<String>>,
}

impl World {
    fn launched(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| **call == self.contract.launch()).count()
    }

    fn looks(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| self.contract.looks.iter().any(|look| format!("GET {}", look.at) == **call)).count()
    }

    async fn answer(&self, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
        let at = uri.path_and_query().unwrap().to_string();
        let call = format!("{method} {at}");
        self.calls.lock().unwrap().push(call.clone());
        if at == "/truth" {
            return json!({ "done": self.truth }).to_string().into_response();
        }
        let contract = &self.contract;
        let (name, value) = contract.proof;
        if headers.get(name).is_none_or(|given| given != value) {
            return (StatusCode::UNAUTHORIZED, "{}").into_response();
        }
        if call == contract.launch() {
            let sent = String::from_utf8(body.to_vec()).unwrap();
            let expected = contract.body.replace("EXECUTION", headers["idempotency-key"].to_str().unwrap());
            let same = match serde_json::from_str::<Value>(&expected) {
                Ok(expected) => serde_json::from_str(&sent).ok() == Some(expected),
                Err(_) => sent == expected,
            };
            let content_type = headers.get("content-type").map(|value| value.to_str().unwrap());
            if !same || content_type != contract.content_type {
                self.wrong.lock().unwrap().push(format!("{content_type:?} {sent}"));
                return (StatusCode::BAD_REQUEST, "{}").into_response();
            }
            return match self.launches {
                Launches::Take => {
                    let (status, body) = (StatusCode::from_u16(contract.taken.0).unwrap(), contract.taken.1.to_string());
                    let mut response = (status, body).into_response();
                    if let Some(location) = contract.location {
                        response.headers_mut().insert("location", location.parse().unwrap());
                    }
                    response
                }
                Launches::Refuse(status) => (StatusCode::from_u16(status).unwrap(), "{}").into_response(),
                // A panic in a handler makes the server drop the connection without an answer.
                Launches::Cut => panic!("cut on purpose"),
                Launches::Hang => std::future::pending().await,
                Launches::Lie(body) => body.into_response(),
            };
        }
        let Some(place) = contract.looks.iter().position(|look| method == Method::GET && look.at == at) else {
            self.wrong.lock().unwrap().push(call);
            return (StatusCode::NOT_FOUND, "{}").into_response();
        };
        let look = &contract.looks[place];
        let is_last = place + 1 == contract.looks.len();
        let nth = {
            let mut looked = self.looked.lock().unwrap();
            let count = looked.entry(at).or_default();
            *count += 1;
            *count - 1
        };
        let body = match self.looks {
            Looks::Answer(status) => return (StatusCode::from_u16(status).unwrap(), "{}").into_response(),
            Looks::Lie(body) => return body.into_response(),
            Looks::Hang => return std::future::pending().await,
            Looks::NeverEnd => look.before.first().unwrap_or(&look.then),
            Looks::Fail if is_last && nth >= look.before.len() => &contract.failed,
            Looks::End | Looks::Fail => look.before.get(nth).unwrap_or(&look.then),
        };
        body.to_string().into_response()
    }
}

async fn answer(State(world): State<Arc<World>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    world.answer(method, uri, headers, body).await
}

struct Bench {
    world: Arc<World>,
    store: TestStore,
    engine: Engine,
    connectors: Arc<Connectors>,
    runbook: Runbook,
}

fn step(id: &str, kind: StepKind, connector: &str, operation: &str, with: &Value) -> Step {
    Step {
        id: id.parse().unwrap(),
        kind,
        connector: connector.parse().unwrap(),
        operation: operation.to_owned(),
        with: Argument::parse(with).unwrap(),
        expect: None,
        timeout: Duration::from_secs(20),
        within: Duration::ZERO,
        idempotent: false,
        rollback: None,
        outputs: BTreeMap::new(),
    }
}

fn runbook(contract: &Contract, within: Duration) -> Runbook {
    let mut change = step("start", StepKind::Change, "engine", contract.operation, &contract.with);
    change.within = within;
    if let Some((value, _)) = contract.output {
        let output = Output { value: value.to_owned(), kind: ParameterType::String { max_length: 80 }, pattern: None };
        change.outputs.insert("found".parse().unwrap(), output);
    }
    let mut check = step("check", StepKind::Verify, "truth", "get", &json!({"path": "/truth"}));
    check.expect = Some("body.done".to_owned());
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
        steps: vec![change, check],
        examples: Examples::default(),
        body: String::new(),
        digest: Digest::of(b"runbook"),
    }
}

fn parameters() -> BTreeMap<crate::domain::name::ParameterName, String> {
    BTreeMap::from([("host".parse().unwrap(), "prn-07".to_owned())])
}

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

impl Bench {
    async fn new(contract: Contract, launches: Launches, looks: Looks, truth: bool) -> Self {
        // A job that never ends is given a moment; one that does is never cut short.
        let ends = matches!(looks, Looks::End | Looks::Fail);
        let runbook = runbook(&contract, if ends { Duration::from_secs(60) } else { Duration::from_millis(40) });
        let (base, kind, allow, auth) = (contract.base, contract.kind, contract.allow.clone(), contract.auth.clone());
        let world = Arc::new(World {
            contract,
            launches,
            looks,
            truth,
            calls: Mutex::default(),
            looked: Mutex::default(),
            wrong: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let timeout = if launches == Launches::Hang || looks == Looks::Hang { "300ms" } else { "20s" };
        let config = json!([
            {"name": "engine", "kind": kind, "base_url": format!("{root}{base}"), "timeout": timeout, "allow_addresses": ["127.0.0.1/32"],
             "auth": auth, "allow": allow},
            {"name": "truth", "kind": "http", "base_url": root, "allow_addresses": ["127.0.0.1/32"], "allow": [{"method": "get", "path": "/truth"}]},
        ]);
        let connectors = Arc::new(Connectors::from_config(&serde_json::from_value::<Vec<_>>(config).unwrap()).unwrap());
        let store = TestStore::open();
        let pace = Pace { retry: Duration::from_millis(1), look: (Duration::from_millis(2), Duration::from_millis(2)), ..Pace::default() };
        let engine = Engine::new(store.shared(), Arc::new(Turned::default()), Arc::clone(&connectors)).with_pace(pace);
        Self { world, store, engine, connectors, runbook }
    }

    async fn stored(&self, steps: Vec<StepRun>) -> Execution {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let execution = Execution {
            form: Execution::FORM,
            id: ExecutionId::new(at, 1),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, 2),
            recommendation: RecommendationId::new(at, 3),
            runbook: self.runbook.id.clone(),
            runbook_digest: self.runbook.digest,
            parameters: parameters(),
            target: Digest::of(b"t"),
            requester: None,
            started_by: Actor::Engine,
            state: if steps.is_empty() { ExecutionState::Pending } else { ExecutionState::Running },
            steps,
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

    async fn run(&self) -> Execution {
        let ended = self.engine.run(self.stored(Vec::new()).await, &self.runbook, &Free).await.unwrap();
        assert_eq!(*self.world.wrong.lock().unwrap(), [] as [String; 0], "calls that are not in the contract of {}", self.name());
        ended
    }

    fn name(&self) -> String {
        format!("{}.{}", self.world.contract.kind, self.world.contract.operation)
    }
}

/// The contracts whose call starts a job.
fn jobs() -> impl Iterator<Item = Contract> {
    contracts().into_iter().filter(|contract| !contract.looks.is_empty())
}

#[tokio::test]
async fn each_operation_sends_the_documented_request_once_and_follows_its_job_to_the_end() {
    for contract in contracts() {
        let bench = Bench::new(contract, Launches::Take, Looks::End, true).await;
        let ended = bench.run().await;
        assert_eq!(ended.state, ExecutionState::Succeeded, "{}: {:?}", bench.name(), ended.steps);
        assert_eq!(bench.world.launched(), 1, "{}", bench.name());
        let contract = &bench.world.contract;
        assert_eq!(ended.steps[0].job.as_ref().map(Job::as_str), contract.job, "{}", bench.name());
        assert_eq!(bench.world.looks(), contract.looks.iter().map(|look| look.before.len() + 1).sum::<usize>(), "{}", bench.name());
        if let Some((_, found)) = contract.output {
            assert_eq!(ended.steps[0].outputs.values().collect::<Vec<_>>(), [&Filled::Text(found.to_owned())], "{}", bench.name());
        }
    }
}

#[tokio::test]
async fn the_preview_is_the_request_that_is_sent_and_holds_no_secret() {
    for contract in contracts() {
        let bench = Bench::new(contract, Launches::Take, Looks::End, true).await;
        let preview = bench.connectors.describe(&bench.runbook.steps[0], &bench.runbook.values(&parameters())).unwrap();
        let shown = serde_json::to_string(&preview).unwrap();
        let contract = &bench.world.contract;
        assert!(format!("{} {}", preview.method, preview.url).ends_with(contract.at), "{shown}");
        let body = preview.body.map_or_else(String::new, |body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
        let expected = contract.body.replace("EXECUTION", "<execution>-start");
        let same =
            serde_json::from_str::<Value>(&expected).map_or(body == expected, |value| serde_json::from_str(&body).ok() == Some(value));
        assert!(same, "{}: {body} and {expected}", bench.name());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_job_that_fails_over_there_fails_the_step_with_a_reason_that_names_the_job() {
    for contract in jobs() {
        let bench = Bench::new(contract, Launches::Take, Looks::Fail, true).await;
        let ended = bench.run().await;
        // No rollback is declared, so a person has to look.
        assert_eq!(ended.state, ExecutionState::Failed, "{}", bench.name());
        let detail = ended.steps[0].detail.clone().unwrap_or_default();
        let job = bench.world.contract.job.unwrap();
        let named = job.rsplit('/').next().unwrap();
        assert!(detail.contains(named) || bench.world.contract.kind == "kubernetes", "{}: {detail}", bench.name());
        assert_eq!((bench.world.launched(), ended.steps.len()), (1, 1), "{}", bench.name());
    }
}

#[tokio::test]
async fn a_job_whose_end_is_not_known_is_judged_by_the_verify_step_and_never_started_twice() {
    let mut ways = vec![
        Looks::NeverEnd,
        Looks::Answer(404),
        Looks::Answer(401),
        Looks::Answer(429),
        Looks::Answer(409),
        Looks::Answer(500),
        Looks::Hang,
    ];
    ways.extend(GARBAGE.map(Looks::Lie));
    for contract in jobs() {
        for looks in ways.clone() {
            let untrue = matches!(looks, Looks::NeverEnd | Looks::Answer(404));
            for truth in [true, false].into_iter().filter(|truth| *truth || untrue) {
                let bench = Bench::new(contract.clone(), Launches::Take, looks, truth).await;
                let ended = bench.run().await;
                let expected = if truth { ExecutionState::Succeeded } else { ExecutionState::InDoubt };
                assert_eq!(ended.state, expected, "{} {looks:?} {truth}", bench.name());
                assert_eq!(ended.steps[0].outcome, StepOutcome::Accepted, "{} {looks:?}", bench.name());
                assert!(bench.world.launched() == 1 && bench.world.looks() >= 1, "{} {looks:?}", bench.name());
            }
        }
    }
}

#[tokio::test]
async fn a_launch_whose_answer_is_lost_is_not_sent_again_and_the_verify_step_decides() {
    for contract in contracts() {
        for launches in [Launches::Cut, Launches::Hang] {
            for truth in [true, false] {
                let bench = Bench::new(contract.clone(), launches, Looks::End, truth).await;
                let ended = bench.run().await;
                let expected = if truth { ExecutionState::Succeeded } else { ExecutionState::InDoubt };
                assert_eq!((ended.state, bench.world.launched()), (expected, 1), "{} {launches:?} {truth}", bench.name());
            }
        }
    }
}

#[tokio::test]
async fn a_launch_that_is_refused_changed_nothing() {
    for contract in contracts() {
        for status in [400, 401, 403, 404, 409, 429] {
            let bench = Bench::new(contract.clone(), Launches::Refuse(status), Looks::End, true).await;
            let ended = bench.run().await;
            assert_eq!((ended.state, bench.world.launched()), (ExecutionState::Refused, 1), "{} {status}", bench.name());
        }
    }
}

#[tokio::test]
async fn an_answer_to_a_launch_that_names_no_job_never_counts_as_success() {
    for contract in jobs() {
        for body in GARBAGE {
            let bench = Bench::new(contract.clone(), Launches::Lie(body), Looks::End, true).await;
            let ended = bench.run().await;
            assert_eq!((ended.state, bench.world.launched()), (ExecutionState::Failed, 1), "{} {body}", bench.name());
        }
    }
}

#[tokio::test]
async fn a_run_that_was_cut_off_after_the_launch_looks_at_the_same_job() {
    for contract in jobs() {
        let bench = Bench::new(contract, Launches::Take, Looks::End, true).await;
        let job = bench.world.contract.job.unwrap();
        let begun = StepRun {
            step: "start".parse().unwrap(),
            kind: StepKind::Change,
            attempt: 1,
            outcome: StepOutcome::Accepted,
            started_at: Timestamp::from_millis(1_700_000_000_000),
            finished_at: None,
            request: "POST".to_owned(),
            status: Some(201),
            detail: None,
            job: Some(Job::new(job).unwrap()),
            outputs: BTreeMap::new(),
        };
        let ended = bench.engine.run(bench.stored(vec![begun]).await, &bench.runbook, &Free).await.unwrap();
        assert_eq!((ended.state, bench.world.launched()), (ExecutionState::Succeeded, 0), "{}", bench.name());
    }
}

/// Values as a ticket could hold them.
const HOSTILE: [&str; 22] = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "%2e%2e",
    "%2f",
    "%252f",
    "a%00",
    "a\nb",
    "a\r\nX-Evil: 1",
    "a?b=c",
    "a#b",
    "a;b",
    "a b",
    "*",
    "{{host}}",
    "$(id)",
    "\u{202e}a",
    "é",
    "http://evil.example/",
];

#[tokio::test]
async fn no_value_reaches_another_path_and_no_value_becomes_something_that_is_not_listed() {
    for contract in contracts() {
        let bench = Bench::new(contract, Launches::Take, Looks::End, true).await;
        let original = &bench.runbook.steps[0];
        let connectors = &bench.connectors;
        let at = |value: &str| {
            let values = bench.runbook.values(&BTreeMap::from([("host".parse().unwrap(), value.to_owned())]));
            move |step: &Step| connectors.prepare(step, &values)
        };
        let plain = url::Url::parse(&at("prn-07")(original).unwrap().preview.url).unwrap();
        for value in HOSTILE {
            // Where the value stands in the contract: a body, or a segment of the path.
            if let Ok(prepared) = at(value)(original) {
                let url = url::Url::parse(&prepared.preview.url).unwrap();
                assert_eq!(url.host_str(), plain.host_str());
                let (segments, expected): (Vec<_>, Vec<_>) =
                    (url.path_segments().unwrap().collect(), plain.path_segments().unwrap().collect());
                assert_eq!(segments.len(), expected.len(), "{} {value:?}", bench.name());
                assert!(url.fragment().is_none(), "{} {value:?}", bench.name());
            }
            // In place of each name that the allow-list is about.
            for key in bench.world.contract.named {
                let mut with = bench.world.contract.with.clone();
                with[key] = "{{host}}".into();
                let step = Step { with: Argument::parse(&with).unwrap(), ..original.clone() };
                assert!(at(value)(&step).is_err(), "{} {key} {value:?}", bench.name());
            }
        }
        for key in bench.world.contract.named {
            let mut with = bench.world.contract.with.clone();
            with[key] = "elsewhere".into();
            let step = Step { with: Argument::parse(&with).unwrap(), ..original.clone() };
            assert!(matches!(at("x")(&step), Err(ExecuteError::NotAllowed { .. })), "{} {key}", bench.name());
            let mut without = bench.world.contract.with.clone();
            without.as_object_mut().unwrap().remove(*key);
            let step = Step { with: Argument::parse(&without).unwrap(), ..original.clone() };
            assert!(at("x")(&step).is_err(), "{} without {key}", bench.name());
        }
        let mut with = bench.world.contract.with.clone();
        with["url"] = "http://evil.example".into();
        assert!(at("x")(&Step { with: Argument::parse(&with).unwrap(), ..original.clone() }).is_err());
        assert!(at("x")(&Step { operation: "shell".to_owned(), ..original.clone() }).is_err());
        if let Some(table) = bench.world.contract.arguments {
            let mut with = bench.world.contract.with.clone();
            with[table]["unlisted"] = "x".into();
            let step = Step { with: Argument::parse(&with).unwrap(), ..original.clone() };
            assert!(
                matches!(at("x")(&step), Err(ExecuteError::NotAllowed { .. })),
                "{} takes an argument that is not listed",
                bench.name()
            );
        }
    }
}
