//! Tickets like another one at 1,000,000 resolved tickets: time, memory, and how many of the truly nearest are found.
//!
//! `cargo bench --bench similar [-- TICKETS [FOLDER]]`. Texts are complaints of the category catalogue put together and
//! varied, so that there are near and far ones. One search at a time, nothing is written meanwhile.

use std::{
    collections::HashMap,
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use sluicegate::{
    cli::assemble,
    config::Config,
    domain::{
        delivery::Delivery,
        digest::Digest,
        id::{DeliveryId, TicketId},
        name::{SourceId, TenantId},
        state::TicketState,
        ticket::{Report, Ticket},
        time::Timestamp,
    },
    pipeline::service::Service,
    store::change::{Change, Write},
    text::embedding::{Embedder, EmbeddingKind},
    triage::{
        Catalogue,
        similar::{Codes, cosine, quantise},
    },
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const TICKETS: usize = 1_000_000;
const BATCH: usize = 1_000;
const SEARCHES: usize = 1_000;
const MEASURED: usize = 50;
const NEAREST: usize = 10;

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}

/// Two complaints, a third of their words left out, and a host and a number.
fn text(complaints: &[String], draw: &mut Draw) -> (String, String) {
    let some = |draw: &mut Draw| -> String {
        let words: Vec<&str> = complaints[draw.below(complaints.len())].split(' ').collect();
        words.into_iter().filter(|_| draw.below(3) > 0).collect::<Vec<_>>().join(" ")
    };
    let (title, body) = (some(draw), some(draw));
    (title, format!("{body} on srv-{} since {} days", draw.below(2_000), draw.below(40)))
}

fn ticket(number: usize, (title, body): (String, String)) -> Outcome<(Delivery, Ticket)> {
    let at = Timestamp::from_millis(1_700_000_000_000 + number as i64);
    let delivery = Delivery {
        id: DeliveryId::new(at, number as u128),
        tenant: TenantId::default(),
        source: SourceId::new("desk")?,
        dedup_key: number.to_string(),
        headers: Vec::new(),
        body: Vec::new(),
        body_digest: Digest::of(b""),
        received_at: at,
    };
    let report: Report = serde_json::from_value(serde_json::json!({
        "external_id": number.to_string(), "kind": "incident", "event": "resolved", "title": title, "body": body,
        "body_is_html": false, "labels": {}, "attributes": {}, "tags": [],
    }))?;
    let ticket = Ticket {
        form: Ticket::FORM,
        id: TicketId::new(at, number as u128),
        tenant: TenantId::default(),
        source: delivery.source.clone(),
        delivery: delivery.id,
        version: 1,
        state: TicketState::Resolved,
        report,
        received_at: at,
        updated_at: at,
    };
    Ok((delivery, ticket))
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let tickets = arguments.next().map_or(Ok(TICKETS), |number| number.parse())?;
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    sluicegate::cli::runtime()?.block_on(run(folder.path(), tickets))
}

async fn run(folder: &Path, tickets: usize) -> Outcome<()> {
    let mut config = Config::default();
    config.store.folder = folder.to_owned();
    let service = assemble::service(config).await?;
    let catalogue = Catalogue::load(Path::new("models/catalogue.toml"))?;
    let complaints: Vec<String> = catalogue.iter().flat_map(|category| category.examples.iter().cloned()).collect();
    let mut draw = Draw(7);
    let began = Instant::now();
    for first in (0..tickets).step_by(BATCH) {
        let mut change = Change::default();
        for number in first..(first + BATCH).min(tickets) {
            let (delivery, ticket) = ticket(number, text(&complaints, &mut draw))?;
            change.writes.extend([Write::Delivery(delivery), service.write_ticket(ticket)]);
        }
        service.store.commit(change).await?;
    }
    println!("{tickets} resolved tickets stored in {:.0} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    while service.similar.fill(&service).await? > 0 {}
    let (codes, bytes) = service.similar.size();
    println!("{codes} vectors made and stored in {:.0} s; the index holds {:.0} MB", began.elapsed().as_secs_f64(), bytes as f64 / 1e6);
    search(&service, &complaints, &mut draw, tickets).await?;
    recall(&service, &complaints, &mut draw, tickets).await?;
    service.store.close().await?;
    Ok(())
}

async fn search(service: &Service, complaints: &[String], draw: &mut Draw, tickets: usize) -> Outcome<()> {
    let mut times = Vec::new();
    let mut found = 0;
    for number in 0..SEARCHES {
        let (_, asked) = ticket(tickets + number, text(complaints, draw))?;
        let began = Instant::now();
        found += service.similar.nearest(service, &asked, NEAREST).await?.len();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let mean = times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64 * 1e3;
    println!(
        "{SEARCHES} searches, embedding and tickets read included: mean {mean:.1} ms, p50 {:.1} ms, p99 {:.1} ms; {:.1} found each",
        at(0.5),
        at(0.99),
        found as f64 / SEARCHES as f64
    );
    Ok(())
}

/// Of the ten nearest by all bytes of all vectors, how many are among the nearest codes.
async fn recall(service: &Service, complaints: &[String], draw: &mut Draw, tickets: usize) -> Outcome<()> {
    let (mut codes, mut vectors, mut last) = (Codes::default(), HashMap::new(), 0);
    loop {
        let page = service.store.codes_after(last, 50_000).await?;
        let Some(newest) = page.last() else { break };
        last = newest.place;
        let places: Vec<u64> = page.iter().map(|code| code.place).collect();
        page.iter().for_each(|code| codes.add(code.place, &code.code));
        for stored in service.store.vectors_at(&TenantId::default(), &places).await? {
            vectors.insert(stored.place, stored.vector);
        }
    }
    let embedder = Embedder::load(Path::new("models/embedding"), EmbeddingKind::Static)?;
    let mut hits = [0usize; 4];
    for number in 0..MEASURED {
        let (_, asked) = ticket(2 * tickets + number, text(complaints, draw))?;
        let passage = format!("{} {}", asked.report.title.as_untrusted(), asked.report.body.as_untrusted());
        let query = quantise(&embedder.embed_one(&passage));
        let mut exact: Vec<(f64, u64)> = vectors.iter().map(|(place, vector)| (cosine(&query.vector, vector), *place)).collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        let nearest = codes.nearest(&query.code, 800);
        for (hits, most) in hits.iter_mut().zip([100, 200, 400, 800]) {
            let near = &nearest[..most.min(nearest.len())];
            *hits += exact.iter().take(NEAREST).filter(|(_, place)| near.contains(place)).count();
        }
    }
    for (hits, most) in hits.iter().zip([100, 200, 400, 800]) {
        println!("of the {NEAREST} nearest {:.1} % are among the {most} nearest codes", *hits as f64 / (MEASURED * NEAREST) as f64 * 100.0);
    }
    Ok(())
}
