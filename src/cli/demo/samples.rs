//! The demo's tickets, put into the JSON and signatures of real senders.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;

use crate::domain::time::Timestamp;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    ticket: Vec<Sample>,
}

/// One ticket as it stands in `samples.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    via: Via,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    requester: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Via {
    Zendesk,
    Alertmanager,
    Webhook,
}

/// The secrets that the senders share with the service.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub zendesk: String,
    pub alertmanager: String,
    /// The bytes; the configuration has them as `whsec_…`.
    pub webhook: [u8; 32],
}

impl Secrets {
    pub fn whsec(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.webhook))
    }
}

/// A request ready to be sent to `/v1/intake/{source}`.
#[derive(Debug, Clone)]
pub struct Posted {
    pub source: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// The shipped samples.
///
/// # Errors
/// The embedded file is not in order, which a test rules out.
pub fn all() -> Result<Vec<Sample>, toml::de::Error> {
    toml::from_str::<File>(include_str!("samples.toml")).map(|file| file.ticket)
}

impl Sample {
    /// The request of this ticket as its sender's number `number`, signed at `now`.
    pub fn post(&self, number: u64, secrets: &Secrets, now: Timestamp) -> Posted {
        match self.via {
            Via::Zendesk => self.zendesk(number, secrets, now),
            Via::Alertmanager => self.alertmanager(number, secrets, now),
            Via::Webhook => self.webhook(number, secrets, now),
        }
    }

    fn zendesk(&self, number: u64, secrets: &Secrets, now: Timestamp) -> Posted {
        let (requester, id) = (self.requester.clone().unwrap_or_default(), (1040 + number).to_string());
        let body = bytes(&json!({
            "type": "zen:event-type:ticket.created",
            "id": format!("evt-{number}-{}", now.as_millis()),
            "subject": format!("zen:ticket:{id}"),
            "time": now,
            "zendesk_event_version": "2022-11-06",
            "event": {},
            "detail": {
                "id": id, "subject": self.title, "description": self.body, "status": "new", "priority": "normal", "type": "incident",
                "tags": [], "requester_id": requester, "organization_id": null, "via": {"channel": "web"},
                "created_at": now, "updated_at": now, "actor_id": requester,
            },
        }));
        let signed_at = now.to_string();
        let signature = STANDARD.encode(sign(secrets.zendesk.as_bytes(), &[signed_at.as_bytes(), &body]));
        Posted {
            source: "zendesk-demo",
            headers: vec![("x-zendesk-webhook-signature", signature), ("x-zendesk-webhook-signature-timestamp", signed_at)],
            body,
        }
    }

    fn alertmanager(&self, number: u64, secrets: &Secrets, now: Timestamp) -> Posted {
        let body = bytes(&json!({
            "version": "4", "groupKey": format!("{{}}:{{demo=\"{number}\"}}"), "truncatedAlerts": 0, "status": "firing", "receiver": "sluicegate",
            "groupLabels": {}, "commonLabels": self.labels, "commonAnnotations": self.annotations, "externalURL": "http://alertmanager.example",
            "alerts": [{
                "status": "firing", "labels": self.labels, "annotations": self.annotations, "startsAt": now,
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus.example/graph", "fingerprint": format!("{number:016x}"),
            }],
        }));
        Posted { source: "alertmanager-demo", headers: vec![("authorization", format!("Bearer {}", secrets.alertmanager))], body }
    }

    fn webhook(&self, number: u64, secrets: &Secrets, now: Timestamp) -> Posted {
        let body = bytes(&json!({
            "type": "ticket.created",
            "timestamp": now,
            "data": {"external_id": format!("OPS-{number}"), "title": self.title, "body": self.body, "kind": "incident"},
        }));
        let (id, at) = (format!("msg_{number}_{}", now.as_millis()), now.as_seconds().to_string());
        let signature = sign(&secrets.webhook, &[id.as_bytes(), b".", at.as_bytes(), b".", &body]);
        let headers =
            vec![("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", format!("v1,{}", STANDARD.encode(signature)))];
        Posted { source: "webhook-demo", headers, body }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn sign(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_embedded_samples_are_in_order() {
        assert!(super::all().unwrap().len() >= 20);
    }
}
