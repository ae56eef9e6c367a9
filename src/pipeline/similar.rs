//! Tickets like this one that were resolved, and how.
//!
//! A worker gives each resolved ticket a vector; the signs of all vectors are kept in memory and follow the store by the
//! order in which it got them, so nothing is missed after a restart or beside another process. Nothing on the way of a
//! ticket waits for any of this.
// INVARIANT: an index holds the codes of one tenant; a search looks into the caller's only.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Serialize;
use tokio::sync::Mutex;

use super::{
    error::{ActionError, Result},
    service::Service,
    shape,
};
use crate::{
    config::triage::Embedding,
    domain::{
        digest::Digest,
        execution::{Execution, ExecutionState},
        id::TicketId,
        name::{RunbookId, TenantId},
        outcome::OutcomeKind,
        principal::Actor,
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    store::{
        change::{Change, Write},
        vectors::{NewVector, StoredCode},
    },
    text::{
        clean_ticket,
        embedding::{CachedEmbedder, Embedder, EmbeddingKind},
        mask,
    },
    triage::similar::{Codes, cosine, quantise},
};

/// The index and what fills it.
#[derive(Default)]
pub struct Similar {
    /// `None` until the first use.
    embedder: RwLock<Option<Arc<CachedEmbedder>>>,
    index: RwLock<Index>,
    /// One filling at a time.
    filling: Mutex<()>,
}

#[derive(Default)]
struct Index {
    tenants: BTreeMap<TenantId, Codes>,
    /// Everything stored up to here is in it.
    last: u64,
}

/// A resolved ticket like the one asked about.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SimilarTicket {
    pub ticket: TicketId,
    /// As people of its sender call it.
    pub key: String,
    /// Secrets and personal data are under stars.
    pub title: String,
    /// Cosine of the two texts' vectors, in `-1..=1`.
    pub similarity: f64,
    pub resolved_at: Timestamp,
    pub resolved: Resolution,
    /// So many more, as near as those listed, differ from it in numbers, hosts and the like only.
    pub alike: usize,
}

/// How it was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Resolution {
    /// A run of this runbook, begun by the engine or by who approved it.
    Run { runbook: RunbookId, by: Actor },
    /// A person did by hand what this runbook says.
    ByHand { runbook: RunbookId, by: Actor },
    /// Its sender closed it, and nobody said how.
    Closed,
}

/// Tickets that get their vector in one step.
const BATCH: usize = 256;
/// Codes read at once.
const CODES: usize = 50_000;
/// Nearest codes whose vectors are looked at: with 400 of a million, nine in ten of the ten truly nearest are among them
/// (`cargo bench --bench similar`).
const LOOKED_AT: usize = 400;
/// Below this two texts have little to do with each other: any two have common words, and vectors that point one way a bit.
const LEAST: f64 = 0.6;
/// Texts whose vectors are remembered: pages are loaded again.
const REMEMBERED: usize = 256;

fn passage(ticket: &Ticket) -> String {
    let clean = clean_ticket(&ticket.report);
    let [title, body] = clean.fields();
    [title.text(), body.text()].join(" ").trim().to_owned()
}

