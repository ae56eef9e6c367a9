//! Webhook endpoints as an operator sees them, and enabling one that was disabled.

use crate::{
    domain::{
        endpoint::{Endpoint, EndpointState},
        entry::{Entry, Event},
        name::TenantId,
        outbox::Destination,
        principal::{Actor, Principal, Role},
    },
    notify::senders::Configured,
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// The tenant's configured webhooks with how each does, in the order of names.
///
/// # Errors
/// The store failed.
pub async fn list(service: &Service, tenant: &TenantId) -> Result<Vec<(Configured, EndpointState)>> {
    let known = service.store.endpoints(tenant).await?;
    let state = |name: &str| {
        let key = Destination::Webhook(name.to_owned()).key();
        known.iter().find(|endpoint| endpoint.destination == key).map_or(EndpointState::Working, |endpoint| endpoint.state.clone())
    };
    let with_state = |webhook: Configured| {
        let state = state(&webhook.name);
        (webhook, state)
    };
    Ok(service.senders.webhooks(tenant).into_iter().map(with_state).collect())
}

/// Lets go what waits for the endpoint.
///
/// # Errors
/// Wrong role, no such webhook, not disabled, or somebody else was first.
pub async fn enable(service: &Service, caller: &Principal, name: &str) -> Result<Endpoint> {
    service.require(caller, Role::Operator)?;
    let (tenant, destination) = (caller.tenant.clone(), Destination::Webhook(name.to_owned()).key());
    let missing = || ActionError::NotFound { what: "webhook", id: name.chars().take(64).collect() };
    let before = match service.store.endpoint(&tenant, &destination).await? {
        Some(endpoint) => endpoint,
        None if service.senders.webhooks(&tenant).iter().any(|webhook| webhook.name == name) => {
            Endpoint::new(tenant.clone(), destination.clone())
        }
        None => return Err(missing()),
    };
    let after = before.enabled().ok_or_else(|| ActionError::Changed(format!("webhook `{name}` is not disabled")))?;
    let event = Event::EndpointEnabled { destination: destination.clone() };
    let change = Change {
        expect: vec![Expectation::EndpointRevision { tenant: tenant.clone(), destination, revision: before.revision }],
        writes: vec![Write::Endpoint(after.clone())],
        entries: vec![Entry::new(tenant, service.ambient.now(), Actor::Person(caller.person.clone()), event)],
    };
    service.commit(change).await?;
    Ok(after)
}

/// Sets the gauge of disabled endpoints from what is stored, at a start; later it follows the log.
///
/// # Errors
/// The store failed.
pub async fn count_disabled(service: &Service) -> Result<()> {
    for tenant in service.senders.tenants() {
        for (webhook, state) in list(service, &tenant).await? {
            let key = Destination::Webhook(webhook.name).key();
            service.metrics.endpoints_disabled.with_label_values(&[&key]).set(i64::from(state.is_disabled()));
        }
    }
    Ok(())
}
