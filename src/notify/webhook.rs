//! Outgoing events: CloudEvents 1.0 bodies (structured JSON), signed as Standard Webhooks 1.0.0 says.
//!
//! `webhook-id` is the message's id and the same on every try, so a receiver can drop what it has.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde_json::json;

use super::{NotifyError, Sent, Tried, sender::LIMITS, signing::SigningKeys};
use crate::{
    config::Config,
    domain::{
        name::TenantId,
        outbox::{Destination, OutboxMessage},
        time::Timestamp,
    },
    outbound::{CallError, Client, Refusal, Request},
};

pub(crate) struct Endpoint {
    pub client: Client,
    keys: SigningKeys,
    /// Event types it wants; empty means all.
    events: Vec<String>,
    /// How long it may do nothing but fail; `None` for ever.
    pub patience: Option<Duration>,
    /// Who is told when it is disabled.
    pub owners: Vec<Destination>,
    /// Where the JSON Schema of our events is.
    schema: String,
}

/// The configured endpoints, by tenant and name.
///
/// # Errors
/// A name that is none or is used twice, a URL that is not allowed, or a secret of another form.
pub(crate) fn from_config(config: &Config) -> Result<BTreeMap<(TenantId, String), Endpoint>, NotifyError> {
    let mut endpoints = BTreeMap::new();
    for webhook in &config.webhooks {
        let refuse = |why: String| NotifyError::Webhook { webhook: webhook.name.clone(), why };
        let tenant = TenantId::new(&webhook.tenant).map_err(|why| refuse(why.to_string()))?;
        let endpoint = Endpoint {
            client: Client::new(&webhook.url, &webhook.allow_addresses, LIMITS)
                .map_err(|why| NotifyError::Target { name: webhook.name.clone(), why })?,
            keys: SigningKeys::parse(&webhook.secret).map_err(|why| refuse(why.to_owned()))?,
            events: webhook.events.clone(),
            patience: Some(webhook.disable_after.get()).filter(|patience| !patience.is_zero()),
            owners: [webhook.owner_mail.clone().map(Destination::Mail), webhook.owner_chat.clone().map(Destination::Chat)]
                .into_iter()
                .flatten()
                .collect(),
            schema: format!("{}/schemas/events.json", config.server.public_url.trim_end_matches('/')),
        };
        if endpoints.insert((tenant, webhook.name.clone()), endpoint).is_some() {
            return Err(refuse("the name is used twice".to_owned()));
        }
    }
    Ok(endpoints)
}

impl Endpoint {
    pub fn wants(&self, event_type: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event_type)
    }

    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// What receivers verify `v1a` signatures with.
    pub fn public_keys(&self) -> Vec<String> {
        self.keys.public()
    }

    pub async fn send(&self, message: &OutboxMessage, event_type: &str, data: &serde_json::Value, now: Timestamp) -> Tried {
        let request = match self.request(message, event_type, data, now) {
            Ok(request) => request,
            Err(why) => return Sent::Never { why }.into(),
        };
        match self.client.send(request).await {
            Ok(answer) if answer.is_success() => Tried::answered(Sent::Delivered, answer.status),
            // The message itself may be delivered yet, once somebody enables the endpoint.
            Ok(answer) if answer.status == 410 => {
                let why = "the endpoint answered 410: it wants no more events".to_owned();
                Tried { gone: true, ..Tried::answered(Sent::Later { why, after: None }, 410) }
            }
            Ok(answer) => {
                let why = format!("the endpoint answered {}", answer.status);
                Tried::answered(Sent::Later { why, after: answer.retry_after() }, answer.status)
            }
            // The status is all that counts; nobody reads the body.
            Err(CallError::Unreadable { status: status @ 200..=299, .. }) => Tried::answered(Sent::Delivered, status),
            Err(error @ CallError::Unreadable { status, .. }) => {
                Tried { gone: status == 410, ..Tried::answered(Sent::Later { why: error.to_string(), after: None }, status) }
            }
            Err(error) => Sent::Later { why: error.to_string(), after: None }.into(),
        }
    }

    fn request(&self, message: &OutboxMessage, event_type: &str, data: &serde_json::Value, now: Timestamp) -> Result<Request, String> {
        let id = message.id.to_string();
        let mut event = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/tenants/{}", message.tenant),
            "type": event_type,
            "time": message.created_at,
            "datacontenttype": "application/json",
            "dataschema": format!("{}#/$defs/{event_type}", self.schema),
            "data": data,
        });
        // CloudEvents knows no attribute that is null: what an event is not about is left out.
        if let Some(ticket) = message.ticket {
            event["subject"] = json!(ticket);
        }
        let body = event.to_string().into_bytes();
        let timestamp = now.as_seconds();
        let signature = self.keys.sign(&id, timestamp, &body)?;
        let mut request = Request::new(Method::POST, None)
            .header("content-type", "application/cloudevents+json; charset=utf-8")
            .and_then(|request| request.header("webhook-id", &id))
            .and_then(|request| request.header("webhook-timestamp", &timestamp.to_string()))
            .and_then(|request| request.header("webhook-signature", &signature))
            .map_err(|why: Refusal| why.to_string())?;
        request.body = Some(body);
        Ok(request)
    }
}
