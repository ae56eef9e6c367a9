//! Policies, runbooks, signals and model are loaded again; what cannot be loaded leaves the last good in force.

use std::sync::Arc;

use super::{decider::Decider, service::Service};

/// Loads anew. True when the new parts are in force.
pub async fn reload(service: &Arc<Service>) -> bool {
    let config = Arc::clone(&service.config);
    match tokio::task::spawn_blocking(move || Decider::load(&config)).await {
        Ok(Ok(decider)) => {
            service.put_in_force(decider);
            tracing::info!(digests = ?service.in_force(), "reloaded");
            true
        }
        Ok(Err(error)) => refused(service, &error.to_string()),
        Err(error) => refused(service, &error.to_string()),
    }
}

fn refused(service: &Service, error: &str) -> bool {
    service.metrics.reload_failures.with_label_values(&["deciding"]).inc();
    tracing::error!(error, "the reload was refused; what was in force stays in force");
    false
}
