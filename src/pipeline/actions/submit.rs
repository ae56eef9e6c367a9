//! A person or script posts a ticket in the canonical form, with an idempotency key of its choosing.

use super::accept::{self, Accepted, Arrival};
use crate::{
    domain::{
        digest::Digest,
        name::SourceId,
        principal::{Principal, Role},
        ticket::Requester,
        untrusted::Untrusted,
    },
    intake::{Reading, adapters::json},
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
};

/// The source of tickets that come through the API.
pub const API_SOURCE: &str = "api";

/// The attribute that names who posted the ticket: approver and submitter are kept apart, whomever the ticket
/// says it is for.
pub const SUBMITTED_BY: &str = "submitted_by";

pub const LONGEST_KEY: usize = 200;

/// Stores a canonical ticket. The same key and body again give the first ids; another body is refused.
///
/// # Errors
/// A field that cannot be, by its pointer; a key used for another body; the store failed.
pub async fn submit(service: &Service, caller: &Principal, idempotency_key: Option<String>, body: &[u8]) -> Result<Accepted> {
    service.require_any(caller, &[Role::Responder, Role::Approver, Role::Operator])?;
    if let Some(key) = idempotency_key.as_deref().filter(|key| key.is_empty() || key.len() > LONGEST_KEY) {
        return Err(ActionError::Invalid {
            pointer: "/Idempotency-Key".to_owned(),
            message: format!("an idempotency key has 1 to {LONGEST_KEY} bytes, got {}", key.len()),
        });
    }
    let mut report = json::report(body)?;
    let person = || Untrusted::new(caller.person.as_str());
    report.attributes.insert(SUBMITTED_BY.to_owned(), person());
    report.requester.get_or_insert_with(|| Requester { id: person(), email: None, name: None, organization: None });
    let reading = Reading::Tickets(vec![report]);
    // Keys are each caller's own: two people who both choose `1` do not meet.
    let digest = Digest::of(body);
    let dedup_key = match &idempotency_key {
        Some(key) => format!("key/{}/{key}", caller.person),
        None => format!("body/{}/{digest}/{:032x}", caller.person, service.ambient.random()),
    };
    let arrival = Arrival { tenant: caller.tenant.clone(), source: source(), dedup_key, headers: Vec::new(), body: body.to_vec(), reading };
    let accepted = accept::accept(service, arrival).await?;
    if let (Accepted::Duplicate { delivery, .. }, Some(key)) = (&accepted, idempotency_key) {
        let first = service.store.delivery(&caller.tenant, *delivery).await?;
        if first.is_some_and(|first| first.body_digest != digest) {
            return Err(ActionError::IdempotencyMismatch { key });
        }
    }
    Ok(accepted)
}

/// The built-in source's id.
pub fn source() -> SourceId {
    SourceId::new(API_SOURCE).expect("`api` is a slug")
}

/// True when a configured source may not take this name.
pub fn is_reserved(name: &str) -> bool {
    name == API_SOURCE
}
