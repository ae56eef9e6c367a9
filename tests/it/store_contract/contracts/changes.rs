//! A change stands or falls as a whole: duplicates, expectations, caps.

use std::{sync::Arc, time::Duration};

use sluicegate::{
    domain::{
        approval::{Caps, PreApproval, Revocation},
        delivery::DeadLetter,
        digest::Digest,
        execution::{Execution, ExecutionState},
        id::{DeadLetterId, PreApprovalId, RecommendationId, TicketId},
        name::PersonId,
        outbox::{OutboxMessage, OutboxState},
        outcome::OutcomeKind,
        principal::Actor,
        state::TicketState,
        ticket::Ticket,
        verdict::Decision,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::{Store, StoreError},
    },
};

use super::super::samples::*;
use super::{conflict, first_page, received, recomputed_root, tiles_root};

pub async fn a_duplicate_gives_the_first_id_and_its_tickets(store: Arc<dyn Store>) {
    let (one, two) = (ticket(&tenant(), 1), ticket(&tenant(), 2));
    let two = Ticket { delivery: one.delivery, ..two };
    let mut change = intake(&one);
    // Both tickets of one POST, the later id first: the answer keeps the order of the first one.
    change.writes.insert(0, Write::Ticket { ticket: Box::new(two.clone()), shape: shape() });
    store.commit(change).await.unwrap();
    // The first ticket was updated since, by another delivery.
    let update = ticket(&tenant(), 3);
    let updated = Ticket { delivery: update.delivery, version: 2, ..one.clone() };
    let change = Change {
        expect: vec![Expectation::TicketVersion { ticket: one.id, version: 1 }],
        writes: vec![Write::Delivery(delivery_of(&update)), Write::Ticket { ticket: Box::new(updated), shape: shape() }],
        ..intake(&update)
    };
    store.commit(change).await.unwrap();

    let again = conflict(store.commit(intake(&one)).await);
    assert_eq!(again, Conflict::DuplicateDelivery { first: one.delivery, tickets: vec![two.id, one.id] });
    let again = conflict(store.commit(intake(&update)).await);
    assert_eq!(again, Conflict::DuplicateDelivery { first: update.delivery, tickets: vec![one.id] });
    let mut same_ticket = intake(&one);
    same_ticket.expect.remove(0);
    assert_eq!(conflict(store.commit(same_ticket).await), Conflict::TicketExists { ticket: one.id });
}

pub async fn of_many_equal_deliveries_at_once_one_is_stored(store: Arc<dyn Store>) {
    let ticket = ticket(&tenant(), 1);
    let commits = (0..50).map(|_| {
        let (store, change) = (Arc::clone(&store), intake(&ticket));
        tokio::spawn(async move { store.commit(change).await })
    });
    let mut stored = 0;
    for commit in commits.collect::<Vec<_>>() {
        match commit.await.unwrap() {
            Ok(_) => stored += 1,
            other => assert_eq!(conflict(other), Conflict::DuplicateDelivery { first: ticket.delivery, tickets: vec![ticket.id] }),
        }
    }
    assert_eq!((stored, store.log_size().await.unwrap()), (1, 1));
}

pub async fn nothing_of_a_conflicting_change_is_written(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let (moved_on, first) = moved(&ticket, TicketState::Triaged);
    store.commit(first.clone()).await.unwrap();
    let size = store.log_size().await.unwrap();
    let mut late = first;
    late.writes.push(Write::Message(Box::new(message(&ticket, 1, "ops"))));
    let found = conflict(store.commit(late).await);
    assert!(matches!(&found, Conflict::Changed { what: "ticket", expected: 1, found: Some(2), .. }), "{found}");
    assert_eq!(store.log_size().await.unwrap(), size);
    assert_eq!(store.ticket(&tenant(), ticket.id).await.unwrap(), Some(moved_on));
    assert!(store.messages_for(&tenant(), ticket.id).await.unwrap().is_empty());

    // A change that breaks half-way, after its first row: nothing of it stays, and its neighbours are not harmed.
    let broken = Change {
        writes: vec![
            Write::Message(Box::new(message(&ticket, 2, "ops"))),
            Write::Message(Box::new(message(&crate::store_contract::samples::ticket(&tenant(), 99), 4, "ops"))), // of a ticket that is not there
        ],
        ..queued(&message(&ticket, 2, "ops"))
    };
    let (good, bad) = tokio::join!(store.commit(queued(&message(&ticket, 3, "ops"))), store.commit(broken));
    good.unwrap();
    assert!(matches!(bad, Err(StoreError::Unavailable(_))), "{bad:?}");
    let left = store.messages_for(&tenant(), ticket.id).await.unwrap();
    assert_eq!(left, [message(&ticket, 3, "ops")]);
    assert_eq!(recomputed_root(&*store).await, tiles_root(&*store).await);
    assert_eq!(store.log_size().await.unwrap(), size + 1);
}

