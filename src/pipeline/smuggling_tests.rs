//! Values smuggled into tickets, driven the whole way: cleaning, filling, the engine, the real connector, a real server.
//!
//! What reaches the server is either nothing or exactly the validated value in the one place the runbook has for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, Uri},
};
use serde_json::{Value, json};

use crate::{
    domain::{
        classification::{Field, Span},
        digest::Digest,
        execution::{Execution, ExecutionState},
        id::{ExecutionId, RecommendationId, TicketId},
        name::TenantId,
        principal::Actor,
        runbook::{Directory, Runbook, Step},
        template,
        time::Timestamp,
        untrusted::Untrusted,
    },
    execute::{Connectors, Engine, Stop, Surroundings},
    runbook::{Known, Library, Query, parse},
    store::{
        change::{Change, Expectation, Write},
        interface::StoreError,
    },
    test_store::{TestStore, Turned},
    text::clean_fields,
};

/// Type as written, a value of it, another of the same form that is in no list.
const TYPES: [(&str, &str, &str); 10] = [
    ("hostname", "prn-07", "prn-99"),
    ("ip", "10.0.0.7", "10.0.0.99"),
    ("email", "ana@example.com", "eve@example.com"),
    ("username", "j.doe7", "e.ve9"),
    ("uuid", "0b8f3f52-7a10-4a55-8a5e-4d1f0c9f2a11", "1b8f3f52-7a10-4a55-8a5e-4d1f0c9f2a12"),
    ("integer(1..50)", "14", "15"),
    ("duration(2h)", "30m", "31m"),
    ("enum(nginx-7|php-fpm)", "nginx-7", "apache-2"),
    ("path(/var/tmp)", "/var/tmp/a", "/var/tmp/b"),
    ("string(40)", "stock-07", "stock-99"),
];

const PLACES: [(&str, &str); 3] = [
    ("path", "path: '/t/{{v}}/run'"),
    ("query", "path: /t, query: {q: '{{v}}'}"),
    ("body", "path: /t, body: {v: '{{v}}', n: [1, '{{v}}']}"),
];

/// Put before, behind and inside a sound value, and alone.
const SMUGGLED: [&str; 62] = [
    ";reboot",
    "|id",
    "&&id",
    "`id`",
    "$(id)",
    "${HOME}",
    ">x",
    "<x",
    "!x",
    "*",
    "~",
    "'",
    "\"",
    "\\",
    "\\..\\",
    "../",
    "/../x",
    "..",
    "%2e%2e",
    "%2e%2e%2f",
    "%252e%252e",
    "..;/",
    "%00",
    "%0d%0a",
    "\0",
    "\n",
    "\r\n",
    "\r\nX-Admin: 1",
    "\t",
    "\u{b}",
    "\u{85}",
    "\u{2028}",
    "{{other}}",
    "{{v}}",
    "{%x%}",
    "{{",
    "０７",
    "а",
    "ﬁ",
    "é",
    "①",
    "．．／",
    "\u{200b}",
    "\u{200d}",
    "\u{2060}",
    "\u{ad}",
    "\u{feff}",
    "\u{202e}",
    "\u{2066}",
    "\u{e0041}",
    "@evil.example",
    "user:pass@evil.example",
    "#x",
    "?x=1",
    "?",
    "//evil.example",
    "\",\"admin\":\"yes",
    "}\n---\nid: x",
    ": &a [*a]",
    "\" || true || \"",
    "-rf",
    "--help",
];

/// Whole values that some parser reads as something else.
const WHOLE: [&str; 16] = [
    "::ffff:10.0.0.7",
    "::ffff:a00:7",
    "0x0a000007",
    "0x0a.0.0.7",
    "012.0.0.7",
    "167772167",
    "10.7",
    "10.0.0.7%eth0",
    "[::1]",
    "http://evil.example",
    "-1",
    "1e1",
    "+14",
    "014",
    "/var/tmp/../../etc/shadow",
    "/var/tmpx/a",
];

#[derive(Default)]
struct Seen(Mutex<Vec<(String, String, Vec<u8>)>>);

async fn record(State(seen): State<Arc<Seen>>, method: Method, uri: Uri, body: Bytes) -> &'static str {
    seen.0.lock().unwrap().push((method.to_string(), uri.to_string(), body.to_vec()));
    "{}"
}

/// Nothing around the run stands in its way.
struct Free;

