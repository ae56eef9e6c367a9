//! The queue when very much waits, and when nobody looked for a while.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use sluicegate::{
    config::secret::Secret,
    domain::{
        id::{DeliveryId, TicketId},
        name::{PersonId, TenantId},
        principal::{Actor, Role},
        state::TicketState,
        ticket::Ticket,
    },
    pipeline::actions::account,
    store::{
        change::Change,
        interface::{Page, TicketFilter},
    },
};

use crate::{
    app::{App, ticket},
    driver::Browser,
};

const PERSON: &str = "olu@example.com";
const PASSWORD: &str = "a sentence that is long";

async fn signed_in(app: &App) -> Browser {
    let (tenant, person) = (TenantId::default(), PersonId::new(PERSON).unwrap());
    let roles: BTreeSet<Role> = [Role::Responder, Role::Approver].into();
    account::make(&app.service, Actor::Engine, &tenant, &person, roles, &Secret::new(PASSWORD)).await.unwrap();
    let browser = Browser::at(format!("http://{}", app.address)).await;
    browser.sign_in(PERSON, PASSWORD).await;
    browser.see("nav.places").await;
    browser
}

/// A ticket that triage really looked at.
async fn triaged(app: &App) -> Ticket {
    assert_eq!(app.desk(ticket("1", "The coffee is cold").to_string()).await.status, 202);
    app.triage().await;
    app.service.store.tickets(&TenantId::default(), &TicketFilter::default(), Page { before: None, limit: 1 }).await.unwrap().remove(0)
}

/// `count` more like it, each a second older than the one before.
async fn copied(app: &App, ticket: &Ticket, count: u64) {
    for block in 0..count.div_ceil(500) {
        let mut change = Change::default();
        for number in 1 + block * 500..=((block + 1) * 500).min(count) {
            let at = ticket.received_at.minus(Duration::from_secs(number));
            let mut copy = Ticket { id: TicketId::new(at, u128::from(number)), received_at: at, ..ticket.clone() };
            copy.delivery = DeliveryId::new(at, u128::from(number));
            copy.report.external_id = format!("copy-{number}");
            copy.report.title = format!("The coffee of floor {number} is cold").as_str().into();
            copy.state = TicketState::NoRunbook;
            change.writes.push(app.service.write_ticket(copy));
        }
        app.service.commit(change).await.unwrap();
    }
}

async fn rows(browser: &Browser) -> Vec<String> {
    let found = browser.script("return [...document.querySelectorAll('tbody tr')].map(row => row.dataset.row)", Vec::new()).await;
    found.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_waiting_tickets_are_a_page_a_count_and_a_way_on() {
    let app = App::start().await;
    let first = triaged(&app).await;
    copied(&app, &first, 9_999).await;
    let browser = signed_in(&app).await;
    assert_eq!(browser.text(".tabs [aria-current] .count").await, "10,000");
    let (mut seen, mut pages) = (Vec::new(), 0);
    while pages < 3 {
        let here = rows(&browser).await;
        assert_eq!(here.len(), 60);
        seen.extend(here);
        pages += 1;
        let path = browser.path().await;
        browser.click("a[rel=next]").await;
        browser.until("the next page", "return location.pathname + location.search !== arguments[0]", vec![Value::from(path)]).await;
    }
    let different: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "no ticket stands on two pages");
    // The one that triage gave a priority has the least time left, then the oldest.
    let oldest = TicketId::new(first.received_at.minus(Duration::from_secs(9_999)), 9_999);
    assert_eq!(seen[..2], [first.id.to_string(), oldest.to_string()]);
    browser.go("/?q=floor+4711").await;
    assert_eq!(rows(&browser).await.len(), 1, "one of ten thousand is found by its words");
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_nobody_used_for_too_long_is_over_and_nothing_is_done_with_it() {
    let app = App::start().await;
    let ticket = triaged(&app).await;
    let browser = signed_in(&app).await;
    browser.go(&format!("/tickets/{}", ticket.id)).await;
    browser.see("form[action$='/take'] button").await;
    app.ambient.turn(app.service.config.console.idle.get() + Duration::from_secs(1));
    browser.click("form[action$='/take'] button").await;
    browser.says("Please sign in").await;
    let handling = app.service.store.handling(&TenantId::default(), ticket.id).await.unwrap().unwrap();
    assert_eq!(handling.assignee, None, "nobody took it");
    browser.go("/").await;
    assert!(browser.path().await.starts_with("/login"), "{}", browser.path().await);
    browser.sign_in(PERSON, PASSWORD).await;
    browser.see("#queue tbody tr").await;
    browser.close().await;
    app.stop().await;
}
