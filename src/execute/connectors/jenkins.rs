//! The `jenkins` connector: queues builds, waits for them to leave the queue, and follows them.
//!
//! An API token as the password of basic authentication needs no crumb. Facts and where they stand:
//! docs/connectors/jenkins.md.
// INVARIANT: nothing of a URL that Jenkins answers is used but the number of a queue item; where it lies is our own
// base URL's.

use hyper::{Method, header::LOCATION};
use serde_json::Value;

use super::{
    arguments::Arguments,
    endpoint::{Body, Call, Endpoint},
    job::{self, Follow, Launch, State},
    kind::{Kind, Probe},
    launching::{Launchable, listed},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::{JenkinsJob, Launching},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path},
};

#[derive(Debug)]
pub(super) struct Jenkins {
    allow: Vec<Launchable>,
}

impl Jenkins {
    /// # Errors
    /// A name that is none.
    pub fn new(allow: &[JenkinsJob]) -> Result<Self, String> {
        let allow = allow.iter().map(|listed| {
            if job::path(&parts(&listed.job)).is_err() {
                return Err(format!("`{}` is not the full name of a job: write `FOLDER/NAME`", listed.job));
            }
            Ok(Launchable { name: listed.job.clone(), operations: listed.operations.clone(), arguments: listed.arguments.clone() })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

/// `ops/restart` is at `/job/ops/job/restart`.
fn parts(name: &str) -> Vec<&str> {
    name.split('/').flat_map(|part| ["job", part]).collect()
}

fn below<'a>(name: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut parts = parts(name);
    parts.extend(rest);
    parts
}

impl Kind for Jenkins {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        match step.operation.as_str() {
            "build" => {
                let arguments = Arguments::of(endpoint, step, values, &["job", "parameters"])?;
                let name = arguments.text("job")?;
                let allowed = listed(&self.allow, Launching::Start, &name, &arguments)?;
                let parameters = arguments.texts("parameters")?;
                let given = arguments.only(&name, allowed.arguments.as_deref(), parameters.keys())?;
                let last = if parameters.is_empty() { "build" } else { "buildWithParameters" };
                let path = arguments.path(&below(&name, &[last]))?;
                let body = if parameters.is_empty() { Body::None } else { Body::Form(parameters.into_iter().collect()) };
                let then = Then::Follow(Launch { follow: &Build, target: name, given, headers: &[] });
                endpoint.prepare(step, Call { body, ..Call::new(Method::POST, path) }, then)
            }
            "stop" => {
                let arguments = Arguments::of(endpoint, step, values, &["job", "build"])?;
                let name = arguments.text("job")?;
                listed(&self.allow, Launching::Stop, &name, &arguments)?;
                let build = arguments.of_form("build", "the number of a build", job::is_number)?;
                let call = Call::new(Method::POST, arguments.path(&below(&name, &[&build, "stop"]))?);
                endpoint.prepare(step, call, Then::Condense(stopped))
            }
            _ => Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&["build", "stop"])),
        }
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = |listed: &Launchable| {
            let path = job::path(&below(&listed.name, &["api", "json"])).ok()?;
            let call = Call { query: vec![("tree".to_owned(), "name,buildable".to_owned())], ..Call::get(path) };
            Some(Probe::new(format!("job `{}`", listed.name), call))
        };
        self.allow.iter().filter_map(probe).collect()
    }
}

/// Jenkins answers a stop with the way back to a page of the job; the way to a login page is none.
fn stopped(answer: Answer) -> Answer {
    let back = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).is_some_and(|to| to.contains("/job/"));
    if answer.status == 302 && back { Answer { status: 204, ..answer } } else { answer }
}

/// `queue/39` while it waits, `build/35` from then on.
#[derive(Debug)]
struct Build;

impl Follow for Build {
    fn job(&self, _: &Launch, answer: &Answer) -> Result<Job, String> {
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let item = location.trim_end_matches('/').rsplit_once("/queue/item/").map(|(_, item)| item).filter(|item| job::is_number(item));
        Job::new(format!("queue/{}", item.ok_or("Jenkins's answer names no queue item in `Location`")?))
    }

    fn look(&self, launch: &Launch, job: &Job) -> Option<Path> {
        let (place, number) = job.as_str().split_once('/').filter(|(_, number)| job::is_number(number))?;
        match place {
            "queue" => job::path(&["queue", "item", number, "api", "json"]).ok(),
            "build" => job::path(&below(&launch.target, &[number, "api", "json"])).ok(),
            _ => None,
        }
    }

    fn read(&self, launch: &Launch, job: &Job, body: &Value) -> State {
        let Some((place, number)) = job.as_str().split_once('/') else { return State::Running };
        match place {
            "queue" => read_item(launch, number, body),
            _ if body.get("number").and_then(job::number).as_deref() != Some(number) => State::Running,
            _ => read_build(launch, number, body),
        }
    }
}

fn read_item(launch: &Launch, number: &str, body: &Value) -> State {
    let own = launch.target.rsplit('/').next();
    if body.get("id").and_then(job::number).as_deref() != Some(number) || body.pointer("/task/name").and_then(Value::as_str) != own {
        return State::Running;
    }
    if body.get("cancelled").and_then(Value::as_bool) == Some(true) {
        return State::Failed(format!("queue item `{number}` of Jenkins was cancelled before it was built"));
    }
    let build = body.pointer("/executable/number").and_then(job::number);
    build.and_then(|build| Job::new(format!("build/{build}")).ok()).map_or(State::Running, State::Moved)
}

fn read_build(launch: &Launch, number: &str, body: &Value) -> State {
    let failed = |how: &str| State::Failed(format!("build `{number}` of Jenkins {how}"));
    if body.get("building").and_then(Value::as_bool) != Some(false) {
        return State::Running;
    }
    match body.get("result").and_then(Value::as_str) {
        Some("SUCCESS") => match launch.given.iter().find(|name| !was_given(body, name)) {
            Some(name) => failed(&format!("ran without `{name}`: the job does not define such a parameter")),
            None => State::Succeeded,
        },
        Some("UNSTABLE") => failed("is unstable"),
        Some("FAILURE") => failed("failed"),
        Some("ABORTED") => failed("was aborted"),
        Some("NOT_BUILT") => failed("was not built"),
        _ => State::Running,
    }
}

/// Jenkins leaves out, without a word, a parameter that its job does not define (SECURITY-170).
fn was_given(body: &Value, name: &str) -> bool {
    let actions = body.get("actions").and_then(Value::as_array);
    let mut given = actions.into_iter().flatten().filter_map(|action| action.get("parameters")?.as_array()).flatten();
    given.any(|parameter| parameter.get("name").and_then(Value::as_str) == Some(name))
}
