//! Configuration: one struct a topic, with its defaults. `sluicegate.toml` documents every key.
//!
//! File < environment < flags. Unknown keys are refused with the nearest known one. Nothing here opens a
//! connection or reads the files it names; rooms above parse their part into their own types.

pub mod connector;
pub mod gate;
pub mod secret;
pub mod server;
pub mod source;
pub mod span;
pub mod storage;
pub mod triage;
pub mod webhook;

use serde::{Deserialize, Serialize};

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
    pub pipeline: gate::Pipeline,
    pub telemetry: server::Telemetry,
    /// Who sends tickets.
    pub sources: Vec<source::Source>,
    /// What runbook steps may call.
    pub connectors: Vec<connector::Connector>,
    /// Who is told what happened.
    pub webhooks: Vec<webhook::Webhook>,
}