#[async_trait]
impl Surroundings for Free {
    async fn may_proceed(&self, _: &Execution, _: &Step) -> Result<Vec<Expectation>, Stop> {
        Ok(Vec::new())
    }

    async fn closing(&self, _: &Execution) -> Result<Change, StoreError> {
        Ok(Change::default())
    }
}

struct Bench {
    seen: Arc<Seen>,
    store: TestStore,
    connectors: Arc<Connectors>,
    engine: Engine,
    runs: std::cell::Cell<u128>,
}

impl Bench {
    async fn new() -> Self {
        let seen = Arc::new(Seen::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(record).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = json!([{
            "name": "automation", "kind": "http", "base_url": base, "timeout": "20s", "allow_addresses": ["127.0.0.1/32"],
            "allow": [{"method": "post", "path": "/t/*/run"}, {"method": "post", "path": "/t"}],
        }]);
        let connectors = Arc::new(Connectors::from_config(&serde_json::from_value::<Vec<_>>(config).unwrap()).unwrap());
        let store = TestStore::open();
        let engine = Engine::new(store.shared(), Arc::new(Turned::default()), Arc::clone(&connectors));
        Self { seen, store, connectors, engine, runs: std::cell::Cell::new(1) }
    }

    /// Runs the runbook's one step with `value` and gives back what arrived meanwhile.
    async fn run(&self, runbook: &Runbook, value: &str) -> (ExecutionState, Vec<(String, String, Vec<u8>)>) {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let nth = self.runs.replace(self.runs.get() + 1);
        let execution = Execution {
            form: Execution::FORM,
            id: ExecutionId::new(at, nth),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, nth),
            recommendation: RecommendationId::new(at, nth),
            runbook: runbook.id.clone(),
            runbook_digest: runbook.digest,
            parameters: BTreeMap::from([("v".parse().unwrap(), value.to_owned())]),
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
        // Only the change is of interest; the look afterwards would be one more call to sort out.
        let runbook = &Runbook { steps: runbook.steps[..1].to_vec(), ..runbook.clone() };
        let state = self.engine.run(execution, runbook, &Free).await.unwrap().state;
        (state, std::mem::take(&mut *self.seen.0.lock().unwrap()))
    }
}

fn values(value: &str) -> template::Values {
    [("v".parse().unwrap(), template::Value::Text(value.to_owned()))].into_iter().collect()
}

/// One runbook a place, with the slot asked of label, attribute and text in turn.
fn library(kind: &str, good: &str) -> Library {
    let sheets = PLACES.iter().map(|(place, with)| {
        let yaml = format!(
            "---\nid: p-{place}\ntitle: T {place}\nowner: o\nrisk: low\nirreversible: true\nparameters:\n  v: {{type: '{kind}', from: [label:v, attribute:v, text], one_of: list.csv}}\n\
             steps:\n  - {{id: go, kind: change, use: automation.post, idempotent: true, with: {{{with}}}}}\n  - {{id: see, kind: verify, use: automation.get, with: {{path: /t}}}}\n---\nx\n"
        );
        let list = Directory::List { path: "list.csv".to_owned(), values: BTreeSet::from([good.to_owned()]) };
        parse(&format!("{place}.md"), yaml.as_bytes(), &|_| Ok(list.clone())).unwrap()
    });
    let known = Known::default();
    let sheets: Vec<_> = sheets.collect();
    Library::from_sheets(sheets, &known).unwrap_or_else(|findings| panic!("{kind}: {findings:?}"))
}

/// RFC 3986: everything but `unreserved` is escaped. Written again here, so that a wrong encoder is seen.
fn escaped(value: &str) -> String {
    value.bytes().fold(String::new(), |text, b| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text + &char::from(b).to_string(),
        _ => text + &format!("%{b:02X}"),
    })
}

/// Whether the one call that arrived is the runbook's, with `value` in its one place.
fn intended(kind: &str, place: &str, value: &str, (method, target, body): &(String, String, Vec<u8>)) -> bool {
    let (wanted, sent) = match place {
        "path" => (format!("/t/{}/run", escaped(value)), None),
        "query" => (format!("/t?q={}", escaped(value)), None),
        _ => {
            let value = if kind.starts_with("integer") { json!(value.parse::<i64>().unwrap()) } else { json!(value) };
            ("/t".to_owned(), Some(json!({"v": value, "n": [1, value]})))
        }
    };
    let told: Option<Value> = if body.is_empty() { None } else { Some(serde_json::from_slice(body).unwrap()) };
    method == "POST" && *target == wanted && told == sent
}

