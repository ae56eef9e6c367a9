//! The `github_workflow` connector: dispatches workflows and follows the run that GitHub names in its answer.
//!
//! Facts and where they stand: docs/connectors/github_workflow.md.

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
    config::engine::{GithubWorkflow, Launching},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path},
};

const HEADERS: &[(&str, &str)] = &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];
const OPERATIONS: [&str; 3] = ["dispatch", "dispatch_only", "cancel"];

/// Each workflow is named `OWNER/REPOSITORY/WORKFLOW@REF`.
#[derive(Debug)]
pub(super) struct Github {
    allow: Vec<Launchable>,
}

impl Github {
    /// # Errors
    /// A repository, workflow or ref that is none.
    pub fn new(allow: &[GithubWorkflow]) -> Result<Self, String> {
        let allow = allow.iter().map(|listed| {
            let GithubWorkflow { repository, workflow, reference, operations, arguments } = listed;
            if repository.split('/').count() != 2 || !repository.split('/').all(is_plain) {
                return Err(format!("`{repository}` is not a repository: write `OWNER/NAME`"));
            }
            if !is_plain(workflow) {
                return Err(format!("`{workflow}` is not a workflow: write its file's name, like `restart.yml`, or its number"));
            }
            if !is_reference(reference) {
                return Err(format!("`{reference}` is not a branch or a tag"));
            }
            let name = format!("{repository}/{workflow}@{reference}");
            Ok(Launchable { name, operations: operations.clone(), arguments: arguments.clone() })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

/// What git allows and more than one tool could not read as something else.
pub(super) fn is_reference(text: &str) -> bool {
    (1..=200).contains(&text.len()) && !text.starts_with(['-', '/']) && text.split('/').all(is_plain)
}

impl Kind for Github {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let launches = match step.operation.as_str() {
            "dispatch" | "dispatch_only" => true,
            "cancel" => false,
            _ => return Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&OPERATIONS)),
        };
        let last = if launches { "inputs" } else { "run" };
        let arguments = Arguments::of(endpoint, step, values, &["repository", "workflow", "ref", last])?;
        let (repository, workflow) = (arguments.text("repository")?, arguments.text("workflow")?);
        let reference = arguments.text("ref")?;
        let name = format!("{repository}/{workflow}@{reference}");
        let wanted = if launches { Launching::Start } else { Launching::Stop };
        let allowed = listed(&self.allow, wanted, &name, &arguments)?;
        // Two parts, or it would not be listed.
        let (owner, short) = repository.split_once('/').unwrap_or_default();
        if !launches {
            let run = arguments.of_form("run", "the number of a run", job::is_number)?;
            let path = arguments.path(&["repos", owner, short, "actions", "runs", &run, "cancel"])?;
            return endpoint.prepare(step, Call::post(path, json!({})).headers(HEADERS), Then::Done);
        }
        let inputs = arguments.texts("inputs")?;
        let given = arguments.only(&name, allowed.arguments.as_deref(), inputs.keys())?;
        let path = arguments.path(&["repos", owner, short, "actions", "workflows", &workflow, "dispatches"])?;
        let mut body = json!({ "ref": reference, "inputs": inputs });
        let then = if step.operation == "dispatch" {
            body["return_run_details"] = true.into();
            Then::Follow(Launch { follow: &Run, target: repository.clone(), given, headers: HEADERS })
        } else {
            Then::Done
        };
        endpoint.prepare(step, Call::post(path, body).headers(HEADERS), then)
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = |listed: &Launchable| {
            let (path, _) = listed.name.split_once('@')?;
            let [owner, short, workflow] = path.splitn(3, '/').collect::<Vec<_>>().try_into().ok()?;
            let path = job::path(&["repos", owner, short, "actions", "workflows", workflow]).ok()?;
            Some(Probe::new(format!("workflow `{}`", listed.name), Call::get(path).headers(HEADERS)))
        };
        self.allow.iter().filter_map(probe).collect()
    }
}

#[derive(Debug)]
struct Run;

impl Follow for Run {
    fn job(&self, _: &Launch, answer: &Answer) -> Result<Job, String> {
        if answer.status == 204 {
            return Err("GitHub took the dispatch and did not say which run it made: this server is too old for `dispatch`; \
                        use `dispatch_only` and a verify step"
                .to_owned());
        }
        let id = job::json(answer)?.get("workflow_run_id").and_then(job::number).ok_or("GitHub's answer names no run")?;
        Job::new(id)
    }

    fn look(&self, launch: &Launch, job: &Job) -> Option<Path> {
        let (owner, short) = launch.target.split_once('/')?;
        job::is_number(job.as_str()).then(|| job::path(&["repos", owner, short, "actions", "runs", job.as_str()]).ok())?
    }

    fn read(&self, _: &Launch, job: &Job, body: &Value) -> State {
        if body.get("id").and_then(job::number).as_deref() != Some(job.as_str())
            || body.get("status").and_then(Value::as_str) != Some("completed")
        {
            return State::Running;
        }
        let ended = |how: &str| State::Failed(format!("run `{}` of GitHub {how}", job.as_str()));
        match body.get("conclusion").and_then(Value::as_str) {
            Some("success") => State::Succeeded,
            Some("failure") => ended("failed"),
            Some("cancelled") => ended("was cancelled"),
            Some("timed_out") => ended("ran out of its own time"),
            Some("startup_failure") => ended("could not start"),
            Some("skipped") => ended("was skipped"),
            Some("neutral") => ended("came to nothing either way"),
            Some("action_required") => ended("waits for somebody to act"),
            Some("stale") => ended("was given up by GitHub"),
            _ => State::Running,
        }
    }
}
