//! The `stackstorm` connector: runs actions and workflows by their reference and follows their executions.
//!
//! Facts and where they stand: docs/connectors/stackstorm.md.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    arguments::Arguments,
    endpoint::{Call, Endpoint},
    job::{self, Follow, Launch, State},
    kind::{Kind, Probe},
    launching::{Launchable, is_plain, listed},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::{Launching, StackstormAction},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path},
};

#[derive(Debug)]
pub(super) struct Stackstorm {
    allow: Vec<Launchable>,
}

impl Stackstorm {
    /// # Errors
    /// A reference that is none.
    pub fn new(allow: &[StackstormAction]) -> Result<Self, String> {
        let allow = allow.iter().map(|listed| {
            if !is_plain(&listed.action) || !listed.action.contains('.') {
                return Err(format!("`{}` is not the reference of an action: write `PACK.NAME`", listed.action));
            }
            Ok(Launchable { name: listed.action.clone(), operations: listed.operations.clone(), arguments: listed.arguments.clone() })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

/// MongoDB's ids.
fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Kind for Stackstorm {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        match step.operation.as_str() {
            "run" => {
                let arguments = Arguments::of(endpoint, step, values, &["action", "parameters"])?;
                let action = arguments.text("action")?;
                let allowed = listed(&self.allow, Launching::Start, &action, &arguments)?;
                let parameters = arguments.table("parameters")?;
                let given = arguments.only(&action, allowed.arguments.as_deref(), parameters.keys())?;
                let body = json!({ "action": action, "parameters": parameters });
                let then = Then::Follow(Launch { follow: &Execution, target: action, given, headers: &[] });
                endpoint.prepare(step, Call::post(arguments.path(&["executions"])?, body), then)
            }
            "cancel" => {
                let arguments = Arguments::of(endpoint, step, values, &["action", "execution"])?;
                listed(&self.allow, Launching::Stop, &arguments.text("action")?, &arguments)?;
                let execution = arguments.of_form("execution", "the id of an execution", is_id)?;
                endpoint.prepare(step, Call::new(Method::DELETE, arguments.path(&["executions", &execution])?), Then::Done)
            }
            _ => Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&["run", "cancel"])),
        }
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = |listed: &Launchable| {
            Some(Probe::new(format!("action `{}`", listed.name), Call::get(job::path(&["actions", &listed.name]).ok()?)))
        };
        self.allow.iter().filter_map(probe).collect()
    }
}

#[derive(Debug)]
struct Execution;

impl Follow for Execution {
    fn job(&self, launch: &Launch, answer: &Answer) -> Result<Job, String> {
        let body = job::json(answer)?;
        if body.pointer("/action/ref").is_some_and(|action| action.as_str() != Some(&launch.target)) {
            return Err("StackStorm answered with an execution of another action".to_owned());
        }
        let id = body.get("id").and_then(Value::as_str).filter(|id| is_id(id)).ok_or("StackStorm's answer names no execution")?;
        Job::new(id)
    }

    fn look(&self, _: &Launch, job: &Job) -> Option<Path> {
        is_id(job.as_str()).then(|| job::path(&["executions", job.as_str()]).ok())?
    }

    fn read(&self, _: &Launch, job: &Job, body: &Value) -> State {
        if body.get("id").and_then(Value::as_str) != Some(job.as_str()) {
            return State::Running;
        }
        let failed = |how: &str| State::Failed(format!("execution `{}` of StackStorm {how}", job.as_str()));
        match body.get("status").and_then(Value::as_str) {
            Some("succeeded") => State::Succeeded,
            Some("failed") => failed("failed"),
            Some("timeout") => failed("ran out of its own time"),
            Some("abandoned") => failed("was abandoned by its runner"),
            Some("canceled") => failed("was cancelled"),
            _ => State::Running,
        }
    }
}
