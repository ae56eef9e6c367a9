//! All configured connectors by name, each with its circuit breaker and what its last probe found.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{
    awx::Awx,
    endpoint::Endpoint,
    github_workflow::Github,
    gitlab_pipeline::Gitlab,
    hooks::Hooks,
    http::Http,
    jenkins::Jenkins,
    job::Progress,
    kind::{Kind, Probe, is_there},
    kubernetes::Kubernetes,
    prepared::{Prepared, RequestPreview, Then},
    rundeck::Rundeck,
    stackstorm::Stackstorm,
};
use crate::{
    config::{connector::Connector, engine::Engine},
    domain::{
        execution::Job,
        name::ConnectorName,
        runbook::{Step, StepKind},
        template::Values,
        time::Timestamp,
    },
    execute::{
        breaker::{Breaker, BreakerState},
        error::ExecuteError,
    },
    outbound::{Answer, CallError},
};

/// How a connector has been doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The last calls worked, none was made, or the rest after failures is over.
    Healthy,
    /// Several calls in a row failed, and it rests.
    Failing,
}

/// What one harmless request found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Probed {
    /// What was asked about, like "job `3b6c19f6`".
    pub about: String,
    /// What is wrong and what to do; absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A connector as it stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ConnectorState {
    #[schema(value_type = String)]
    pub name: ConnectorName,
    /// Which kind of engine it is, like `rundeck`.
    pub kind: &'static str,
    /// Whether runs may use it.
    pub breaker: BreakerState,
    pub failures_in_a_row: u32,
    /// What the last probe found, where probes are configured and one was made.
    pub last_probe: Option<Probed>,
    pub last_probe_at: Option<Timestamp>,
}

pub struct Connectors {
    members: BTreeMap<ConnectorName, Member>,
}

struct Member {
    endpoint: Endpoint,
    kind: Box<dyn Kind>,
    kind_name: &'static str,
    /// Zero for never.
    probe_every: Duration,
    breaker: Mutex<Breaker>,
    probed: Mutex<Option<(Timestamp, Probed)>>,
}

/// What the mutexes hold is plain data: a panic elsewhere leaves nothing half-done in it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    fn new(config: &Connector) -> Result<Self, ExecuteError> {
        let kind: Result<Box<dyn Kind>, String> = match &config.engine {
            Engine::Http(allow) => Http::new(allow).map(|kind| Box::new(kind) as _),
            Engine::Rundeck(allow) => Rundeck::new(allow).map(|kind| Box::new(kind) as _),
            Engine::Awx(allow) => Awx::new(allow).map(|kind| Box::new(kind) as _),
            Engine::Stackstorm(allow) => Stackstorm::new(allow).map(|kind| Box::new(kind) as _),
            Engine::Jenkins(allow) => Jenkins::new(allow).map(|kind| Box::new(kind) as _),
            Engine::Kubernetes(allow) => Kubernetes::new(allow).map(|kind| Box::new(kind) as _),
            Engine::GithubWorkflow(allow) => Github::new(allow).map(|kind| Box::new(kind) as _),
            Engine::GitlabPipeline(allow) => Gitlab::new(allow).map(|kind| Box::new(kind) as _),
            Engine::N8n(allow) => Hooks::n8n(allow).map(|kind| Box::new(kind) as _),
            Engine::NodeRed(allow) => Hooks::node_red(allow).map(|kind| Box::new(kind) as _),
        };
        Ok(Self {
            endpoint: Endpoint::new(config)?,
            kind: kind.map_err(|why| ExecuteError::Connector { connector: config.name.clone(), why })?,
            kind_name: config.engine.as_str(),
            probe_every: config.probe.get(),
            breaker: Mutex::default(),
            probed: Mutex::default(),
        })
    }

    async fn probe(&self, probe: Probe) -> Probed {
        let failure = match self.endpoint.send_call(probe.call, None).await {
            Ok(answer) => (probe.judge)(&answer).err(),
            Err(CallError::Forbidden(why)) => Some(format!("no connection was tried: {why}")),
            Err(CallError::NotSent(why)) => {
                Some(format!("no connection: {why}; check the host and port of `base_url`, and that the network lets us through"))
            }
            Err(why) => Some(format!("connected, and then: {why}")),
        };
        Probed { about: probe.about, failure }
    }
}

impl Connectors {
    /// # Errors
    /// A name that is none or is used twice, a base URL that is not allowed, or an odd allow-list.
    pub fn from_config(configured: &[Connector]) -> Result<Self, ExecuteError> {
        let mut members = BTreeMap::new();
        for config in configured {
            let refuse = |why: String| ExecuteError::Connector { connector: config.name.clone(), why };
            let name = ConnectorName::new(&config.name).map_err(|why| refuse(why.to_string()))?;
            if members.insert(name, Member::new(config)?).is_some() {
                return Err(refuse("the name is used twice".to_owned()));
            }
        }
        Ok(Self { members })
    }

    fn member(&self, step: &Step) -> Result<&Member, ExecuteError> {
        self.members
            .get(&step.connector)
            .ok_or_else(|| ExecuteError::NoConnector { step: step.id.clone(), connector: step.connector.to_string() })
    }

    /// The step's request with the values in, checked against the configuration. Sends nothing.
    ///
    /// # Errors
    /// The connector is not configured, a value is missing or refused, or the call is not allowed.
    pub fn prepare(&self, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let member = self.member(step)?;
        member.kind.prepare(&member.endpoint, step, values)
    }

