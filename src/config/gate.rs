//! What the gate holds automation to, and how the workers go about it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::span::Span;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Folder of `*.cedar`, `schema.cedarschema`, `freeze.toml` and `tests/`.
    pub policies: PathBuf,
    /// Least probability that the runbook fits, for an automatic run. In `0..=1`.
    pub least_fit: f64,
    /// Largest upper bound of a runbook's measured error rate, for an automatic run. In `0..=1`; 1 asks for no
    /// measured outcomes. At 0.05 and 95 % confidence a runbook needs 59 right outcomes in a row first.
    pub error_limit: f64,
    /// Confidence of that bound. In `0..1`.
    pub error_confidence: f64,
    /// Chance that a runbook which keeps `error_limit` is ever demoted while on `auto`. In `0..1`; 0 never demotes.
    pub demotion_alpha: f64,
    /// A ticket that its sender opens again this soon after a run resolved it counts as a wrong decision.
    pub reopen_window: Span,
    /// How long a person may take to decide.
    pub approval_lifetime: Span,
    /// Tickets of one shape inside `storm_window` from which automation for them stops.
    pub storm_size: u64,
    pub storm_window: Span,
    /// How long an automatic run waits, so that a person can cancel it.
    pub hold: Span,
    /// Attributes or labels that name the environment and the service, first found wins.
    pub environment_from: Vec<String>,
    pub service_from: Vec<String>,
    /// Requesters, by stable id or e-mail, whose tickets always go to a person.
    pub vip: Vec<String>,
    pub flagged: Vec<String>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            policies: "policies".into(),
            least_fit: 0.9,
            error_limit: 0.05,
            error_confidence: 0.95,
            demotion_alpha: 0.05,
            reopen_window: Span::secs(72 * 3600),
            approval_lifetime: Span::secs(4 * 3600),
            storm_size: 20,
            storm_window: Span::secs(600),
            hold: Span::secs(0),
            environment_from: ["environment", "env"].map(str::to_owned).into(),
            service_from: ["service", "job"].map(str::to_owned).into(),
            vip: Vec::new(),
            flagged: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pipeline {
    /// Tickets claimed at once.
    pub batch: usize,
    /// How long claimed work is hidden from other workers. A run that is still carried out is not taken up again when it ends.
    pub lease: Span,
    /// Executions at the same time.
    pub executions: usize,
    /// How often idle workers look for work that nobody announced.
    pub poll: Span,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { batch: 64, lease: Span::secs(60), executions: 16, poll: Span::secs(1) }
    }
}