pub async fn every_expectation_is_checked(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let recommendation = recommendation(&ticket, 1, Decision::NeedsApproval);
    let execution = execution(&ticket, 1, at(1));
    let message = message(&ticket, 1, "ops");
    let letter = DeadLetter {
        id: DeadLetterId::new(at(1), 1),
        tenant: tenant(),
        source: source(),
        delivery: ticket.delivery,
        body_digest: Digest::of(b"x"),
        reason: "`id` is missing".to_owned(),
        received_at: at(1),
    };
    let revocation = Revocation { by: PersonId::new("bo").unwrap(), at: at(2), reason: "drill".to_owned() };
    let revoked = PreApproval { id: PreApprovalId::new(at(2), 2), revoked: Some(revocation), ..pre_approval() };
    let key = Write::IdempotencyKey {
        tenant: tenant(),
        key: "k".to_owned(),
        request: Digest::of(b"request"),
        answer: serde_json::json!({"ticket": ticket.id}),
        at: at(1),
    };
    let writes = vec![
        Write::Recommendation(Box::new(recommendation.clone())),
        Write::Execution(Box::new(execution.clone())),
        Write::Message(Box::new(message.clone())),
        Write::DeadLetter(letter.clone()),
        Write::Outcome(Box::new(outcome(&recommendation, OutcomeKind::Verified))),
        Write::DualAuthorization(Box::new(freeze_override(&recommendation))),
        Write::PreApproval(pre_approval()),
        Write::PreApproval(revoked.clone()),
        key,
    ];
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    assert_eq!(store.dead_letters(&tenant(), first_page()).await.unwrap(), std::slice::from_ref(&letter));
    assert_eq!(store.dead_letter(&tenant(), letter.id).await.unwrap(), Some(letter.clone()));

    let expecting = |expectation: Expectation| Change { expect: vec![expectation], ..Change::default() };
    for (holds, fails) in [
        (
            Expectation::TicketVersion { ticket: ticket.id, version: 1 },
            Expectation::TicketVersion { ticket: TicketId::new(at(9), 9), version: 1 },
        ),
        (
            Expectation::RecommendationRevision { recommendation: recommendation.id, revision: 1 },
            Expectation::RecommendationRevision { recommendation: recommendation.id, revision: 0 },
        ),
        (
            Expectation::ExecutionRevision { execution: execution.id, revision: 1 },
            Expectation::ExecutionRevision { execution: execution.id, revision: 2 },
        ),
        (
            Expectation::MessageAttempts { message: message.id, attempts: 0 },
            Expectation::MessageAttempts { message: message.id, attempts: 1 },
        ),
        (
            Expectation::OutcomeRevision { recommendation: recommendation.id, revision: 1 },
            Expectation::OutcomeRevision { recommendation: recommendation.id, revision: 0 },
        ),
        (
            Expectation::OutcomeRevision { recommendation: RecommendationId::new(at(9), 9), revision: 0 },
            Expectation::OutcomeRevision { recommendation: RecommendationId::new(at(9), 9), revision: 1 },
        ),
        (
            Expectation::DualAuthorizationRevision { authorization: freeze_override(&recommendation).id, revision: 1 },
            Expectation::DualAuthorizationRevision { authorization: freeze_override(&recommendation).id, revision: 2 },
        ),
        (Expectation::PreApprovalStands { pre_approval: pre_approval().id }, Expectation::PreApprovalStands { pre_approval: revoked.id }),
        (Expectation::ModesRevision { tenant: tenant(), revision: 0 }, Expectation::ModesRevision { tenant: tenant(), revision: 1 }),
    ] {
        store.commit(expecting(holds)).await.unwrap();
        assert!(matches!(conflict(store.commit(expecting(fails.clone())).await), Conflict::Changed { .. }), "{fails:?}");
    }

    let used = store.commit(expecting(Expectation::NewIdempotencyKey { tenant: tenant(), key: "k".to_owned() })).await;
    let first = Conflict::IdempotencyKeyUsed { request: Digest::of(b"request"), answer: serde_json::json!({"ticket": ticket.id}) };
    assert_eq!(conflict(used), first);
    store.commit(expecting(Expectation::NewIdempotencyKey { tenant: other_tenant(), key: "k".to_owned() })).await.unwrap();

    let delivered = OutboxMessage { state: OutboxState::Delivered, ..message.clone() };
    store.commit(Change { writes: vec![Write::Message(Box::new(delivered))], ..Change::default() }).await.unwrap();
    let done = store.commit(expecting(Expectation::MessageAttempts { message: message.id, attempts: 0 })).await;
    assert!(matches!(conflict(done), Conflict::Changed { found: None, .. }), "a message that no longer waits");

    let replay = || Change {
        expect: vec![Expectation::DeadLetterWaits { dead_letter: letter.id }],
        writes: vec![Write::DeadLetterReplayed(letter.id)],
        ..Change::default()
    };
    store.commit(replay()).await.unwrap();
    assert_eq!(conflict(store.commit(replay()).await), Conflict::DeadLetterGone { dead_letter: letter.id });
    assert!(store.dead_letters(&tenant(), first_page()).await.unwrap().is_empty());
}

