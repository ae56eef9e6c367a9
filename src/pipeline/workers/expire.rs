//! Proposals that nobody decided in time are closed, so that no one approves a stale one.

use std::sync::Arc;

use crate::{
    domain::{
        entry::{Entry, Event},
        principal::Actor,
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
    },
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

const BATCH: usize = 100;

/// Closes what has expired. Returns how many it closed.
///
/// # Errors
/// The store failed.
pub async fn step(service: &Arc<Service>) -> Result<usize> {
    let expired = service.store.expired_recommendations(service.ambient.now(), BATCH).await?;
    let mut closed = 0;
    let mut failed = None;
    for recommendation in expired {
        let id = recommendation.id;
        match close(service, recommendation).await {
            Ok(()) => closed += 1,
            // Somebody decided in the last moment.
            Err(ActionError::Changed(_)) => {}
            // One that cannot be closed must not keep the others open.
            Err(error) => {
                tracing::error!(recommendation = %id, %error, "the expired proposal was not closed");
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if closed == 0 => Err(error),
        _ => Ok(closed),
    }
}

async fn close(service: &Service, mut recommendation: Recommendation) -> Result<()> {
    let now = service.ambient.now();
    let tenant = recommendation.tenant.clone();
    let mut ticket = service.ticket(&tenant, recommendation.ticket).await?;
    let mut change = Change {
        expect: vec![
            Expectation::RecommendationRevision { recommendation: recommendation.id, revision: recommendation.revision },
            Expectation::TicketVersion { ticket: ticket.id, version: ticket.version },
        ],
        ..Change::default()
    };
    recommendation.state = RecommendationState::Expired;
    recommendation.revision += 1;
    let expired = Event::RecommendationExpired { recommendation: recommendation.id, ticket: ticket.id };
    change.entries.push(Entry::new(tenant.clone(), now, Actor::Engine, expired));
    let from = ticket.state;
    if let Ok(state) = from.transition(TicketState::Expired) {
        ticket.state = state;
        ticket.version += 1;
        ticket.updated_at = now;
        let moved = Event::TicketMoved { ticket: ticket.id, from, to: state, version: ticket.version };
        change.entries.push(Entry::new(tenant, now, Actor::Engine, moved));
        change.writes.push(service.write_ticket(ticket));
    }
    change.writes.push(Write::Recommendation(Box::new(recommendation)));
    match service.commit(change).await {
        Err(StoreError::Conflict(conflict @ Conflict::Changed { .. })) => Err(ActionError::Changed(conflict.to_string())),
        other => other.map(|_| ()).map_err(Into::into),
    }
}
