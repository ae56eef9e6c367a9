//! Exactly what goes to each kind of help desk: method, path, query and body of every request, in order.

use serde_json::{Value, json};
use sluicegate::{
    config::write_back::{Account, Audience, DeskKind},
    domain::outbox::{Message, OutboxMessage, OutboxState},
};

use super::{
    bench::{Bench, everything},
    fake::Fault,
    models,
};

const TEXT: &str = "Done: restarted <the> spooler.\nhttps://sluicegate.example/v1/tickets/tkt_1";
const HTML: &str = "Done: restarted &lt;the&gt; spooler.<br>\n\
    <a href=\"https://sluicegate.example/v1/tickets/tkt_1\">https://sluicegate.example/v1/tickets/tkt_1</a><br>\n<br>\n";
const MARKDOWN: &str = "Done: restarted \\<the\\> spooler.  \n<https://sluicegate.example/v1/tickets/tkt_1>\n\n";

/// The requests of a first try that resolves the ticket, where all is well.
fn wanted(kind: DeskKind, mark: &str) -> Vec<(&'static str, String, Value)> {
    let id = models::id(kind);
    let get = |path: &str| ("GET", path.to_owned(), json!(""));
    let plain = format!("{TEXT}\n\n{mark}");
    let html = format!("{HTML}{mark}\n");
    let markdown = format!("{MARKDOWN}<!-- {mark} -->");
    match kind {
        DeskKind::Zendesk => vec![
            get("/api/v2/tickets/42.json"),
            (
                "PUT",
                "/api/v2/tickets/42.json".to_owned(),
                json!({ "ticket": {
                    "comment": { "body": plain, "public": false }, "safe_update": true, "updated_stamp": "2026-01-01T00:00:00Z",
                    "priority": "high", "group_id": 360_001, "status": "solved", "tags": ["sluicegate:resolved", "printer"],
                }}),
            ),
        ],
        DeskKind::Jira => {
            let paragraph = |content: Value| json!({ "type": "paragraph", "content": [content] });
            let url = "https://sluicegate.example/v1/tickets/tkt_1";
            vec![
                get("/rest/api/3/issue/DESK-7?fields=status&expand=transitions"),
                (
                    "PUT",
                    "/rest/api/3/issue/DESK-7".to_owned(),
                    json!({
                        "fields": { "priority": { "name": "High" } },
                        "update": { "labels": [{ "add": "sluicegate:resolved" }, { "add": "printer" }] },
                    }),
                ),
                ("POST", "/rest/api/3/issue/DESK-7/transitions".to_owned(), json!({ "transition": { "id": "31" } })),
                (
                    "POST",
                    "/rest/api/3/issue/DESK-7/comment".to_owned(),
                    json!({
                        "body": { "type": "doc", "version": 1, "content": [
                            paragraph(json!({ "type": "text", "text": "Done: restarted <the> spooler." })),
                            paragraph(json!({ "type": "text", "text": url, "marks": [{ "type": "link", "attrs": { "href": url } }] })),
                            paragraph(json!({ "type": "text", "text": mark })),
                        ]},
                        "properties": [{ "key": "sd.public.comment", "value": { "internal": true } }],
                    }),
                ),
            ]
        }
        DeskKind::ServiceNow => vec![(
            "PATCH",
            format!("/api/now/table/incident/{id}?sysparm_fields=sys_id"),
            json!({
                "work_notes": plain, "category": "Hardware", "assignment_group": "287ebd7da9fe198100f92cc8d1d2154e",
                "impact": "1", "urgency": "2", "state": "6", "close_code": "Solved (Permanently)",
            }),
        )],
        DeskKind::Freshdesk | DeskKind::Freshservice => {
            let category = if kind == DeskKind::Freshdesk { "type" } else { "category" };
            vec![
                get("/api/v2/tickets/42"),
                (
                    "PUT",
                    "/api/v2/tickets/42".to_owned(),
                    json!({
                        "priority": 3, category: "Incident", "group_id": 360_001, "status": 4, "resolution": "automated",
                        "tags": ["sluicegate:resolved"],
                    }),
                ),
                ("POST", "/api/v2/tickets/42/notes".to_owned(), json!({ "body": html, "private": true })),
            ]
        }
        DeskKind::Zammad => vec![
            ("POST", "/api/v1/tags/add".to_owned(), json!({ "item": "sluicegate:resolved", "object": "Ticket", "o_id": 42 })),
            ("POST", "/api/v1/tags/add".to_owned(), json!({ "item": "printer", "object": "Ticket", "o_id": 42 })),
            (
                "PUT",
                "/api/v1/tickets/42".to_owned(),
                json!({
                    "article": { "subject": "Sluicegate", "body": plain, "content_type": "text/plain", "type": "note", "internal": true },
                    "priority": "3 high", "group": "Field service", "state": "closed",
                }),
            ),
        ],
        DeskKind::Glpi => vec![
            (
                "POST",
                "/api.php/token".to_owned(),
                json!("grant_type=password&client_id=client&client_secret=se%26cret&username=sluicegate&password=t0k3n&scope=api"),
            ),
            (
                "PATCH",
                "/api.php/v2/Assistance/Ticket/42".to_owned(),
                json!({ "priority": 4, "category": { "id": 12 }, "status": { "id": 5 } }),
            ),
            ("POST", "/api.php/v2/Assistance/Ticket/42/Timeline/Followup".to_owned(), json!({ "content": html, "is_private": true })),
        ],
        DeskKind::Github => vec![
            (
                "POST",
                "/repos/acme/it-desk/issues/42/labels".to_owned(),
                json!({ "labels": ["sluicegate:resolved", "priority: high", "printer", "team: field"] }),
            ),
            ("PATCH", "/repos/acme/it-desk/issues/42".to_owned(), json!({ "state": "closed", "state_reason": "completed" })),
            ("POST", "/repos/acme/it-desk/issues/42/comments".to_owned(), json!({ "body": markdown })),
        ],
        DeskKind::Gitlab => vec![
            (
                "PUT",
                "/api/v4/projects/42/issues/42".to_owned(),
                json!({ "add_labels": "sluicegate:resolved,priority::2,printer,team::field", "state_event": "close" }),
            ),
            ("POST", "/api/v4/projects/42/issues/42/notes".to_owned(), json!({ "body": markdown, "internal": true })),
        ],
        DeskKind::Pagerduty => vec![
            get("/incidents/Q2KXYZ1"),
            (
                "PUT",
                "/incidents/Q2KXYZ1".to_owned(),
                json!({ "incident": {
                    "type": "incident_reference", "priority": { "id": "PSO75BM", "type": "priority_reference" }, "status": "resolved",
                }}),
            ),
            ("POST", "/incidents/Q2KXYZ1/notes".to_owned(), json!({ "note": { "content": plain } })),
        ],
        DeskKind::Opsgenie => {
            let path = |what: &str| format!("/v2/alerts/{id}/{what}?identifierType=id");
            vec![
                ("PUT", path("priority"), json!({ "priority": "P2" })),
                ("POST", path("tags"), json!({ "tags": ["sluicegate:resolved", "printer"], "source": "Sluicegate" })),
                ("POST", path("close"), json!({ "source": "Sluicegate" })),
                ("POST", path("notes"), json!({ "note": plain, "source": "Sluicegate" })),
            ]
        }
    }
}

