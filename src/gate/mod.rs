//! The gate: automation only where it has earned it.
//!
//! One pure function, [`evaluate`], from [`Facts`](facts::Facts) and a [`PolicySet`](policy::PolicySet) to a
//! verdict with every reason. Two layers, both must allow: `invariants`, written in Rust, and the
//! operator's Cedar policies. No clock, no randomness, no network; files are read at load only.
// INVARIANT: default deny. What is not known, not readable or not decided refuses.

pub mod agreement;
pub mod approval;
pub mod backtest;
pub mod cases;
pub mod check;
mod context;
pub mod diff;
mod error;
pub mod error_bound;
mod evaluate;
pub mod explain;
pub mod facts;
pub mod freeze;
mod invariants;
pub mod policy;
pub mod pre_approval;
pub mod requesters;
pub mod sequential;
pub mod shadow;
pub mod standing;

pub use error::{GateError, Place};
pub use evaluate::{Basis, EVALUATION_ERROR, Permission, evaluate, may_approve, may_execute, may_roll_back, may_undo};
pub use facts::Facts;
pub use invariants::pre_approval_in_force;
pub use policy::PolicySet;

#[cfg(test)]
mod tests;
