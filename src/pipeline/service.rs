//! What every action and worker holds: the store, the deciding rooms, time, and bells to wake workers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::sync::{Notify, Semaphore};

use super::{
    actions::submit::is_reserved,
    decider::Decider,
    directories::Directories,
    error::{ActionError, Result},
    passwords::Passwords,
    reload::Loads,
    shape,
    similar::Similar,
    single_sign_on::SingleSignOn,
    storms::Storms,
    witnesses::Witnesses,
    workers::{digest::SeenTo, publish::Uneventful},
};
use crate::{
    config::{self, Config},
    domain::{
        ambient::Ambient,
        digest::Digest,
        execution::Execution,
        id::{ExecutionId, RecommendationId, TicketId},
        name::TenantId,
        principal::{Principal, Role},
        recommendation::{Recommendation, RecommendationState},
        ticket::Ticket,
    },
    execute::{Connectors, Engine},
    intake::{IntakeError, SourceSpec},
    log::note::Signer,
    notify::{Sender, Senders},
    store::{
        change::{Change, Committed, Write},
        interface::{Store, StoreError},
    },
    telemetry::Metrics,
};

/// Bells that wake idle workers. A missed ring costs one poll interval, never work.
#[derive(Default)]
pub struct Bells {
    pub tickets: Notify,
    pub executions: Notify,
    pub messages: Notify,
    /// Rung by nobody: for work that only time brings.
    pub clock: Notify,
}

pub struct Service {
    pub store: Arc<dyn Store>,
    pub ambient: Arc<dyn Ambient>,
    pub config: Arc<Config>,
    pub connectors: Arc<Connectors>,
    pub engine: Engine,
    pub directories: Arc<Directories>,
    pub senders: Arc<Senders>,
    /// `None`: people sign in with local accounts.
    pub sign_on: Option<SingleSignOn>,
    pub witnesses: Witnesses,
    pub sender: Sender,
    /// By name, as in the webhook's URL.
    pub sources: BTreeMap<String, Source>,
    pub metrics: Arc<Metrics>,
    /// Signs the action log's checkpoints.
    pub key: Signer,
    pub bells: Bells,
    pub passwords: Passwords,
    /// Which digests were seen to.
    pub digests: SeenTo,
    pub uneventful: Uneventful,
    /// How loading each part went.
    pub loads: Loads,
    pub similar: Similar,
    pub storms: Storms,
    /// Runs that this process carries out.
    pub(super) running: Mutex<BTreeSet<ExecutionId>>,
    /// One comparison of models at a time.
    pub(super) comparing: Semaphore,
    decider: RwLock<Arc<Decider>>,
}

/// A configured sender, ready for requests.
#[derive(Debug, Clone)]
pub struct Source {
    pub spec: SourceSpec,
    /// Requests in a minute; 0 for no limit.
    pub quota_per_minute: u32,
}

impl Source {
    /// # Errors
    /// As [`SourceSpec::from_config`], and a name that is built in.
    pub fn from_config(config: &config::source::Source) -> std::result::Result<Self, IntakeError> {
        if is_reserved(&config.name) {
            return Err(IntakeError::Reserved { source_name: config.name.clone() });
        }
        Ok(Self { spec: SourceSpec::from_config(config)?, quota_per_minute: config.quota_per_minute })
    }
}

/// The parts a service is made of; all loaded and checked.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub ambient: Arc<dyn Ambient>,
    pub config: Arc<Config>,
    pub decider: Decider,
    pub connectors: Arc<Connectors>,
    pub directories: Arc<Directories>,
    pub senders: Arc<Senders>,
    pub sign_on: Option<SingleSignOn>,
    pub witnesses: Witnesses,
    pub sources: BTreeMap<String, Source>,
    pub metrics: Arc<Metrics>,
    pub key: Signer,
}

