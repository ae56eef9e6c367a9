//! Signed checkpoints of the action log are sent to who listens, so that they lie where nobody here can change them.
// INVARIANT: a checkpoint is sent only when something other than messages happened since the last one; else sending it
// would make the log grow and so bring the next one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    domain::{
        digest::Digest,
        entry::{Entry, Event},
        name::TenantId,
        principal::Actor,
        time::Timestamp,
    },
    log::checkpoint::Checkpoint,
    pipeline::{
        error::{ActionError, Result},
        events,
        service::Service,
        tell::{self, About},
    },
    store::{
        change::Change,
        interface::{EntryFilter, LoggedEntry, Page},
        tree,
    },
};

/// Entries read at once when looking for one that counts.
const READ: usize = 500;

/// The log's size when this process last found in it nothing that counts, so that the same entries are not read again.
#[derive(Debug, Default)]
pub struct Uneventful(AtomicU64);

/// Sends a checkpoint when it is time. Returns how many it sent, 0 or 1.
///
/// # Errors
/// The store failed, or its log does not agree with itself.
pub async fn step(service: &Service) -> Result<usize> {
    let tenants = service.senders.listening_tenants(events::PUBLISHED);
    if tenants.is_empty() && service.witnesses.is_empty() {
        return Ok(0);
    }
    let now = service.ambient.now();
    let size = service.store.log_size().await?;
    let last = last(service).await?;
    let from = last.as_ref().map_or(0, |last| last.size);
    if !is_time(service, last.as_ref(), size, now) || service.uneventful.0.load(Ordering::Relaxed) == size {
        return Ok(0);
    }
    if !grew(service, from, size).await? {
        service.uneventful.0.store(size, Ordering::Relaxed);
        return Ok(0);
    }
    let root = tree::root(&*service.store, size).await?;
    let note = Checkpoint::sign(size, &root, &service.key).map_err(|why| ActionError::Internal(why.to_string()))?;
    let published = Event::CheckpointPublished { size, root: Digest::from_bytes(root) };
    let mut change = Change { entries: vec![Entry::new(TenantId::default(), now, Actor::Engine, published)], ..Change::default() };
    for tenant in &tenants {
        let event = events::published(service.key.name(), size, note.clone());
        tell::listeners(service, About::Nothing(tenant), now, &mut change, event);
    }
    service.commit(change).await?;
    Ok(1)
}

pub(super) struct Last {
    pub size: u64,
    at: Timestamp,
}

/// The log itself says what was sent last, so a restart sends nothing twice.
pub(super) async fn last(service: &Service) -> Result<Option<Last>> {
    let filter = EntryFilter { event: Some("checkpoint_published".to_owned()), ..EntryFilter::default() };
    let found = service.store.entries(&TenantId::default(), &filter, Page { before: None, limit: 1 }).await?;
    Ok(found.into_iter().find_map(|LoggedEntry { entry, .. }| match entry.event {
        Event::CheckpointPublished { size, .. } => Some(Last { size, at: entry.at }),
        _ => None,
    }))
}

fn is_time(service: &Service, last: Option<&Last>, size: u64, now: Timestamp) -> bool {
    let settings = &service.config.log;
    let Some(last) = last else { return size > 0 };
    let every = Some(settings.publish_every.get()).filter(|every| *every > Duration::ZERO);
    let enough = settings.publish_after > 0 && size.saturating_sub(last.size) >= settings.publish_after;
    enough || every.is_some_and(|every| now.since(last.at) >= every)
}

/// Whether anything but messages, checkpoints and their signatures was logged from `from` on.
async fn grew(service: &Service, from: u64, size: u64) -> Result<bool> {
    let mut at = from;
    while at < size {
        let entries = service.store.entry_range(at, READ).await?;
        let Some(last) = entries.last() else { return Ok(false) };
        at = last.index + 1;
        if entries.iter().any(|logged| counts(&logged.entry.event)) {
            return Ok(true);
        }
    }
    Ok(false)
}

const fn counts(event: &Event) -> bool {
    !matches!(
        event,
        Event::CheckpointPublished { .. }
            | Event::CheckpointCosigned { .. }
            | Event::MessageQueued { .. }
            | Event::MessageDelivered { .. }
            | Event::MessageDead { .. }
    )
}
