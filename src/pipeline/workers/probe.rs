//! Connectors that are configured with `probe` are asked, harmlessly and again and again, whether they are there.
//!
//! What is found goes to the connector's breaker, so the gate hears of a system that is down before a run needs it.
//! Never runs a step.

use std::sync::Arc;

use crate::{domain::name::ConnectorName, pipeline::service::Service};

/// Asks one connector once.
pub async fn step(service: &Arc<Service>, connector: &ConnectorName) {
    let Some(found) = service.connectors.probe(connector, || service.ambient.now()).await else { return };
    let outcome = if found.failure.is_none() { "ok" } else { "failed" };
    service.metrics.connector_probes.with_label_values(&[connector.as_str(), outcome]).inc();
    if let Some(failure) = &found.failure {
        tracing::warn!(connector = %connector, about = found.about, failure, "the probe of a connector failed");
    }
}
