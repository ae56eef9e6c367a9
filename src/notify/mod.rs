//! Write-back, outgoing webhooks, chats and mail: delivers what the outbox holds, at least once, with a mark by which the
//! receiver, or a look before the next write, knows it again.
//!
//! Texts are made where messages are queued; nothing here composes what people read but the notice that an endpoint was
//! disabled, which is found here ([`disabled`]).

pub(crate) mod chat;
mod desks;
pub mod digest;
pub(crate) mod disabled;
pub mod error;
pub(crate) mod mail;
mod pause;
pub(crate) mod queue;
pub mod schedule;
pub mod sender;
pub mod senders;
pub mod signing;
pub mod webhook;

pub use error::NotifyError;
pub use sender::Sender;
pub use senders::Senders;

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

/// The same with what the delivery log says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tried {
    pub sent: Sent,
    /// The receiver's last word, when the way has one word for the whole try.
    pub status: Option<u16>,
    /// The endpoint said that it wants no more, of anything.
    pub gone: bool,
}

impl Tried {
    const fn answered(sent: Sent, status: u16) -> Self {
        Self { sent, status: Some(status), gone: false }
    }
}

impl From<Sent> for Tried {
    fn from(sent: Sent) -> Self {
        Self { sent, status: None, gone: false }
    }
}
