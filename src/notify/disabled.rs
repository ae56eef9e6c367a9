//! A webhook endpoint failed once more: how it does now, and, when that disabled it, who is told in the same change.

use serde::Serialize;

use super::{Senders, Tried, queue::queue};
use crate::{
    domain::{
        ambient::Ambient,
        endpoint::{Endpoint, EndpointState},
        entry::{Entry, Event},
        name::TenantId,
        outbox::{Destination, Message, Notice, Occasion},
        principal::Actor,
        time::Timestamp,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::{Result, Store},
    },
};

/// The event's CloudEvents type.
pub const DISABLED: &str = "webhook.disabled";

/// What the event says, to every other endpoint that wants it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WebhookDisabled {
    /// The webhook's name in the configuration.
    pub webhook: String,
    /// When its failures began; nothing arrived since.
    pub failing_since: Timestamp,
    /// The last failure.
    pub reason: String,
}

/// Adds to `change` what the failed try means for its endpoint. True when the endpoint is disabled, now or before.
///
/// # Errors
/// The store failed.
pub(super) async fn after_failure(
    store: &dyn Store,
    ambient: &dyn Ambient,
    senders: &Senders,
    tenant: &TenantId,
    name: &str,
    tried: &Tried,
    why: &str,
    change: &mut Change,
) -> Result<bool> {
    let destination = Destination::Webhook(name.to_owned()).key();
    let before = store.endpoint(tenant, &destination).await?.unwrap_or_else(|| Endpoint::new(tenant.clone(), destination.clone()));
    let now = ambient.now();
    let patience = senders.webhook(tenant, name).and_then(|endpoint| endpoint.patience);
    let Some(after) = before.after_failure(now, patience, tried.gone, why) else { return Ok(before.state.is_disabled()) };
    change.expect.push(Expectation::EndpointRevision {
        tenant: tenant.clone(),
        destination: destination.clone(),
        revision: before.revision,
    });
    if let EndpointState::Disabled { since, .. } = &after.state {
        tracing::error!(webhook = name, since = %since, reason = why, "the webhook endpoint is disabled: what is meant for it waits until an operator enables it");
        let event = Event::EndpointDisabled { destination, failing_since: *since, reason: why.to_owned() };
        change.entries.push(Entry::new(tenant.clone(), now, Actor::Engine, event));
        tell(ambient, senders, tenant, name, *since, why, now, change);
    }
    let disabled = after.state.is_disabled();
    change.writes.push(Write::Endpoint(after));
    Ok(disabled)
}

fn tell(
    ambient: &dyn Ambient,
    senders: &Senders,
    tenant: &TenantId,
    name: &str,
    since: Timestamp,
    why: &str,
    now: Timestamp,
    change: &mut Change,
) {
    let data = WebhookDisabled { webhook: name.to_owned(), failing_since: since, reason: why.to_owned() };
    let event = Message::Event { event_type: DISABLED.to_owned(), data: serde_json::json!(data) };
    let own = Destination::Webhook(name.to_owned());
    for listener in senders.listeners(tenant, DISABLED).into_iter().filter(|listener| *listener != own) {
        queue(ambient, now, change, tenant, None, listener, event.clone());
    }
    let notice = Notice {
        occasion: Occasion::EndpointDisabled,
        title: format!("Webhook {name} is disabled"),
        lines: vec![
            format!("Nothing has arrived there since {since}."),
            format!("The last failure: {why}."),
            "What is meant for it waits and is not lost. When it works again, enable it:".to_owned(),
            format!("sluicegate webhook enable {name}"),
        ],
        link: Some(format!("{}/v1/endpoints", senders.public_url())),
    };
    // Its owners, and every chat that wants to hear of any.
    let mut told = senders.webhook(tenant, name).map(|endpoint| endpoint.owners.clone()).unwrap_or_default();
    for chat in senders.chats_for(tenant, Occasion::EndpointDisabled) {
        if !told.contains(&chat) {
            told.push(chat);
        }
    }
    for destination in told {
        queue(ambient, now, change, tenant, None, destination, Message::Notice(notice.clone()));
    }
}
