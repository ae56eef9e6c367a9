//! A webhook as the API shows it: how it does, and what its receiver verifies with. Never its URL's path or a secret.

use serde::Serialize;

use crate::{config::span::Span, domain::endpoint::EndpointState, notify::senders::Configured};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EndpointView {
    /// As in the configuration.
    pub name: String,
    /// Scheme, host and port; the rest of the URL may hold a secret.
    pub host: String,
    /// Event types it wants; empty means all.
    pub events: Vec<String>,
    /// Ed25519 keys, `whpk_` and base64, that verify `v1a` signatures.
    pub public_keys: Vec<String>,
    /// How long it may do nothing but fail; `off` for ever.
    #[schema(value_type = String)]
    pub disable_after: Span,
    #[serde(flatten)]
    pub standing: EndpointState,
}

impl From<(Configured, EndpointState)> for EndpointView {
    fn from((webhook, standing): (Configured, EndpointState)) -> Self {
        let Configured { name, host, events, public_keys, disable_after } = webhook;
        Self { name, host, events, public_keys, disable_after: Span(disable_after.unwrap_or_default()), standing }
    }
}
