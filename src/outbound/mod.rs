//! The guarded HTTP client: every call that leaves the process because of a ticket or a runbook goes through here.
//!
//! A client is bound to one configured base URL. Nothing a caller passes can change scheme, host, port or
//! user, step out of the base path, reach an address that is not allowed, follow a redirect, or read an
//! answer without bounds. [`CallError`] says whether the receiver may have got the request, because the rooms
//! above decide from that whether an action is in doubt.

pub mod address;
pub mod client;
pub mod error;
pub mod path;
mod retry_after;

pub use address::{AddressPolicy, Lookup, SystemLookup};
pub use client::{Answer, Client, Limits, Request, install_cryptography};
pub use error::{CallError, Refusal};
pub use path::Path;
