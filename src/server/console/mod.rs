//! The console: pages for whoever is on call, audits, or runs the platform.
//!
//! One file a page; a page reads the store, or calls one action of `pipeline` and sends the browser on. Pages are whole
//! without a script: a script only keeps what is on the screen fresh, and knows keys. What a page shows of a ticket is
//! escaped by the template, and no style, script or address on it comes from anywhere but here.
// INVARIANT: every path is in `routes::ROUTES` with who may use it; nothing that changes something is a GET.
// INVARIANT: a form that changes something carries the token of its session, and comes from this origin.

mod account;
mod assets;
mod automation;
mod bound;
mod corrections;
mod drift;
mod form;
mod frame;
mod live;
mod log;
mod log_entry;
mod markdown;
mod models;
mod overview;
mod page;
mod people;
mod queue;
mod routes;
mod rows;
mod runbook;
mod runbooks;
mod sentences;
mod sign_in;
mod single_sign_on;
mod ticket;
mod tickets;
mod trouble;
mod visitor;
mod welcome;
mod words;

pub(super) use overview::Overviews;
pub use routes::ROUTES;
pub(super) use routes::routes;
pub(super) use trouble::told;
pub(super) use visitor::{admit, is_for_people};
