//! The console in a real browser, over the service as `sluicegate demo` starts it: real tickets, real runs, a real clock. Where
//! time must pass or thousands of tickets wait, over the same service in this process.
//!
//! `./test` installs Chromium, its driver and axe-core. A test that does not find one fails and says what to do.

// Helpers outside of `#[test]` functions stop a test the same way the tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

// The service in this process, with a clock that a test turns.
#[path = "../it/app.rs"]
#[allow(dead_code)]
mod app;
mod demo;
mod driver;
mod models;
mod pages;
mod people;
mod pictures;
mod queue;
mod tickets;
