//! The `kubernetes` connector: a handful of operations on listed kinds of objects in listed namespaces.
//!
//! A restart is followed until the new pods are up, as `kubectl rollout status` does. Facts and where they stand:
//! docs/connectors/kubernetes.md.
// INVARIANT: namespace, kind and name of every call are listed; a step names no path and no API group.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    arguments::Arguments,
    endpoint::{Body, Call, Endpoint},
    job::{self, Follow, Launch, State},
    kind::{Kind, Probe, knows_us},
    prepared::{Prepared, Then},
    rollout::{self, Rollout},
};
use crate::{
    config::engine::{KubernetesObjects, KubernetesOperation as Operation, KubernetesResource as Resource},
    domain::{execution::Job, runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path, Refusal},
};

/// Set in the pod template by a restart. It holds execution and step, so a second call of one step changes nothing.
const RESTARTED: &str = "sluicegate/restarted-by";
const RESTARTED_AT: &str = "/spec/template/metadata/annotations/sluicegate~1restarted-by";

impl Resource {
    const ALL: [Self; 9] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Pod,
        Self::Job,
        Self::CronJob,
        Self::HorizontalPodAutoscaler,
        Self::Node,
    ];

    /// API group (empty for the core), version, and name in paths.
    const fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::StatefulSet => ("apps", "v1", "statefulsets"),
            Self::DaemonSet => ("apps", "v1", "daemonsets"),
            Self::ReplicaSet => ("apps", "v1", "replicasets"),
            Self::Pod => ("", "v1", "pods"),
            Self::Job => ("batch", "v1", "jobs"),
            Self::CronJob => ("batch", "v1", "cronjobs"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2", "horizontalpodautoscalers"),
            Self::Node => ("", "v1", "nodes"),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::ReplicaSet => "replicaset",
            Self::Pod => "pod",
            Self::Job => "job",
            Self::CronJob => "cronjob",
            Self::HorizontalPodAutoscaler => "horizontalpodautoscaler",
            Self::Node => "node",
        }
    }

    const fn can(self, operation: Operation) -> bool {
        match operation {
            Operation::Get | Operation::Patch => true,
            Operation::RolloutStatus | Operation::RolloutRestart => matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet),
            Operation::Scale => matches!(self, Self::Deployment | Self::StatefulSet | Self::ReplicaSet),
            Operation::DeletePod => matches!(self, Self::Pod),
        }
    }
}

const OPERATIONS: [(&str, Operation); 6] = [
    ("get", Operation::Get),
    ("rollout_status", Operation::RolloutStatus),
    ("rollout_restart", Operation::RolloutRestart),
    ("scale", Operation::Scale),
    ("patch", Operation::Patch),
    ("delete_pod", Operation::DeletePod),
];

fn name_of(operation: Operation) -> &'static str {
    OPERATIONS.iter().find(|(_, known)| *known == operation).map_or("", |(name, _)| name)
}

/// One object.
#[derive(Debug, Clone)]
struct Object {
    namespace: Option<String>,
    resource: Resource,
    name: String,
}

impl Object {
    fn path(&self, rest: &[&str]) -> Result<Path, Refusal> {
        let (group, version, plural) = self.resource.place();
        let mut parts = if group.is_empty() { vec!["api", version] } else { vec!["apis", group, version] };
        parts.extend(self.namespace.iter().flat_map(|namespace| ["namespaces", namespace]));
        parts.extend([plural, &self.name]);
        parts.extend(rest);
        job::path(&parts)
    }

    /// As written into `Launch::target`.
    fn shown(&self) -> String {
        format!("{}/{}/{}", self.namespace.as_deref().unwrap_or_default(), self.resource.as_str(), self.name)
    }

    fn read(text: &str) -> Option<Self> {
        let [namespace, resource, name] = text.splitn(3, '/').collect::<Vec<_>>().try_into().ok()?;
        let resource = Resource::ALL.into_iter().find(|kind| kind.as_str() == resource)?;
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty()).map(str::to_owned);
        Some(Self { namespace, resource, name: name.to_owned() })
    }
}

#[derive(Debug)]
pub(super) struct Kubernetes {
    allow: Vec<KubernetesObjects>,
}

/// RFC 1123, as the API server asks of names of pods and of what makes them.
fn is_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

