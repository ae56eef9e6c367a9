//! One request of a source, in the fixed order: proof of origin first, then everything else.

use super::{
    adapters::{self, Reading},
    dedup,
    error::{Refused, Unproven},
    json,
    source::SourceSpec,
    verify,
};
use crate::domain::{digest::Digest, time::Timestamp};

/// Headers worth keeping with a delivery, for adapters and auditors. None of them authenticates.
const KEPT_HEADERS: &[&str] = &[
    "content-type",
    "idempotency-key",
    "svix-id",
    "svix-timestamp",
    "traceparent",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-atlassian-webhook-identifier",
    "x-atlassian-webhook-retry",
    "x-github-delivery",
    "x-github-event",
    "x-gitlab-event",
    "x-glpi-timestamp",
    "x-grafana-alerting-signature-timestamp",
    "x-slack-request-timestamp",
    "x-zammad-delivery",
    "x-zammad-trigger",
    "x-zendesk-webhook-id",
    "x-zendesk-webhook-invocation-id",
    "x-zendesk-webhook-signature-timestamp",
];
const LONGEST_KEPT_VALUE: usize = 512;

/// An authentic request.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Equal for two requests of one source when the second is a retry or a replay of the first.
    pub dedup_key: String,
    /// Sorted by name; never an authentication header.
    pub kept_headers: Vec<(String, String)>,
    pub reading: Reading,
}

/// Authenticates a request of `spec` and reads it. Header names are in lower case.
///
/// # Errors
/// [`Refused`]: the answer is 401 with one text, whatever was wrong. An authentic request that cannot be read
/// is no error: it is kept as a dead letter, since no sender repairs a body by sending it again.
pub fn receive(spec: &SourceSpec, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Result<Received, Refused> {
    let proven = verify::verify(&spec.proof, headers, body, now)?;
    let value = json::parse(body);
    let reading = read(spec, &value);
    Ok(Received { dedup_key: dedup::key(spec, &proven, headers, body, value.as_ref().ok()), kept_headers: kept(headers), reading })
}

/// Reads a body that was authenticated when it came, as a replay of a dead letter does.
pub fn read_again(spec: &SourceSpec, body: &[u8]) -> Reading {
    read(spec, &json::parse(body))
}

fn read(spec: &SourceSpec, value: &Result<serde_json::Value, json::JsonError>) -> Reading {
    match value {
        Ok(value) => adapters::read(spec.adapter, value, &spec.own_actors),
        Err(error) => Reading::Unreadable { reason: error.to_string() },
    }
}

/// The refusal of a request to a source that does not exist. Reads the body once, as a signature check does,
/// so that the time of the answer does not tell which names are configured.
pub fn refuse_unknown_source(body: &[u8]) -> Refused {
    std::hint::black_box(Digest::of(body));
    Refused::Unauthentic(Unproven::UnknownSource)
}

fn kept(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut kept: Vec<_> = headers
        .iter()
        .filter(|(name, _)| KEPT_HEADERS.binary_search(&name.as_str()).is_ok())
        .map(|(name, value)| (name.clone(), value.chars().take(LONGEST_KEPT_VALUE).collect()))
        .collect();
    kept.sort();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_headers_are_sorted_for_the_search_and_none_authenticates() {
        assert!(KEPT_HEADERS.is_sorted());
        for scheme in super::super::scheme::SCHEMES {
            assert!(!KEPT_HEADERS.contains(&scheme.header), "{}", scheme.name);
        }
        assert!(!["authorization", "cookie", "proxy-authorization"].iter().any(|name| KEPT_HEADERS.contains(name)));
    }
}
