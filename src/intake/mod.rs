//! Intake: from the raw bytes of a webhook to authenticated reports in our words.
//!
//! Pure: the time comes in, nothing is stored and nothing is answered here. [`receive`] looks at nothing of a
//! request before the request has proved where it comes from.

pub mod adapters;
mod dedup;
mod error;
pub mod json;
mod receive;
pub mod scheme;
mod source;
mod verify;

#[cfg(test)]
mod tests;

pub use adapters::Reading;
pub use error::{IntakeError, Refused, Unproven};
pub use receive::{Received, read_again, receive, refuse_unknown_source};
pub use source::SourceSpec;
