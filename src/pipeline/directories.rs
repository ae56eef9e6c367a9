//! Directory services: is this value there? One `GET` a value through the guarded client, remembered for a while.
//!
//! Only values that passed the type and pattern of their slot come here. Never follows a redirect, and never takes
//! silence, an error or another content for a yes.
// INVARIANT: `Listed` needs an answer of 200 with JSON whose field, when one is configured, is the value itself.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::Method;
use tokio::sync::Semaphore;

use crate::{
    config::{
        directory::{Directory, DirectoryKind},
        secret::Secret,
    },
    domain::{
        ambient::Ambient,
        look_up::{Answer, LookUp, Question},
        name::DirectoryName,
        time::Timestamp,
    },
    execute::breaker::Breaker,
    outbound::{self, CallError, Client, Limits, Path, Request},
    telemetry::Metrics,
};

/// Requests to one directory at the same time.
const AT_ONCE: usize = 8;
/// Answers remembered of one directory.
const REMEMBERED: usize = 10_000;
/// What the look-ups of one ticket may take; its claim must not run out meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

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
    authorization: Option<Secret>,
    ttl: Duration,
    stale_limit: Duration,
    remembered: Mutex<BTreeMap<String, Remembered>>,
    breaker: Mutex<Breaker>,
    permits: Semaphore,
}

#[derive(Clone, Copy)]
struct Remembered {
    listed: bool,
    at: Timestamp,
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
                    let in_time = tokio::time::timeout_at(deadline, member.ask(&question.value, ambient)).await;
                    let late = |_| (member.fallback(&question.value, ambient.now(), "no answer in time"), false);
                    let (answer, cached) = in_time.unwrap_or_else(late);
                    metrics.directory_lookups.with_label_values(&[question.directory.as_str(), outcome(&answer, cached)]).inc();
                    answer
                }
                None => Answer::Unknown { why: "it is not configured".to_owned() },
            };
            answered.push(LookUp { question, answer });
        }
        answered
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
        let client = Client::new(&config.base_url, &config.allow_addresses, limits).map_err(|why| why.to_string())?;
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
            authorization: config.auth.as_ref().map(crate::config::connector::ConnectorAuth::header),
            ttl: config.ttl.get(),
            stale_limit: config.stale_limit.get(),
            remembered: Mutex::default(),
            breaker: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
        })
    }

    /// The answer, and whether it was remembered.
    async fn ask(&self, value: &str, ambient: &dyn Ambient) -> (Answer, bool) {
        if let Some(answer) = self.fresh(value, ambient.now()) {
            return (answer, true);
        }
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        // A storm asks the same thing many times; the first answer serves all who waited.
        if let Some(answer) = self.fresh(value, ambient.now()) {
            return (answer, true);
        }
        if !locked(&self.breaker).lets_through(ambient.now()) {
            return (self.fallback(value, ambient.now(), "it rests after failures in a row"), false);
        }
        let said = self.look_up(value).await;
        let now = ambient.now();
        match said {
            Ok(listed) => {
                locked(&self.breaker).succeeded();
                self.remember(value, Remembered { listed, at: now });
                (answer(Remembered { listed, at: now }), false)
            }
            Err(why) => {
                locked(&self.breaker).failed(now);
                (self.fallback(value, now, &why), false)
            }
        }
    }

    fn fresh(&self, value: &str, now: Timestamp) -> Option<Answer> {
        let known = *locked(&self.remembered).get(value)?;
        is_younger(known.at, now, self.ttl).then(|| answer(known))
    }

    /// What is known of the value when nobody can be asked.
    fn fallback(&self, value: &str, now: Timestamp, why: &str) -> Answer {
        match locked(&self.remembered).get(value) {
            Some(known) if known.listed && is_younger(known.at, now, self.stale_limit) => Answer::ListedBefore { at: known.at },
            _ => Answer::Unknown { why: why.to_owned() },
        }
    }

    fn remember(&self, value: &str, what: Remembered) {
        let mut remembered = locked(&self.remembered);
        if remembered.len() >= REMEMBERED && !remembered.contains_key(value) {
            // Made-up values must not push out what exists.
            let oldest = remembered.iter().min_by_key(|(_, known)| (known.listed, known.at)).map(|(value, _)| value.clone());
            oldest.and_then(|value| remembered.remove(&value));
        }
        remembered.insert(value.to_owned(), what);
    }

    /// Whether the value is there.
    async fn look_up(&self, value: &str) -> Result<bool, String> {
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
        if let Some(authorization) = &self.authorization {
            request = request.secret_header("authorization", authorization.expose()).map_err(refused)?;
        }
        request.query.extend(self.query.iter().map(|name| (name.clone(), value.to_owned())));
        let answer = self.client.send(request).await.map_err(|why| match why {
            CallError::Unreadable { status, why } => format!("it answered {status}, and the answer could not be read: {why}"),
            other => other.to_string(),
        })?;
        match answer.status {
            200 => {}
            404 | 410 => return Ok(false),
            status => return Err(format!("it answered {status}")),
        }
        let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err("it answered 200 with something that is not JSON".to_owned());
        }
        let body: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| "it answered 200 with something that is not JSON".to_owned())?;
        Ok(self.field.as_ref().is_none_or(|field| body.pointer(field).and_then(serde_json::Value::as_str) == Some(value)))
    }
}

fn answer(known: Remembered) -> Answer {
    if known.listed { Answer::Listed { at: known.at } } else { Answer::Unlisted { at: known.at } }
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
