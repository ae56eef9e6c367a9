//! Everything that can be wrong with a source's configuration, and with a request's proof of where it comes from.
//!
//! A sender learns only that a request was refused; what was wrong with it goes to our own log. A helpful
//! answer would help whoever guesses.

use std::time::Duration;

use crate::domain::{name::NotAName, time::Timestamp};

/// A source that cannot be used as configured. Found when the configuration is loaded, never at a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    #[error("source `{source_name}`: {reason}")]
    Name { source_name: String, reason: NotAName },
    #[error("source `{source_name}`: this name is built in, for tickets that come through the API: choose another")]
    Reserved { source_name: String },
    #[error("source `{source_name}`: unknown signature scheme `{scheme}`: did you mean `{nearest}`? known are {known}")]
    UnknownScheme { source_name: String, scheme: String, nearest: String, known: String },
    #[error("source `{source_name}`: {count} secrets: give one, or two while one is being rotated")]
    SecretCount { source_name: String, count: usize },
    #[error("source `{source_name}`: secret {number} is too weak: it has {problem}; make one with `openssl rand -hex 32`")]
    WeakSecret { source_name: String, number: usize, problem: String },
    #[error("source `{source_name}`: secret {number} is not of scheme `{scheme}`: expected `whsec_` and base64 of 24 to 64 bytes")]
    SecretForm { source_name: String, number: usize, scheme: &'static str },
    #[error("source `{source_name}`: scheme `{scheme}` sends the first attempt's time again with every retry: set `tolerance = \"off\"`")]
    ToleranceWithRetries { source_name: String, scheme: &'static str },
    #[error("source `{source_name}`: `{header}` cannot be the header of a token: expected letters, digits and `-`")]
    Header { source_name: String, header: String },
    #[error("source `{source_name}`: the user name `{username}` is empty or has a `:`, which HTTP Basic cannot carry")]
    Username { source_name: String, username: String },
}

/// A request that is answered 401. `Display` is safe to send; the fields are for our own log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request does not prove that it comes from a known source")]
    Unauthentic(Unproven),
    /// The signature is right, the signed time is outside the window.
    #[error("the request does not prove that it comes from a known source")]
    Stale { signed_at: Timestamp, now: Timestamp, tolerance: Duration },
}

impl Refused {
    /// A fixed word for a metric's label.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Unauthentic(_) => "unauthentic",
            Self::Stale { .. } => "stale",
        }
    }

    /// What was wrong, for our own log only.
    pub fn detail(&self) -> String {
        match self {
            Self::Unauthentic(unproven) => unproven.to_string(),
            Self::Stale { signed_at, now, tolerance } => {
                format!("signed at {signed_at}, received at {now}, more than {} s apart", tolerance.as_secs_f64())
            }
        }
    }
}

/// Why a request proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error("no source has this name")]
    UnknownSource,
    #[error("header `{0}` is missing")]
    Missing(String),
    #[error("header `{0}` is there more than once")]
    Repeated(String),
    #[error("header `{0}` is not in the form that the scheme prescribes")]
    Malformed(String),
    #[error("no signature fits any live secret")]
    WrongSignature,
    #[error("the token fits no live secret")]
    WrongToken,
    #[error("the user name or the password is wrong")]
    WrongPassword,
}
