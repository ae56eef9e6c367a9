//! The console at 100,000 tickets of which 10,000 wait: server time of each page, memory of 200 live streams, and the
//! queue's first paint in a real browser where its driver is installed.
//!
//! `cargo bench --bench console [-- TICKETS]`. Tickets are copies of one that the service really triaged.

#[path = "service/mod.rs"]
mod service;

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use service::{Running, exchange, request};
use sluicegate::{
    config::secret::Secret,
    domain::{
        entry::{Entry, Event},
        id::{DeliveryId, RecommendationId, TicketId},
        name::{PersonId, TenantId},
        principal::{Actor, Role},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
    },
    pipeline::{actions::account, service::Service},
    store::{
        change::{Change, Write},
        interface::{Page, TicketFilter},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const PERSON: &str = "bench@example.com";
const PASSWORD: &str = "a sentence that is long";
const TIMES: usize = 300;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let tickets = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000u64);
    let folder = tempfile::tempdir()?;
    sluicegate::outbound::install_cryptography();
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?.block_on(async {
        let running = Running::start(folder.path(), true, |_| {}).await;
        let (ticket, proposal) = sample(&running).await?;
        let began = Instant::now();
        fill(&running.service, &ticket, &proposal, tickets).await?;
        println!("{tickets} tickets, {} waiting, filled in {:.0} s\n", tickets / 10, began.elapsed().as_secs_f64());
        let roles: BTreeSet<Role> = Role::ALL.into();
        let (tenant, person) = (TenantId::default(), PersonId::new(PERSON)?);
        account::make(&running.service, Actor::Engine, &tenant, &person, roles, &Secret::new(PASSWORD)).await?;
        let cookie = sign_in(&running).await?;
        println!("{:<34} {:>9} {:>9} {:>9}", "", "p50 ms", "p99 ms", "max ms");
        let id = ticket.id;
        for path in [
            "/",
            "/?tab=approve&priority=P3",
            "/?q=floor",
            "/tickets",
            "/tickets?q=floor+4711",
            &format!("/tickets/{id}"),
            "/runbooks",
            "/runbooks/restart-print-spooler",
            "/automation",
            "/log",
            "/log/4711",
            "/models",
            "/overview",
            "/people",
            "/account",
        ] {
            page(&running, &cookie, path).await?;
        }
        streams(&running, &cookie).await?;
        first_paint(&running).await?;
        running.stop().await;
        Ok(())
    })
}

/// One ticket as the service triaged it, with its proposal.
async fn sample(running: &Running) -> Outcome<(Ticket, Recommendation)> {
    let mut stream = TcpStream::connect(running.address).await?;
    let status = exchange(&mut stream, &request(42), &mut Vec::new()).await?;
    assert_eq!(status, 202);
    let tenant = TenantId::default();
    let mut happenings = running.service.store.listen();
    loop {
        let found = running.service.store.tickets(&tenant, &TicketFilter::default(), Page { before: None, limit: 1 }).await?.pop();
        if let Some(ticket) = found.filter(|ticket| ticket.state != TicketState::Received)
            && let Some(proposal) = running.service.store.recommendation_for(&tenant, ticket.id).await?
        {
            return Ok((ticket, proposal));
        }
        let _ = tokio::time::timeout(Duration::from_millis(200), happenings.recv()).await;
    }
}

async fn fill(service: &Arc<Service>, ticket: &Ticket, proposal: &Recommendation, tickets: u64) -> Outcome<()> {
    let now = service.ambient.now();
    let categories = ["hardware/printer", "network/vpn", "access/password-reset", "ops/disk-full", "email/mailbox-quota"];
    for block in 0..tickets.div_ceil(500) {
        let mut change = Change::default();
        for number in block * 500..((block + 1) * 500).min(tickets) {
            let age = Duration::from_secs(number * 80 * 86_400 / tickets);
            let received_at = now.minus(age);
            let waits = number % 10 == 0;
            let mut ticket = ticket.clone();
            ticket.id = TicketId::new(received_at, u128::from(number) + 1);
            ticket.delivery = DeliveryId::new(received_at, u128::from(number) + 1);
            ticket.report.external_id = format!("copy-{number}");
            ticket.report.title = format!("Printer on floor {number}").as_str().into();
            ticket.state = if waits { TicketState::AwaitingApproval } else { TicketState::Resolved };
            (ticket.received_at, ticket.updated_at) = (received_at, received_at.plus(Duration::from_secs(90)));
            let mut copy = proposal.clone();
            copy.id = RecommendationId::new(received_at, u128::from(number) + 1);
            copy.ticket = ticket.id;
            copy.classification.category.label = Some(categories[number as usize % categories.len()].to_owned());
            copy.state = if waits { RecommendationState::Open } else { RecommendationState::Approved };
            copy.expires_at = now.plus(Duration::from_secs(600 + number));
            let entry = Event::TicketReceived {
                ticket: ticket.id,
                delivery: ticket.delivery,
                source: ticket.source.clone(),
                external_id: ticket.report.external_id.clone(),
                input: copy.receipt.input,
            };
            change.entries.push(Entry::new(ticket.tenant.clone(), received_at, Actor::Engine, entry));
            change.writes.push(service.write_ticket(ticket));
            change.writes.push(Write::Recommendation(Box::new(copy)));
        }
        service.commit(change).await?;
    }
    Ok(())
}

