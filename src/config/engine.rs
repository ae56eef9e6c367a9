//! What stands behind a connector, and exactly what of it may be asked: one list of allowed things a kind of engine.
//!
//! Names only; the room that calls them checks their form and refuses the rest.
// INVARIANT: an empty list allows nothing; no entry has a wildcard unless its own words say so.

use serde::{Deserialize, Serialize};

/// The kind of a connector with its list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", content = "allow", rename_all = "snake_case")]
pub enum Engine {
    /// Any JSON API; the operation is the method in lower case.
    Http(Vec<AllowedCall>),
    Rundeck(Vec<RundeckJob>),
    /// AWX, or the automation controller of the Ansible Automation Platform.
    Awx(Vec<AwxTemplate>),
    Stackstorm(Vec<StackstormAction>),
    Jenkins(Vec<JenkinsJob>),
    Kubernetes(Vec<KubernetesObjects>),
    GithubWorkflow(Vec<GithubWorkflow>),
    GitlabPipeline(Vec<GitlabPipeline>),
    N8n(Vec<Hook>),
    NodeRed(Vec<Hook>),
}

impl Engine {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Rundeck(_) => "rundeck",
            Self::Awx(_) => "awx",
            Self::Stackstorm(_) => "stackstorm",
            Self::Jenkins(_) => "jenkins",
            Self::Kubernetes(_) => "kubernetes",
            Self::GithubWorkflow(_) => "github_workflow",
            Self::GitlabPipeline(_) => "gitlab_pipeline",
            Self::N8n(_) => "n8n",
            Self::NodeRed(_) => "node_red",
        }
    }

    pub const fn allows_nothing(&self) -> bool {
        match self {
            Self::Http(list) => list.is_empty(),
            Self::Rundeck(list) => list.is_empty(),
            Self::Awx(list) => list.is_empty(),
            Self::Stackstorm(list) => list.is_empty(),
            Self::Jenkins(list) => list.is_empty(),
            Self::Kubernetes(list) => list.is_empty(),
            Self::GithubWorkflow(list) => list.is_empty(),
            Self::GitlabPipeline(list) => list.is_empty(),
            Self::N8n(list) | Self::NodeRed(list) => list.is_empty(),
        }
    }
}

/// A method and the paths it may be used on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedCall {
    /// In lower case, like `post`.
    pub method: String,
    /// Path below the base URL; `*` stands for one segment, never for a `/`.
    pub path: String,
}

/// What may be done with something that is started and then runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launching {
    Start,
    /// Stop one that runs.
    Stop,
}

fn start() -> Vec<Launching> {
    vec![Launching::Start]
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RundeckJob {
    /// Its UUID.
    pub job: String,
    #[serde(default = "start")]
    pub operations: Vec<Launching>,
    /// The options a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}

/// One of the two.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwxTemplate {
    pub job_template: Option<u64>,
    pub workflow_template: Option<u64>,
    #[serde(default = "start")]
    pub operations: Vec<Launching>,
    /// The extra variables a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackstormAction {
    /// Its reference, `PACK.NAME`.
    pub action: String,
    #[serde(default = "start")]
    pub operations: Vec<Launching>,
    /// The parameters a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JenkinsJob {
    /// Its full name, `FOLDER/NAME`.
    pub job: String,
    #[serde(default = "start")]
    pub operations: Vec<Launching>,
    /// The parameters a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubWorkflow {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The file's name, like `restart.yml`, or its number.
    pub workflow: String,
    /// Branch or tag; the only one.
    #[serde(rename = "ref")]
    pub reference: String,
    #[serde(default = "start")]
    pub operations: Vec<Launching>,
    /// The inputs a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitlabPipeline {
    /// `GROUP/NAME`, or its number.
    pub project: String,
    /// Branch or tag; the only one.
    #[serde(rename = "ref")]
    pub reference: String,
    #[serde(default = "start")]
    pub operations: Vec<Launching>,
    /// The variables a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}

/// The kinds of objects that a runbook has business with. Secrets and roles are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubernetesResource {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Pod,
    Job,
    CronJob,
    HorizontalPodAutoscaler,
    Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KubernetesOperation {
    Get,
    RolloutStatus,
    RolloutRestart,
    Scale,
    Patch,
    DeletePod,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesObjects {
    /// The only one; absent for nodes, which have none.
    pub namespace: Option<String>,
    pub resource: KubernetesResource,
    /// The only one; absent for every object of its kind in the namespace.
    pub name: Option<String>,
    pub operations: Vec<KubernetesOperation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookOperation {
    /// `POST` with a JSON body.
    Call,
    /// `GET` with a query, for a hook that only looks.
    Ask,
}

fn call() -> Vec<HookOperation> {
    vec![HookOperation::Call]
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The path of the hook below the base URL, like `restart-printer`.
    pub hook: String,
    #[serde(default = "call")]
    pub operations: Vec<HookOperation>,
    /// The fields a step may give it; absent for any.
    pub arguments: Option<Vec<String>>,
}
