//! The guarded HTTP client: every call that leaves the process because of a ticket or a runbook goes through here.
//!
//! A client is bound to one configured base URL. Nothing a caller passes can change scheme, host, port or
//! user, step out of the base path, reach an address that is not allowed, follow a redirect, or read an
//! answer without bounds. [`CallError`] says whether the receiver may have got the request, because the rooms
//! above decide from that whether an action is in doubt.

pub mod address;
mod auth;
pub mod client;
pub mod error;
#[cfg(test)]
mod hostile_tests;
mod oauth;
pub mod path;
pub mod request;
mod retry_after;
pub mod signature;
pub mod target;
#[cfg(test)]
mod test_servers;
mod tls;
mod tunnel;
mod wire;

pub use address::{AddressPolicy, Lookup, SystemLookup};
pub use client::Client;
pub use error::{CallError, Refusal};
pub use path::Path;
pub use request::{Answer, Request};
pub use target::{Limits, Target};
pub use tls::install_cryptography;
