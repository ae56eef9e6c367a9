//! Import of other engines' procedures: bytes in; runbook texts and a report of what could not be carried over out.
//!
//! INVARIANT: an imported runbook has no steps. What a stranger's file would run is shown to people as text, and
//! runs only after a person wrote its steps, its verify and its rollback.

mod cacao;
mod convert;
mod draft;
mod rundeck;
mod source;
#[cfg(test)]
mod tests;

pub use convert::{Format, Imported, Note, Refusal, import};