#[tokio::test]
async fn each_help_desk_gets_exactly_the_requests_of_its_api() {
    for kind in DeskKind::ALL {
        let bench = Bench::new(kind).await;
        let message = bench.queue(everything(kind)).await;
        let done = bench.deliver(message.clone()).await;
        assert_eq!((done.state, done.last_error), (OutboxState::Delivered, None), "{kind:?}");
        let seen = bench.desk.seen();
        let got: Vec<(&str, String, Value)> = seen.iter().map(|one| (one.method.as_str(), one.path.clone(), one.body.clone())).collect();
        assert_eq!(got, wanted(kind, &OutboxMessage::mark(message.id)), "{kind:?}");
        bench.desk.keeps_the_contract();
        let public = kind.takes().audience == Audience::OnlyPublic;
        assert_eq!(bench.desk.ticket(models::id(kind)).public, [public], "{kind:?}: internal, where there is such a thing");
    }
}

#[tokio::test]
async fn what_is_not_mapped_is_left_alone() {
    for kind in DeskKind::ALL {
        let bench = Bench::with(kind, |mut table| {
            let fields = table.as_object_mut().unwrap();
            for mapping in ["resolved", "resolved_fields", "priorities", "categories", "groups"] {
                fields.remove(mapping);
            }
            table
        })
        .await;
        let Message::WriteBack { external_id, comment, priority, category, assignment_group, resolved, .. } = everything(kind) else {
            panic!()
        };
        let message = Message::WriteBack { external_id, comment, priority, category, assignment_group, resolved, tags: Vec::new() };
        assert_eq!(bench.deliver(bench.queue(message).await).await.state, OutboxState::Delivered, "{kind:?}");
        let ticket = bench.desk.ticket(models::id(kind));
        assert_eq!((ticket.comments.len(), ticket.fields.len(), ticket.tags.len()), (1, 0, 0), "{kind:?}: {ticket:?}");
        let writes = bench.desk.seen().iter().filter(|seen| seen.is_write()).count();
        assert_eq!(writes, 1, "{kind:?}: the comment and nothing else");
        bench.desk.keeps_the_contract();
    }
}

