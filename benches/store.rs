//! Durable deliveries per second through the embedded store, beside what the disk itself can sync.
//!
//! `cargo bench --bench store [-- FOLDER]`; the folder decides which disk is measured (default: the system's
//! temporary one). Every submitter commits one delivery with its ticket and log entry, waits for the answer,
//! and goes on; the raw rate is that of one thread that appends a page and syncs it, in the same folder and run.

use std::{
    error::Error,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sluicegate::{
    domain::{
        delivery::Delivery,
        digest::Digest,
        entry::{Entry, Event},
        id::{DeliveryId, TicketId},
        name::{SourceId, TenantId},
        principal::Actor,
        state::TicketState,
        ticket::{Report, Requester, Ticket, TicketEvent, TicketKind},
        time::Timestamp,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::Store,
        sqlite::SqliteStore,
    },
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const RUN: Duration = Duration::from_secs(4);
const RAW: Duration = Duration::from_secs(2);

fn main() -> Outcome<()> {
    // Cargo passes `--bench`; anything else that is no option is the folder.
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = match folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    println!("{:<28} {:>10} {:>9} {:>9} {:>9}", "", "per second", "p50 ms", "p99 ms", "max ms");
    let raw = raw_syncs(folder.path())?;
    row("raw append + fdatasync", &raw, RAW);
    let runtime = tokio::runtime::Runtime::new()?;
    for submitters in [1, 64, 512] {
        let path = folder.path().join(format!("store-{submitters}.db"));
        let (waits, entries) = runtime.block_on(deliveries(&path, submitters))?;
        row(&format!("{submitters} submitters"), &waits, RUN);
        // What is counted is what an auditor would find.
        assert_eq!(waits.len() as u64, entries, "acknowledged and logged differ");
    }
    Ok(())
}

fn row(what: &str, waits: &[Duration], over: Duration) {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).copied();
    let millis = |wait: Option<Duration>| wait.map_or(0.0, |wait| wait.as_secs_f64() * 1000.0);
    println!(
        "{what:<28} {:>10.0} {:>9.2} {:>9.2} {:>9.2}",
        waits.len() as f64 / over.as_secs_f64(),
        millis(at(0.5)),
        millis(at(0.99)),
        millis(at(1.0))
    );
}

fn raw_syncs(folder: &Path) -> Outcome<Vec<Duration>> {
    let mut file = File::create(folder.join("raw"))?;
    let page = [7u8; 4096];
    let (begin, mut waits) = (Instant::now(), Vec::new());
    while begin.elapsed() < RAW {
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        waits.push(start.elapsed());
    }
    Ok(waits)
}

async fn deliveries(path: &Path, submitters: u64) -> Outcome<(Vec<Duration>, u64)> {
    let store = Arc::new(SqliteStore::open(path)?);
    let numbers = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + RUN;
    let tasks: Vec<_> = (0..submitters)
        .map(|_| {
            let (store, numbers) = (Arc::clone(&store), Arc::clone(&numbers));
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while Instant::now() < end {
                    let change = delivery(numbers.fetch_add(1, Ordering::Relaxed))?;
                    let start = Instant::now();
                    store.commit(change).await?;
                    waits.push(start.elapsed());
                }
                Outcome::Ok(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let entries = store.log_size().await?;
    store.close().await?;
    Ok((waits, entries))
}

/// What intake commits for one webhook of about 1 kB.
fn delivery(n: u64) -> Outcome<Change> {
    let at = Timestamp::from_millis(1_790_000_000_000 + n as i64);
    // The low bits are random in production; a multiplicative hash spreads them alike.
    let random = u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 16 | u128::from(n);
    let (tenant, source) = (TenantId::default(), SourceId::new("desk")?);
    let body = format!("{{\"id\":{n},\"title\":\"Nothing comes out of prn-{}\",\"body\":\"{}\"}}", n % 1000, "14 jobs wait. ".repeat(60));
    let delivery = Delivery {
        id: DeliveryId::new(at, random),
        tenant: tenant.clone(),
        source: source.clone(),
        dedup_key: format!("msg_{random:032x}"),
        headers: vec![("content-type".to_owned(), "application/json".to_owned()), ("user-agent".to_owned(), "desk/1".to_owned())],
        body_digest: Digest::of(body.as_bytes()),
        body: body.clone().into_bytes(),
        received_at: at,
    };
    let ticket = Ticket {
        form: Ticket::FORM,
        id: TicketId::new(at, random),
        tenant: tenant.clone(),
        source: source.clone(),
        delivery: delivery.id,
        report: Report {
            external_id: n.to_string(),
            external_key: Some(format!("INC{n:07}")),
            url: None,
            kind: TicketKind::Incident,
            event: TicketEvent::Opened,
            title: "Nothing comes out of the printer".into(),
            body: body.as_str().into(),
            body_is_html: false,
            requester: Some(Requester { id: "u-1".into(), email: Some("ana@example.com".into()), name: None, organization: None }),
            impact: None,
            urgency: None,
            category_hint: None,
            labels: Default::default(),
            attributes: Default::default(),
            tags: Default::default(),
            reported_at: Some(at),
            updated_at: None,
        },
        state: TicketState::Received,
        version: 1,
        received_at: at,
        updated_at: at,
    };
    let external_id = ticket.report.external_id.clone();
    let event = Event::TicketReceived {
        ticket: ticket.id,
        delivery: delivery.id,
        source: source.clone(),
        external_id: external_id.clone(),
        input: ticket.input_digest()?,
    };
    Ok(Change {
        expect: vec![
            Expectation::NewDelivery { tenant: tenant.clone(), source: source.clone(), dedup_key: delivery.dedup_key.clone() },
            Expectation::NewTicket { tenant: tenant.clone(), source: source.clone(), external_id },
        ],
        writes: vec![Write::Delivery(delivery), Write::Ticket { ticket: Box::new(ticket), shape: Digest::of(&random.to_be_bytes()) }],
        entries: vec![Entry::new(tenant, at, Actor::Source(source), event)],
    })
}
