//! The words of the product as types: what a ticket, a runbook, a verdict and an execution are.
//!
//! Pure: no clock, no randomness, no network, no files, no async. Everything above imports this room
//! and this room imports nothing of the project.

pub mod account;
pub mod ambient;
pub mod approval;
pub mod canonical;
pub mod classification;
pub mod delivery;
pub mod digest;
pub mod dual_authorization;
pub mod endpoint;
pub mod entry;
pub mod execution;
pub mod feedback;
pub mod handling;
pub mod id;
pub mod invitation;
pub mod look_up;
pub mod mail_address;
pub mod model;
pub mod name;
pub mod outbox;
pub mod outcome;
pub mod principal;
pub mod priority;
pub mod receipt;
pub mod recommendation;
pub mod runbook;
pub mod session;
pub mod state;
pub mod storm;
pub mod template;
pub mod ticket;
pub mod time;
pub mod untrusted;
pub mod verdict;
