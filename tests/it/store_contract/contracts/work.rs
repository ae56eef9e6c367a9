//! Claims hide work until their leases end, and messages keep their order.

use std::{collections::BTreeSet, sync::Arc};

use sluicegate::{
    domain::{
        endpoint::{Endpoint, EndpointState},
        execution::{Execution, ExecutionState},
        outbox::{OutboxMessage, OutboxState},
        state::TicketState,
        ticket::Ticket,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::Store,
    },
};

use super::super::samples::*;
use super::{LEASE, conflict, received};

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
    assert!(store.claim_messages(at(-1), LEASE, 9, 9).await.unwrap().is_empty(), "not due yet");
    assert_eq!(numbers(store.claim_messages(at(0), LEASE, 9, 9).await.unwrap()), [1, 3, 4]);
    assert!(store.claim_messages(at(1), LEASE, 9, 9).await.unwrap().is_empty(), "the first is hidden and holds back the second");
    // The first failed and waits for its next attempt: the second still waits behind it.
    let later = OutboxMessage { attempts: 1, next_attempt_at: at(500), ..first.clone() };
    store.commit(queued(&later)).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(100), LEASE, 9, 9).await.unwrap()), [3, 4]);
    store.commit(queued(&OutboxMessage { state: OutboxState::Delivered, ..first })).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(100), LEASE, 9, 9).await.unwrap()), [2]);
}

pub async fn a_released_message_comes_again_when_its_next_try_is_due(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let first = message(&ticket, 1, "ops");
    store.commit(queued(&first)).await.unwrap();
    assert_eq!(store.claim_messages(at(0), LEASE, 9, 9).await.unwrap(), std::slice::from_ref(&first));
    // The next try is due long before the lease ends.
    let later = OutboxMessage { attempts: 1, next_attempt_at: at(5), ..first };
    store.commit(queued(&later)).await.unwrap();
    assert!(store.claim_messages(at(5), LEASE, 9, 9).await.unwrap().is_empty(), "due, and hidden by its lease");
    store.release_message(later.id).await.unwrap();
    assert!(store.claim_messages(at(4), LEASE, 9, 9).await.unwrap().is_empty(), "released, and not due");
    assert_eq!(store.claim_messages(at(5), LEASE, 9, 9).await.unwrap(), [later]);
}

/// Of one destination so many at a time, however many wait; the others' turn does not wait for them.
pub async fn one_destination_never_takes_all_the_room(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let unordered = |n: u64, to: &str| OutboxMessage { ticket: None, ..message(&ticket, n, to) };
    for n in 0..20 {
        store.commit(queued(&unordered(n, "slow"))).await.unwrap();
    }
    store.commit(queued(&unordered(100, "fast"))).await.unwrap();
    let claim = |second: i64, limit: usize| {
        let store = Arc::clone(&store);
        async move {
            let claimed = store.claim_messages(at(second), LEASE, limit, 4).await.unwrap();
            let to = |name: &str| claimed.iter().filter(|message| message.destination.key() == format!("webhook/{name}")).count();
            (to("slow"), to("fast"), claimed)
        }
    };
    let (slow, fast, claimed) = claim(1, 50).await;
    assert_eq!((slow, fast), (4, 1));
    assert_eq!(claim(1, 50).await.2.len(), 0, "four of the slow one's are under way");
    store.release_message(claimed[0].id).await.unwrap();
    let (slow, _, again) = claim(1, 50).await;
    assert_eq!((slow, again[0].id), (1, claimed[0].id));
    assert_eq!(claim(40, 2).await.2.len(), 2, "leases ended, and the limit holds over all");
    let mut tenants: BTreeSet<_> = BTreeSet::new();
    let other = OutboxMessage { tenant: other_tenant(), ..unordered(200, "slow") };
    store.commit(queued(&other)).await.unwrap();
    for message in store.claim_messages(at(100), LEASE, 50, 1).await.unwrap() {
        tenants.insert((message.tenant.to_string(), message.destination.key()));
    }
    assert_eq!(tenants.len(), 3, "a tenant's receiver is its own");
}

