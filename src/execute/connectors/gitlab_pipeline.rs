//! The `gitlab_pipeline` connector: creates pipelines of listed projects and refs, and follows them.
//!
//! Facts and where they stand: docs/connectors/gitlab_pipeline.md.

use serde_json::{Value, json};

use super::{
    arguments::Arguments,
    endpoint::{Call, Endpoint},
    github_workflow::is_reference,
    job::{self, Follow, Launch, State},
    kind::{Kind, Probe},
    launching::{Launchable, is_plain, listed},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::{GitlabPipeline, Launching},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path, Refusal},
};

/// Each is named `PROJECT@REF`.
#[derive(Debug)]
pub(super) struct Gitlab {
    allow: Vec<Launchable>,
}

impl Gitlab {
    /// # Errors
    /// A project or ref that is none.
    pub fn new(allow: &[GitlabPipeline]) -> Result<Self, String> {
        let allow = allow.iter().map(|listed| {
            if !listed.project.split('/').all(is_plain) {
                return Err(format!("`{}` is not a project: write `GROUP/NAME` or its number", listed.project));
            }
            if !is_reference(&listed.reference) {
                return Err(format!("`{}` is not a branch or a tag", listed.reference));
            }
            let name = format!("{}@{}", listed.project, listed.reference);
            Ok(Launchable { name, operations: listed.operations.clone(), arguments: listed.arguments.clone() })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

/// GitLab takes a project's path as one segment, its slashes encoded; each part was checked when it was listed.
fn below(project: &str, rest: &[&str]) -> Result<Path, Refusal> {
    let encoded = project.split('/').map(Path::encode).collect::<Result<Vec<_>, _>>()?.join("%2F");
    let rest = rest.iter().map(|part| Path::encode(part)).collect::<Result<Vec<_>, _>>()?;
    Path::parse(&format!("/projects/{encoded}{}", rest.iter().map(|part| format!("/{part}")).collect::<String>()))
}

impl Kind for Gitlab {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let launches = match step.operation.as_str() {
            "run" => true,
            "cancel" => false,
            _ => return Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&["run", "cancel"])),
        };
        let last = if launches { "variables" } else { "pipeline" };
        let arguments = Arguments::of(endpoint, step, values, &["project", "ref", last])?;
        let (project, reference) = (arguments.text("project")?, arguments.text("ref")?);
        let name = format!("{project}@{reference}");
        let wanted = if launches { Launching::Start } else { Launching::Stop };
        let allowed = listed(&self.allow, wanted, &name, &arguments)?;
        if !launches {
            let pipeline = arguments.of_form("pipeline", "the number of a pipeline", job::is_number)?;
            let path = below(&project, &["pipelines", &pipeline, "cancel"]).map_err(|why| arguments.refused(&why))?;
            return endpoint.prepare(step, Call::post(path, json!({})), Then::Done);
        }
        let variables = arguments.texts("variables")?;
        let given = arguments.only(&name, allowed.arguments.as_deref(), variables.keys())?;
        let path = below(&project, &["pipeline"]).map_err(|why| arguments.refused(&why))?;
        let pairs: Vec<Value> = variables.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let then = Then::Follow(Launch { follow: &Pipeline, target: name, given, headers: &[] });
        endpoint.prepare(step, Call::post(path, json!({ "ref": reference, "variables": pairs })), then)
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = |listed: &Launchable| {
            let (project, _) = listed.name.split_once('@')?;
            let call = Call { query: vec![("per_page".to_owned(), "1".to_owned())], ..Call::get(below(project, &["pipelines"]).ok()?) };
            Some(Probe::new(format!("pipelines of `{project}`"), call))
        };
        self.allow.iter().filter_map(probe).collect()
    }
}

#[derive(Debug)]
struct Pipeline;

impl Follow for Pipeline {
    fn job(&self, _: &Launch, answer: &Answer) -> Result<Job, String> {
        let id = job::json(answer)?.get("id").and_then(job::number).ok_or("GitLab's answer names no pipeline")?;
        Job::new(id)
    }

    fn look(&self, launch: &Launch, job: &Job) -> Option<Path> {
        let (project, _) = launch.target.split_once('@')?;
        job::is_number(job.as_str()).then(|| below(project, &["pipelines", job.as_str()]).ok())?
    }

    fn read(&self, _: &Launch, job: &Job, body: &Value) -> State {
        if body.get("id").and_then(job::number).as_deref() != Some(job.as_str()) {
            return State::Running;
        }
        let ended = |how: &str| State::Failed(format!("pipeline `{}` of GitLab {how}", job.as_str()));
        match body.get("status").and_then(Value::as_str) {
            Some("success") => State::Succeeded,
            Some("failed") => ended("failed"),
            Some("canceled") => ended("was cancelled"),
            Some("skipped") => ended("was skipped"),
            // `manual` waits for a person over there, and `scheduled` for a time.
            _ => State::Running,
        }
    }
}
