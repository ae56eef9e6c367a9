//! The `awx` connector: launches job templates and workflow templates by number and follows what they start.
//!
//! AWX and the automation controller of the Ansible Automation Platform have the same API. Facts and where they
//! stand: docs/connectors/awx.md.

use serde_json::{Map, Value, json};

use super::{
    arguments::Arguments,
    endpoint::{Call, Endpoint},
    job::{self, Follow, Launch, State},
    kind::{Kind, Probe},
    launching::{Launchable, listed},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::{AwxTemplate, Launching},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path},
};

const OPERATIONS: [&str; 4] = ["launch_job", "launch_workflow", "cancel_job", "cancel_workflow"];

/// Each template is named by its kind and number, like `job_templates/42`.
#[derive(Debug)]
pub(super) struct Awx {
    allow: Vec<Launchable>,
}

impl Awx {
    /// # Errors
    /// An entry that names no template, or two.
    pub fn new(allow: &[AwxTemplate]) -> Result<Self, String> {
        let allow = allow.iter().map(|listed| {
            let name = match (listed.job_template, listed.workflow_template) {
                (Some(id), None) => format!("job_templates/{id}"),
                (None, Some(id)) => format!("workflow_job_templates/{id}"),
                _ => return Err("an entry of `allow` names one template: `job_template` or `workflow_template`".to_owned()),
            };
            Ok(Launchable { name, operations: listed.operations.clone(), arguments: listed.arguments.clone() })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

impl Kind for Awx {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let (templates, jobs) = match step.operation.as_str() {
            "launch_job" | "cancel_job" => ("job_templates", "jobs"),
            "launch_workflow" | "cancel_workflow" => ("workflow_job_templates", "workflow_jobs"),
            _ => return Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&OPERATIONS)),
        };
        if step.operation.starts_with("launch") {
            let arguments = Arguments::of(endpoint, step, values, &["template", "extra_vars", "limit"])?;
            let template = arguments.text("template")?;
            let target = format!("{templates}/{template}");
            let allowed = listed(&self.allow, Launching::Start, &target, &arguments)?;
            let variables = arguments.table("extra_vars")?;
            let given = arguments.only(&target, allowed.arguments.as_deref(), variables.keys())?;
            let mut body = Map::new();
            if !variables.is_empty() {
                body.insert("extra_vars".to_owned(), variables.into());
            }
            if let Some(limit) = arguments.maybe_text("limit")? {
                // Ansible reads patterns in a limit: a host from a ticket must not become all of them.
                let plain =
                    arguments.is_yet_to_come("limit") || limit.split(',').all(|host| super::launching::is_plain(host) && host != "all");
                arguments.only(&target, allowed.arguments.as_deref(), ["limit".to_owned()].iter())?;
                if !plain {
                    return Err(arguments.refuse("`with.limit` may name hosts and groups, separated by commas, and no pattern"));
                }
                body.insert("limit".to_owned(), limit.into());
            }
            let call = Call::post(arguments.path(&[templates, &template, "launch", ""])?, body.into());
            endpoint.prepare(step, call, Then::Follow(Launch { follow: &Launched, target, given, headers: &[] }))
        } else {
            let arguments = Arguments::of(endpoint, step, values, &["template", "job"])?;
            listed(&self.allow, Launching::Stop, &format!("{templates}/{}", arguments.text("template")?), &arguments)?;
            let id = arguments.of_form("job", "the number of a job", job::is_number)?;
            endpoint.prepare(step, Call::post(arguments.path(&[jobs, &id, "cancel", ""])?, json!({})), Then::Done)
        }
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = |listed: &Launchable| {
            let (kind, id) = listed.name.split_once('/')?;
            // What a launch would ask for; 200 only for an account that may launch it.
            Some(Probe::new(format!("template `{}`", listed.name), Call::get(job::path(&[kind, id, "launch", ""]).ok()?)))
        };
        self.allow.iter().filter_map(probe).collect()
    }
}

/// `jobs/7` or `workflow_jobs/7`, with `/ignored` behind it when AWX left out something that we gave.
#[derive(Debug)]
struct Launched;

impl Follow for Launched {
    fn job(&self, _: &Launch, answer: &Answer) -> Result<Job, String> {
        let body = job::json(answer)?;
        // A job template that is sliced starts a workflow.
        let (jobs, id) = ["jobs", "workflow_jobs"]
            .into_iter()
            .zip(["job", "workflow_job"])
            .find_map(|(jobs, key)| Some((jobs, body.get(key).and_then(job::number)?)))
            .ok_or("AWX's answer names no job")?;
        let ignored = body.get("ignored_fields").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty());
        Job::new(format!("{jobs}/{id}{}", if ignored { "/ignored" } else { "" }))
    }

    fn look(&self, _: &Launch, job: &Job) -> Option<Path> {
        let (jobs, id) = parts(job)?;
        job::path(&[jobs, id, ""]).ok()
    }

    fn read(&self, _: &Launch, job: &Job, body: &Value) -> State {
        let Some((jobs, id)) = parts(job) else { return State::Running };
        if body.get("id").and_then(job::number).as_deref() != Some(id) {
            return State::Running;
        }
        let failed = |how: &str| State::Failed(format!("`{jobs}/{id}` of AWX {how}"));
        match body.get("status").and_then(Value::as_str) {
            Some("successful") if job.as_str().ends_with("/ignored") => {
                failed("ran without something that was given: let the template prompt for variables and limit on launch")
            }
            Some("successful") => State::Succeeded,
            Some("failed") => failed("failed"),
            Some("error") => failed("could not be run"),
            Some("canceled") => failed("was cancelled"),
            _ => State::Running,
        }
    }
}

fn parts(job: &Job) -> Option<(&str, &str)> {
    let (jobs, id) = job.as_str().strip_suffix("/ignored").unwrap_or(job.as_str()).split_once('/')?;
    (matches!(jobs, "jobs" | "workflow_jobs") && job::is_number(id)).then_some((jobs, id))
}