/// What is meant for a disabled endpoint waits, whenever it was queued, and goes on when a person enables the endpoint.
pub async fn messages_of_a_disabled_endpoint_wait_until_it_is_enabled(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let unordered = |n: u64, to: &str| OutboxMessage { ticket: None, ..message(&ticket, n, to) };
    let put = |endpoint: &Endpoint, revision: u64| Change {
        expect: vec![Expectation::EndpointRevision { tenant: tenant(), destination: endpoint.destination.clone(), revision }],
        writes: vec![Write::Endpoint(endpoint.clone())],
        entries: Vec::new(),
    };
    let works =
        || Change { writes: vec![Write::EndpointWorks { tenant: tenant(), destination: "webhook/ops".to_owned() }], ..Change::default() };
    let numbers = |messages: Vec<OutboxMessage>| messages.iter().map(|message| message.id).collect::<BTreeSet<_>>();
    store.commit(queued(&unordered(1, "ops"))).await.unwrap();
    assert_eq!(store.endpoint(&tenant(), "webhook/ops").await.unwrap(), None);

    let failing = Endpoint::new(tenant(), "webhook/ops".to_owned()).after_failure(at(1), None, false, "503").unwrap();
    store.commit(put(&failing, 0)).await.unwrap();
    assert!(matches!(conflict(store.commit(put(&failing, 0)).await), Conflict::Changed { found: Some(1), .. }));
    assert_eq!(store.endpoint(&tenant(), "webhook/ops").await.unwrap(), Some(failing));
    store.commit(works()).await.unwrap();
    let working = store.endpoint(&tenant(), "webhook/ops").await.unwrap().unwrap();
    assert_eq!((&working.state, working.revision), (&EndpointState::Working, 2), "it works again");
    store.commit(works()).await.unwrap();
    assert_eq!(store.endpoint(&tenant(), "webhook/ops").await.unwrap(), Some(working.clone()), "of one that worked nothing is written");

    let disabled = working.after_failure(at(2), None, true, "410").unwrap();
    store.commit(put(&disabled, 2)).await.unwrap();
    store.commit(works()).await.unwrap();
    assert_eq!(store.endpoints(&tenant()).await.unwrap(), std::slice::from_ref(&disabled), "only a person enables it");
    for late in [unordered(2, "ops"), unordered(3, "audit")] {
        store.commit(queued(&late)).await.unwrap();
    }
    let again = OutboxMessage { attempts: 1, ..unordered(1, "ops") };
    store.commit(queued(&again)).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(9), LEASE, 9, 9).await.unwrap()), [unordered(3, "audit").id].into());
    let elsewhere = OutboxMessage { tenant: other_tenant(), ..unordered(4, "ops") };
    store.commit(queued(&elsewhere)).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(9), LEASE, 9, 9).await.unwrap()), [elsewhere.id].into(), "another tenant's is another");
    store.commit(put(&disabled.enabled().unwrap(), disabled.revision)).await.unwrap();
    assert_eq!(numbers(store.claim_messages(at(9), LEASE, 9, 9).await.unwrap()), [again.id, unordered(2, "ops").id].into());
}

/// A message that was delivered or given up is put on its way again once, by whoever saw how it stood.
pub async fn a_settled_message_is_sent_again_by_whoever_saw_it_so(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let mut first = message(&ticket, 1, "ops");
    store.commit(queued(&first)).await.unwrap();
    let again = |message: &OutboxMessage, attempts: u32| {
        let mut next = message.clone();
        next.start_anew(at(50));
        let expect = vec![Expectation::MessageSettled { message: message.id, attempts }];
        Change { expect, ..queued(&next) }
    };
    assert!(matches!(conflict(store.commit(again(&first, 0)).await), Conflict::Changed { found: None, .. }), "it still waits");
    first.begin(at(1));
    first.state = OutboxState::Dead;
    store.commit(queued(&first)).await.unwrap();
    assert!(matches!(conflict(store.commit(again(&first, 0)).await), Conflict::Changed { found: Some(1), .. }));
    store.commit(again(&first, 1)).await.unwrap();
    conflict(store.commit(again(&first, 1)).await);
    let stored = store.message(&tenant(), first.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.attempts, stored.round(), stored.log.len()), (OutboxState::Waiting, 1, 0, 1));
    assert_eq!(store.message(&other_tenant(), first.id).await.unwrap(), None);
    assert_eq!(store.claim_messages(at(50), LEASE, 9, 9).await.unwrap(), [stored]);
}
