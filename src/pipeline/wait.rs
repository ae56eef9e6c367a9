//! Waiting for a ticket's decision, for callers of `?wait=`.

use std::time::Duration;

use tokio::{sync::broadcast::error::RecvError, time::timeout};

use super::{error::Result, service::Service};
use crate::domain::{entry::Event, id::TicketId, name::TenantId, recommendation::Recommendation};

/// The ticket's newest recommendation as soon as there is one, or `None` after `longest`.
///
/// # Errors
/// The store failed.
pub async fn decision(service: &Service, tenant: &TenantId, ticket: TicketId, longest: Duration) -> Result<Option<Recommendation>> {
    // Listen first, look second: a decision between the two is heard.
    let mut happenings = service.store.listen();
    if let Some(recommendation) = service.store.recommendation_for(tenant, ticket).await? {
        return Ok(Some(recommendation));
    }
    let decided = timeout(longest, async {
        loop {
            match happenings.recv().await {
                Ok(entry) if matches!(&entry.event, Event::TicketTriaged { ticket: triaged, .. } if *triaged == ticket) => break,
                // Too slow to hear all: the store knows.
                Err(RecvError::Lagged(_) | RecvError::Closed) => break,
                Ok(_) => {}
            }
        }
    });
    let _ = decided.await;
    Ok(service.store.recommendation_for(tenant, ticket).await?)
}
