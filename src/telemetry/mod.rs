//! What the service says of itself: every metric by name, and the set-up of its log lines.
//!
//! Labels come from fixed lists or the configuration, never from a ticket or a request: what a stranger
//! writes can neither leak into a metric nor grow their number.

mod init;
mod metrics;

pub use init::{InitError, LogForm, init};
pub use metrics::Metrics;
