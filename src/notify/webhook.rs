//! Outgoing events: CloudEvents 1.0 bodies (structured JSON), signed as Standard Webhooks 1.0.0 says.
//!
//! `webhook-id` is the message's id and the same on every try, so a receiver can drop what it has.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;

use super::Sent;
use crate::{
    config::secret::Secret,
    domain::{outbox::OutboxMessage, time::Timestamp},
    outbound::{CallError, Client, Refusal, Request},
};

/// A signing key of 24 to 64 bytes.
pub(crate) struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads `whsec_` and base64. `Err` says what is wrong, without the secret.
    pub fn parse(secret: &Secret) -> Result<Self, &'static str> {
        let encoded = secret.expose().strip_prefix("whsec_").ok_or("`secret` must start with `whsec_`")?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| "`secret` must be base64 after `whsec_`")?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err("`secret` must have 24 to 64 bytes") }
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, &'static str> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| "the signing key cannot be used")?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    }
}

pub(crate) struct Endpoint {
    pub client: Client,
    pub key: SigningKey,
    /// Event types it wants; empty means all.
    pub events: Vec<String>,
}

impl Endpoint {
    pub fn wants(&self, event_type: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event_type)
    }

    pub async fn send(&self, message: &OutboxMessage, event_type: &str, data: &serde_json::Value, now: Timestamp) -> Sent {
        match self.request(message, event_type, data, now) {
            Err(why) => Sent::Never { why },
            Ok(request) => match self.client.send(request).await {
                Ok(answer) if answer.is_success() => Sent::Delivered,
                Ok(answer) if answer.status == 410 => Sent::Never { why: "the endpoint answered 410: it wants no more events".to_owned() },
                Ok(answer) => Sent::Later { why: format!("the endpoint answered {}", answer.status), after: answer.retry_after() },
                // The status is all that counts; nobody reads the body.
                Err(CallError::Unreadable { status: 200..=299, .. }) => Sent::Delivered,
                Err(error) => Sent::Later { why: error.to_string(), after: None },
            },
        }
    }

    fn request(&self, message: &OutboxMessage, event_type: &str, data: &serde_json::Value, now: Timestamp) -> Result<Request, String> {
        let id = message.id.to_string();
        let event = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/tenants/{}", message.tenant),
            "type": event_type,
            "subject": message.ticket,
            "time": message.created_at,
            "datacontenttype": "application/json",
            "data": data,
        });
        let body = event.to_string().into_bytes();
        let timestamp = now.as_seconds();
        let signature = self.key.sign(&id, timestamp, &body)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_match_the_published_vector() {
        let key = SigningKey::parse(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signature = key.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body).unwrap();
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn odd_secrets_are_refused_and_not_shown() {
        for bad in ["", "hunter2", "whsec_", "whsec_aHVudGVyMg==", "whsec_!!!"] {
            let why = SigningKey::parse(&Secret::new(bad)).err().unwrap();
            assert!(!why.contains("hunter2"));
        }
    }
}
