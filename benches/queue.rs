//! The pages of the console over HTTP at 100,000 tickets of which 10,000 wait, and what stands behind them in the store.
//!
//! `cargo bench --bench queue [-- FOLDER]`. One person with one connection asks for one page at a time; the time is from the
//! request's first byte to the answer's last, in the same process. Workers rest.

mod service;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    time::{Duration, Instant},
};

use service::{Running, at, exchange};
use sluicegate::{
    config::secret::Secret,
    domain::{
        classification::{Classification, Estimate},
        delivery::Delivery,
        digest::Digest,
        execution::{Execution, ExecutionState},
        handling::Handling,
        id::{DeliveryId, ExecutionId, RecommendationId, TicketId},
        name::{PersonId, RunbookId, SourceId, TenantId},
        principal::{Actor, Role},
        priority::{Priority, Risk},
        receipt::Receipt,
        recommendation::{Recommendation, RecommendationState},
        session::SignIn,
        state::TicketState,
        ticket::{Report, Requester, Ticket, TicketEvent, TicketKind},
        time::Timestamp,
        verdict::{Decision, Verdict},
    },
    pipeline::actions::{account, session},
    store::{
        change::{Change, Write},
        interface::{Page, TicketFilter},
    },
};
use tokio::net::TcpStream;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TICKETS: u64 = 100_000;
/// So many of a thousand are in these states; the rest is resolved, half of it by itself.
const WAITING: [(u64, TicketState); 6] = [
    (40, TicketState::AwaitingApproval),
    (70, TicketState::Recommended),
    (90, TicketState::NoRunbook),
    (95, TicketState::Failed),
    (97, TicketState::InDoubt),
    (100, TicketState::Expired),
];
const DAYS: i64 = 90;
const BATCH: u64 = 500;
const TIMES: usize = 400;

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
    let running = Running::start(folder, false, |_| {}).await;
    let (service, store) = (running.service.clone(), running.service.store.clone());
    let now = service.ambient.now();
    let started = Instant::now();
    for first in (0..TICKETS).step_by(BATCH as usize) {
        let mut change = Change::default();
        for n in first..first + BATCH {
            change.writes.extend(writes(n, now)?);
        }
        store.commit(change).await?;
    }
    println!("{TICKETS} tickets stored in {:.0} s", started.elapsed().as_secs_f64());
    let (tenant, ana) = (TenantId::default(), PersonId::new("ana@example.com")?);
    let counts = store.worklist_counts(&tenant, &ana, now).await?;
    println!(
        "{} wait, {} of them hers, {} snoozed; the file has {} MB",
        counts.states.values().sum::<u64>() + counts.held,
        counts.mine,
        counts.snoozed,
        std::fs::metadata(folder.join("sluicegate.db"))?.len() >> 20
    );

    let roles = BTreeSet::from([Role::Responder, Role::Approver]);
    let person = account::make(&service, Actor::Engine, &tenant, &ana, roles, &Secret::new("a password for a bench")).await?;
    let session = session::begin(&service, &person, SignIn::Password, "bench").await?;
    let middle = now.minus(Duration::from_secs(45 * 86_400));
    let waiting = store.tickets(&tenant, &awaiting(), Page { before: None, limit: 1 }).await?;
    let waiting = waiting.first().ok_or("nothing waits")?.id;
    let day = |ago: i64| now.minus(Duration::from_secs(ago as u64 * 86_400)).to_string().chars().take(10).collect::<String>();
    let pages: Vec<(&str, String)> = vec![
        ("queue, first page", "/".to_owned()),
        ("queue, to approve", "/?tab=approve".to_owned()),
        ("queue, a page in the middle", format!("/?after={}.{}", middle.as_millis(), TicketId::new(middle, 0))),
        ("queue, one category", "/?category=thing-3%2Fkind-1".to_owned()),
        ("queue, mine", "/?tab=mine".to_owned()),
        ("queue, P1", "/?priority=P1".to_owned()),
        ("queue, a rare word", "/?q=prn-04217".to_owned()),
        ("queue, a common word", "/?q=printer".to_owned()),
        ("tickets, newest", "/tickets".to_owned()),
        ("tickets, a page in the middle", format!("/tickets?before={}", TicketId::new(middle, 0))),
        ("tickets, a rare key", "/tickets?q=INC0042170".to_owned()),
        ("tickets, a common word", "/tickets?q=printer".to_owned()),
        ("tickets, two common words", "/tickets?q=printer+slow".to_owned()),
        ("tickets, one letter", "/tickets?q=p".to_owned()),
        ("tickets, one day", format!("/tickets?from={}&until={}", day(45), day(44))),
        ("tickets, one category of a month", format!("/tickets?category=thing-3%2Fkind-1&from={}", day(30))),
        ("tickets, resolved by itself", format!("/tickets?automatic=yes&from={}", day(30))),
        ("tickets, nothing found", "/tickets?q=nobodywrotethis".to_owned()),
        ("ticket", format!("/tickets/{waiting}")),
        ("overview, 30 days", "/overview".to_owned()),
        ("overview, 90 days", "/overview?days=90".to_owned()),
    ];
    let mut stream = TcpStream::connect(running.address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    println!("{:<36} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "first ms", "p50 ms", "p99 ms", "max ms", "kB");
    for (name, path) in pages {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: sluicegate={}\r\nsec-fetch-site: same-origin\r\n\r\n", session.text);
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let asked = Instant::now();
            let status = exchange(&mut stream, request.as_bytes(), &mut buffer).await?;
            times.push(asked.elapsed());
            if status != 200 {
                return Err(format!("`{path}` gave {status}: {}", String::from_utf8_lossy(&buffer)).into());
            }
        }
        let first = times[0];
        times.sort_unstable();
        let kb = buffer.len() / 1024;
        println!(
            "{name:<36} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {kb:>8}",
            first.as_secs_f64() * 1e3,
            at(&times, 0.5),
            at(&times, 0.99),
            at(&times, 1.0)
        );
    }
    for days in [7, 30, 90] {
        let mut times = Vec::new();
        for _ in 0..10 {
            let asked = Instant::now();
            store.tally(&tenant, now.minus(Duration::from_secs(days * 86_400))).await?;
            times.push(asked.elapsed());
        }
        times.sort_unstable();
        println!("the counts of an overview of {days:<2} days  p50 {:.0} ms, max {:.0} ms", at(&times, 0.5), at(&times, 1.0));
    }
    running.stop().await;
    Ok(())
}

fn awaiting() -> TicketFilter {
    TicketFilter { states: vec![TicketState::AwaitingApproval], source: None }
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
    let state = WAITING.iter().find(|(below, _)| chance % 1000 < *below).map_or(TicketState::Resolved, |(_, state)| *state);
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
        let names = ["ana@example.com", "bob@example.com", "eve@example.com"];
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
            category: Estimate { label: Some(category.clone()), ranked: vec![(category, 0.8)], threshold: 0.5, because: Vec::new() },
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
