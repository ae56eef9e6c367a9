//! What the store and the process know at one instant that a decision depends on.
//!
//! Gathered right before a verdict and right before each step of a run, so no stale view turns a no into a yes.

use std::collections::{BTreeMap, BTreeSet};

use super::{demotion, error::Result, service::Service, shape, standing};
use crate::{
    domain::{
        approval::{Modes, PreApproval},
        digest::Digest,
        dual_authorization::{Matter, Standing},
        execution::{Execution, ExecutionState},
        name::{ConnectorName, PersonId, TenantId},
        principal::{Actor, Principal, Role},
        recommendation::Recommendation,
        runbook::Runbook,
        ticket::Ticket,
        time::Timestamp,
    },
    execute::connectors::Health,
    gate::{
        approval::same_person,
        facts::{ConnectorHealth, FreezeOverride, RequestRate},
        standing::Said,
    },
    store::interface::{CapUse, OutcomeRecord},
};

/// One instant's knowledge.
#[derive(Debug, Clone)]
pub struct Circumstances {
    pub now: Timestamp,
    pub modes: Modes,
    pub pre_approvals: Vec<PreApproval>,
    pub usage: CapUse,
    pub outcomes: OutcomeRecord,
    /// The outcomes of automatic runs since the runbook was set to `auto` crossed the sequential test's threshold.
    pub demoted: bool,
    /// Two persons' word that this proposal may be approved in spite of a freeze.
    pub freeze_override: Option<FreezeOverride>,
    /// Tickets of this shape inside the storm window, this one included.
    pub storm_size: u64,
    pub connectors: BTreeMap<ConnectorName, ConnectorHealth>,
    /// The roles that the tenant's people hold now, from their live tokens.
    pub roles: BTreeMap<PersonId, BTreeSet<Role>>,
    /// What the directory says of the requester's identities; `None` when it was not asked.
    pub said_of_requester: Option<BTreeMap<String, Said>>,
    /// `None` when no rate is limited.
    pub requester_rate: Option<RequestRate>,
}

impl Circumstances {
    /// What holds without a service around: default modes, no history, and connectors that nobody asked.
    pub fn alone(now: Timestamp, runbook: Option<&Runbook>) -> Self {
        let unasked = || ConnectorHealth::Unhealthy { reason: "there is no service that could call it".to_owned() };
        Self {
            now,
            modes: Modes::default(),
            pre_approvals: Vec::new(),
            usage: CapUse::default(),
            outcomes: OutcomeRecord::default(),
            demoted: false,
            freeze_override: None,
            storm_size: 1,
            connectors: runbook.into_iter().flat_map(|runbook| &runbook.steps).map(|step| (step.connector.clone(), unasked())).collect(),
            roles: BTreeMap::new(),
            said_of_requester: None,
            requester_rate: None,
        }
    }

    /// The same instant, in which the caller certainly has the roles it came with.
    pub fn with_roles_of(mut self, caller: &Principal) -> Self {
        self.roles.entry(caller.person.clone()).or_default().extend(caller.roles.iter().copied());
        self
    }
}

/// What the per-target cap counts: one runbook with one set of values.
pub fn target_of(runbook: &Runbook, values: &impl serde::Serialize) -> Result<Digest> {
    Ok(crate::domain::canonical::digest(&(&runbook.id, values))?)
}