impl Service {
    pub fn new(parts: Parts) -> Self {
        let Parts { store, ambient, config, decider, connectors, directories, senders, sign_on, witnesses, sources, metrics, key } = parts;
        let loads = Loads::started(ambient.now(), &metrics);
        Self {
            engine: Engine::new(store.clone(), ambient.clone(), connectors.clone()),
            sender: Sender::new(store.clone(), ambient.clone(), senders.clone()),
            store,
            ambient,
            config,
            connectors,
            directories,
            senders,
            sign_on,
            witnesses,
            sources,
            metrics,
            key,
            bells: Bells::default(),
            passwords: Passwords::default(),
            digests: SeenTo::default(),
            uneventful: Uneventful::default(),
            loads,
            similar: Similar::default(),
            storms: Storms::default(),
            running: Mutex::default(),
            comparing: Semaphore::new(1),
            decider: RwLock::new(Arc::new(decider)),
        }
    }

    /// The deciding rooms in force. Hold the `Arc` for one decision, so that a reload does not split it.
    pub fn decider(&self) -> Arc<Decider> {
        self.decider.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts newly loaded rooms in force; decisions under way keep the old ones.
    pub fn put_in_force(&self, decider: impl Into<Arc<Decider>>) {
        *self.decider.write().unwrap_or_else(PoisonError::into_inner) = decider.into();
    }

    /// Applies one change. Whoever works for a change hears of it through [`Store::listen`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(&self, change: Change) -> std::result::Result<Committed, StoreError> {
        self.store.commit(change).await
    }

    /// # Errors
    /// The caller lacks the role.
    pub fn require(&self, caller: &Principal, role: Role) -> Result<()> {
        self.require_any(caller, &[role])
    }

    /// # Errors
    /// The caller has none of the roles; names the first.
    pub fn require_any(&self, caller: &Principal, roles: &[Role]) -> Result<()> {
        match roles.iter().find(|role| caller.has(**role)) {
            Some(_) => Ok(()),
            None => Err(ActionError::MissingRole { needs: roles.first().copied().unwrap_or(Role::Admin) }),
        }
    }

    /// # Errors
    /// Not in this tenant.
    pub async fn ticket(&self, tenant: &TenantId, id: TicketId) -> Result<Ticket> {
        self.store.ticket(tenant, id).await?.ok_or_else(|| ActionError::NotFound { what: "ticket", id: id.to_string() })
    }

    /// # Errors
    /// Not in this tenant.
    pub async fn recommendation(&self, tenant: &TenantId, id: RecommendationId) -> Result<Recommendation> {
        self.store.recommendation(tenant, id).await?.ok_or_else(|| ActionError::NotFound { what: "recommendation", id: id.to_string() })
    }

    /// # Errors
    /// Not in this tenant.
    pub async fn execution(&self, tenant: &TenantId, id: ExecutionId) -> Result<Execution> {
        self.store.execution(tenant, id).await?.ok_or_else(|| ActionError::NotFound { what: "execution", id: id.to_string() })
    }

    /// # Errors
    /// The recommendation is closed, or not at the revision that the caller saw.
    pub fn is_as_seen(&self, recommendation: &Recommendation, revision: u64) -> Result<()> {
        if recommendation.state != RecommendationState::Open {
            return Err(ActionError::Changed(format!("the recommendation is `{}`", recommendation.state.as_str())));
        }
        if recommendation.revision != revision {
            return Err(ActionError::Changed(format!("you saw revision {revision}, it is now at {}", recommendation.revision)));
        }
        Ok(())
    }

    pub fn write_ticket(&self, ticket: Ticket) -> Write {
        let shape: Digest = shape::of(&ticket.report);
        Write::Ticket { ticket: Box::new(ticket), shape }
    }

    /// What settings the service runs under, by name, for `/readyz` and the log.
    pub fn in_force(&self) -> BTreeMap<&'static str, Digest> {
        self.decider().digests()
    }
}
