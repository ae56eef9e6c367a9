//! A proposal settled: directory services are asked what its slots depend on, and the slots filled again.

use std::sync::Arc;

use super::{
    decider::{Decider, Proposal},
    directories::Directories,
};
use crate::{
    domain::{ambient::Ambient, ticket::Ticket},
    telemetry::Metrics,
};

/// A slot has few sources, and each needs one round at most.
const MOST_ROUNDS: usize = 8;

/// The proposal once no question is open. One that stays open leaves its slot to a person.
pub async fn settle(
    directories: &Directories,
    decider: &Arc<Decider>,
    ticket: &Ticket,
    mut proposal: Proposal,
    ambient: &dyn Ambient,
    metrics: &Metrics,
) -> Proposal {
    for _ in 0..MOST_ROUNDS {
        if proposal.questions.is_empty() {
            break;
        }
        let answered = directories.ask(std::mem::take(&mut proposal.questions), ambient, metrics).await;
        let (decider, ticket, before) = (Arc::clone(decider), ticket.clone(), proposal.clone());
        match tokio::task::spawn_blocking(move || decider.refill(&ticket, before, answered)).await {
            Ok(filled) => proposal = filled,
            Err(error) => {
                tracing::error!(%error, "filling the slots stopped in the middle; a person fills them");
                break;
            }
        }
    }
    proposal
}
