//! The contracts: each a function that any store must pass, named by what it promises.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sluicegate::{
    domain::{
        approval::{Caps, Mode, Modes, PreApproval},
        delivery::DeadLetter,
        digest::Digest,
        entry::{Entry, Event},
        execution::{Execution, ExecutionState},
        id::{DeadLetterId, PreApprovalId, TicketId, TokenId},
        name::PersonId,
        outbox::{OutboxMessage, OutboxState},
        principal::{Actor, Role, Token},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
        verdict::Decision,
    },
    log::{
        hash::{self, Hash},
        proof::{self, Plan},
        tree::{Frontier, TileId},
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::{EntryFilter, Page, Store, StoreError, TicketFilter},
    },
};

use super::samples::*;

const LEASE: Duration = Duration::from_secs(30);

fn first_page<T>() -> Page<T> {
    Page { before: None, limit: 500 }
}

pub fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

async fn received(store: &dyn Store, n: u64) -> Ticket {
    let ticket = ticket(&tenant(), n);
    store.commit(intake(&ticket)).await.unwrap();
    ticket
}

/// The root that an auditor computes from the entries alone.
pub async fn recomputed_root(store: &dyn Store) -> (u64, Hash) {
    let mut frontier = Frontier::default();
    loop {
        let entries = store.entry_range(frontier.size(), 300).await.unwrap();
        if entries.is_empty() {
            return (frontier.size(), frontier.root());
        }
        for entry in entries {
            assert_eq!(entry.index, frontier.size(), "an index is missing or twice");
            assert_eq!(entry.entry.bytes().unwrap(), entry.bytes);
            frontier.append(hash::leaf(&entry.bytes));
        }
    }
}

/// The root that the store's tiles give.
pub async fn tiles_root(store: &dyn Store) -> (u64, Hash) {
    let size = store.log_size().await.unwrap();
    let mut tiles = std::collections::BTreeMap::new();
    // Three levels hold 16 million entries, more than any test.
    for level in 0..3 {
        let tile = TileId { level, index: size >> (8 * (u32::from(level) + 1)) };
        tiles.insert(tile, store.tile(tile.level, tile.index).await.unwrap());
    }
    let frontier = Frontier::load(size, |id| Ok::<_, ()>(tiles.remove(&id).unwrap_or_default())).unwrap();
    (size, frontier.root())
}

pub async fn what_is_committed_reads_back(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    assert_eq!(store.ticket(&tenant(), ticket.id).await.unwrap(), Some(ticket.clone()));
    assert_eq!(store.ticket_of(&tenant(), &source(), "1").await.unwrap(), Some(ticket.clone()));
    assert_eq!(store.delivery(&tenant(), ticket.delivery).await.unwrap(), Some(delivery_of(&ticket)));
    assert_eq!(store.shape_count(&tenant(), &shape(), at(1)).await.unwrap(), 1, "the instant itself counts");
    assert_eq!(store.shape_count(&tenant(), &shape(), at(2)).await.unwrap(), 0);

    let recommendation = recommendation(&ticket, 1, Decision::NeedsApproval);
    let execution = execution(&ticket, 1, at(1));
    let message = message(&ticket, 1, "ops");
    let pre_approval = PreApproval {
        form: PreApproval::FORM,
        id: PreApprovalId::new(at(1), 1),
        tenant: tenant(),
        runbook: runbook(),
        digest: version(),
        mode: Mode::Auto,
        caps: Caps::default(),
        sources: BTreeSet::new(),
        approver: PersonId::new("ana").unwrap(),
        created_at: at(1),
        expires_at: at(1000),
        revoked: None,
    };
    let token = Token {
        id: TokenId::new(at(1), 1),
        tenant: tenant(),
        person: PersonId::new("ana").unwrap(),
        roles: BTreeSet::from([Role::Approver, Role::Auditor]),
        secret: Digest::of(b"the secret"),
        created_at: at(1),
        expires_at: None,
        revoked_at: None,
    };
    let modes = Modes { global: Mode::Auto, revision: 1, ..Modes::default() };
    assert_eq!(store.modes(&tenant()).await.unwrap(), Modes::default(), "nobody set any yet");
    let change = Change {
        // What refers to another row comes before it: the order inside a change is the caller's.
        writes: vec![
            Write::Message(Box::new(message.clone())),
            Write::Execution(Box::new(execution.clone())),
            Write::Recommendation(Box::new(recommendation.clone())),
            Write::PreApproval(pre_approval.clone()),
            Write::Token(token.clone()),
            Write::Modes { tenant: tenant(), modes: modes.clone() },
        ],
        expect: vec![Expectation::ModesRevision { tenant: tenant(), revision: 0 }],
        entries: Vec::new(),
    };
    let committed = store.commit(change).await.unwrap();
    assert_eq!(committed.first_index, 1, "without entries it is the log's size");

    assert_eq!(store.recommendation(&tenant(), recommendation.id).await.unwrap(), Some(recommendation.clone()));
    assert_eq!(store.recommendation_for(&tenant(), ticket.id).await.unwrap(), Some(recommendation.clone()));
    assert_eq!(store.recommendations(&tenant(), None, first_page()).await.unwrap(), std::slice::from_ref(&recommendation));
    assert!(store.recommendations(&tenant(), Some(RecommendationState::Expired), first_page()).await.unwrap().is_empty());
    assert_eq!(store.execution(&tenant(), execution.id).await.unwrap(), Some(execution.clone()));
    assert_eq!(store.executions_for(&tenant(), ticket.id).await.unwrap(), [execution]);
    assert_eq!(store.messages(&tenant(), Some(OutboxState::Waiting), first_page()).await.unwrap(), std::slice::from_ref(&message));
    assert_eq!(store.messages_for(&tenant(), ticket.id).await.unwrap(), [message]);
    assert_eq!(store.pre_approvals(&tenant(), None).await.unwrap(), std::slice::from_ref(&pre_approval));
    assert_eq!(store.pre_approvals(&tenant(), Some(&runbook())).await.unwrap(), [pre_approval]);
    assert_eq!(store.token(&token.secret).await.unwrap(), Some(token.clone()));
    assert_eq!(store.token(&Digest::of(b"another")).await.unwrap(), None);
    assert_eq!(store.tokens(&tenant()).await.unwrap(), [token]);
    assert_eq!(store.modes(&tenant()).await.unwrap(), modes);
    store.check().await.unwrap();
}

