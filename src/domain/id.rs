//! Identifiers: a prefix that says what is named, then 26 characters that sort by time.
//!
//! The form is that of a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32, lower case).
//! Never made from a clock or a generator here: both parts come in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ambient::Ambient, time::Timestamp};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED: usize = 26;

/// A text that is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what} id: expected `{prefix}` and 26 characters")]
pub struct NotAnId {
    text: String,
    what: &'static str,
    prefix: &'static str,
}

fn encode(bits: u128) -> String {
    (0..ENCODED).rev().map(|place| ALPHABET[((bits >> (place * 5)) & 31) as usize] as char).collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != ENCODED || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |bits, byte| {
        let value = ALPHABET.iter().position(|&c| c == byte)?;
        Some(bits << 5 | value as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// The id of something that came to be at `at`; `random` gives the low 80 bits.
            pub fn new(at: Timestamp, random: u128) -> Self {
                let millis = u128::try_from(at.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
                Self(millis << 80 | (random & ((1 << 80) - 1)))
            }

            /// The id of something that comes to be now.
            pub fn fresh(ambient: &dyn Ambient) -> Self {
                Self::new(ambient.now(), ambient.random())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix($prefix)
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| NotAnId { text: text.chars().take(64).collect(), what: $what, prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-9a-hjkmnp-tv-z]{26}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// One HTTP request from a source.
    DeliveryId = "dlv_", "delivery";
    /// A normalised ticket.
    TicketId = "tkt_", "ticket";
    /// A proposal for one ticket: runbook, parameters, evidence.
    RecommendationId = "rec_", "recommendation";
    /// One run of a runbook.
    ExecutionId = "exe_", "execution";
    /// The record that makes a runbook a standard change.
    PreApprovalId = "pre_", "pre-approval";
    /// One message to write back or send out.
    OutboxId = "out_", "outbox message";
    /// An API token; the secret part is not in the id.
    TokenId = "tok_", "token";
    /// A signed delivery that no adapter could read.
    DeadLetterId = "ded_", "dead letter";
    /// Something that waits for, or has, a second person's word.
    DualAuthorizationId = "dua_", "dual authorization";
    /// A signed-in browser.
    SessionId = "ses_", "session";
    /// A person's correction.
    FeedbackId = "fbk_", "feedback";
    /// Tickets of one cause.
    StormId = "stm_", "storm";
    /// A link that works once.
    InvitationId = "inv_", "invitation";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let early = TicketId::new(Timestamp::from_millis(1_000), u128::MAX);
        let late = TicketId::new(Timestamp::from_millis(1_001), 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.to_string().parse::<TicketId>().unwrap(), late);
    }

    #[test]
    fn another_kind_of_id_is_refused_by_name() {
        let run = ExecutionId::new(Timestamp::UNIX_EPOCH, 7).to_string();
        let error = run.parse::<TicketId>().unwrap_err().to_string();
        assert!(error.contains("is not a ticket id"), "{error}");
        assert!("tkt_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<TicketId>().is_err(), "129 bits");
        assert!("tkt_é0000000000000000000000000".parse::<TicketId>().is_err());
    }
}
