//! A day without any help desk, in simulated time: afterwards everything is there, once, in order.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::{
    config::write_back::DeskKind,
    domain::{
        ambient::Ambient as _,
        id::OutboxId,
        outbox::{OutboxMessage, OutboxState},
        principal::Role::Operator,
        time::Timestamp,
    },
    notify::schedule::{MOST_ATTEMPTS, wait_after},
    pipeline::actions::redeliver::redeliver,
};

use super::{fake::Fault, models::nth_id, office::Office};

const OUTAGE: Duration = Duration::from_secs(24 * 3600);
const STEP: Duration = Duration::from_secs(600);

fn told(kind: DeskKind, n: usize, version: usize) -> Value {
    json!({
        "external_id": nth_id(kind, n),
        "title": format!("Printer prn-{:05} does not print, documents just sit in the queue", n + 1),
        "body": format!("nothing prints, said for the {version}. time"),
        "requester": { "id": format!("u-{n}") }, "impact": "high", "urgency": "medium",
    })
}

#[tokio::test]
async fn after_24_hours_without_any_help_desk_everything_is_delivered_once_and_in_order() {
    let office = Office::open("json").await;
    office.suggests().await;
    let begun = office.world.app.ambient.now();
    for desk in &office.desks {
        desk.set_away(true);
    }
    let (mut tickets, mut steps) = (0, 0);
    while office.world.app.ambient.now().since(begun) < OUTAGE {
        // Every three hours and ten minutes a new ticket at each help desk, and more words to the one before.
        if steps % 19 == 0 {
            for desk in &office.desks {
                assert_eq!(office.hear(desk.kind, &told(desk.kind, tickets + 1, 1)).await.status, 202);
                if tickets > 0 {
                    assert_eq!(office.hear(desk.kind, &told(desk.kind, tickets, 2)).await.status, 202);
                }
            }
            tickets += 1;
        }
        office.world.work().await;
        office.world.app.ambient.turn(STEP);
        steps += 1;
    }
    assert!(office.desks.iter().all(|desk| desk.seen().len() > 20), "they were asked, and were away");

    // They come back, and lose the answers to the first writes.
    for desk in &office.desks {
        desk.set_away(false);
        for at in 1..6 {
            desk.fails_at(at, Fault::CutAfter);
        }
    }
    let back = office.world.app.ambient.now();
    let latest = Duration::from_secs(30 * 3600);
    loop {
        office.world.work().await;
        let waiting = office.world.store().messages(&crate::way_world::tenant(), Some(OutboxState::Waiting), everything()).await.unwrap();
        if waiting.is_empty() {
            break;
        }
        assert!(office.world.app.ambient.now().since(back) < latest, "{} still wait, like {:?}", waiting.len(), waiting[0]);
        office.world.app.ambient.turn(STEP);
    }

    let mut messages = 0;
    for desk in &office.desks {
        for n in 1..=tickets {
            let ticket = office.ticket(desk.kind, &nth_id(desk.kind, n)).await;
            let queued = office.messages(&ticket).await;
            assert_eq!(queued.len(), if n == tickets { 1 } else { 2 }, "{:?}", desk.kind);
            assert!(queued.iter().all(|message| message.state == OutboxState::Delivered), "{queued:?}");
            let comments = desk.ticket(&nth_id(desk.kind, n)).comments;
            assert_eq!(comments.len(), queued.len(), "{:?}: no duplicates: {comments:?}", desk.kind);
            for (comment, message) in comments.iter().zip(&queued) {
                assert!(comment.contains(&OutboxMessage::mark(message.id)), "{:?}: in order", desk.kind);
            }
            messages += queued.len();
        }
        desk.keeps_the_contract();
    }
    assert_eq!(messages, DeskKind::ALL.len() * (2 * tickets - 1));
    office.world.audit().await;
}

fn everything() -> sluicegate::store::interface::Page<OutboxId> {
    sluicegate::store::interface::Page { before: None, limit: 10_000 }
}

#[tokio::test]
async fn a_write_back_sent_again_by_an_operator_gives_no_second_comment_and_a_dead_letter_arrives() {
    let office = Office::open("json").await;
    office.suggests().await;
    let olu = office.world.person("opal", &[Operator]).await;
    for desk in &office.desks {
        assert_eq!(office.hear(desk.kind, &told(desk.kind, 1, 1)).await.status, 202);
        office.world.work().await;
        // The second one is refused for good, as by a help desk that was set up wrongly. GLPI asks for a login first.
        desk.fails_at(usize::from(desk.kind == DeskKind::Glpi), Fault::Status(404));
        assert_eq!(office.hear(desk.kind, &told(desk.kind, 2, 1)).await.status, 202);
        office.world.work().await;
        let [first, second] = [1, 2].map(|n| nth_id(desk.kind, n));
        let (delivered, dead) = (
            office.messages(&office.ticket(desk.kind, &first).await).await,
            office.messages(&office.ticket(desk.kind, &second).await).await,
        );
        assert_eq!((delivered[0].state, desk.ticket(&first).comments.len()), (OutboxState::Delivered, 1), "{:?}", desk.kind);
        assert_eq!((dead[0].state, desk.ticket(&second).comments.len()), (OutboxState::Dead, 0), "{:?}", desk.kind);
        assert!(dead[0].last_error.as_ref().unwrap().contains("answered 404"), "{:?}", dead[0].last_error);
        for message in [&delivered[0], &dead[0]] {
            redeliver(office.world.service(), &olu, message.id).await.unwrap();
        }
        office.world.work().await;
        for (id, message) in [(&first, &delivered[0]), (&second, &dead[0])] {
            let comments = desk.ticket(id).comments;
            assert_eq!(comments.len(), 1, "{:?}: {comments:?}", desk.kind);
            assert!(comments[0].contains(&OutboxMessage::mark(message.id)));
            assert_eq!(office.messages(&office.ticket(desk.kind, id).await).await[0].state, OutboxState::Delivered);
        }
    }
    office.world.audit().await;
}

#[test]
fn a_message_outlives_an_outage_of_24_hours_whenever_it_is_queued() {
    for random in 0..500 {
        let id = OutboxId::new(Timestamp::from_millis(1_700_000_000_000), random);
        // Its first try is so many minutes into the outage, or before it began.
        for into in 0..24 * 60 {
            let end = OUTAGE - Duration::from_secs(into * 60);
            let (mut at, mut tries) = (Duration::ZERO, 1);
            while at < end {
                at += wait_after(tries, id).expect("there is a next try");
                tries += 1;
            }
            assert!(tries <= MOST_ATTEMPTS - 2, "{tries} tries, of {MOST_ATTEMPTS}");
            assert!(at < end + Duration::from_secs(17 * 3600), "{at:?}");
        }
    }
}
