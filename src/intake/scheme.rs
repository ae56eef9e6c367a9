//! Signature schemes as data: which header, which bytes, which hash. No vendor has code of its own.
//!
//! Sources of each row: the vendor's documentation or the sender's source, named beside it.
// INVARIANT: `body` is one of the parts of every scheme, and the only one that a sender may choose freely.

/// How one sender signs.
#[derive(Debug)]
pub struct Scheme {
    pub name: &'static str,
    /// In lower case.
    pub header: &'static str,
    /// Stands before every signature; a value without it is another version's and is passed over.
    pub prefix: &'static str,
    /// Separates several signatures of one header, as sent while a secret is rotated.
    pub separator: Option<char>,
    pub hash: Hash,
    pub encoding: Encoding,
    /// What is signed, in order.
    pub parts: &'static [Part],
    pub key: KeyEncoding,
    pub timestamp: Option<SignedTime>,
    /// Header of a delivery id that the signature covers.
    pub id_header: Option<&'static str>,
    /// What tells a retry or a replay from a new delivery.
    pub replay: Replay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// Zammad only. HMAC does not need collision resistance, so SHA-1 is weak here only in name.
    Sha1,
    Sha256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Body,
    Timestamp,
    Id,
    Literal(&'static str),
}

/// How the configured secret becomes the HMAC key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEncoding {
    /// The bytes of the text as shown.
    Text,
    /// Base64 after `whsec_`, 24 to 64 bytes (Standard Webhooks 1.0.0).
    Whsec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedTime {
    /// In lower case.
    pub header: &'static str,
    pub form: TimeForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    UnixSeconds,
    Iso8601,
}

/// What deduplication may trust. A delivery id that the signature does not cover is never trusted:
/// whoever replays a captured request could change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The signed delivery id.
    Id,
    /// The body: the sender repeats it byte for byte.
    Body,
    /// The signature itself: the sender signs once, when it queues, and repeats body and time.
    Signature,
}

/// What the rows below have in common; each names where it differs.
const BODY_HEX: Scheme = Scheme {
    name: "",
    header: "",
    prefix: "",
    separator: None,
    hash: Hash::Sha256,
    encoding: Encoding::Hex,
    parts: &[Part::Body],
    key: KeyEncoding::Text,
    timestamp: None,
    id_header: None,
    replay: Replay::Body,
};

/// standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`.
const STANDARD_WEBHOOKS: Scheme = Scheme {
    name: "standard_webhooks",
    header: "webhook-signature",
    prefix: "v1,",
    separator: Some(' '),
    encoding: Encoding::Base64,
    parts: &[Part::Id, Part::Literal("."), Part::Timestamp, Part::Literal("."), Part::Body],
    key: KeyEncoding::Whsec,
    timestamp: Some(SignedTime { header: "webhook-timestamp", form: TimeForm::UnixSeconds }),
    id_header: Some("webhook-id"),
    replay: Replay::Id,
    ..BODY_HEX
};

/// Every known scheme, by name.
pub const SCHEMES: &[Scheme] = &[
    STANDARD_WEBHOOKS,
    // The older names of the same scheme.
    Scheme {
        name: "svix",
        header: "svix-signature",
        timestamp: Some(SignedTime { header: "svix-timestamp", form: TimeForm::UnixSeconds }),
        id_header: Some("svix-id"),
        ..STANDARD_WEBHOOKS
    },
    // gitlab.com merge request 230944: the signing token is a Standard Webhooks secret.
    Scheme { name: "gitlab", ..STANDARD_WEBHOOKS },
    // developer.zendesk.com/documentation/webhooks/verifying. An older version of that page shows body before
    // time; what is sent is time before body.
    Scheme {
        name: "zendesk",
        header: "x-zendesk-webhook-signature",
        encoding: Encoding::Base64,
        parts: &[Part::Timestamp, Part::Body],
        timestamp: Some(SignedTime { header: "x-zendesk-webhook-signature-timestamp", form: TimeForm::Iso8601 }),
        ..BODY_HEX
    },
    // WebSub style, when a secret is set.
    Scheme { name: "jira", header: "x-hub-signature", prefix: "sha256=", ..BODY_HEX },
    // github/docs, `validating-webhook-deliveries.md`.
    Scheme { name: "github", header: "x-hub-signature-256", prefix: "sha256=", ..BODY_HEX },
    // Zammad, `lib/user_agent.rb#set_signature`.
    Scheme { name: "zammad", header: "x-hub-signature", prefix: "sha1=", hash: Hash::Sha1, ..BODY_HEX },
    // GLPI 11, `src/Webhook.php`: signed once, when queued; every retry repeats the time.
    Scheme {
        name: "glpi",
        header: "x-glpi-signature",
        parts: &[Part::Body, Part::Timestamp],
        timestamp: Some(SignedTime { header: "x-glpi-timestamp", form: TimeForm::UnixSeconds }),
        replay: Replay::Signature,
        ..BODY_HEX
    },
    Scheme { name: "pagerduty", header: "x-pagerduty-signature", prefix: "v1=", separator: Some(','), ..BODY_HEX },
    // grafana/grafana pull request 100960.
    Scheme { name: "grafana", header: "x-grafana-alerting-signature", ..BODY_HEX },
    // The time's header has no default in Grafana; this is the name its documentation uses.
    Scheme {
        name: "grafana_timestamp",
        header: "x-grafana-alerting-signature",
        parts: &[Part::Timestamp, Part::Literal(":"), Part::Body],
        timestamp: Some(SignedTime { header: "x-grafana-alerting-signature-timestamp", form: TimeForm::UnixSeconds }),
        ..BODY_HEX
    },
    Scheme {
        name: "slack",
        header: "x-slack-signature",
        prefix: "v0=",
        parts: &[Part::Literal("v0:"), Part::Timestamp, Part::Literal(":"), Part::Body],
        timestamp: Some(SignedTime { header: "x-slack-request-timestamp", form: TimeForm::UnixSeconds }),
        ..BODY_HEX
    },
];

/// The scheme of this name.
pub fn find(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_signs_the_body_once_and_its_headers_are_in_lower_case() {
        for scheme in SCHEMES {
            assert_eq!(scheme.parts.iter().filter(|part| **part == Part::Body).count(), 1, "{}", scheme.name);
            assert_eq!(scheme.parts.contains(&Part::Timestamp), scheme.timestamp.is_some(), "{}", scheme.name);
            assert_eq!(scheme.parts.contains(&Part::Id), scheme.id_header.is_some(), "{}", scheme.name);
            assert!(scheme.replay != Replay::Id || scheme.id_header.is_some(), "{}", scheme.name);
            for header in [Some(scheme.header), scheme.id_header, scheme.timestamp.map(|time| time.header)].into_iter().flatten() {
                assert_eq!(header, header.to_ascii_lowercase(), "{}", scheme.name);
            }
        }
        let names: std::collections::BTreeSet<_> = SCHEMES.iter().map(|scheme| scheme.name).collect();
        assert_eq!(names.len(), SCHEMES.len());
    }
}