pub async fn one_tenant_never_sees_anothers(store: Arc<dyn Store>) {
    let mine = received(&*store, 1).await;
    let theirs = ticket(&other_tenant(), 2);
    store.commit(intake(&theirs)).await.unwrap();
    assert_eq!(store.ticket(&tenant(), theirs.id).await.unwrap(), None);
    assert_eq!(store.delivery(&tenant(), theirs.delivery).await.unwrap(), None);
    assert_eq!(store.ticket_of(&tenant(), &source(), "2").await.unwrap(), None);
    assert_eq!(store.tickets(&tenant(), &TicketFilter::default(), first_page()).await.unwrap(), [mine]);
    assert_eq!(store.shape_count(&other_tenant(), &shape(), at(0)).await.unwrap(), 1);
    let entries = store.entries(&other_tenant(), &EntryFilter::default(), first_page()).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1]);

    // A write under another tenant's id changes nothing.
    let stolen = Ticket { tenant: tenant(), state: TicketState::Resolved, ..theirs.clone() };
    let change = Change { writes: vec![Write::Ticket { ticket: Box::new(stolen), shape: shape() }], ..Change::default() };
    assert!(store.commit(change).await.is_err());
    assert_eq!(store.ticket(&other_tenant(), theirs.id).await.unwrap(), Some(theirs));
}

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
            Write::Message(Box::new(message(&super::samples::ticket(&tenant(), 99), 4, "ops"))), // of a ticket that is not there
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

pub async fn only_what_awaits_approval_expires(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let waits = recommendation(&ticket, 1, Decision::NeedsApproval);
    let shown = recommendation(&ticket, 2, Decision::RecommendOnly);
    let done = Recommendation { state: RecommendationState::Approved, ..recommendation(&ticket, 3, Decision::NeedsApproval) };
    let writes = [&waits, &shown, &done].map(|r| Write::Recommendation(Box::new(r.clone()))).to_vec();
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    assert!(store.expired_recommendations(waits.expires_at, 9).await.unwrap().is_empty(), "its last instant is still good");
    assert_eq!(store.expired_recommendations(at(10_000), 9).await.unwrap(), [waits]);
    assert_eq!(store.recommendation_for(&tenant(), ticket.id).await.unwrap(), Some(done), "the newest");
}

pub async fn outcomes_count_runs_and_rejections_of_one_version(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    for (n, state) in (1..).zip(ExecutionState::ALL) {
        store.commit(written(&Execution { state, ..execution(&ticket, n, at(10)) })).await.unwrap();
    }
    let old = Execution { runbook_digest: Digest::of(b"old"), state: ExecutionState::Failed, ..execution(&ticket, 90, at(10)) };
    store.commit(written(&old)).await.unwrap();
    let rejected = Recommendation { state: RecommendationState::Rejected, ..recommendation(&ticket, 1, Decision::NeedsApproval) };
    let open = recommendation(&ticket, 2, Decision::NeedsApproval);
    let writes = [rejected, open].map(|r| Write::Recommendation(Box::new(r))).to_vec();
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    let found = store.outcomes(&tenant(), &runbook(), &version()).await.unwrap();
    // Succeeded, rolled back, failed, in doubt, and one rejection; all but the first are wrong.
    assert_eq!((found.known, found.wrong), (5, 4));
}

