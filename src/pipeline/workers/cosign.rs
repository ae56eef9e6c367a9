//! Witnesses are shown each published checkpoint, and their signatures become entries of the log.
// INVARIANT: what is in the log as a witness's signature was checked against the key that the configuration has of it.

use std::time::Duration;

use crate::{
    domain::{
        digest::Digest,
        entry::{Entry, Event},
        name::TenantId,
        principal::Actor,
    },
    log::checkpoint::Checkpoint,
    pipeline::{
        error::{ActionError, Result},
        service::Service,
        witnesses::{self, Failed, Shown},
        workers::publish,
    },
    store::{change::Change, tree},
};

/// A witness that gave no signature is asked again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// Asks every witness that has not signed the checkpoint published last. Returns how many signed.
///
/// # Errors
/// The store failed, or its log does not agree with itself.
pub async fn step(service: &Service) -> Result<usize> {
    if service.witnesses.is_empty() {
        return Ok(0);
    }
    let Some(published) = publish::last(service).await? else { return Ok(0) };
    let (tenant, size, now) = (TenantId::default(), published.size, service.ambient.now());
    let known = witnesses::cosigned(&*service.store, &tenant).await?;
    let newest = |name: &str| known.iter().filter(|one| one.witness == name).map(|one| one.size).max().unwrap_or(0);
    let due = |witness: &&witnesses::Witness| {
        newest(witness.key.name()) < size && witness.failed().is_none_or(|failed| now.since(failed.at) >= AGAIN)
    };
    let due: Vec<_> = service.witnesses.iter().filter(due).collect();
    if due.is_empty() {
        return Ok(0);
    }
    let root = tree::root(&*service.store, size).await?;
    let note = Checkpoint::sign(size, &root, &service.key).map_err(|why| ActionError::Internal(why.to_string()))?;
    let shown = Shown { size, root: &root, note: &note };
    let asked = due.iter().map(|witness| witness.ask(&*service.store, &shown, newest(witness.key.name())));
    let said = futures_util::future::join_all(asked).await;
    let mut entries = Vec::new();
    for (witness, said) in due.iter().zip(said) {
        let name = witness.key.name();
        let outcome = match said? {
            Ok((line, signed_at)) => {
                witness.set_failed(None);
                let event = Event::CheckpointCosigned { size, root: Digest::from_bytes(root), witness: name.to_owned(), line, signed_at };
                entries.push(Entry::new(tenant.clone(), now, Actor::Engine, event));
                "cosigned"
            }
            Err(why) => {
                tracing::warn!(witness = name, size, why, "a witness did not sign the checkpoint and will be asked again");
                witness.set_failed(Some(Failed { why, at: now }));
                "failed"
            }
        };
        service.metrics.witness_requests.with_label_values(&[name, outcome]).inc();
    }
    let signed = entries.len();
    if signed > 0 {
        service.commit(Change { entries, ..Change::default() }).await?;
    }
    Ok(signed)
}
