//! Sluicegate: self-hosted ticket triage.
//!
//! The rooms stand in floors; a room imports only rooms below it (`tests/it/architecture.rs` checks).
//! Start with `ARCHITECTURE.md`.

pub mod config;
pub mod domain;
pub mod execute;
pub mod log;
pub mod notify;
pub mod outbound;
pub mod store;

#[cfg(test)]
mod test_store;