impl Kubernetes {
    /// # Errors
    /// A name that is none, or an operation that a kind of object does not have.
    pub fn new(allow: &[KubernetesObjects]) -> Result<Self, String> {
        for listed in allow {
            let kind = listed.resource.as_str();
            for name in listed.namespace.iter().chain(&listed.name) {
                if !is_name(name) {
                    return Err(format!("`{name}` is not a name that Kubernetes takes"));
                }
            }
            if listed.namespace.is_some() == (listed.resource == Resource::Node) {
                return Err(format!("an entry of `allow` for `{kind}` has to name its `namespace`; nodes have none"));
            }
            if let Some(odd) = listed.operations.iter().find(|operation| !listed.resource.can(**operation)) {
                return Err(format!("`{kind}` does not have the operation `{}`", name_of(*odd)));
            }
        }
        Ok(Self { allow: allow.to_vec() })
    }

    fn object(&self, arguments: &Arguments<'_>, operation: Operation) -> Result<Object, ExecuteError> {
        let kind = if operation == Operation::DeletePod { "pod".to_owned() } else { arguments.text("resource")? };
        let namespace = arguments.maybe_text("namespace")?;
        let name = arguments.of_form("name", "a name that Kubernetes takes, like `web-1`", is_name)?;
        let listed = self.allow.iter().find(|listed| {
            listed.resource.as_str() == kind
                && listed.namespace == namespace
                && listed.name.as_ref().is_none_or(|only| *only == name)
                && listed.operations.contains(&operation)
        });
        match listed {
            Some(listed) => Ok(Object { namespace, resource: listed.resource, name }),
            None => {
                let place = namespace.map_or_else(String::new, |namespace| format!("{}/", namespace.chars().take(80).collect::<String>()));
                Err(arguments.not_allowed(format!("{place}{}/{name}", kind.chars().take(40).collect::<String>())))
            }
        }
    }
}

impl Kind for Kubernetes {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let Some((_, operation)) = OPERATIONS.iter().find(|(name, _)| *name == step.operation) else {
            let names = OPERATIONS.map(|(name, _)| name);
            return Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&names));
        };
        let operation = *operation;
        let known: &[&str] = match operation {
            Operation::Get | Operation::RolloutStatus | Operation::RolloutRestart => &["namespace", "resource", "name"],
            Operation::Scale => &["namespace", "resource", "name", "replicas"],
            Operation::Patch => &["namespace", "resource", "name", "type", "patch"],
            Operation::DeletePod => &["namespace", "name"],
        };
        let arguments = Arguments::of(endpoint, step, values, known)?;
        let object = self.object(&arguments, operation)?;
        let at = |rest: &[&str]| object.path(rest).map_err(|why| arguments.refused(&why));
        let patch = |path, content_type, body| Call { body: Body::As(content_type, body), ..Call::new(Method::PATCH, path) };
        match operation {
            Operation::Get => endpoint.prepare(step, Call::get(at(&[])?), Then::Done),
            Operation::RolloutStatus => {
                if step.expect.is_none() {
                    return Err(
                        arguments.refuse("`rollout_status` only looks: say what it must show, like `expect: body.rollout.complete`")
                    );
                }
                endpoint.prepare(step, Call::get(at(&[])?), Then::Condense(condensed))
            }
            Operation::RolloutRestart => {
                let body = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED: format!("<execution>-{}", step.id)}}}}});
                let call = patch(at(&[])?, "application/strategic-merge-patch+json", body);
                let launch = Launch { follow: &Restart, target: object.shown(), given: Vec::new(), headers: &[] };
                let prepared = endpoint.prepare(step, call, Then::Follow(launch))?;
                Ok(Prepared { stamp: Some(RESTARTED_AT), ..prepared })
            }
            Operation::Scale => {
                let is_count = |text: &str| text.parse::<u16>().is_ok_and(|count| count <= 1000) && job::is_number(text);
                let replicas = arguments.of_form("replicas", "a number from 0 to 1000", is_count)?;
                let replicas = replicas.parse::<u16>().map_or_else(|_| Value::from(replicas), Value::from);
                let call = patch(at(&["scale"])?, "application/merge-patch+json", json!({"spec": {"replicas": replicas}}));
                endpoint.prepare(step, call, Then::Done)
            }
            Operation::Patch => {
                let content_type = match arguments.maybe_text("type")?.as_deref() {
                    None | Some("strategic") => "application/strategic-merge-patch+json",
                    Some("merge") => "application/merge-patch+json",
                    Some(_) => return Err(arguments.refuse("`with.type` is `strategic` or `merge`")),
                };
                let body = arguments.table("patch")?;
                if body.is_empty() {
                    return Err(arguments.refuse("`with.patch` is missing or empty"));
                }
                endpoint.prepare(step, patch(at(&[])?, content_type, body.into()), Then::Done)
            }
            Operation::DeletePod => endpoint.prepare(step, Call::new(Method::DELETE, at(&[])?), Then::Done),
        }
    }

    /// Asks the API server what we may do: making such a review changes nothing.
    fn probes(&self) -> Vec<Probe> {
        let review = job::path(&["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]);
        let Ok(review) = review else { return Vec::new() };
        let asked = self.allow.iter().flat_map(|listed| listed.operations.iter().map(move |operation| (listed, *operation)));
        asked
            .map(|(listed, operation)| {
                let (group, _, plural) = listed.resource.place();
                let (verb, subresource) = match operation {
                    Operation::Get | Operation::RolloutStatus => ("get", ""),
                    Operation::RolloutRestart | Operation::Patch => ("patch", ""),
                    Operation::Scale => ("patch", "scale"),
                    Operation::DeletePod => ("delete", ""),
                };
                let namespace = listed.namespace.clone().unwrap_or_default();
                let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": plural,
                    "subresource": subresource, "name": listed.name.clone().unwrap_or_default()});
                let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes}});
                let about = format!("`{verb}` on `{plural}{}` in `{namespace}`", if subresource.is_empty() { "" } else { "/scale" });
                Probe { judge: is_allowed, ..Probe::new(about, Call::post(review.clone(), body)) }
            })
            .collect()
    }
}