pub async fn lists_come_newest_first_page_by_page(store: Arc<dyn Store>) {
    for n in 1..=25 {
        let ticket = received(&*store, n).await;
        if n % 5 == 0 {
            store.commit(moved(&ticket, TicketState::Triaged).1).await.unwrap();
        }
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = store.tickets(&tenant(), &TicketFilter::default(), Page { before, limit: 10 }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|ticket| ticket.report.external_id.parse::<u64>().unwrap()));
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());

    let triaged = TicketFilter { states: vec![TicketState::Triaged, TicketState::Resolved], source: Some(source()) };
    assert_eq!(store.tickets(&tenant(), &triaged, first_page()).await.unwrap().len(), 5);
    let counts = store.ticket_counts(&tenant()).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(TicketState::Received, 20), (TicketState::Triaged, 5)]);

    let all = store.entries(&tenant(), &EntryFilter::default(), Page { before: Some(20), limit: 3 }).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.index).collect::<Vec<_>>(), [19, 18, 17]);
    let count = |filter: EntryFilter| {
        let store = Arc::clone(&store);
        async move { store.entries(&tenant(), &filter, first_page()).await.unwrap().len() }
    };
    let any = EntryFilter::default;
    assert_eq!(count(EntryFilter { ticket: Some(ticket(&tenant(), 5).id), ..any() }).await, 2);
    assert_eq!(count(EntryFilter { event: Some("ticket_moved".to_owned()), ..any() }).await, 5);
    assert_eq!(count(EntryFilter { actor: Some("desk".to_owned()), ..any() }).await, 25);
    assert_eq!(count(EntryFilter { runbook: Some(runbook()), ..any() }).await, 0);
    assert_eq!(count(EntryFilter { from: Some(at(5)), until: Some(at(10)), ..any() }).await, 6, "from is in, until is not");
}

pub async fn the_log_agrees_with_its_tiles_and_proofs(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    // 270 entries cross the border of a tile; some changes carry several.
    let note = |n: u64| Entry::new(tenant(), at(n as i64), Actor::Engine, Event::ServiceStarted { version: format!("{n}") });
    let commits = (0..90u64).map(|n| {
        let store = Arc::clone(&store);
        let change = Change { entries: (0..3).map(|part| note(3 * n + part)).collect(), ..Change::default() };
        tokio::spawn(async move { store.commit(change).await.unwrap().first_index })
    });
    let mut firsts = Vec::new();
    for commit in commits.collect::<Vec<_>>() {
        firsts.push(commit.await.unwrap());
    }
    firsts.sort_unstable();
    assert_eq!(firsts, (0..90).map(|n| 1 + 3 * n).collect::<Vec<_>>(), "entries of one change stand together");

    let (size, root) = recomputed_root(&*store).await;
    assert_eq!(size, 271);
    assert_eq!(tiles_root(&*store).await, (size, root));
    assert_eq!(store.tile(0, 0).await.unwrap().len(), 256);
    assert_eq!(store.tile(0, 1).await.unwrap().len(), 15);
    assert_eq!(store.tile(1, 0).await.unwrap().len(), 1);
    assert!(store.tile(0, 2).await.unwrap().is_empty());

    for index in [0, 1, 255, 256, 270] {
        let plan = Plan::inclusion(index, size).unwrap();
        let mut tiles = std::collections::BTreeMap::new();
        for id in plan.tiles() {
            tiles.insert(id, store.tile(id.level, id.index).await.unwrap());
        }
        let entry = store.entry_range(index, 1).await.unwrap().remove(0);
        let proof = plan.prove(&tiles).unwrap();
        proof::verify_inclusion(&hash::leaf(&entry.bytes), index, size, &proof, &root).unwrap();
    }
    assert_eq!(store.entry_range(0, 1).await.unwrap()[0].entry, intake(&ticket).entries[0]);
}

pub async fn a_closed_store_says_so(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    store.close().await.unwrap();
    assert!(matches!(store.commit(intake(&ticket)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ticket(&tenant(), ticket.id).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    store.close().await.unwrap();
}

/// Makes a test of every contract; each gets a store of its own from `$make().await`, and closes it.
macro_rules! test_every_contract {
    ($make:path) => {
        $crate::store_contract::contracts::test_every_contract! { $make;
            what_is_committed_reads_back,
            one_tenant_never_sees_anothers,
            a_duplicate_gives_the_first_id_and_its_tickets,
            of_many_equal_deliveries_at_once_one_is_stored,
            nothing_of_a_conflicting_change_is_written,
            every_expectation_is_checked,
            caps_are_exact_however_many_commit_at_once,
            each_cap_counts_what_it_says,
            a_claim_hides_work_until_its_lease_ends,
            many_claimers_never_get_the_same_piece,
            executions_are_claimed_when_due_and_until_final,
            messages_of_one_ticket_and_destination_go_in_order,
            only_what_awaits_approval_expires,
            outcomes_count_runs_and_rejections_of_one_version,
            lists_come_newest_first_page_by_page,
            the_log_agrees_with_its_tiles_and_proofs,
            a_closed_store_says_so,
        }
    };
    ($make:path; $($contract:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $contract() {
            let (_folder, store) = $make().await;
            $crate::store_contract::contracts::$contract(std::sync::Arc::clone(&store)).await;
            store.close().await.unwrap();
        }
    )*};
}
pub(crate) use test_every_contract;
