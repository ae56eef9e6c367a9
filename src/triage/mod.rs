//! What is this ticket, how sure are we, and which words say so.
//!
//! Pure but for reading files in `load`, `train` and `evaluate`. Signals never depend on the model, and the
//! model never lowers a risk.

mod engine;
mod error;

pub use engine::Triage;
pub use error::TriageError;
