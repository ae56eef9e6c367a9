//! Clusters of near-duplicates as they come, and the one candidate that each of them is raised as.
//!
//! Held in memory: a cluster is of the last minutes. After a start it is made anew from the tickets of the window and the
//! storms that were raised, so that none is raised twice.
// INVARIANT: a storm and its log entry are one change, and no two storms have the same first ticket.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use super::{
    error::Result,
    notices,
    service::Service,
    tell::{self, About},
};
use crate::{
    domain::{
        entry::{Entry, Event},
        id::{StormId, TicketId},
        name::TenantId,
        principal::Actor,
        storm::Storm,
        ticket::Ticket,
        time::Timestamp,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::{Page, StoreError, TicketFilter},
    },
    triage::cluster::{Clusters, Membership, Sketch},
};

/// The clusters of every tenant.
#[derive(Default)]
pub struct Storms(Mutex<BTreeMap<TenantId, Tenant>>);

struct Tenant {
    clusters: Clusters,
    /// First tickets of clusters that were raised.
    raised: BTreeSet<TicketId>,
}

/// Tickets that are looked at after a start, at most.
const LOOKED_AT: usize = 5_000;
/// Tickets read at once.
const PAGE: usize = 500;
/// Storms that may still go on after a start.
const RAISED: usize = 100;

impl Storms {
    /// Takes in tickets that came, in the order of their coming.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn add(&self, service: &Service, tickets: &[Ticket]) -> std::result::Result<(), StoreError> {
        let tenants: BTreeSet<&TenantId> = tickets.iter().map(|ticket| &ticket.tenant).collect();
        for tenant in tenants {
            self.know(service, tenant).await?;
        }
        let sketches: Vec<Sketch> = tickets.iter().map(|ticket| Sketch::of(&ticket.report)).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (ticket, sketch) in tickets.iter().zip(&sketches) {
            if let Some(tenant) = all.get_mut(&ticket.tenant) {
                tenant.clusters.add(ticket.id, sketch, ticket.received_at);
            }
        }
        Ok(())
    }

    /// The cluster of a ticket, when it came inside the window.
    pub fn of(&self, ticket: &Ticket, now: Timestamp) -> Option<Membership> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&ticket.tenant)?.clusters.of(ticket.id, now)
    }

    /// Makes the clusters of a tenant that were not made since the start.
    async fn know(&self, service: &Service, tenant: &TenantId) -> std::result::Result<(), StoreError> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(tenant) {
            return Ok(());
        }
        let (window, now) = (service.config.gate.storm_window.get(), service.ambient.now());
        let since = now.minus(window);
        let mut clusters = Clusters::new(window);
        let mut raised = BTreeSet::new();
        let storms = service.store.storms(tenant, Page { before: None, limit: RAISED }).await?;
        // A day: no cluster goes on for longer without a pause.
        for storm in storms.into_iter().filter(|storm| storm.detected_at >= now.minus(std::time::Duration::from_secs(86_400))) {
            raised.insert(storm.first);
            if let Some(first) = service.store.ticket(tenant, storm.first).await? {
                // As if something had come just now: whether it goes on shows in what comes.
                clusters.remember(storm.first, Sketch::of(&first.report), now);
            }
        }
        let (mut recent, mut before): (Vec<Ticket>, _) = (Vec::new(), None);
        while recent.len() < LOOKED_AT {
            let page = service.store.tickets(tenant, &TicketFilter::default(), Page { before, limit: PAGE }).await?;
            // Ids are in the order of their coming: what follows one from before the window is older still.
            let Some(oldest) = page.last() else { break };
            let reaches_past = oldest.received_at < since;
            before = Some(oldest.id);
            recent.extend(page.into_iter().filter(|ticket| ticket.received_at >= since));
            if reaches_past {
                break;
            }
        }
        for ticket in recent.iter().rev() {
            clusters.add(ticket.id, &Sketch::of(&ticket.report), ticket.received_at);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_insert(Tenant { clusters, raised });
        Ok(())
    }

    /// Raises each cluster that one of `tickets` made grow past the limit, when it was not raised yet.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn raise(&self, service: &Service, tickets: &[(TenantId, TicketId)]) -> Result<()> {
        let (now, limit) = (service.ambient.now(), service.config.gate.storm_size);
        let mut grown: BTreeMap<TicketId, (TenantId, Membership)> = BTreeMap::new();
        {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (tenant, ticket) in tickets {
                let Some(known) = all.get_mut(tenant) else { continue };
                let cluster =
                    known.clusters.of(*ticket, now).filter(|cluster| cluster.size > limit && !known.raised.contains(&cluster.first));
                grown.extend(cluster.map(|cluster| (cluster.first, (tenant.clone(), cluster))));
            }
        }
        for (tenant, cluster) in grown.into_values() {
            let change = raised(service, &tenant, cluster, now).await?;
            match service.commit(change).await {
                // Another process raised it.
                Ok(_) | Err(StoreError::Conflict(Conflict::Changed { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&tenant) {
                known.raised.insert(cluster.first);
            }
        }
        Ok(())
    }
}

async fn raised(service: &Service, tenant: &TenantId, cluster: Membership, now: Timestamp) -> Result<Change> {
    let storm = Storm {
        form: Storm::FORM,
        id: StormId::new(now, service.ambient.random()),
        tenant: tenant.clone(),
        first: cluster.first,
        size: cluster.size,
        detected_at: now,
    };
    let event = Event::StormDetected { storm: storm.id, ticket: storm.first, size: storm.size };
    let mut change = Change {
        expect: vec![Expectation::NewStorm { first: storm.first }],
        entries: vec![Entry::new(tenant.clone(), now, Actor::Engine, event)],
        writes: vec![Write::Storm(storm)],
    };
    let ticket = service.ticket(tenant, cluster.first).await?;
    let notice = notices::storm(&ticket, cluster.size, service.senders.public_url());
    tell::chats(service, About::Nothing(tenant), now, &mut change, notice);
    Ok(change)
}
