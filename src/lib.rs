//! Sluicegate: self-hosted ticket triage.
//!
//! The rooms stand in floors; a room imports only rooms below it (`tests/it/architecture.rs` checks).
//! Start with `ARCHITECTURE.md`.

pub mod cli;
pub mod config;
pub mod domain;
pub mod execute;
pub mod gate;
pub mod intake;
pub mod log;
pub mod notify;
pub mod outbound;
pub mod pipeline;
pub mod runbook;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod triage;

#[cfg(test)]
mod test_store;
