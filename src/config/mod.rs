//! Configuration: one struct a topic, with its defaults. `sluicegate.toml` documents every key.
//!
//! File < environment < flags. Unknown keys are refused with the nearest known one. Nothing here opens a
//! connection or reads the files it names; rooms above parse their part into their own types.

pub mod auth;
pub mod chat;
pub mod connector;
pub mod console;
pub mod directory;
pub mod engine;
mod environment;
mod finding;
pub mod gate;
mod load;
pub mod mail;
pub mod requesters;
mod schema;
pub mod secret;
mod secret_file;
pub mod server;
pub mod source;
pub mod span;
pub mod storage;
#[cfg(test)]
mod tests;
pub mod triage;
mod validate;
mod validate_outgoing;
pub mod webhook;
pub mod write_back;

pub use finding::{ConfigError, Finding, Place, Severity};
pub use load::{Loaded, load, load_with_warnings};
use serde::{Deserialize, Serialize};
pub use validate::validate;

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: server::Server,
    pub store: storage::Storage,
    pub log: storage::Log,
    pub triage: triage::Triage,
    pub runbooks: triage::Runbooks,
    pub gate: gate::Gate,
    pub requesters: requesters::Requesters,
    pub pipeline: gate::Pipeline,
    pub telemetry: server::Telemetry,
    pub console: console::Console,
    /// Who sends tickets.
    pub sources: Vec<source::Source>,
    /// What runbook steps may call.
    pub connectors: Vec<connector::Connector>,
    /// Where values of parameters, and requesters, are looked up.
    pub directories: Vec<directory::Directory>,
    /// Who is told what happened.
    pub webhooks: Vec<webhook::Webhook>,
    /// Chats that people are told in.
    pub chats: Vec<chat::Chat>,
    pub mail: mail::Mail,
    /// Who may get mail.
    pub recipients: Vec<mail::Recipient>,
    pub digests: Vec<mail::Digest>,
}

/// The configuration in force as TOML, every secret masked.
pub fn show(config: &Config) -> String {
    // TOML's integers end at `i64::MAX`; a loaded configuration came from them, one made in code may not have.
    toml::to_string(config).unwrap_or_else(|error| format!("# cannot be shown as TOML: {error}\n"))
}