fn is_allowed(answer: &Answer) -> Result<(), String> {
    knows_us(answer)?;
    match job::json(answer)?.pointer("/status/allowed").and_then(Value::as_bool) {
        Some(true) => Ok(()),
        Some(false) => Err("the account may not: bind it to a role that has this verb".to_owned()),
        None => Err("the answer is not an access review: is `base_url` the API server's?".to_owned()),
    }
}

/// The object with `rollout` added: whether it is complete, and what it waits for.
fn condensed(answer: Answer) -> Answer {
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let (complete, reason) = match rollout::of(&Value::Object(object.clone())) {
        Rollout::Complete => (true, "complete"),
        Rollout::Waiting(why) | Rollout::Stuck(why) => (false, why),
    };
    object.insert("rollout".to_owned(), json!({ "complete": complete, "reason": reason }));
    Answer { body: Value::Object(object).to_string().into_bytes(), ..answer }
}

/// `generation/7`: complete once the controller has seen that generation and everything of it is up.
#[derive(Debug)]
struct Restart;

impl Follow for Restart {
    fn job(&self, launch: &Launch, answer: &Answer) -> Result<Job, String> {
        let body = job::json(answer)?;
        let name = launch.target.rsplit('/').next();
        if body.pointer("/metadata/name").and_then(Value::as_str) != name {
            return Err("the API server answered with another object".to_owned());
        }
        let generation = rollout::generation(&body).ok_or("the API server's answer has no generation")?;
        Job::new(format!("generation/{generation}"))
    }

    fn look(&self, launch: &Launch, _: &Job) -> Option<Path> {
        Object::read(&launch.target)?.path(&[]).ok()
    }

    fn read(&self, launch: &Launch, job: &Job, body: &Value) -> State {
        let wanted = job.as_str().strip_prefix("generation/").and_then(|number| number.parse::<u64>().ok());
        // An older object comes from a cache that has not caught up.
        let is_new = matches!((wanted, rollout::generation(body)), (Some(wanted), Some(seen)) if seen >= wanted);
        if !is_new || body.pointer("/metadata/name").and_then(Value::as_str) != launch.target.rsplit('/').next() {
            return State::Running;
        }
        match rollout::of(body) {
            Rollout::Complete => State::Succeeded,
            Rollout::Waiting(_) => State::Running,
            Rollout::Stuck(why) => State::Failed(format!("the rollout of `{}`: {why}", launch.target)),
        }
    }
}
