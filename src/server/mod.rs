//! The HTTP edge: routes, who may use them, and what an error looks like.
//!
//! Handlers parse into types that cannot be wrong, call one action of `pipeline` or one read of the store, and
//! answer. Nothing is decided here, and the tenant always comes from the caller's identity.

mod api;
mod app;
mod application;
mod auth;
mod body;
mod console;
#[cfg(test)]
mod golden;
mod layers;
mod limits;
mod masked;
mod page;
mod parameters;
mod problem;
mod roles;
mod router;

pub use application::{Application, ServeError};
pub use console::ROUTES as CONSOLE_ROUTES;
pub use problem::{KINDS, Kind};
pub use roles::{Access, ROUTES, Route};
pub use router::openapi_json;
