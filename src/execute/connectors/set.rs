//! All configured connectors by name, each with its circuit breaker.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::http::{HttpConnector, Prepared, RequestPreview};
use crate::{
    config::connector::{Connector, ConnectorKind},
    domain::{
        execution::Job,
        name::ConnectorName,
        runbook::{Step, StepKind},
        template::Values,
        time::Timestamp,
    },
    execute::{breaker::Breaker, error::ExecuteError},
    outbound::{Answer, CallError},
};

/// How a connector has been doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The last calls worked, or none was made.
    Healthy,
    /// Several calls in a row failed.
    Failing,
}

/// What a look at a job found.
#[derive(Debug)]
pub(crate) enum Progress {
    Running,
    /// It is known under another name from now on, like a build that left its queue.
    Moved(Job),
    /// It is over. `outcome` is what the engine at the other side says of it; the reason is for people.
    Finished {
        answer: Answer,
        outcome: Result<(), String>,
    },
}

pub struct Connectors {
    members: BTreeMap<ConnectorName, Member>,
}

struct Member {
    connector: HttpConnector,
    breaker: Mutex<Breaker>,
}

impl Member {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // A breaker is plain data: a panic elsewhere leaves nothing half-done in it.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
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
            let connector = match config.kind {
                ConnectorKind::Http => HttpConnector::new(config)?,
            };
            if members.insert(name, Member { connector, breaker: Mutex::default() }).is_some() {
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
        self.member(step)?.connector.prepare(step, values)
    }

    /// The exact request a step would send, for people; what earlier steps will give stands in it by its name.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn describe(&self, step: &Step, values: &Values) -> Result<RequestPreview, ExecuteError> {
        Ok(self.prepare(step, &values.or_names(&step.with))?.preview)
    }

    /// Health of every connector, for the gate.
    pub fn health(&self) -> BTreeMap<ConnectorName, Health> {
        let of = |member: &Member| if member.breaker().is_healthy() { Health::Healthy } else { Health::Failing };
        self.members.iter().map(|(name, member)| (name.clone(), of(member))).collect()
    }

    /// False while the connector rests after failures.
    pub(crate) fn lets_through(&self, connector: &ConnectorName, now: Timestamp) -> bool {
        self.members.get(connector).is_none_or(|member| member.breaker().lets_through(now))
    }

    /// Looks once at a job that an earlier call of the step started.
    pub(crate) async fn look_at(
        &self,
        _step: &Step,
        _prepared: &Prepared,
        _job: &Job,
        _now: impl Fn() -> Timestamp,
    ) -> Result<Progress, CallError> {
        Err(CallError::NotSent("no connector starts jobs".to_owned()))
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
        let result = member.connector.call(prepared, idempotency_key, longest).await;
        match &result {
            Ok(answer) if answer.status < 500 => member.breaker().succeeded(),
            // A verify step polls a system that is coming back up; that it is not there yet says nothing of the connector.
            _ if step.kind == StepKind::Verify => {}
            _ => member.breaker().failed(now()),
        }
        result
    }
}
