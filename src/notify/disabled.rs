//! A webhook endpoint failed once more: how it does now, and, when that disabled it, who is told in the same change.

use serde::Serialize;

use super::{Sender, queue::queue};
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointState},
        entry::{Entry, Event},
        name::TenantId,
        outbox::{Destination, Message, Notice, Occasion},
        principal::Actor,
        time::Timestamp,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::StoreError,
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

impl Sender {
    /// Adds to `change` what a failure means for its endpoint; `gone` is the endpoint's own word that it wants no more. True
    /// when the endpoint is disabled, now or before.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn endpoint_failed(
        &self,
        tenant: &TenantId,
        name: &str,
        gone: bool,
        why: &str,
        change: &mut Change,
    ) -> Result<bool, StoreError> {
        let destination = Destination::Webhook(name.to_owned()).key();
        let found = self.store.endpoint(tenant, &destination).await?;
        let before = found.unwrap_or_else(|| Endpoint::new(tenant.clone(), destination.clone()));
        let now = self.ambient.now();
        let patience = self.senders.webhook(tenant, name).and_then(|endpoint| endpoint.patience);
        let Some(after) = before.after_failure(now, patience, gone, why) else { return Ok(before.state.is_disabled()) };
        let (of, revision) = (tenant.clone(), before.revision);
        change.expect.push(Expectation::EndpointRevision { tenant: of, destination: destination.clone(), revision });
        if let EndpointState::Disabled { since, .. } = &after.state {
            tracing::error!(webhook = name, since = %since, reason = why, "the webhook endpoint is disabled: what is meant for it waits until an operator enables it");
            let event = Event::EndpointDisabled { destination, failing_since: *since, reason: why.to_owned() };
            change.entries.push(Entry::new(tenant.clone(), now, Actor::Engine, event));
            let disabled = WebhookDisabled { webhook: name.to_owned(), failing_since: *since, reason: why.to_owned() };
            self.tell_disabled(tenant, &disabled, now, change);
        }
        let is_disabled = after.state.is_disabled();
        change.writes.push(Write::Endpoint(after));
        Ok(is_disabled)
    }

    fn tell_disabled(&self, tenant: &TenantId, disabled: &WebhookDisabled, now: Timestamp, change: &mut Change) {
        let WebhookDisabled { webhook, failing_since, reason } = disabled;
        let mut tell = |destination, message| queue(&*self.ambient, now, change, tenant, None, destination, message);
        let own = Destination::Webhook(webhook.clone());
        for listener in self.senders.listeners(tenant, DISABLED).into_iter().filter(|listener| *listener != own) {
            tell(listener, Message::Event { event_type: DISABLED.to_owned(), data: serde_json::json!(disabled) });
        }
        let notice = Notice {
            occasion: Occasion::EndpointDisabled,
            title: format!("Webhook {webhook} is disabled"),
            lines: vec![
                format!("Nothing has arrived there since {failing_since}."),
                format!("The last failure: {reason}."),
                "What is meant for it waits and is not lost. When it works again, enable it:".to_owned(),
                format!("sluicegate webhook enable {webhook}"),
            ],
            link: Some(format!("{}/v1/endpoints", self.senders.public_url())),
        };
        // Its owners, and every chat that wants to hear of any.
        let mut told = self.senders.webhook(tenant, webhook).map(|endpoint| endpoint.owners.clone()).unwrap_or_default();
        let chats = self.senders.chats_for(tenant, Occasion::EndpointDisabled);
        for chat in chats {
            if !told.contains(&chat) {
                told.push(chat);
            }
        }
        for destination in told {
            tell(destination, Message::Notice(notice.clone()));
        }
    }
}