pub async fn caps_are_exact_however_many_commit_at_once(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let caps = Caps { per_hour: 5, per_target_hour: 1000, per_requester_hour: 1000, concurrent: 1000 };
    let commits = (0..100).map(|n| {
        let (store, change) = (Arc::clone(&store), start(&execution(&ticket, n, at(100)), caps));
        tokio::spawn(async move { store.commit(change).await })
    });
    let mut started = 0;
    for commit in commits.collect::<Vec<_>>() {
        match commit.await.unwrap() {
            Ok(_) => started += 1,
            other => {
                assert_eq!(conflict(other), Conflict::CapReached { runbook: runbook(), cap: "runbook_hour", used: 5, limit: 5 });
            }
        }
    }
    assert_eq!(started, 5);
    assert_eq!(store.executions_for(&tenant(), ticket.id).await.unwrap().len(), 5);
}

pub async fn each_cap_counts_what_it_says(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let now = at(10_000);
    let wide = Caps { per_hour: 100, per_target_hour: 100, per_requester_hour: 100, concurrent: 100 };
    let base = execution(&ticket, 1, now);
    let hour = Duration::from_secs(3600);
    let runs = [
        // Automatic, in the hour's first instant, still running.
        Execution { state: ExecutionState::Running, ..execution(&ticket, 1, now.minus(hour)) },
        // One moment too old to count for the hour, and finished.
        Execution { state: ExecutionState::Succeeded, ..execution(&ticket, 2, now.minus(hour + Duration::from_millis(1))) },
        // A person's: only counts as running.
        Execution { started_by: Actor::Person(PersonId::new("ana").unwrap()), ..execution(&ticket, 3, now) },
        // Another target and requester, finished.
        Execution {
            target: Digest::of(b"prn-08"),
            requester: None,
            state: ExecutionState::Failed,
            finished_at: Some(now),
            ..execution(&ticket, 4, now)
        },
    ];
    for run in &runs {
        store.commit(written(run)).await.unwrap();
    }
    let used = store.cap_use(&tenant(), &runbook(), &base.target, base.requester.as_ref(), now).await.unwrap();
    assert_eq!((used.runbook_hour, used.target_hour, used.requester_hour, used.running), (2, 1, 1, 2));
    let elsewhere = store.cap_use(&other_tenant(), &runbook(), &base.target, base.requester.as_ref(), now).await.unwrap();
    assert_eq!(elsewhere, Default::default());

    for (caps, cap, used) in [
        (Caps { per_hour: 2, ..wide }, "runbook_hour", 2),
        (Caps { per_target_hour: 1, ..wide }, "target_hour", 1),
        (Caps { per_requester_hour: 1, ..wide }, "requester_hour", 1),
        (Caps { concurrent: 2, ..wide }, "concurrent", 2),
    ] {
        let found = conflict(store.commit(start(&execution(&ticket, 9, now), caps)).await);
        assert_eq!(found, Conflict::CapReached { runbook: runbook(), cap, used, limit: used });
    }
    let nobody_asked = Execution { requester: None, ..execution(&ticket, 9, now) };
    store.commit(start(&nobody_asked, Caps { per_requester_hour: 0, ..wide })).await.unwrap();
}
