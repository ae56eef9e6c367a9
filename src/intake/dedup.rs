//! The key that tells a retry or a replay from a new delivery.
//!
//! Only what is proved counts: a delivery id covered by the signature, the signature itself, or the body.
//! Senders that sign only the body (GitHub, Jira, Zammad, Zendesk) also send a delivery id beside it, but
//! whoever replays a captured request can change that id, while the body cannot change; and all of them
//! repeat the body byte for byte when they retry. So for them the body is the key.
//!
//! | proof | key |
//! |---|---|
//! | Standard Webhooks, Svix, GitLab signing token | the signed `webhook-id` |
//! | GLPI | the signature: body and time are signed once, when queued |
//! | other signatures | digest of source and body |
//! | token, Basic | `Idempotency-Key` where the sender gives one, else digest of source and body |
//! | adapter `alertmanager`, whatever the proof | digest of group, and of each alert's fingerprint, start and status |

use serde_json::Value;

use super::{
    adapters::alertmanager,
    scheme::Replay,
    source::{Proof, SourceSpec},
    verify::Proven,
};
use crate::{config::source::AdapterKind, domain::digest::Digest};

const LONGEST_KEY: usize = 255;

pub(super) fn key(spec: &SourceSpec, proven: &Proven, headers: &[(String, String)], body: &[u8], value: Option<&Value>) -> String {
    let source = spec.source.as_str().as_bytes();
    // The instances of a highly available Alertmanager send one notification each, with different outer URLs.
    if spec.adapter == AdapterKind::Alertmanager
        && let Some(parts) = value.and_then(alertmanager::identity)
    {
        return format!("alerts:{}", Digest::of_parts(std::iter::once(source).chain(parts.iter().map(String::as_bytes))));
    }
    let by_body = || format!("body:{}", Digest::of_parts([source, body]));
    match &spec.proof {
        Proof::Signature { scheme, .. } => match (scheme.replay, &proven.id, &proven.signature) {
            (Replay::Id, Some(id), _) => format!("id:{id}"),
            (Replay::Signature, _, Some(signature)) => format!("signature:{}", hex::encode(signature)),
            _ => by_body(),
        },
        Proof::Token { .. } | Proof::Basic { .. } => headers
            .iter()
            .find(|(name, _)| name == "idempotency-key")
            .map(|(_, value)| value.as_str())
            .filter(|value| (1..=LONGEST_KEY).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic()))
            .map_or_else(by_body, |value| format!("key:{value}")),
    }
}
