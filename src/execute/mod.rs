//! Executions: runs a runbook's steps against connectors, once, and leaves a state that tells the truth.
//!
//! [`plan`] decides from the intent log what comes next and is pure; [`engine`] does it: intent committed
//! before each call, outcome after. What must hold around a run (the gate, the ticket) comes in through
//! [`engine::Surroundings`].

pub mod breaker;
pub mod connectors;
pub mod engine;
pub mod error;
pub mod expectation;
pub mod plan;

pub use connectors::{Connectors, RequestPreview};
pub use engine::{Engine, Stop, Surroundings};
pub use error::ExecuteError;
