//! A delivery becomes tickets: one durable change with the raw bytes, the tickets and their log entries.
//!
//! Never triages and never waits for anything but the store: the sender is answered as soon as this commits.
// INVARIANT: `Ok` means that everything the sender said is on disk.

use std::collections::BTreeMap;

use crate::{
    domain::{
        delivery::{DeadLetter, Delivery},
        digest::Digest,
        entry::{Entry, Event},
        id::{DeadLetterId, DeliveryId, TicketId},
        name::{SourceId, TenantId},
        outcome::Outcome,
        principal::Actor,
        recommendation::RecommendationState,
        state::TicketState,
        ticket::{Report, Ticket, TicketEvent},
        time::Timestamp,
    },
    intake::Reading,
    pipeline::{
        demotion,
        error::{ActionError, Result},
        outcome, say,
        service::Service,
        shape,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

/// An authenticated request, read by its adapter.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub tenant: TenantId,
    pub source: SourceId,
    pub dedup_key: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub reading: Reading,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    Tickets {
        delivery: DeliveryId,
        tickets: Vec<TicketId>,
    },
    /// The same delivery came before; these are its first ids.
    Duplicate {
        delivery: DeliveryId,
        tickets: Vec<TicketId>,
    },
    /// Authentic, and not a ticket we handle.
    Ignored {
        reason: String,
    },
    /// Authentic, and not readable: kept for a person.
    DeadLettered {
        delivery: DeliveryId,
        dead_letter: DeadLetterId,
    },
}

/// Senders race with themselves; this many lost races in a row is the store's fault, not theirs.
const ATTEMPTS: usize = 8;

/// Stores what a source sent.
///
/// # Errors
/// The store is overloaded or unavailable. Nothing was acknowledged; the sender should send again.
pub async fn accept(service: &Service, arrival: Arrival) -> Result<Accepted> {
    match &arrival.reading {
        Reading::Ignored { reason } => Ok(Accepted::Ignored { reason: reason.clone() }),
        Reading::Unreadable { reason } => bury(service, &arrival, reason).await,
        Reading::Tickets(reports) => tickets(service, &arrival, &last_of_each(reports)).await,
    }
}

/// One report a ticket: of several in one delivery the last one holds, because senders list what happened in order.
fn last_of_each(reports: &[Report]) -> Vec<Report> {
    let mut kept: Vec<Report> = Vec::with_capacity(reports.len());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        match places.get(report.external_id.as_str()) {
            Some(place) => kept[*place] = report.clone(),
            None => {
                places.insert(&report.external_id, kept.len());
                kept.push(report.clone());
            }
        }
    }
    kept
}

fn delivery(service: &Service, arrival: &Arrival, now: Timestamp) -> Delivery {
    Delivery {
        id: DeliveryId::new(now, service.ambient.random()),
        tenant: arrival.tenant.clone(),
        source: arrival.source.clone(),
        dedup_key: arrival.dedup_key.clone(),
        headers: arrival.headers.clone(),
        body: arrival.body.clone(),
        body_digest: Digest::of(&arrival.body),
        received_at: now,
    }
}

fn is_new(arrival: &Arrival) -> Expectation {
    Expectation::NewDelivery { tenant: arrival.tenant.clone(), source: arrival.source.clone(), dedup_key: arrival.dedup_key.clone() }
}

async fn bury(service: &Service, arrival: &Arrival, reason: &str) -> Result<Accepted> {
    let now = service.ambient.now();
    let delivery = delivery(service, arrival, now);
    let dead_letter = DeadLetter {
        id: DeadLetterId::new(now, service.ambient.random()),
        tenant: arrival.tenant.clone(),
        source: arrival.source.clone(),
        delivery: delivery.id,
        body_digest: delivery.body_digest,
        reason: reason.to_owned(),
        received_at: now,
    };
    let event = Event::DeliveryDeadLettered {
        dead_letter: dead_letter.id,
        delivery: delivery.id,
        source: arrival.source.clone(),
        body: delivery.body_digest,
        reason: reason.to_owned(),
    };
    let accepted = Accepted::DeadLettered { delivery: delivery.id, dead_letter: dead_letter.id };
    let change = Change {
        expect: vec![is_new(arrival)],
        entries: vec![Entry::new(arrival.tenant.clone(), now, Actor::Source(arrival.source.clone()), event)],
        writes: vec![Write::Delivery(delivery), Write::DeadLetter(dead_letter)],
    };
    match service.commit(change).await {
        Ok(_) => Ok(accepted),
        Err(StoreError::Conflict(Conflict::DuplicateDelivery { first, tickets })) => Ok(Accepted::Duplicate { delivery: first, tickets }),
        Err(error) => Err(error.into()),
    }
}

