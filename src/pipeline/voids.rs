//! Pre-approvals of runbooks that changed are marked void, and the runbook's owner is told.
//!
//! The gate refuses them by their digest all the same; this writes down for good that it happened, so that bringing the
//! old bytes back does not bring the automation back with them.

use super::{
    decider::Decider,
    error::Result,
    events,
    service::Service,
    tell::{self, About},
};
use crate::{
    domain::{
        approval::{PreApproval, Voided},
        entry::{Entry, Event},
        principal::Actor,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

/// Marks every standing pre-approval whose runbook is not at the approved version in `decider`. Returns how many.
///
/// # Errors
/// The store failed; what was marked before stays marked.
pub async fn mark(service: &Service, decider: &Decider) -> Result<usize> {
    let mut marked = 0;
    for record in service.store.standing_pre_approvals().await? {
        let in_force = decider.library().get(&record.runbook);
        if in_force.is_some_and(|runbook| runbook.digest == record.digest) {
            continue;
        }
        let owner = in_force.map(|runbook| runbook.owner.clone());
        match void(service, record, in_force.map(|runbook| runbook.digest), owner).await {
            Ok(()) => marked += 1,
            // Somebody revoked it, or another replica was first.
            Err(StoreError::Conflict(Conflict::Changed { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(marked)
}

async fn void(
    service: &Service,
    mut record: PreApproval,
    current: Option<crate::domain::digest::Digest>,
    owner: Option<String>,
) -> std::result::Result<(), StoreError> {
    let now = service.ambient.now();
    let tenant = record.tenant.clone();
    let event = Event::PreApprovalVoided { pre_approval: record.id, runbook: record.runbook.clone(), approved: record.digest, current };
    let mut change = Change {
        expect: vec![Expectation::PreApprovalStands { pre_approval: record.id }],
        entries: vec![Entry::new(tenant.clone(), now, Actor::Engine, event)],
        ..Change::default()
    };
    tell::listeners(service, About::Nothing(&tenant), now, &mut change, events::voided(&record, current, owner));
    record.voided = Some(Voided { at: now, current });
    tracing::warn!(runbook = %record.runbook, pre_approval = %record.id, "the runbook changed, so its pre-approval is void");
    change.writes.push(Write::PreApproval(record));
    service.commit(change).await.map(|_| ())
}
