//! Write-back and outgoing webhooks: delivers what the outbox holds, at least once, with a mark by which the
//! receiver, or a look before the next write, knows it again.
//!
//! Texts are made where messages are queued; nothing here composes what people read.

mod desks;
pub mod error;
mod pause;
pub mod schedule;
pub mod sender;
pub mod webhook;

pub use error::NotifyError;
pub use sender::{Sender, Senders};

use std::time::Duration;

/// What one try to send came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    Delivered,
    /// Try again, not before `after` if the receiver said so.
    Later {
        why: String,
        after: Option<Duration>,
    },
    /// Trying again cannot help.
    Never {
        why: String,
    },
}