async fn tickets(service: &Service, arrival: &Arrival, reports: &[Report]) -> Result<Accepted> {
    // Most deliveries bring tickets nobody has seen, so the first try assumes that and reads nothing.
    let mut known: Vec<Option<Ticket>> = vec![None; reports.len()];
    for _ in 0..ATTEMPTS {
        let now = service.ambient.now();
        let delivery = delivery(service, arrival, now);
        let id = delivery.id;
        let mut change = Change { expect: vec![is_new(arrival)], ..Change::default() };
        let mut ids = Vec::with_capacity(reports.len());
        for (report, known) in reports.iter().zip(&known) {
            ids.push(match known {
                None => open(service, arrival, id, report, now, &mut change)?,
                Some(ticket) => update(service, arrival, id, report, ticket, now, &mut change).await?,
            });
        }
        change.writes.insert(0, Write::Delivery(delivery));
        let reopened = outcomes(&change);
        match service.commit(change).await {
            Ok(_) => {
                demotion::settle_all(service, reopened).await;
                return Ok(Accepted::Tickets { delivery: id, tickets: ids });
            }
            Err(StoreError::Conflict(Conflict::DuplicateDelivery { first, tickets })) => {
                // Tickets that the delivery did not change are not noted with it; its reports name them.
                let tickets = if tickets.len() < reports.len() { named(service, arrival, reports).await? } else { tickets };
                return Ok(Accepted::Duplicate { delivery: first, tickets });
            }
            Err(StoreError::Conflict(Conflict::TicketExists { .. } | Conflict::Changed { .. })) => {
                for (slot, report) in known.iter_mut().zip(reports) {
                    *slot = service.store.ticket_of(&arrival.tenant, &arrival.source, &report.external_id).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(ActionError::Store(StoreError::Overloaded { waiting: reports.len() }))
}

/// The outcomes that the change records.
fn outcomes(change: &Change) -> Vec<Outcome> {
    let outcome = |write: &Write| if let Write::Outcome(outcome) = write { Some((**outcome).clone()) } else { None };
    change.writes.iter().filter_map(outcome).collect()
}

/// The tickets that the reports are about.
async fn named(service: &Service, arrival: &Arrival, reports: &[Report]) -> Result<Vec<TicketId>> {
    let mut ids = Vec::with_capacity(reports.len());
    for report in reports {
        let ticket = service.store.ticket_of(&arrival.tenant, &arrival.source, &report.external_id).await?;
        ids.extend(ticket.map(|ticket| ticket.id));
    }
    Ok(ids)
}

fn open(
    service: &Service,
    arrival: &Arrival,
    delivery: DeliveryId,
    report: &Report,
    now: Timestamp,
    change: &mut Change,
) -> Result<TicketId> {
    // A sender may report the end of something we never saw begin; it is recorded and nobody is asked to act.
    let state = if report.event == TicketEvent::Resolved { TicketState::Resolved } else { TicketState::Received };
    let ticket = Ticket {
        form: Ticket::FORM,
        id: TicketId::new(now, service.ambient.random()),
        tenant: arrival.tenant.clone(),
        source: arrival.source.clone(),
        delivery,
        report: report.clone(),
        state,
        version: 1,
        received_at: now,
        updated_at: now,
    };
    let id = ticket.id;
    let input = ticket.input_digest()?;
    let event =
        Event::TicketReceived { ticket: id, delivery, source: arrival.source.clone(), external_id: report.external_id.clone(), input };
    change.entries.push(Entry::new(arrival.tenant.clone(), now, Actor::Source(arrival.source.clone()), event));
    if state == TicketState::Resolved {
        change.entries.push(moved(arrival, now, &ticket, TicketState::Received));
    }
    change.expect.push(Expectation::NewTicket {
        tenant: arrival.tenant.clone(),
        source: arrival.source.clone(),
        external_id: report.external_id.clone(),
    });
    change.writes.push(Write::Ticket { shape: shape::of(&ticket.report), ticket: Box::new(ticket) });
    Ok(id)
}

async fn update(
    service: &Service,
    arrival: &Arrival,
    delivery: DeliveryId,
    report: &Report,
    known: &Ticket,
    now: Timestamp,
    change: &mut Change,
) -> Result<TicketId> {
    if says_nothing_new(report, &known.report) {
        // The delivery is kept and nothing changes.
        return Ok(known.id);
    }
    let mut ticket = known.clone();
    ticket.report = report.clone();
    let input = ticket.input_digest()?;
    let target = match (report.event, known.state) {
        // The run decides what becomes of the ticket; the update waits in the ticket for whoever looks next.
        (_, TicketState::Executing | TicketState::InDoubt) => known.state,
        (TicketEvent::Resolved, _) => TicketState::Resolved,
        (TicketEvent::Opened | TicketEvent::Updated, _) => TicketState::Received,
    };
    if target != known.state {
        ticket.state = known.state.transition(target).map_err(|illegal| ActionError::Internal(illegal.to_string()))?;
    }
    ticket.delivery = delivery;
    ticket.version += 1;
    ticket.updated_at = now;
    change.expect.push(Expectation::TicketVersion { ticket: known.id, version: known.version });
    let event = Event::TicketUpdated { ticket: known.id, delivery, source: arrival.source.clone(), version: ticket.version, input };
    change.entries.push(Entry::new(arrival.tenant.clone(), now, Actor::Source(arrival.source.clone()), event));
    if target != known.state {
        change.entries.push(moved(arrival, now, &ticket, known.state));
    }
    if (known.state, target) == (TicketState::Resolved, TicketState::Received) {
        outcome::reopened(service, known, report, now, change).await?;
    }
    supersede_open(service, &ticket, now, "the sender changed the ticket", change).await?;
    change.writes.push(Write::Ticket { shape: shape::of(&ticket.report), ticket: Box::new(ticket) });
    Ok(known.id)
}

/// True when the report is older than what is known, or differs only in what a touch of the ticket changes.
///
/// A help desk tells of our own write-back as an update: were its time and our tags news, each comment of ours
/// would void the proposal it speaks of and be followed by another.
fn says_nothing_new(report: &Report, known: &Report) -> bool {
    if report.updated_at.zip(known.updated_at).is_some_and(|(then, last)| then < last) {
        return true;
    }
    let words = |report: &Report| {
        let mut words = report.clone();
        words.updated_at = None;
        words.tags.retain(|tag| !tag.as_untrusted().starts_with(say::TAG));
        // `opened` sent again and `updated` with the same words say the same.
        if words.event == TicketEvent::Updated {
            words.event = TicketEvent::Opened;
        }
        words
    };
    words(report) == words(known)
}

fn moved(arrival: &Arrival, now: Timestamp, ticket: &Ticket, from: TicketState) -> Entry {
    let event = Event::TicketMoved { ticket: ticket.id, from, to: ticket.state, version: ticket.version };
    Entry::new(arrival.tenant.clone(), now, Actor::Source(arrival.source.clone()), event)
}

/// Closes the ticket's open recommendation, so that nobody approves what was proposed for an older text.
pub(crate) async fn supersede_open(service: &Service, ticket: &Ticket, now: Timestamp, reason: &str, change: &mut Change) -> Result<()> {
    let open = service.store.recommendation_for(&ticket.tenant, ticket.id).await?.filter(|rec| rec.state == RecommendationState::Open);
    if let Some(mut recommendation) = open {
        change.expect.push(Expectation::RecommendationRevision { recommendation: recommendation.id, revision: recommendation.revision });
        recommendation.state = RecommendationState::Superseded;
        recommendation.revision += 1;
        let event = Event::RecommendationSuperseded { recommendation: recommendation.id, ticket: ticket.id, reason: reason.to_owned() };
        change.entries.push(Entry::new(ticket.tenant.clone(), now, Actor::Engine, event));
        change.writes.push(Write::Recommendation(Box::new(recommendation)));
    }
    Ok(())
}
