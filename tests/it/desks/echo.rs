//! What we write comes back: the help desk tells of our comment, our tags and our fields. It is no news.

use serde_json::{Value, json};
use sluicegate::{
    config::write_back::DeskKind,
    domain::{outbox::OutboxState, state::TicketState},
};

use super::{
    fake::FakeDesk,
    models,
    office::{BOT, Office},
};
use crate::way_world::GENEROUS;

/// The ticket as the help desk's automation sends it, in the canonical form.
fn told(desk: &FakeDesk, event: &str, updated_at: &str) -> Value {
    let ticket = desk.ticket(models::id(desk.kind));
    let mut attributes = serde_json::Map::from_iter([("status".to_owned(), json!("new"))]);
    attributes
        .extend(ticket.fields.iter().map(|(name, value)| (name.clone(), json!(value.as_str().map_or(value.to_string(), str::to_owned)))));
    json!({
        "external_id": models::id(desk.kind),
        "title": "Printer prn-00007 does not print, documents just sit in the queue",
        "body": "nothing prints",
        "requester": { "id": "u-1", "email": "ana@example.com" },
        "impact": "high", "urgency": "medium",
        "event": event, "attributes": attributes, "tags": ticket.tags, "updated_at": updated_at,
    })
}

fn with(mut report: Value, more: Value) -> Value {
    report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    report
}

#[tokio::test]
async fn our_comments_tags_and_fields_never_come_back_as_work_from_any_help_desk() {
    let office = Office::open("json").await;
    office.world.automated(GENEROUS).await;
    for desk in &office.desks {
        let opened = office.hear(desk.kind, &told(desk, "opened", "2023-11-14T22:00:00Z")).await;
        assert_eq!((opened.status, opened.json()["tickets"].as_array().unwrap().len()), (202, 1), "{opened:?}");
    }
    office.world.work().await;
    for desk in &office.desks {
        let (kind, id) = (desk.kind, models::id(desk.kind));
        let there = desk.ticket(id);
        assert_eq!(there.comments.len(), 2, "{kind:?}: a decision and the end of a run: {:?}", there.comments);
        assert!(!there.fields.is_empty(), "{kind:?} was resolved");
        let before = office.ticket(kind, id).await;
        assert_eq!(before.state, TicketState::Resolved, "{kind:?}");

        let (decision, done) = (json!({ "comment": there.comments[0] }), json!({ "comment": there.comments[1] }));
        let by_us = json!({ "actor": BOT });
        let updated = |second: u32| told(desk, "updated", &format!("2023-11-14T22:20:{second:02}Z"));
        let resolved = told(desk, "resolved", "2023-11-14T22:21:00Z");
        for echo in [
            with(updated(1), by_us.clone()),
            with(with(updated(2), by_us.clone()), decision.clone()),
            with(with(resolved.clone(), by_us), done.clone()),
            // The sender does not say who acted: the mark does.
            with(updated(3), decision),
            with(resolved, done),
        ] {
            let answer = office.hear(kind, &echo).await;
            assert_eq!(answer.status, 202);
            assert!(answer.json()["ignored"].is_string(), "{kind:?}: {answer:?}");
        }
        office.world.work().await;
        assert_eq!(office.ticket(kind, id).await, before, "{kind:?}");
        assert_eq!(desk.ticket(id).comments.len(), 2, "{kind:?}");
        assert!(office.messages(&before).await.iter().all(|message| message.state == OutboxState::Delivered));
        desk.keeps_the_contract();
    }
    office.world.audit().await;
}

#[tokio::test]
async fn tags_of_ours_and_the_time_of_change_are_no_news_even_when_nobody_says_who_acted() {
    let office = Office::open("json").await;
    office.suggests().await;
    for desk in &office.desks {
        assert_eq!(office.hear(desk.kind, &told(desk, "opened", "2023-11-14T22:00:00Z")).await.status, 202);
    }
    office.world.work().await;
    for desk in &office.desks {
        let (kind, id) = (desk.kind, models::id(desk.kind));
        let before = office.ticket(kind, id).await;
        let mut echo = told(desk, "updated", "2023-11-14T22:30:00Z");
        echo["attributes"] = json!({ "status": "new" });
        echo["tags"].as_array_mut().unwrap().push(json!("sluicegate:triaged"));
        let tags = echo["tags"].as_array().unwrap().iter().filter(|tag| tag.as_str().unwrap().starts_with("sluicegate:")).cloned();
        echo["tags"] = json!(tags.collect::<Vec<_>>());
        assert_eq!(office.hear(kind, &echo).await.status, 202);
        office.world.work().await;
        assert_eq!(office.ticket(kind, id).await, before, "{kind:?}");
        assert_eq!(desk.ticket(id).comments.len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_field_that_we_changed_and_nobody_says_who_did_is_looked_at_once_more_and_then_it_ends() {
    let office = Office::open("json").await;
    office.suggests().await;
    for desk in &office.desks {
        assert_eq!(office.hear(desk.kind, &told(desk, "opened", "2023-11-14T22:00:00Z")).await.status, 202);
    }
    office.world.work().await;
    for round in 0..5 {
        for desk in &office.desks {
            let echo = told(desk, "updated", &format!("2023-11-14T23:{round:02}:00Z"));
            assert_eq!(office.hear(desk.kind, &echo).await.status, 202);
        }
        office.world.work().await;
    }
    for desk in &office.desks {
        let comments = desk.ticket(models::id(desk.kind)).comments;
        assert!(comments.len() <= 2, "{:?}: {comments:?}", desk.kind);
        desk.keeps_the_contract();
    }
}

#[tokio::test]
async fn zendesks_own_events_of_what_we_wrote_are_ignored() {
    let office = Office::open("zendesk").await;
    office.suggests().await;
    let event = |kind: &str, actor: &str, event: Value, tags: Value| {
        json!({
            "type": format!("zen:event-type:ticket.{kind}"), "id": kind, "event": event,
            "detail": {
                "id": "42", "subject": "Printer prn-00007 does not print", "description": "nothing prints", "status": "OPEN", "priority": "HIGH",
                "requester_id": "u-1", "actor_id": actor, "tags": tags, "updated_at": "2023-11-14T22:13:20Z",
            },
        })
    };
    let kind = DeskKind::Zendesk;
    assert_eq!(office.hear(kind, &event("created", "u-1", json!({}), json!([]))).await.json()["tickets"].as_array().unwrap().len(), 1);
    office.world.work().await;
    let desk = office.desks.iter().find(|desk| desk.kind == kind).unwrap();
    let there = desk.ticket("42");
    assert_eq!(there.comments.len(), 1);
    let before = office.ticket(kind, "42").await;
    let comment = json!({ "comment": { "body": there.comments[0], "is_public": false } });
    for echo in [
        event("comment_added", BOT, comment, json!(there.tags)),
        event("tags_changed", BOT, json!({ "tags_added": there.tags, "tags_removed": [] }), json!(there.tags)),
        event("priority_changed", BOT, json!({ "current": "HIGH", "previous": null }), json!(there.tags)),
        event("status_changed", BOT, json!({ "current": "SOLVED", "previous": "OPEN" }), json!(there.tags)),
        event("group_assignment_changed", BOT, json!({ "current": "360001" }), json!(there.tags)),
    ] {
        let answer = office.hear(kind, &echo).await;
        assert!(answer.json()["ignored"].is_string(), "{echo}: {answer:?}");
    }
    office.world.work().await;
    assert_eq!(office.ticket(kind, "42").await, before);
    assert_eq!(desk.ticket("42").comments.len(), 1);
}
