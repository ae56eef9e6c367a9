//! Directory services: is this value there, and what is known of this requester? One `GET` a value through the
//! guarded client, remembered for a while.
//!
//! Only values that passed the type and pattern of their slot, and identities in the form in which the gate compares
//! them, come here. Never follows a redirect, and never takes silence, an error or another content for a yes.
// INVARIANT: `Listed` needs an answer of 200 with JSON whose field, when one is configured, is the value itself.
// INVARIANT: a requester is known or not known only by an answer; everything else is `Said::Unknown`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::Method;
use tokio::sync::Semaphore;

use crate::{
    config::directory::{Directory, DirectoryKind},
    domain::{
        ambient::Ambient,
        look_up::{Answer, LookUp, Question},
        name::DirectoryName,
        time::Timestamp,
    },
    execute::breaker::Breaker,
    gate::{requesters::Record, standing::Said},
    outbound::{self, CallError, Client, Limits, Path, Request, Target},
    telemetry::Metrics,
};

/// Requests to one directory at the same time.
const AT_ONCE: usize = 8;
/// Answers remembered of one directory.
const REMEMBERED: usize = 10_000;
/// What the look-ups of one ticket may take; its claim must not run out meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LATE: &str = "no answer in time";

/// Why a directory of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("directory `{directory}` {why}")]
pub struct BadDirectory {
    directory: String,
    why: String,
}

/// All configured directory services by name.
#[derive(Default)]
pub struct Directories {
    members: BTreeMap<DirectoryName, Member>,
}

struct Member {
    client: Client,
    /// Encoded pieces around the value's segment; `None` after the only one when the query carries it.
    path: (String, Option<String>),
    query: Option<String>,
    field: Option<String>,
    ttl: Duration,
    stale_limit: Duration,
    listed: Mutex<Memory<bool>>,
    /// Records of requesters; `None` for one that the directory does not know.
    records: Mutex<Memory<Option<Record>>>,
    breaker: Mutex<Breaker>,
    permits: Semaphore,
}

/// What was answered for each value, and when.
type Memory<T> = BTreeMap<String, (T, Timestamp)>;

/// What came of asking for one value.
enum Heard<T> {
    /// An answer of now, or one not older than `ttl`.
    Answer { what: T, at: Timestamp, cached: bool },
    /// None; with what was answered before, however old.
    Nothing { why: String, before: Option<(T, Timestamp)> },
}

impl<T> Heard<T> {
    const fn is_cached(&self) -> bool {
        matches!(self, Self::Answer { cached: true, .. })
    }
}

impl Directories {
    /// # Errors
    /// A name that is none or is used twice, a base URL that is not allowed, or a path that is none.
    pub fn from_config(configured: &[Directory]) -> Result<Self, BadDirectory> {
        let mut members = BTreeMap::new();
        for config in configured {
            let refuse = |why: String| BadDirectory { directory: config.name.clone(), why };
            let name = DirectoryName::new(&config.name).map_err(|why| refuse(why.to_string()))?;
            let DirectoryKind::Http = config.kind;
            let member = Member::new(config).map_err(refuse)?;
            if members.insert(name, member).is_some() {
                return Err(refuse("has a name that is used twice".to_owned()));
            }
        }
        Ok(Self { members })
    }

    /// An answer to every question, in order.
    pub async fn ask(&self, questions: impl IntoIterator<Item = Question>, ambient: &dyn Ambient, metrics: &Metrics) -> Vec<LookUp> {
        let deadline = tokio::time::Instant::now() + LONGEST_WAIT;
        let mut answered = Vec::new();
        for question in questions {
            let answer = match self.members.get(&question.directory) {
                Some(member) => {
                    let asked = member.ask(
                        &member.listed,
                        &question.value,
                        ambient,
                        |body| Ok(member.lists(&question.value, body)),
                        |listed| *listed,
                    );
                    let late = |_| member.nothing(&member.listed, &question.value, LATE);
                    let heard = tokio::time::timeout_at(deadline, asked).await.unwrap_or_else(late);
                    let cached = heard.is_cached();
                    let answer = member.listing(heard, ambient.now());
                    metrics.directory_lookups.with_label_values(&[question.directory.as_str(), outcome(&answer, cached)]).inc();
                    answer
                }
                None => Answer::Unknown { why: "it is not configured".to_owned() },
            };
            answered.push(LookUp { question, answer });
        }
        answered
    }

