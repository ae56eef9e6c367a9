//! Connectors: the configured systems that steps may call; a step names one, never a URL.

mod arguments;
mod awx;
#[cfg(test)]
mod contract_tests;
mod endpoint;
mod github_workflow;
mod gitlab_pipeline;
mod hooks;
mod http;
mod jenkins;
mod job;
mod kind;
mod kubernetes;
mod launching;
#[cfg(test)]
mod pages_tests;
mod prepared;
#[cfg(test)]
mod probe_tests;
mod rollout;
mod rundeck;
mod set;
mod stackstorm;

pub(crate) use job::Progress;
pub use prepared::{Prepared, RequestPreview};
pub use set::{ConnectorState, Connectors, Health, Probed};
