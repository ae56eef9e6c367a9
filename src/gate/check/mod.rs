//! Rules that cannot mean what their author meant, found in policies that are valid (`policy check`).
//!
//! What is not valid never becomes a [`PolicySet`](super::PolicySet); see [`GateError`](super::GateError) for that.

mod condition;
mod example;
mod rules;
mod situation;

pub use rules::{Finding, Kind, check, check_folder};

#[cfg(test)]
mod sentences;