    /// What directory `name` says of each identity.
    pub async fn standing<'a>(
        &self,
        name: &str,
        identities: impl Iterator<Item = &'a str>,
        ambient: &dyn Ambient,
        metrics: &Metrics,
    ) -> BTreeMap<String, Said> {
        let deadline = tokio::time::Instant::now() + LONGEST_WAIT;
        let mut said = BTreeMap::new();
        for identity in identities {
            let answer = match self.members.get(name) {
                Some(member) => {
                    let asked = member.ask(&member.records, identity, ambient, |body| member.record(identity, body), Option::is_some);
                    let late = |_| member.nothing(&member.records, identity, LATE);
                    let heard = tokio::time::timeout_at(deadline, asked).await.unwrap_or_else(late);
                    let cached = heard.is_cached();
                    let (answer, outcome) = member.said(name, heard, ambient.now());
                    metrics.directory_lookups.with_label_values(&[name, if cached { "cached" } else { outcome }]).inc();
                    answer
                }
                None => Said::Unknown { why: format!("directory `{name}` is not configured") },
            };
            said.insert(identity.to_owned(), answer);
        }
        said
    }
}

fn outcome(answer: &Answer, cached: bool) -> &'static str {
    match answer {
        _ if cached => "cached",
        Answer::Listed { .. } => "listed",
        Answer::ListedBefore { .. } => "listed_before",
        Answer::Unlisted { .. } => "unlisted",
        Answer::Unknown { .. } => "unknown",
    }
}

impl Member {
    fn new(config: &Directory) -> Result<Self, String> {
        let limits = Limits { timeout: config.timeout.get(), response: config.response_limit };
        let target = Target::new(&config.base_url, &config.allow_addresses, limits);
        let target = target.auth(config.auth.as_ref()).tls(config.tls.as_ref()).proxy(config.proxy.as_ref());
        let client = Client::to(target).map_err(|why| why.to_string())?;
        Path::parse(&config.path).map_err(|why| why.to_string())?;
        let path = match (&config.query, config.path.split_once("/*")) {
            (None, Some((before, after))) => (format!("{before}/"), Some(after.to_owned())),
            (Some(_), None) => (config.path.clone(), None),
            _ => return Err(format!("has the path `{}`: write one segment `*` for the value, or `query`", config.path)),
        };
        Ok(Self {
            client,
            path,
            query: config.query.clone(),
            field: config.field.clone(),
            ttl: config.ttl.get(),
            stale_limit: config.stale_limit.get(),
            listed: Mutex::default(),
            records: Mutex::default(),
            breaker: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
        })
    }

    /// Asks for one value unless the answer in `memory` is young. `read` makes something of the JSON of a 200, or of
    /// a 404; `is_there` tells answers that exist from those for values that somebody made up.
    async fn ask<T: Clone>(
        &self,
        memory: &Mutex<Memory<T>>,
        value: &str,
        ambient: &dyn Ambient,
        read: impl Fn(Option<serde_json::Value>) -> Result<T, String>,
        is_there: impl Fn(&T) -> bool,
    ) -> Heard<T> {
        if let Some(heard) = self.fresh(memory, value, ambient.now()) {
            return heard;
        }
        // Before the breaker: what a ticket says must not count as a failure of the directory.
        let request = match self.request(value) {
            Ok(request) => request,
            Err(why) => return self.nothing(memory, value, &why),
        };
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        // A storm asks the same thing many times; the first answer serves all who waited.
        if let Some(heard) = self.fresh(memory, value, ambient.now()) {
            return heard;
        }
        if !locked(&self.breaker).lets_through(ambient.now()) {
            return self.nothing(memory, value, "it rests after failures in a row");
        }
        let said = self.look_up(request).await.and_then(read);
        let at = ambient.now();
        match said {
            Ok(what) => {
                locked(&self.breaker).succeeded();
                remember(&mut locked(memory), value, (what.clone(), at), is_there);
                Heard::Answer { what, at, cached: false }
            }
            Err(why) => {
                locked(&self.breaker).failed(at);
                self.nothing(memory, value, &why)
            }
        }
    }

    fn fresh<T: Clone>(&self, memory: &Mutex<Memory<T>>, value: &str, now: Timestamp) -> Option<Heard<T>> {
        let (what, at) = locked(memory).get(value).cloned()?;
        is_younger(at, now, self.ttl).then_some(Heard::Answer { what, at, cached: true })
    }

    fn nothing<T: Clone>(&self, memory: &Mutex<Memory<T>>, value: &str, why: &str) -> Heard<T> {
        Heard::Nothing { why: why.to_owned(), before: locked(memory).get(value).cloned() }
    }

