//! What happens by itself: one file per kind of work, each with a `step` that tests call by hand.
//!
//! A worker that finds nothing waits for its bell or the poll interval. A failing store makes it wait, never stop.

pub mod cosign;
pub mod deliver;
pub mod digest;
pub mod execute;
pub mod expire;
pub mod probe;
pub mod publish;
mod run;
pub mod similar;
pub mod triage;

pub use run::{Workers, start};