async fn sign_in(running: &Running) -> Outcome<String> {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let form = format!("name={PERSON}&password={}", PASSWORD.replace(' ', "+"));
    let answer = client
        .post(format!("http://{}/login", running.address))
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await?;
    let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    Ok(cookie.ok_or("no cookie came with the sign-in")?.to_owned())
}

fn get(cookie: &str, path: &str, accept: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\ncookie: {cookie}\r\n\r\n").into_bytes()
}

async fn page(running: &Running, cookie: &str, path: &str) -> Outcome<()> {
    let mut stream = TcpStream::connect(running.address).await?;
    let (asked, mut buffer) = (get(cookie, path, "text/html"), Vec::new());
    // The first one makes what is kept.
    assert_eq!(exchange(&mut stream, &asked, &mut buffer).await?, 200, "{path}");
    let mut waits = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        exchange(&mut stream, &asked, &mut buffer).await?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!("{path:<34} {:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0));
    Ok(())
}

/// Resident memory of this process in megabytes.
fn resident() -> f64 {
    let pages: f64 =
        std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse().ok()).unwrap_or(f64::NAN);
    pages * 4096.0 / 1e6
}

async fn streams(running: &Running, cookie: &str) -> Outcome<()> {
    let before = resident();
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(running.address).await?;
        stream.write_all(&get(cookie, "/live", "text/event-stream")).await?;
        let mut buffer = Vec::new();
        while !buffer.windows(5).any(|window| window == b"hello") {
            stream.read_buf(&mut buffer).await?;
        }
        open.push(stream);
    }
    println!("\n200 live streams: {:.1} MB more resident memory (this process holds both ends of each)", resident() - before);
    Ok(())
}

async fn first_paint(running: &Running) -> Outcome<()> {
    let Ok(mut driver) = Command::new("chromedriver").arg("--port=9517").stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("first paint: not measured, `chromedriver` is not installed");
        return Ok(());
    };
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"];
    let mut wanted = serde_json::Map::new();
    wanted.insert("goog:chromeOptions".to_owned(), serde_json::json!({ "args": flags }));
    let client = loop {
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        match fantoccini::ClientBuilder::new(connector).capabilities(wanted.clone()).connect("http://127.0.0.1:9517").await {
            Ok(client) => break client,
            Err(_) if driver.try_wait()?.is_none() => tokio::task::yield_now().await,
            Err(why) => return Err(why.into()),
        }
    };
    let base = format!("http://{}", running.address);
    client.goto(&format!("{base}/login")).await?;
    for (css, text) in [("#name", PERSON), ("#password", PASSWORD)] {
        client.find(fantoccini::Locator::Css(css)).await?.send_keys(text).await?;
    }
    client.find(fantoccini::Locator::Css("button[type=submit]")).await?.click().await?;
    client.wait().for_element(fantoccini::Locator::Css("#queue")).await?;
    let mut paints = Vec::new();
    for _ in 0..5 {
        client.goto(&format!("{base}/")).await?;
        let script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null";
        let value = loop {
            if let Some(found) = client.execute(script, Vec::new()).await?.as_f64() {
                break found;
            }
        };
        paints.push(value);
    }
    paints.sort_by(f64::total_cmp);
    println!("first contentful paint of the queue: median {:.0} ms of {paints:.0?}", paints[2]);
    client.close().await?;
    driver.kill()?;
    driver.wait()?;
    Ok(())
}
