//! What the console's lists ask of the store, at 100,000 tickets of which 10,000 wait: a page, counts, a search, an overview.
//!
//! `cargo bench --bench queue [-- FOLDER]`. One reader at a time, nothing is written meanwhile; the pages over HTTP are in
//! `console.rs`. Tickets differ as real ones do: in state, sender, category, priority, words, and who has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    time::{Duration, Instant},
};

use sluicegate::{
    domain::{
        classification::{Classification, Estimate},
        delivery::Delivery,
        digest::Digest,
        execution::{Execution, ExecutionState},
        handling::Handling,
        id::{DeliveryId, ExecutionId, RecommendationId, TicketId},
        name::{PersonId, RunbookId, SourceId, TenantId},
        principal::Actor,
        priority::{Priority, Risk},
        receipt::Receipt,
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::{Report, Requester, Ticket, TicketEvent, TicketKind},
        time::Timestamp,
        verdict::{Decision, Verdict},
    },
    store::{
        change::{Change, Write},
        interface::Store as _,
        sqlite::SqliteStore,
        worklist::{Order, ResponseTargets, Wanted, Whose},
    },
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TICKETS: u64 = 100_000;
/// So many of a thousand are in these states; the rest is resolved, half of it by itself.
const STATES: [(u64, TicketState); 6] = [
    (40, TicketState::AwaitingApproval),
    (70, TicketState::Recommended),
    (90, TicketState::NoRunbook),
    (95, TicketState::Failed),
    (97, TicketState::InDoubt),
    (100, TicketState::Expired),
];
const DAYS: i64 = 90;
const BATCH: u64 = 500;
const TIMES: usize = 300;
/// As the console asks for them.
const ROWS: usize = 61;
const NOW: i64 = 1_790_000_000_000;

const THINGS: [&str; 16] = [
    "Printer",
    "Mailbox",
    "VPN",
    "Laptop",
    "Disk",
    "Certificate",
    "Password",
    "Badge",
    "Monitor",
    "Server",
    "Database",
    "Backup",
    "Phone",
    "Browser",
    "Licence",
    "Share",
];
const TROUBLES: [&str; 12] = [
    "does not answer",
    "is full",
    "is slow since this morning",
    "has expired",
    "was locked",
    "shows an error",
    "cannot be reached",
    "prints nothing",
    "is missing",
    "keeps asking for a password",
    "does not start",
    "needs to be replaced",
];

fn main() -> Outcome<()> {
    // Cargo passes `--bench`; anything else that is no option is the folder.
    let folder = match std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    tokio::runtime::Runtime::new()?.block_on(run(folder.path()))
}

async fn run(folder: &std::path::Path) -> Outcome<()> {
    let path = folder.join("sluicegate.db");
    let (store, now) = (SqliteStore::open(&path)?, Timestamp::from_millis(NOW));
    let began = Instant::now();
    for first in (0..TICKETS).step_by(BATCH as usize) {
        let mut change = Change::default();
        for n in first..first + BATCH {
            change.writes.extend(writes(n, now)?);
        }
        store.commit(change).await?;
    }
    let (tenant, ana) = (TenantId::default(), PersonId::new("ana")?);
    let counts = store.worklist_counts(&tenant, now).await?;
    let waiting = counts.states.values().sum::<u64>() + counts.held;
    println!(
        "{TICKETS} tickets stored in {:.0} s, {} MB; {waiting} wait, {} of them have been taken by one person, {} more are snoozed\n",
        began.elapsed().as_secs_f64(),
        std::fs::metadata(&path)?.len() >> 20,
        counts.by_person.values().sum::<u64>(),
        counts.snoozed
    );
    let queue = || Wanted { awake: Some(true), ..Wanted::default() };
    let text = |text: &str| Some(text.to_owned());
    let ago = |days: u64| now.minus(Duration::from_secs(days * 86_400));
    let (first, newest) = (Order::Due(None), Order::Newest(None));
    let middle = ago(45);
    let lists = [
        ("queue, first page", queue(), first.clone()),
        ("queue, to approve", Wanted { states: vec![TicketState::AwaitingApproval], ..queue() }, first.clone()),
        ("queue, a page in the middle", queue(), Order::Due(Some((middle, TicketId::new(middle, 0))))),
        ("queue, one category", Wanted { category: text("thing-3/kind-1"), ..queue() }, first.clone()),
        ("queue, P1", Wanted { priority: Some(Priority::P1), ..queue() }, first.clone()),
        ("queue, mine", Wanted { whose: Whose::Of(ana.clone()), ..queue() }, first.clone()),
        ("queue, snoozed", Wanted { awake: Some(false), ..queue() }, first.clone()),
        ("queue, a rare word", Wanted { text: text("prn-04217"), ..queue() }, first.clone()),
        ("queue, a common word", Wanted { text: text("printer"), ..queue() }, first),
        ("tickets, newest", Wanted::default(), newest.clone()),
        ("tickets, a page in the middle", Wanted::default(), Order::Newest(Some(TicketId::new(middle, 0)))),
        ("tickets, a rare key", Wanted { text: text("INC0042170"), ..Wanted::default() }, newest.clone()),
        ("tickets, a common word", Wanted { text: text("printer"), ..Wanted::default() }, newest.clone()),
        ("tickets, two common words", Wanted { text: text("printer slow"), ..Wanted::default() }, newest.clone()),
        ("tickets, one letter", Wanted { text: text("p"), ..Wanted::default() }, newest.clone()),
        ("tickets, words nobody wrote", Wanted { text: text("nobodywrotethis"), ..Wanted::default() }, newest.clone()),
        ("tickets of one day", Wanted { from: Some(ago(45)), until: Some(ago(44)), ..Wanted::default() }, newest.clone()),
        (
            "tickets of a category and a month",
            Wanted { category: text("thing-3/kind-1"), from: Some(ago(75)), until: Some(ago(45)), ..Wanted::default() },
            newest.clone(),
        ),
        (
            "tickets resolved by themselves",
            Wanted { states: vec![TicketState::Resolved], automatic: Some(true), from: Some(ago(30)), ..Wanted::default() },
            newest,
        ),
    ];
    let hour = 3600;
    let [p1, p2, p3, p4] = [hour / 4, hour, 8 * hour, 24 * hour].map(Duration::from_secs);
    let targets = ResponseTargets { p1, p2, p3, p4 };
    println!("{:<36} {:>6} {:>9} {:>9} {:>9}", "", "rows", "p50 ms", "p99 ms", "max ms");
    for (name, wanted, order) in lists {
        let found = store.ticket_rows(&tenant, &wanted, order.clone(), ROWS, targets, now).await?.len();
        measured(name, &found.to_string(), TIMES, async || {
            store.ticket_rows(&tenant, &wanted, order.clone(), ROWS, targets, now).await.map(drop)
        })
        .await?;
    }
    measured("counts of the queue", "", TIMES, async || store.worklist_counts(&tenant, now).await.map(drop)).await?;
    measured("categories", "", TIMES, async || store.ticket_categories(&tenant).await.map(drop)).await?;
    for (name, days) in [("overview of 7 days", 7), ("overview of 30 days", 30), ("overview of 90 days", 90)] {
        measured(name, "", 20, async || store.tally(&tenant, ago(days)).await.map(drop)).await?;
    }
    store.close().await?;
    Ok(())
}

async fn measured<E>(name: &str, rows: &str, times: usize, mut what: impl AsyncFnMut() -> Result<(), E>) -> Result<(), E> {
    let mut waits = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        what().await?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!("{name:<36} {rows:>6} {:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0));
    Ok(())
}

/// A number that is the same in every run and has no pattern: SplitMix64.
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Ticket `n` of the last [`DAYS`], with its proposal, its run when it had one, and who has it when somebody does.
fn writes(n: u64, now: Timestamp) -> Outcome<Vec<Write>> {
    let chance = mixed(n);
    let state = STATES.iter().find(|(below, _)| chance % 1000 < *below).map_or(TicketState::Resolved, |(_, state)| *state);
    let age = Duration::from_millis((TICKETS - n) * (DAYS as u64 * 86_400_000) / TICKETS);
    let received = now.minus(age);
    let random = u128::from(mixed(n ^ 0x5555)) << 16 | u128::from(n % 65_536);
    let (tenant, source) = (TenantId::default(), SourceId::new(["desk", "alerts", "mail"][(chance >> 10) as usize % 3])?);
    let (thing, trouble) = ((chance >> 12) as usize % THINGS.len(), (chance >> 16) as usize % TROUBLES.len());
    let title = format!("{} prn-{:05} {}", THINGS[thing], n % 50_000, TROUBLES[trouble]);
    let body = format!("{title}. I tried to turn it off and on again, which did not help. {}", "Could somebody look? ".repeat(20));
    let delivery = Delivery {
        id: DeliveryId::new(received, random),
        tenant: tenant.clone(),
        source: source.clone(),
        dedup_key: format!("{n}"),
        headers: Vec::new(),
        body_digest: Digest::of(body.as_bytes()),
        body: body.clone().into_bytes(),
        received_at: received,
    };
    let ticket = Ticket {
        form: Ticket::FORM,
        id: TicketId::new(received, random),
        tenant: tenant.clone(),
        source,
        delivery: delivery.id,
        report: Report {
            external_id: n.to_string(),
            external_key: Some(format!("INC{n:07}")),
            url: None,
            kind: TicketKind::Incident,
            event: TicketEvent::Opened,
            title: title.as_str().into(),
            body: body.as_str().into(),
            body_is_html: false,
            requester: Some(Requester { id: format!("u-{}", chance % 5000).as_str().into(), email: None, name: None, organization: None }),
            impact: None,
            urgency: None,
            category_hint: None,
            labels: BTreeMap::new(),
            attributes: BTreeMap::new(),
            tags: BTreeSet::new(),
            reported_at: Some(received),
            updated_at: None,
        },
        state,
        version: 3,
        received_at: received,
        updated_at: received.plus(Duration::from_secs(chance % 20_000)),
    };
    let proposal = proposal(&ticket, chance, now)?;
    let mut writes = Vec::new();
    if state == TicketState::Resolved && chance.is_multiple_of(2) {
        let runbook = proposal.runbook.clone().ok_or("a run has a runbook")?;
        writes.push(Write::Execution(Box::new(Execution {
            form: Execution::FORM,
            id: ExecutionId::new(received, random),
            tenant: tenant.clone(),
            ticket: ticket.id,
            recommendation: proposal.id,
            runbook,
            runbook_digest: Digest::of(b"version"),
            parameters: BTreeMap::new(),
            target: Digest::of(&(n % 50_000).to_be_bytes()),
            requester: None,
            started_by: Actor::Engine,
            state: ExecutionState::Succeeded,
            steps: Vec::new(),
            revision: 5,
            created_at: received,
            not_before: received,
            finished_at: Some(received),
            cancel: None,
            undoes: None,
            undone_by: None,
        })));
    }
    if state != TicketState::Resolved && chance.is_multiple_of(3) {
        let mut handling = Handling { revision: 1, ..Handling::of(tenant, ticket.id) };
        let names = ["ana", "bob", "eve"];
        handling.assignee = Some(PersonId::new(names[(chance >> 24) as usize % 3])?);
        handling.snoozed_until = chance.is_multiple_of(5).then(|| now.plus(Duration::from_secs(3600)));
        writes.push(Write::Handling(handling));
    }
    writes.extend([
        Write::Delivery(delivery),
        Write::Ticket { shape: Digest::of(&random.to_be_bytes()), ticket: Box::new(ticket) },
        Write::Recommendation(Box::new(proposal)),
    ]);
    Ok(writes)
}

fn proposal(ticket: &Ticket, chance: u64, now: Timestamp) -> Outcome<Recommendation> {
    let awaits = ticket.state == TicketState::AwaitingApproval;
    let category = format!("thing-{}/kind-{}", (chance >> 20) % 10, (chance >> 30) % 4);
    let received = ticket.received_at;
    let digest = Digest::of(b"version");
    Ok(Recommendation {
        form: Recommendation::FORM,
        id: RecommendationId::new(received, u128::from(chance)),
        tenant: ticket.tenant.clone(),
        ticket: ticket.id,
        ticket_version: ticket.version,
        classification: Classification {
            category: Estimate {
                label: Some(category.clone()),
                ranked: vec![(category, 0.8)],
                threshold: 0.5,
                foreign: false,
                because: Vec::new(),
                near: Vec::new(),
            },
            assignment_group: None,
            kind: TicketKind::Incident,
            priority: Priority::ALL[[3, 3, 3, 2, 2, 1, 0][(chance >> 8) as usize % 7]],
            priority_because: Vec::new(),
            risk: Risk::ALL[[0, 0, 0, 1, 2][(chance >> 6) as usize % 5]],
            risk_because: Vec::new(),
            language: "en".to_owned(),
            flags: Vec::new(),
            signals: Vec::new(),
            entities: Vec::new(),
            model: digest,
            others: BTreeMap::new(),
        },
        runbook: (ticket.state != TicketState::NoRunbook).then(|| RunbookId::new(format!("runbook-{}", chance % 30))).transpose()?,
        runbook_digest: (ticket.state != TicketState::NoRunbook).then_some(digest),
        candidates: Vec::new(),
        parameters: Vec::new(),
        missing: Vec::new(),
        verdict: Verdict {
            decision: if awaits { Decision::NeedsApproval } else { Decision::RecommendOnly },
            reasons: Vec::new(),
            policies: digest,
            approvals_needed: 1,
        },
        allowed: None,
        would_act: false,
        freeze_override: None,
        edit: None,
        receipt: Receipt {
            look_ups: Vec::new(),
            form: Receipt::FORM,
            engine: "bench".to_owned(),
            decided_at: received,
            input: ticket.input_digest()?,
            model: digest,
            signals: digest,
            runbooks: digest,
            policies: digest,
            facts: serde_json::Value::Null,
            outcome: digest,
        },
        state: RecommendationState::Open,
        approvals: Vec::new(),
        revision: 1,
        created_at: received.plus(Duration::from_millis(chance % 900)),
        expires_at: if awaits { now.plus(Duration::from_secs(60 + chance % 86_400)) } else { received },
    })
}