    fn listing(&self, heard: Heard<bool>, now: Timestamp) -> Answer {
        match heard {
            Heard::Answer { what: true, at, .. } => Answer::Listed { at },
            Heard::Answer { what: false, at, .. } => Answer::Unlisted { at },
            Heard::Nothing { before: Some((true, at)), .. } if is_younger(at, now, self.stale_limit) => Answer::ListedBefore { at },
            Heard::Nothing { why, .. } => Answer::Unknown { why },
        }
    }

    /// What is made of a requester's record, and the outcome by which it is counted.
    fn said(&self, name: &str, heard: Heard<Option<Record>>, now: Timestamp) -> (Said, &'static str) {
        match heard {
            Heard::Answer { what: Some(record), at, .. } => (Said::Known { record, at }, "listed"),
            Heard::Answer { what: None, at, .. } => (Said::NotKnown { at }, "unlisted"),
            Heard::Nothing { before: Some((Some(record), at)), .. } if is_younger(at, now, self.stale_limit) => {
                (Said::Known { record, at }, "listed_before")
            }
            Heard::Nothing { why, .. } => (Said::Unknown { why: format!("directory `{name}`: {why}") }, "unknown"),
        }
    }

    fn lists(&self, value: &str, body: Option<serde_json::Value>) -> bool {
        let is_value = |body: serde_json::Value| {
            self.field.as_ref().is_none_or(|field| body.pointer(field).and_then(serde_json::Value::as_str) == Some(value))
        };
        body.is_some_and(is_value)
    }

    /// The record of `identity`, or `None` when there is none.
    ///
    /// # Errors
    /// The answer is about somebody else, or is no record.
    fn record(&self, identity: &str, body: Option<serde_json::Value>) -> Result<Option<Record>, String> {
        let Some(body) = body else { return Ok(None) };
        // Directories write addresses as their owners do; identities come here in lower case.
        let is_identity = |named: &serde_json::Value| named.as_str().is_some_and(|named| named.eq_ignore_ascii_case(identity));
        let about = match &self.field {
            Some(field) => body.pointer(field).is_some_and(is_identity),
            None => body.get("id").is_none_or(is_identity),
        };
        if !about {
            return Err("it answered 200 with somebody else, or nobody".to_owned());
        }
        let why =
            |why: String| format!("it answered 200 with something that is no requester: {}", why.chars().take(200).collect::<String>());
        Record::from_json(&body).map(Some).map_err(why)
    }

    /// # Errors
    /// The value cannot be one segment of a path.
    fn request(&self, value: &str) -> Result<Request, String> {
        let refused = |why: outbound::Refusal| why.to_string();
        let path = match &self.path {
            (before, Some(after)) => {
                // Not the refusal itself: it repeats the value.
                let encoded = Path::encode(value).map_err(|_| "the value cannot be one segment of a path".to_owned())?;
                format!("{before}{encoded}{after}")
            }
            (whole, None) => whole.clone(),
        };
        let mut request = Request::new(Method::GET, Some(Path::parse(&path).map_err(refused)?));
        request = request.header("accept", "application/json").map_err(refused)?;
        request.query.extend(self.query.iter().map(|name| (name.clone(), value.to_owned())));
        Ok(request)
    }

    /// The JSON of a 200, or `None` of a 404.
    async fn look_up(&self, request: Request) -> Result<Option<serde_json::Value>, String> {
        let answer = self.client.send(request).await.map_err(|why| match why {
            CallError::Unreadable { status, why } => format!("it answered {status}, and the answer could not be read: {why}"),
            other => other.to_string(),
        })?;
        match answer.status {
            200 => {}
            404 | 410 => return Ok(None),
            status => return Err(format!("it answered {status}")),
        }
        let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err("it answered 200 with something that is not JSON".to_owned());
        }
        serde_json::from_slice(&answer.body).map(Some).map_err(|_| "it answered 200 with something that is not JSON".to_owned())
    }
}

fn remember<T>(memory: &mut Memory<T>, value: &str, what: (T, Timestamp), is_there: impl Fn(&T) -> bool) {
    if memory.len() >= REMEMBERED && !memory.contains_key(value) {
        // Made-up values must not push out what exists.
        let oldest = memory.iter().min_by_key(|(_, (what, at))| (is_there(what), *at)).map(|(value, _)| value.clone());
        oldest.and_then(|value| memory.remove(&value));
    }
    memory.insert(value.to_owned(), what);
}

/// A clock that jumped back makes nothing young.
fn is_younger(at: Timestamp, now: Timestamp, limit: Duration) -> bool {
    at <= now && now.since(at) < limit
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain data: a panic elsewhere leaves nothing half-done in it.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "directories_tests.rs"]
mod tests;