#[tokio::test]
async fn a_comment_is_public_only_where_it_is_configured() {
    for kind in DeskKind::ALL.into_iter().filter(|kind| kind.takes().audience == Audience::Either) {
        let bench = Bench::with(kind, |mut table| {
            table["visibility"] = json!("public");
            table
        })
        .await;
        assert_eq!(bench.deliver(bench.queue(everything(kind)).await).await.state, OutboxState::Delivered);
        assert_eq!(bench.desk.ticket(models::id(kind)).public, [true], "{kind:?}");
        bench.desk.keeps_the_contract();
    }
}

#[tokio::test]
async fn a_person_who_changes_a_zendesk_ticket_in_between_is_not_overwritten() {
    let bench = Bench::new(DeskKind::Zendesk).await;
    let message = bench.queue(everything(DeskKind::Zendesk)).await;
    // Between our reading and our writing, somebody adds a tag: the first write is refused, the second knows of it.
    bench.desk.touch("42", |ticket| ticket.tags.extend(["old".to_owned()]));
    bench.desk.changes_after(0, |ticket| ticket.tags.extend(["by-a-person".to_owned()]));
    assert_eq!(bench.deliver(message).await.state, OutboxState::Delivered);
    let ticket = bench.desk.ticket("42");
    let tags: Vec<&str> = ticket.tags.iter().map(String::as_str).collect();
    assert_eq!((tags, ticket.comments.len()), (vec!["by-a-person", "old", "printer", "sluicegate:resolved"], 1));
    let lines: Vec<String> = bench.desk.seen().iter().map(|seen| seen.line()).collect();
    assert_eq!(
        lines,
        [
            "GET /api/v2/tickets/42.json",
            "PUT /api/v2/tickets/42.json", // 409
            "GET /api/v2/tickets/42/comments.json?sort_order=desc&per_page=100&page=1",
            "GET /api/v2/tickets/42.json",
            "PUT /api/v2/tickets/42.json",
        ]
    );
    bench.desk.keeps_the_contract();
}

#[tokio::test]
async fn an_id_of_another_form_and_a_request_that_is_refused_die_with_a_reason_and_a_refused_token_waits() {
    for kind in DeskKind::ALL {
        let bench = Bench::new(kind).await;
        for odd in ["../users/1", "42/../1", "42?x=1", "a b", "%2e%2e"] {
            let Message::WriteBack { comment, priority, category, assignment_group, resolved, tags, .. } = everything(kind) else {
                panic!()
            };
            let message = Message::WriteBack { external_id: odd.to_owned(), comment, priority, category, assignment_group, resolved, tags };
            let dead = bench.deliver(bench.queue(message).await).await;
            assert_eq!(dead.state, OutboxState::Dead, "{kind:?} {odd}");
            let reason = dead.last_error.unwrap();
            assert!(reason.contains(kind.name()) && reason.contains(odd) && reason.contains("expected"), "{reason}");
        }
        assert_eq!(bench.desk.seen().len(), 0, "{kind:?}: nothing was sent");

        let login = usize::from(kind.takes().account == Account::UserAndClient);
        for status in [400, 404, 422] {
            bench.desk.fails_at(login, Fault::Status(status));
            let dead = bench.deliver(bench.queue(everything(kind)).await).await;
            let reason = dead.last_error.unwrap();
            assert_eq!(dead.state, OutboxState::Dead, "{kind:?} {status}");
            assert!(reason.starts_with(&format!("{} answered {status}: ", kind.name())), "{reason}");
            assert!(!reason.contains("on purpose"), "an answer may quote secrets: {reason}");
        }
        for status in [401, 403, 302] {
            bench.desk.fails_at(login, Fault::Status(status));
            let waiting = bench.deliver(bench.queue(everything(kind)).await).await;
            assert_eq!(waiting.state, OutboxState::Waiting, "{kind:?} {status}");
            assert!(waiting.last_error.unwrap().starts_with(&format!("{} answered {status}", kind.name())));
        }
    }
}

#[tokio::test]
async fn a_jira_issue_without_that_transition_dies_and_the_reason_names_those_there_are() {
    let bench = Bench::with(DeskKind::Jira, |mut table| {
        table["resolved"] = json!("Fix it");
        table
    })
    .await;
    let dead = bench.deliver(bench.queue(everything(DeskKind::Jira)).await).await;
    assert_eq!(dead.state, OutboxState::Dead);
    assert_eq!(
        dead.last_error.unwrap(),
        "Jira: no transition \"Fix it\" leads out of the issue's status: there are Start progress, Resolve this issue"
    );
    assert!(bench.desk.ticket("DESK-7").comments.is_empty());
}