/// Asks the store for all that a verdict on `runbook` for `ticket` depends on.
///
/// `running` is the run that asks, when one does: it does not count against its own caps.
///
/// # Errors
/// The store failed; no decision may be made.
pub async fn gather(
    service: &Service,
    ticket: &Ticket,
    runbook: Option<(&Runbook, Digest)>,
    running: Option<&Execution>,
) -> Result<Circumstances> {
    // First, because it may take seconds: what the store says must not grow old meanwhile. With no runbook nothing
    // can run, and nobody is asked.
    let said_of_requester = if runbook.is_some() { standing::said(service, ticket).await } else { None };
    let now = service.ambient.now();
    let tenant = &ticket.tenant;
    let since = now.minus(service.config.gate.storm_window.get());
    // Equal shapes are counted as they arrive; near-duplicates once triage has seen them. The larger one says more.
    let near = service.storms.of(ticket, now).map_or(0, |cluster| cluster.size);
    let storm_size = service.store.shape_count(tenant, &shape::of(&ticket.report), since).await?.max(near);
    let mut circumstances = Circumstances {
        now,
        modes: service.store.modes(tenant).await?,
        pre_approvals: Vec::new(),
        usage: CapUse::default(),
        outcomes: OutcomeRecord::default(),
        demoted: false,
        freeze_override: None,
        storm_size,
        connectors: BTreeMap::new(),
        roles: roles(service, tenant, now).await?,
        said_of_requester,
        requester_rate: standing::rate(service, ticket, running, now).await?,
    };
    if let Some((runbook, target)) = runbook {
        circumstances.pre_approvals = service.store.pre_approvals(tenant, Some(&runbook.id)).await?;
        let automatic = running.filter(|run| run.started_by == Actor::Engine);
        // The caps say what may start. A run that began was counted in the commit that made it, and is not
        // stopped half-way because a person started another one meanwhile.
        if automatic.is_none_or(|run| run.state == ExecutionState::Pending) {
            let requester = running.map_or_else(|| ticket.requester_digest(), |run| run.requester);
            circumstances.usage = service.store.cap_use(tenant, &runbook.id, &target, requester.as_ref(), now).await?;
        }
        if automatic.is_some() {
            let usage = &mut circumstances.usage;
            for count in [&mut usage.runbook_hour, &mut usage.target_hour, &mut usage.requester_hour, &mut usage.running] {
                *count = count.saturating_sub(1);
            }
        }
        circumstances.outcomes = service.store.outcome_record(tenant, &runbook.id, &runbook.digest).await?;
        circumstances.demoted = demotion::watch(service, tenant, &runbook.id, &runbook.digest, &circumstances.modes).await?.demoted();
        let health = service.connectors.health(now);
        circumstances.connectors = runbook.steps.iter().map(|step| (step.connector.clone(), seen(health.get(&step.connector)))).collect();
    }
    Ok(circumstances)
}

/// The override that two persons gave this proposal, when one is in force at this instant.
///
/// # Errors
/// The store failed.
pub async fn freeze_override(
    service: &Service,
    recommendation: &Recommendation,
    circumstances: &Circumstances,
) -> Result<Option<FreezeOverride>> {
    let Some(id) = recommendation.freeze_override else { return Ok(None) };
    let Some(given) = service.store.dual_authorization(&recommendation.tenant, id).await? else { return Ok(None) };
    let (Matter::FreezeOverride { binding, windows, .. }, Standing::Confirmed { by, .. }) = (given.matter, given.standing) else {
        return Ok(None);
    };
    // Whoever lost the role since has no word any more, as with approvals.
    let asked = held(&circumstances.roles, &given.requested_by);
    let confirmed = held(&circumstances.roles, &by);
    let holds = (asked.contains(&Role::Approver) || asked.contains(&Role::Responder)) && confirmed.contains(&Role::Approver);
    Ok((holds && circumstances.now < given.expires_at).then_some(FreezeOverride {
        authorization: given.id,
        binding,
        windows,
        requested_by: given.requested_by,
        confirmed_by: by,
        reason: given.reason,
        expires_at: given.expires_at,
        revision: given.revision,
    }))
}

fn seen(health: Option<&Health>) -> ConnectorHealth {
    match health {
        Some(Health::Healthy) => ConnectorHealth::Healthy,
        Some(Health::Failing) => ConnectorHealth::Unhealthy { reason: "it failed several times in a row and rests".to_owned() },
        None => ConnectorHealth::Unhealthy { reason: "it is not configured".to_owned() },
    }
}

/// The roles that a person holds now, under any spelling.
///
/// # Errors
/// The store failed.
pub async fn roles_of(service: &Service, tenant: &TenantId, person: &PersonId, now: Timestamp) -> Result<BTreeSet<Role>> {
    Ok(held(&roles(service, tenant, now).await?, person))
}

fn held(roles: &BTreeMap<PersonId, BTreeSet<Role>>, person: &PersonId) -> BTreeSet<Role> {
    roles.iter().filter(|(other, _)| same_person(other, person)).flat_map(|(_, roles)| roles).copied().collect()
}

async fn roles(service: &Service, tenant: &TenantId, now: Timestamp) -> Result<BTreeMap<PersonId, BTreeSet<Role>>> {
    let mut roles: BTreeMap<PersonId, BTreeSet<Role>> = BTreeMap::new();
    for token in service.store.tokens(tenant).await?.into_iter().filter(|token| token.is_live(now)) {
        roles.entry(token.person).or_default().extend(token.roles);
    }
    for account in service.store.accounts(tenant).await?.into_iter().filter(|account| account.disabled_at.is_none()) {
        roles.entry(account.person).or_default().extend(account.roles);
    }
    Ok(roles)
}
