//! Digests are queued when their time has come: once each, over restarts and replicas.
// INVARIANT: a digest of one due time is queued in the change that takes its key, so the second one to try writes nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    domain::{digest::Digest, outbox::Message, time::Timestamp},
    notify::{self, digest},
    pipeline::{digests, error::Result, service::Service},
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

/// What was due while the service was down is still worth reading so much later; the next one covers what is older.
const LATE: Duration = Duration::from_secs(6 * 3600);

/// The due times already seen to by this process, so that each is looked at once.
#[derive(Debug, Default)]
pub struct SeenTo(Mutex<BTreeMap<(String, String), Timestamp>>);

impl SeenTo {
    fn is(&self, digest: &digest::Digest, due: Timestamp) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key(digest)) == Some(&due)
    }

    fn note(&self, digest: &digest::Digest, due: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key(digest), due);
    }
}

fn key(digest: &digest::Digest) -> (String, String) {
    (digest.tenant.to_string(), digest.name.clone())
}

/// Queues every digest that is due. Returns how many.
///
/// # Errors
/// The store failed; what is due is tried again.
pub async fn step(service: &Service) -> Result<usize> {
    let now = service.ambient.now();
    let mut queued = 0;
    for digest in service.senders.digests() {
        let Some((due, before)) = digest.due(now) else { continue };
        if service.digests.is(digest, due) {
            continue;
        }
        if now.since(due) < LATE && queue(service, digest, due, before).await? {
            queued += 1;
        }
        service.digests.note(digest, due);
    }
    Ok(queued)
}

/// True when it was this call that queued it.
async fn queue(service: &Service, digest: &digest::Digest, due: Timestamp, before: Timestamp) -> Result<bool> {
    let notice = digests::compose(service, &digest.tenant, before, due).await?;
    let (tenant, now) = (digest.tenant.clone(), service.ambient.now());
    let key = format!("digest/{}/{due}", digest.name);
    let mut change = Change {
        expect: vec![Expectation::NewIdempotencyKey { tenant: tenant.clone(), key: key.clone() }],
        writes: vec![Write::IdempotencyKey {
            tenant: tenant.clone(),
            request: Digest::of(key.as_bytes()),
            key,
            answer: serde_json::Value::Null,
            at: now,
        }],
        ..Change::default()
    };
    for destination in &digest.to {
        let message = Message::Notice(notice.clone());
        notify::queue::queue(&*service.ambient, now, &mut change, &tenant, None, destination.clone(), message);
    }
    match service.commit(change).await {
        Ok(_) => Ok(true),
        // Queued before a restart, or by another replica.
        Err(StoreError::Conflict(Conflict::IdempotencyKeyUsed { .. })) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