    /// The exact request a step would send, for people; what earlier steps will give stands in it by its name.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn describe(&self, step: &Step, values: &Values) -> Result<RequestPreview, ExecuteError> {
        Ok(self.prepare(step, &values.or_names(&step.with))?.preview)
    }

    /// Health of every connector, for the gate. One that has had its rest may be tried again: were it refused, nothing would
    /// ever make the call that heals it.
    pub fn health(&self, now: Timestamp) -> BTreeMap<ConnectorName, Health> {
        let of = |member: &Member| if locked(&member.breaker).lets_through(now) { Health::Healthy } else { Health::Failing };
        self.members.iter().map(|(name, member)| (name.clone(), of(member))).collect()
    }

    /// Every connector as it stands, by name.
    pub fn states(&self, now: Timestamp) -> Vec<ConnectorState> {
        let of = |(name, member): (&ConnectorName, &Member)| {
            let (last_probe_at, last_probe) = locked(&member.probed).clone().unzip();
            let breaker = *locked(&member.breaker);
            ConnectorState {
                name: name.clone(),
                kind: member.kind_name,
                breaker: breaker.state(now),
                failures_in_a_row: breaker.failures(),
                last_probe,
                last_probe_at,
            }
        };
        self.members.iter().map(of).collect()
    }

    /// False while the connector rests after failures.
    pub(crate) fn lets_through(&self, connector: &ConnectorName, now: Timestamp) -> bool {
        self.members.get(connector).is_none_or(|member| locked(&member.breaker).lets_through(now))
    }

    /// The connectors that are to be probed while the service runs, and how often.
    pub fn probed_every(&self) -> Vec<(ConnectorName, Duration)> {
        let probed = self.members.iter().filter(|(_, member)| !member.probe_every.is_zero());
        probed.map(|(name, member)| (name.clone(), member.probe_every)).collect()
    }

    /// Asks once, harmlessly, whether a connector is there and knows us, and tells its breaker; `None` where there is
    /// nothing to ask.
    pub async fn probe(&self, name: &ConnectorName, now: impl Fn() -> Timestamp) -> Option<Probed> {
        let member = self.members.get(name)?;
        let found = member.probe(member.kind.probes().into_iter().next()?).await;
        match &found.failure {
            None => locked(&member.breaker).succeeded(),
            Some(_) => locked(&member.breaker).failed(now()),
        }
        *locked(&member.probed) = Some((now(), found.clone()));
        Some(found)
    }

    /// Asks, harmlessly, about everything that is allowed, and leaves the breaker alone; `None` for a name that is
    /// not configured.
    pub async fn test(&self, name: &ConnectorName) -> Option<Vec<Probed>> {
        let member = self.members.get(name)?;
        let mut found = Vec::new();
        for probe in member.kind.probes() {
            found.push(member.probe(probe).await);
        }
        Some(found)
    }

    /// Looks once at a job that an earlier call of the step started.
    ///
    /// An answer that cannot be understood counts as still running: it says nothing of the job.
    pub(crate) async fn look_at(
        &self,
        step: &Step,
        prepared: &Prepared,
        job: &Job,
        now: impl Fn() -> Timestamp,
    ) -> Result<Progress, CallError> {
        let Ok(member) = self.member(step) else { return Err(CallError::NotSent("the connector is not configured".to_owned())) };
        let Then::Follow(launch) = &prepared.then else { return Err(CallError::NotSent("the step starts no job".to_owned())) };
        let Some(call) = launch.look(job) else {
            return Err(CallError::NotSent(format!("`{}` does not name a job of this kind", job.as_str())));
        };
        let result = member.endpoint.send_call(call, (!step.timeout.is_zero()).then_some(step.timeout)).await;
        match &result {
            Ok(answer) if is_there(answer).is_ok() => locked(&member.breaker).succeeded(),
            _ => locked(&member.breaker).failed(now()),
        }
        result.map(|answer| launch.read(job, answer))
    }

    /// Sends a prepared step once and tells the breaker how it went.
    pub(crate) async fn call(
        &self,
        step: &Step,
        prepared: &Prepared,
        idempotency_key: Option<&str>,
        longest: Option<Duration>,
        now: impl Fn() -> Timestamp,
    ) -> Result<Answer, CallError> {
        let Ok(member) = self.member(step) else { return Err(CallError::NotSent("the connector is not configured".to_owned())) };
        let mut request = prepared.request.clone();
        if let Some(key) = idempotency_key {
            request = prepared.stamped(key).header("idempotency-key", key)?;
        }
        if let Some(longest) = longest {
            request.timeout = Some(request.timeout.map_or(longest, |own| own.min(longest)));
        }
        if step.kind != StepKind::Verify {
            locked(&member.breaker).begins(now());
        }
        let result = member.endpoint.send(request).await;
        match &result {
            Ok(answer) if is_there(answer).is_ok() => locked(&member.breaker).succeeded(),
            // A verify step polls a system that is coming back up; that it is not there yet says nothing of the connector.
            _ if step.kind == StepKind::Verify => {}
            _ => locked(&member.breaker).failed(now()),
        }
        match &prepared.then {
            Then::Condense(condense) => result.map(condense),
            _ => result,
        }
    }
}
