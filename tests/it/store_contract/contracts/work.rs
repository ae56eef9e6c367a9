//! Claims hide work until their leases end, and messages keep their order.

use std::{collections::BTreeSet, sync::Arc};

use sluicegate::{
    domain::{
        execution::{Execution, ExecutionState},
        outbox::{OutboxMessage, OutboxState},
        state::TicketState,
        ticket::Ticket,
    },
    store::interface::Store,
};

use super::super::samples::*;
use super::{LEASE, received};

pub async fn a_claim_hides_work_until_its_lease_ends(store: Arc<dyn Store>) {
    for n in 1..=3 {
        received(&*store, n).await;
    }
    let ids = |tickets: Vec<Ticket>| tickets.into_iter().map(|ticket| ticket.report.external_id).collect::<Vec<_>>();
    let claim = |second: i64, limit: usize| {
        let store = Arc::clone(&store);
        async move { ids(store.claim_tickets(at(second), LEASE, limit).await.unwrap()) }
    };
    assert_eq!(claim(100, 2).await, ["1", "2"], "oldest first");
    assert_eq!(claim(100, 2).await, ["3"]);
    assert!(claim(129, 9).await.is_empty());
    store.release_ticket(ticket(&tenant(), 2).id).await.unwrap();
    assert_eq!(claim(129, 9).await, ["2"], "a released one comes back at once");
    assert_eq!(claim(130, 9).await, ["1", "3"], "a lease ends on its last instant");
    let (_, change) = moved(&ticket(&tenant(), 1), TicketState::Triaged);
    store.commit(change).await.unwrap();
    assert_eq!(claim(1000, 9).await, ["2", "3"], "what is no longer `received` is no longer claimed");
}

pub async fn many_claimers_never_get_the_same_piece(store: Arc<dyn Store>) {
    for n in 1..=40 {
        received(&*store, n).await;
    }
    let claims = (0..10).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.claim_tickets(at(100), LEASE, 7).await.unwrap() })
    });
    let mut claimed = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        claimed.extend(claim.await.unwrap().into_iter().map(|ticket| ticket.id));
    }
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

pub async fn executions_are_claimed_when_due_and_until_final(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let due = execution(&ticket, 1, at(10));
    let held = Execution { not_before: at(50), ..execution(&ticket, 2, at(10)) };
    let done = Execution { state: ExecutionState::Succeeded, ..execution(&ticket, 3, at(10)) };
    for run in [&due, &held, &done] {
        store.commit(written(run)).await.unwrap();
    }
    assert!(store.claim_executions(at(9), LEASE, 9).await.unwrap().is_empty());
    assert_eq!(store.claim_executions(at(10), LEASE, 9).await.unwrap(), std::slice::from_ref(&due));
    let running = Execution { state: ExecutionState::Running, revision: 2, ..due.clone() };
    store.commit(written(&running)).await.unwrap();
    assert_eq!(store.claim_executions(at(50), LEASE, 9).await.unwrap().len(), 2, "lease over, and the held one is due");
    store.release_execution(due.id).await.unwrap();
    assert_eq!(store.claim_executions(at(50), LEASE, 9).await.unwrap(), [running]);
}

pub async fn messages_of_one_ticket_and_destination_go_in_order(store: Arc<dyn Store>) {
    let (one, two) = (received(&*store, 1).await, received(&*store, 2).await);
    // Made in one millisecond, with ids that fall as n grows: order is that of the commits.
    let first = message(&one, 1, "ops");
    for message in [&first, &message(&one, 2, "ops"), &message(&one, 3, "audit"), &message(&two, 4, "ops")] {
        store.commit(queued(message)).await.unwrap();
    }
    let numbers = |messages: Vec<OutboxMessage>| -> Vec<u128> {
        let known = |id| (1..=4).find(|n| [&one, &two].iter().any(|t| message(t, *n, "x").id == id)).unwrap();
        messages.into_iter().map(|message| u128::from(known(message.id))).collect()
    };
    assert!(store.claim_messages(at(-1), LEASE, 9).await.unwrap().is_empty(), "not due yet");
    assert_eq!(numbers(store.claim_messages(at(0), LEASE, 9).await.unwrap()), [1, 3, 4]);
    assert!(store.claim_messages(at(1), LEASE, 9).await.unwrap().is_empty(), "the first is hidden and holds back the second");
    // The first failed and waits for its next attempt: the second still waits behind it.
    let later = OutboxMessage { attempts: 1, next_attempt_at: at(500), ..first.clone() };
    store.commit(queued(&later)).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(100), LEASE, 9).await.unwrap()), [3, 4]);
    store.commit(queued(&OutboxMessage { state: OutboxState::Delivered, ..first })).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(100), LEASE, 9).await.unwrap()), [2]);
}

pub async fn a_released_message_comes_again_when_its_next_try_is_due(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let first = message(&ticket, 1, "ops");
    store.commit(queued(&first)).await.unwrap();
    assert_eq!(store.claim_messages(at(0), LEASE, 9).await.unwrap(), std::slice::from_ref(&first));
    // The next try is due long before the lease ends.
    let later = OutboxMessage { attempts: 1, next_attempt_at: at(5), ..first };
    store.commit(queued(&later)).await.unwrap();
    assert!(store.claim_messages(at(5), LEASE, 9).await.unwrap().is_empty(), "due, and hidden by its lease");
    store.release_message(later.id).await.unwrap();
    assert!(store.claim_messages(at(4), LEASE, 9).await.unwrap().is_empty(), "released, and not due");
    assert_eq!(store.claim_messages(at(5), LEASE, 9).await.unwrap(), [later]);
}
