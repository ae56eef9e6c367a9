//! The workers and actions that move a ticket from state to state: the only place that knows the whole way.
//!
//! [`service::Service`] holds what every action needs; `actions/` has one file per thing a person or a sender
//! may do; `workers/` has one file per thing that happens by itself; [`decider`] joins the pure rooms.

pub mod actions;
#[cfg(test)]
mod adversarial_tests;
mod announce;
pub mod circumstances;
mod closing;
mod count;
pub mod decider;
mod demotion;
mod digests;
pub mod directories;
pub mod error;
pub mod events;
pub mod feedback;
pub mod load;
pub mod look_up;
pub mod models;
pub mod notices;
pub mod outcome;
pub mod passwords;
pub mod reload;
pub mod replay;
pub mod say;
pub mod service;
pub mod shadow_report;
mod shape;
pub mod similar;
pub mod single_sign_on;
#[cfg(test)]
mod smuggling_tests;
mod standing;
pub mod storms;
mod tell;
pub mod vectors;
pub mod voids;
pub mod wait;
pub mod witnesses;
pub mod workers;
