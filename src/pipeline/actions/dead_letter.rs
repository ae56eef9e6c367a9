//! A delivery that no adapter could read is read again, after the adapter or its configuration was mended.

use super::accept::{self, Accepted, Arrival};
use crate::{
    domain::{
        entry::{Entry, Event},
        id::DeadLetterId,
        principal::{Actor, Principal, Role},
    },
    intake::{self, Reading},
    pipeline::{
        error::{ActionError, Result},
        service::Service,
    },
    store::change::{Change, Expectation, Write},
};

/// Reads the kept bytes again and stores what they bring.
///
/// # Errors
/// Not found, wrong role, the source is gone, still unreadable, or replayed by somebody else.
pub async fn replay(service: &Service, caller: &Principal, id: DeadLetterId) -> Result<Accepted> {
    service.require(caller, Role::Operator)?;
    let missing = || ActionError::NotFound { what: "dead letter", id: id.to_string() };
    let letter = service.store.dead_letter(&caller.tenant, id).await?.ok_or_else(missing)?;
    let delivery = service.store.delivery(&caller.tenant, letter.delivery).await?.ok_or_else(missing)?;
    let source = service
        .sources
        .get(letter.source.as_str())
        .ok_or_else(|| ActionError::Changed(format!("source `{}` is no longer configured", letter.source)))?;
    let reading = intake::read_again(&source.spec, &delivery.body);
    if let Reading::Unreadable { reason } = &reading {
        return Err(ActionError::Invalid { pointer: String::new(), message: format!("still unreadable: {reason}") });
    }
    // A key of its own: the first one is taken by the delivery that was kept.
    let arrival = Arrival {
        tenant: caller.tenant.clone(),
        source: letter.source.clone(),
        dedup_key: format!("replay/{id}"),
        headers: delivery.headers,
        body: delivery.body,
        reading,
    };
    let accepted = accept::accept(service, arrival).await?;
    let tickets = match &accepted {
        Accepted::Tickets { tickets, .. } | Accepted::Duplicate { tickets, .. } => tickets.clone(),
        Accepted::Ignored { .. } | Accepted::DeadLettered { .. } => Vec::new(),
    };
    let event = Event::DeadLetterReplayed { dead_letter: id, tickets };
    let change = Change {
        expect: vec![Expectation::DeadLetterWaits { dead_letter: id }],
        writes: vec![Write::DeadLetterReplayed(id)],
        entries: vec![Entry::new(caller.tenant.clone(), service.ambient.now(), Actor::Person(caller.person.clone()), event)],
    };
    service.commit(change).await?;
    Ok(accepted)
}
