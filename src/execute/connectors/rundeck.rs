//! The `rundeck` connector: runs jobs by their id and follows their executions.
//!
//! Rundeck's API, version 18 and later, for which `options` is a table; the base URL names the version. Facts and
//! where they stand: docs/connectors/rundeck.md.

use serde_json::Value;

use super::{
    arguments::Arguments,
    endpoint::{Call, Endpoint},
    job::{self, Follow, Launch, State},
    kind::{Kind, Probe},
    launching::{Launchable, listed},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::{Launching, RundeckJob},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path},
};

#[derive(Debug)]
pub(super) struct Rundeck {
    allow: Vec<Launchable>,
}

impl Rundeck {
    /// # Errors
    /// An id that is no UUID.
    pub fn new(allow: &[RundeckJob]) -> Result<Self, String> {
        let allow = allow.iter().map(|listed| {
            if !is_id(&listed.job) {
                return Err(format!("`{}` is not the id of a job: copy its UUID from Rundeck", listed.job));
            }
            Ok(Launchable { name: listed.job.clone(), operations: listed.operations.clone(), arguments: listed.arguments.clone() })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

/// A job's id is a UUID unless it was imported with another; never anything a path could take apart.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Kind for Rundeck {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        match step.operation.as_str() {
            "run_job" => {
                let arguments = Arguments::of(endpoint, step, values, &["job", "options"])?;
                let id = arguments.text("job")?;
                let allowed = listed(&self.allow, Launching::Start, &id, &arguments)?;
                let options = arguments.texts("options")?;
                let given = arguments.only(&id, allowed.arguments.as_deref(), options.keys())?;
                let call = Call::post(arguments.path(&["job", &id, "executions"])?, serde_json::json!({ "options": options }));
                endpoint.prepare(step, call, Then::Follow(Launch { follow: &Execution, target: id, given, headers: &[] }))
            }
            "abort" => {
                let arguments = Arguments::of(endpoint, step, values, &["job", "execution"])?;
                let id = arguments.text("job")?;
                listed(&self.allow, Launching::Stop, &id, &arguments)?;
                let execution = arguments.of_form("execution", "the number of an execution", job::is_number)?;
                let path = arguments.path(&["execution", &execution, "abort"])?;
                endpoint.prepare(step, Call::post(path, serde_json::json!({})), Then::Unless(is_aborted))
            }
            _ => Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&["run_job", "abort"])),
        }
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = |listed: &Launchable| {
            Some(Probe::new(format!("job `{}`", listed.name), Call::get(job::path(&["job", &listed.name, "info"]).ok()?)))
        };
        self.allow.iter().filter_map(probe).collect()
    }
}

/// Rundeck answers 200 to an abort that did not work, and says so in the body.
fn is_aborted(answer: &Answer) -> Result<(), String> {
    match job::json(answer)?.pointer("/abort/status").and_then(Value::as_str) {
        Some("pending" | "aborted") => Ok(()),
        _ => Err("Rundeck did not abort the execution".to_owned()),
    }
}

#[derive(Debug)]
struct Execution;

impl Follow for Execution {
    fn job(&self, launch: &Launch, answer: &Answer) -> Result<Job, String> {
        let body = job::json(answer)?;
        if body.pointer("/job/id").is_some_and(|id| id.as_str() != Some(&launch.target)) {
            return Err("Rundeck answered with an execution of another job".to_owned());
        }
        let id = body.get("id").and_then(job::number).ok_or("Rundeck's answer names no execution")?;
        Job::new(id)
    }

    fn look(&self, _: &Launch, job: &Job) -> Option<Path> {
        job::is_number(job.as_str()).then(|| job::path(&["execution", job.as_str()]).ok())?
    }

    fn read(&self, _: &Launch, job: &Job, body: &Value) -> State {
        if body.get("id").and_then(job::number).as_deref() != Some(job.as_str()) {
            return State::Running;
        }
        let failed = |how: &str| State::Failed(format!("execution `{}` of Rundeck {how}", job.as_str()));
        match body.get("status").and_then(Value::as_str) {
            Some("succeeded") => State::Succeeded,
            Some("failed") => failed("failed"),
            Some("aborted") => failed("was aborted"),
            Some("timedout") => failed("ran out of its own time"),
            // The job's own retry setting; the retry is an execution with a number of its own.
            Some("failed-with-retry") => {
                match body.pointer("/retriedExecution/id").and_then(job::number).and_then(|id| Job::new(id).ok()) {
                    Some(retry) if retry != *job => State::Moved(retry),
                    _ => failed("failed, and its retry has no number"),
                }
            }
            Some("other") => failed("ended with a status of its own"),
            _ => State::Running,
        }
    }
}
