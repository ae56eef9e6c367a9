//! The console in a real browser, over the service as `sluicegate demo` starts it: real tickets, real runs, a real clock.
//!
//! `./test` installs Chromium, its driver and axe-core. A test that does not find one fails and says what to do.

mod demo;
mod driver;
mod pages;
mod people;
mod pictures;
mod tickets;
