//! Sluicegate: self-hosted ticket triage.
//!
//! The rooms stand in floors; a room imports only rooms below it (`tests/it/architecture.rs` checks).
//! Start with `ARCHITECTURE.md`.

pub mod cli;
pub mod domain;
pub mod text;
pub mod triage;
