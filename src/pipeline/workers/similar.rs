//! Gives resolved tickets the vectors by which they are found again.

use std::sync::Arc;

use crate::pipeline::{error::Result, service::Service};

/// One batch. Returns how many tickets it looked at.
///
/// # Errors
/// The store failed, or the embedding cannot be loaded.
pub async fn step(service: &Arc<Service>) -> Result<usize> {
    service.similar.fill(service).await
}