impl Similar {
    /// The embedder, loaded at the first use; `None` when the configuration wants none.
    async fn embedder(&self, service: &Service) -> Result<Option<Arc<CachedEmbedder>>> {
        if let Some(embedder) = self.embedder.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(Some(embedder));
        }
        let kind = match service.config.triage.similar {
            Embedding::None => return Ok(None),
            Embedding::Static => EmbeddingKind::Static,
            Embedding::Minilm => EmbeddingKind::Minilm,
        };
        let folder = service.config.triage.embedding.clone();
        let loaded = tokio::task::spawn_blocking(move || Embedder::load(&folder, kind)).await;
        let loaded = loaded.map_err(|stopped| ActionError::Internal(stopped.to_string()))?;
        let embedder = Arc::new(CachedEmbedder::new(loaded.map_err(|why| ActionError::Internal(why.to_string()))?, REMEMBERED));
        Ok(Some(Arc::clone(self.embedder.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(embedder))))
    }

    /// Gives vectors to resolved tickets that have none, one batch. Returns how many were looked at.
    ///
    /// # Errors
    /// The store failed, or the embedding cannot be loaded.
    pub async fn fill(&self, service: &Service) -> Result<usize> {
        let _turn = self.filling.lock().await;
        let Some(embedder) = self.embedder(service).await? else { return Ok(0) };
        let space = embedder.embedder().digest();
        if service.store.vector_space().await? != Some(space) {
            // Vectors of two embeddings have nothing to do with each other.
            service.commit(Change { writes: vec![Write::VectorSpace(space)], ..Change::default() }).await?;
            *self.index.write().unwrap_or_else(PoisonError::into_inner) = Index::default();
        }
        let tickets = service.store.tickets_without_vector(BATCH).await?;
        let found = tickets.len();
        if found > 0 {
            let work = move || -> Vec<Write> {
                let texts: Vec<String> = tickets.iter().map(passage).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let vectors = embedder.embedder().embed(&texts);
                let vector = |(ticket, vector): (Ticket, Vec<f32>)| {
                    let quantised = quantise(&vector);
                    Write::TicketVector(NewVector {
                        tenant: ticket.tenant,
                        ticket: ticket.id,
                        version: ticket.version,
                        code: quantised.code,
                        vector: quantised.vector,
                    })
                };
                tickets.into_iter().zip(vectors).map(vector).collect()
            };
            let writes = tokio::task::spawn_blocking(work).await.map_err(|stopped| ActionError::Internal(stopped.to_string()))?;
            service.commit(Change { writes, ..Change::default() }).await?;
        }
        self.follow(service).await?;
        Ok(found)
    }

    /// Takes in what the store got since the last time.
    async fn follow(&self, service: &Service) -> Result<()> {
        loop {
            let last = self.index.read().unwrap_or_else(PoisonError::into_inner).last;
            let codes = service.store.codes_after(last, CODES).await?;
            let Some(newest) = codes.last().map(|code| code.place) else { return Ok(()) };
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody else followed meanwhile.
            if index.last != last {
                continue;
            }
            for StoredCode { place, tenant, code } in codes {
                index.tenants.entry(tenant).or_default().add(place, &code);
            }
            index.last = newest;
        }
    }

    /// The nearest resolved tickets, nearest first, at most `most`.
    ///
    /// # Errors
    /// The store failed, or the embedding cannot be loaded.
    pub async fn nearest(&self, service: &Service, ticket: &Ticket, most: usize) -> Result<Vec<SimilarTicket>> {
        let Some(embedder) = self.embedder(service).await? else { return Ok(Vec::new()) };
        self.follow(service).await?;
        let query = quantise(&embedder.embed_one(&passage(ticket)));
        let places = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.tenants.get(&ticket.tenant).map_or_else(Vec::new, |codes| codes.nearest(&query.code, LOOKED_AT))
        };
        let mut near: Vec<(f64, TicketId)> = service
            .store
            .vectors_at(&ticket.tenant, &places)
            .await?
            .into_iter()
            .filter(|stored| stored.ticket != ticket.id)
            .map(|stored| (cosine(&query.vector, &stored.vector), stored.ticket))
            .filter(|(similarity, _)| *similarity >= LEAST)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        self.told(service, &ticket.tenant, near, most).await
    }

    async fn told(&self, service: &Service, tenant: &TenantId, near: Vec<(f64, TicketId)>, most: usize) -> Result<Vec<SimilarTicket>> {
        let mut found: Vec<(Digest, f64, Ticket, usize)> = Vec::new();
        // At most so many: a storm of equal ones must not make this read hundreds. As many at once as are wanted.
        let near: Vec<_> = near.into_iter().take(8 * most).collect();
        for some in near.chunks(most.max(1)) {
            let read = some.iter().map(|(_, id)| service.store.ticket(tenant, *id));
            for ((similarity, _), ticket) in some.iter().zip(futures_util::future::try_join_all(read).await?) {
                // Opened again since it got its vector.
                let Some(ticket) = ticket.filter(|ticket| ticket.state == TicketState::Resolved) else { continue };
                let (shape, room) = (shape::of(&ticket.report), found.len() < most);
                match found.iter_mut().find(|(known, ..)| *known == shape) {
                    Some((_, _, _, alike)) => *alike += 1,
                    None if room => found.push((shape, *similarity, ticket, 0)),
                    None => {}
                }
            }
            if found.len() == most {
                break;
            }
        }
        let told = found.into_iter().map(|(_, similarity, ticket, alike)| async move {
            let key = ticket.report.external_key.clone().unwrap_or_else(|| ticket.report.external_id.clone());
            let resolved = resolution(service, &ticket).await?;
            let (title, resolved_at) = (mask(ticket.report.title.as_untrusted()), ticket.updated_at);
            Ok(SimilarTicket { ticket: ticket.id, key, title, similarity, resolved_at, resolved, alike })
        });
        futures_util::future::try_join_all(told).await
    }

    /// Codes held and the bytes they take.
    pub fn size(&self) -> (usize, usize) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.tenants.values().fold((0, 0), |(codes, bytes), held| (codes + held.len(), bytes + held.bytes()))
    }
}

async fn resolution(service: &Service, ticket: &Ticket) -> Result<Resolution> {
    let runs = service.store.executions_for(&ticket.tenant, ticket.id).await?;
    let helped = |run: &&Execution| run.state == ExecutionState::Succeeded && run.undoes.is_none() && run.undone_by.is_none();
    if let Some(run) = runs.iter().find(helped) {
        return Ok(Resolution::Run { runbook: run.runbook.clone(), by: run.started_by.clone() });
    }
    let Some(proposal) = service.store.recommendation_for(&ticket.tenant, ticket.id).await? else { return Ok(Resolution::Closed) };
    let outcome = service.store.outcome(&ticket.tenant, proposal.id).await?;
    Ok(match outcome {
        Some(outcome) if outcome.kind == OutcomeKind::SameRunbook => Resolution::ByHand { runbook: outcome.runbook, by: outcome.by },
        Some(outcome) => match outcome.another_runbook {
            Some(runbook) => Resolution::ByHand { runbook, by: outcome.by },
            None => Resolution::Closed,
        },
        None => Resolution::Closed,
    })
}