fn forms(good: &str, other: &str) -> Vec<String> {
    let middle = good.len() / 2;
    let around = SMUGGLED.iter().flat_map(|bad| {
        [format!("{good}{bad}"), format!("{bad}{good}"), format!("{}{bad}{}", &good[..middle], &good[middle..]), (*bad).to_owned()]
    });
    let wide: String = good.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
    around.chain(WHOLE.map(str::to_owned)).chain([good.repeat(300), wide, good.to_owned(), other.to_owned()]).collect()
}

#[tokio::test]
async fn a_smuggled_value_arrives_as_the_validated_value_in_its_one_place_or_not_at_all() {
    let bench = Bench::new().await;
    let (mut tried, mut refused) = (0, BTreeSet::new());
    let mut arrived: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (kind, good, other) in TYPES {
        let library = library(kind, good);
        for form in forms(good, other) {
            for source in ["label", "attribute", "title", "body"] {
                let one = BTreeMap::from([("v".to_owned(), Untrusted::from(form.as_str()))]);
                let none = BTreeMap::new();
                let text = format!("please see to v {form} now");
                let (title, body) =
                    (if source == "title" { text.as_str() } else { "t" }, if source == "body" { text.as_str() } else { "b" });
                let clean = clean_fields(title, body, false);
                let span_of = |field: Field, range: std::ops::Range<usize>| -> Option<Span> {
                    Some(if field == Field::Title { clean.title.span(range) } else { clean.body.span(range) })
                };
                let query = Query {
                    title: clean.title.text(),
                    body: clean.body.text(),
                    labels: if source == "label" { &one } else { &none },
                    attributes: if source == "attribute" { &one } else { &none },
                    requester: None,
                    category: None,
                    span_of: &span_of,
                };
                for (runbook, place) in library.iter().map(|runbook| (runbook, runbook.id.as_str().trim_start_matches("p-"))) {
                    let place = PLACES.iter().map(|(name, _)| *name).find(|name| *name == place).unwrap();
                    tried += 1;
                    let filled = library.fill(runbook, &query, &BTreeMap::new());
                    let Some(parameter) = filled.parameters.first() else {
                        assert!(!filled.missing[0].reason.is_empty(), "{kind} {form:?}");
                        refused.insert((kind, place));
                        continue;
                    };
                    // The list has one value, so nothing else can be meant.
                    assert_eq!(parameter.value, good, "{kind} from {source}: {form:?}");
                    // A path in one segment is refused by the connector; a sound value is sent once for each form and place.
                    if arrived.get(&(kind, place)).is_some_and(|times| *times >= 8) {
                        continue;
                    }
                    let (state, calls) = bench.run(runbook, &parameter.value).await;
                    if place == "path" && good.contains('/') {
                        assert!(calls.is_empty() && state != ExecutionState::Succeeded, "{kind} {calls:?}");
                        continue;
                    }
                    assert!(calls.len() == 1 && intended(kind, place, good, &calls[0]), "{kind} {place} {form:?}: {calls:?}");
                    *arrived.entry((kind, place)).or_default() += 1;
                }
            }
        }
    }
    assert!(tried >= 2_000, "{tried}");
    assert_eq!(refused.len(), 30, "every type is refused somewhere: {refused:?}");
    assert_eq!(arrived.len(), 29, "every type arrives in every place, but a path in one segment: {arrived:?}");
}

#[tokio::test]
async fn a_value_that_got_past_validation_still_cannot_leave_its_place() {
    let bench = Bench::new().await;
    let library = library("string(40)", "stock-07");
    let (mut sent, mut kept) = (0, 0);
    for (_, good, other) in TYPES {
        for form in forms(good, other) {
            for runbook in library.iter() {
                let place = runbook.id.as_str().trim_start_matches("p-");
                let step = &runbook.steps[0];
                let Ok(prepared) = bench.connectors.prepare(step, &values(&form)) else {
                    kept += 1;
                    continue;
                };
                let _ = bench.connectors.call(step, &prepared, None, None, || Timestamp::from_millis(0)).await;
                let calls = std::mem::take(&mut *bench.seen.0.lock().unwrap());
                assert!(calls.len() == 1 && intended("string(40)", place, &form, &calls[0]), "{place} {form:?}: {calls:?}");
                sent += 1;
            }
        }
    }
    assert!(sent >= 2_000 && kept >= 500, "sent {sent}, kept {kept}");
}
