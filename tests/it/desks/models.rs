//! The API of each kind of help desk, as far as write-back uses it: what it takes, and what it answers.
//!
//! Written from the vendors' documentation, not from our sender.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sluicegate::config::write_back::DeskKind;

use super::fake::{Books, Seen, Ticket};

/// Below the server's root, where the configured URL has a path.
pub const fn base(kind: DeskKind) -> &'static str {
    match kind {
        DeskKind::Github => "/repos/acme/it-desk",
        DeskKind::Gitlab => "/api/v4/projects/42",
        _ => "",
    }
}

/// The id of the ticket in every test.
pub const fn id(kind: DeskKind) -> &'static str {
    match kind {
        DeskKind::Jira => "DESK-7",
        DeskKind::ServiceNow => "9d385017c611228701d22104cc95c371",
        DeskKind::Pagerduty => "Q2KXYZ1",
        DeskKind::Opsgenie => "70413a06-38d6-4c85-92b8-5ebc900d42e2-1506326513555",
        _ => "42",
    }
}

/// Other ids of the same form.
pub fn nth_id(kind: DeskKind, n: usize) -> String {
    match kind {
        DeskKind::Jira => format!("DESK-{n}"),
        DeskKind::ServiceNow => format!("{n:032x}"),
        DeskKind::Pagerduty => format!("Q2KXYZ{n}"),
        DeskKind::Opsgenie => format!("70413a06-38d6-4c85-92b8-{n}"),
        _ => n.to_string(),
    }
}

/// Account and mapping.
pub fn mapped(kind: DeskKind) -> Value {
    let categories = |value: &str| json!([{ "name": "hardware/printer", "value": value }]);
    let groups = |value: &str| json!([{ "name": "field", "value": value }]);
    match kind {
        DeskKind::Zendesk => json!({
            "email": "bot@example.com", "resolved": "solved", "priorities": { "p2": "high" },
            "categories": categories("printer"), "groups": groups("360001"),
        }),
        DeskKind::Jira => json!({
            "email": "bot@example.com", "resolved": "Resolve this issue", "priorities": { "p2": "High" }, "categories": categories("printer"),
        }),
        DeskKind::ServiceNow => json!({
            "user": "sluicegate", "resolved": "6", "resolved_fields": [{ "name": "close_code", "value": "Solved (Permanently)" }],
            "priorities": { "p2": "1/2" }, "categories": categories("Hardware"), "groups": groups("287ebd7da9fe198100f92cc8d1d2154e"),
        }),
        DeskKind::Freshdesk | DeskKind::Freshservice => json!({
            "resolved": "4", "resolved_fields": [{ "name": "resolution", "value": "automated" }],
            "priorities": { "p2": "3" }, "categories": categories("Incident"), "groups": groups("360001"),
        }),
        DeskKind::Zammad => json!({
            "resolved": "closed", "priorities": { "p2": "3 high" }, "categories": categories("printer"), "groups": groups("Field service"),
        }),
        DeskKind::Glpi => json!({
            "user": "sluicegate", "client_id": "client", "client_secret": "se&cret", "resolved": "5",
            "priorities": { "p2": "4" }, "categories": categories("12"),
        }),
        DeskKind::Github => json!({
            "visibility": "public", "resolved": "completed", "priorities": { "p2": "priority: high" },
            "categories": categories("printer"), "groups": groups("team: field"),
        }),
        DeskKind::Gitlab => json!({
            "resolved": "closed", "priorities": { "p2": "priority::2" }, "categories": categories("printer"), "groups": groups("team::field"),
        }),
        DeskKind::Pagerduty => json!({ "email": "bot@example.com", "resolved": "resolved", "priorities": { "p2": "PSO75BM" } }),
        DeskKind::Opsgenie => json!({ "resolved": "closed", "priorities": { "p2": "P2" }, "categories": categories("printer") }),
    }
}

/// The header that proves who writes.
fn authenticated(kind: DeskKind, seen: &Seen) -> bool {
    let (name, value) = match kind {
        // base64 of `bot@example.com/token:t0k3n`, `bot@example.com:t0k3n`, `sluicegate:t0k3n`, `t0k3n:X`
        DeskKind::Zendesk => ("authorization", "Basic Ym90QGV4YW1wbGUuY29tL3Rva2VuOnQwazNu"),
        DeskKind::Jira => ("authorization", "Basic Ym90QGV4YW1wbGUuY29tOnQwazNu"),
        DeskKind::ServiceNow => ("authorization", "Basic c2x1aWNlZ2F0ZTp0MGszbg=="),
        DeskKind::Freshdesk | DeskKind::Freshservice => ("authorization", "Basic dDBrM246WA=="),
        DeskKind::Zammad | DeskKind::Pagerduty => ("authorization", "Token token=t0k3n"),
        DeskKind::Glpi => ("authorization", "Bearer glpi-access"),
        DeskKind::Github => ("authorization", "Bearer t0k3n"),
        DeskKind::Gitlab => ("private-token", "t0k3n"),
        DeskKind::Opsgenie => ("authorization", "GenieKey t0k3n"),
    };
    seen.headers.get(name).is_some_and(|given| given == value)
}

/// Path segments and query, decoded.
struct Asked<'a> {
    method: &'a str,
    path: Vec<String>,
    query: Vec<(String, String)>,
    body: &'a Value,
}

impl Asked<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The page of `items` that a page number from 1 asks for.
    fn page(&self, items: Vec<Value>) -> Vec<Value> {
        let number = |name: &str| self.query(name).and_then(|text| text.parse::<usize>().ok());
        let size = number("per_page").unwrap_or(20).min(100);
        items.into_iter().skip((number("page").unwrap_or(1) - 1) * size).take(size).collect()
    }
}

/// A body with no field but these.
fn only<'a>(value: &'a Value, known: &[&str]) -> Option<&'a serde_json::Map<String, Value>> {
    value.as_object().filter(|object| object.keys().all(|key| known.contains(&key.as_str())))
}

const NOT_FOUND: u16 = 404;

pub fn answer(kind: DeskKind, seen: &Seen, books: &mut Books) -> (u16, Value) {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decoded(name), decoded(value))).collect();
    let Some(path) = path.strip_prefix(base(kind)) else { return (NOT_FOUND, json!("outside of the base")) };
    let asked = Asked { method: &seen.method, path: path[1..].split('/').map(decoded).collect(), query, body: &seen.body };
    if kind == DeskKind::Glpi && path == "/api.php/token" {
        return glpi_login(seen);
    }
    if !authenticated(kind, seen) {
        return (401, json!("who are you?"));
    }
    if seen.method != "GET" && seen.headers.get("content-type").is_none_or(|kind| kind != "application/json") {
        return (415, json!("not JSON"));
    }
    let parts: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let done = match kind {
        DeskKind::Zendesk => zendesk(&asked, &parts, books),
        DeskKind::Jira => jira(&asked, &parts, books),
        DeskKind::ServiceNow => service_now(&asked, &parts, books),
        DeskKind::Freshdesk => fresh(&asked, &parts, books, "type", false),
        DeskKind::Freshservice => fresh(&asked, &parts, books, "category", true),
        DeskKind::Zammad => zammad(&asked, &parts, books),
        DeskKind::Glpi => glpi(&asked, &parts, books),
        DeskKind::Github => github(seen, &asked, &parts, books),
        DeskKind::Gitlab => gitlab(&asked, &parts, books),
        DeskKind::Pagerduty => pagerduty(seen, &asked, &parts, books),
        DeskKind::Opsgenie => opsgenie(&asked, &parts, books),
    };
    done.unwrap_or((NOT_FOUND, json!("not in the contract")))
}

fn ticket<'a>(books: &'a mut Books, id: &str) -> &'a mut Ticket {
    books.tickets.entry(id.to_owned()).or_default()
}

fn say(ticket: &mut Ticket, text: &str, public: bool) {
    ticket.version += 1;
    ticket.comments.push(text.to_owned());
    ticket.public.push(public);
}

fn set(ticket: &mut Ticket, field: &str, value: &Value) {
    ticket.version += 1;
    ticket.fields.insert(field.to_owned(), value.clone());
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|one| Some(one.as_str()?.to_owned())).collect()
}

fn comments(ticket: &Ticket, form: impl Fn(&str) -> Value) -> Vec<Value> {
    ticket.comments.iter().map(|text| form(text)).collect()
}

/// Zendesk's time of change, to the second.
fn stamp(ticket: &Ticket) -> String {
    format!("2026-01-01T{:02}:{:02}:{:02}Z", ticket.version / 3600, ticket.version / 60 % 60, ticket.version % 60)
}

fn zendesk(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    match (asked.method, parts) {
        ("GET", ["api", "v2", "tickets", id]) => {
            let ticket = ticket(books, id.strip_suffix(".json")?);
            Some((200, json!({ "ticket": { "updated_at": stamp(ticket), "tags": ticket.tags } })))
        }
        ("GET", ["api", "v2", "tickets", id, "comments.json"]) => {
            assert_eq!(asked.query("sort_order"), Some("desc"));
            let mut all = comments(ticket(books, id), |text| json!({ "body": text }));
            all.reverse();
            Some((200, json!({ "comments": asked.page(all), "next_page": null })))
        }
        ("PUT", ["api", "v2", "tickets", id]) => {
            let ticket = ticket(books, id.strip_suffix(".json")?);
            let known = ["comment", "safe_update", "updated_stamp", "priority", "group_id", "status", "tags"];
            let change = only(asked.body.get("ticket")?, &known)?;
            if change.get("safe_update")? == true && change.get("updated_stamp")?.as_str()? != stamp(ticket) {
                return Some((409, json!({ "error": "UpdateConflict" })));
            }
            for field in ["priority", "group_id", "status"] {
                if let Some(value) = change.get(field) {
                    set(ticket, field, value);
                }
            }
            if let Some(tags) = change.get("tags") {
                ticket.tags = strings(tags)?.into_iter().collect();
            }
            let comment = only(change.get("comment")?, &["body", "public"])?;
            say(ticket, comment["body"].as_str()?, comment["public"].as_bool()?);
            Some((200, json!({ "ticket": {} })))
        }
        _ => None,
    }
}

fn jira(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    match (asked.method, parts) {
        ("GET", ["rest", "api", "3", "issue", id]) => {
            assert_eq!((asked.query("fields"), asked.query("expand")), (Some("status"), Some("transitions")));
            let done = ticket(books, id).fields.contains_key("status");
            let open = json!([{ "id": "11", "name": "Start progress" }, { "id": "31", "name": "Resolve this issue" }]);
            Some((
                200,
                json!({
                    "fields": { "status": { "name": "?", "statusCategory": { "key": if done { "done" } else { "new" } } } },
                    "transitions": if done { json!([{ "id": "41", "name": "Reopen" }]) } else { open },
                }),
            ))
        }
        ("PUT", ["rest", "api", "3", "issue", id]) => {
            let ticket = ticket(books, id);
            let body = only(asked.body, &["fields", "update"])?;
            if let Some(fields) = body.get("fields") {
                set(ticket, "priority", &only(fields, &["priority"])?["priority"]["name"]);
            }
            if let Some(update) = body.get("update") {
                for label in only(update, &["labels"])?["labels"].as_array()? {
                    let label = label["add"].as_str()?;
                    assert!(!label.contains(' '), "a label of Jira has no blank: {label}");
                    ticket.tags.insert(label.to_owned());
                }
            }
            Some((204, json!("")))
        }
        ("POST", ["rest", "api", "3", "issue", id, "transitions"]) => {
            let ticket = ticket(books, id);
            if ticket.fields.contains_key("status") || asked.body != &json!({ "transition": { "id": "31" } }) {
                return Some((400, json!({ "errorMessages": ["It is not possible to do this transition"] })));
            }
            set(ticket, "status", &json!("Resolved"));
            Some((204, json!("")))
        }
        ("GET", ["rest", "api", "3", "issue", id, "comment"]) => {
            assert_eq!((asked.query("orderBy"), asked.query("maxResults")), (Some("-created"), Some("100")));
            let mut all = comments(ticket(books, id), |text| json!({ "body": { "type": "doc", "content": [{ "text": text }] } }));
            all.reverse();
            let start: usize = asked.query("startAt")?.parse().ok()?;
            Some((200, json!({ "startAt": start, "comments": all.into_iter().skip(start).take(100).collect::<Vec<_>>() })))
        }
        ("POST", ["rest", "api", "3", "issue", id, "comment"]) => {
            let comment = only(asked.body, &["body", "properties"])?;
            let internal = json!([{ "key": "sd.public.comment", "value": { "internal": true } }]);
            assert_eq!((&comment["body"]["type"], &comment["body"]["version"]), (&json!("doc"), &json!(1)));
            let lines = comment["body"]["content"].as_array()?.iter().map(|paragraph| {
                assert_eq!(paragraph["type"], "paragraph");
                paragraph["content"].as_array().unwrap().iter().map(|text| text["text"].as_str().unwrap()).collect::<String>()
            });
            let text = lines.collect::<Vec<_>>().join("\n");
            say(ticket(books, id), &text, comment.get("properties") != Some(&internal));
            Some((201, json!({ "id": "10001" })))
        }
        _ => None,
    }
}

fn service_now(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    let ["api", "now", "table", "incident", id] = parts else { return None };
    let ticket = ticket(books, id);
    match asked.method {
        "GET" => {
            assert_eq!(asked.query("sysparm_display_value"), Some("true"));
            let journal = |public: bool| {
                let entries = ticket.comments.iter().zip(&ticket.public).rev().filter(|(_, of)| **of == public);
                entries.map(|(text, _)| format!("2026-01-01 10:00:00 - Sluicegate\n{text}\n\n")).collect::<String>()
            };
            Some((200, json!({ "result": { "work_notes": journal(false), "comments": journal(true) } })))
        }
        "PATCH" => {
            let known = ["work_notes", "comments", "category", "assignment_group", "impact", "urgency", "state", "close_code"];
            for (field, value) in only(asked.body, &known)? {
                match field.as_str() {
                    "work_notes" | "comments" => say(ticket, value.as_str()?, field == "comments"),
                    _ => {
                        assert!(value.is_string(), "the Table API takes texts: {field} = {value}");
                        set(ticket, field, value);
                    }
                }
            }
            Some((200, json!({ "result": { "sys_id": id } })))
        }
        _ => None,
    }
}

fn fresh(asked: &Asked<'_>, parts: &[&str], books: &mut Books, category: &str, wrapped: bool) -> Option<(u16, Value)> {
    match (asked.method, parts) {
        ("GET", ["api", "v2", "tickets", id]) => {
            let answer = json!({ "id": 42, "tags": ticket(books, id).tags });
            Some((200, if wrapped { json!({ "ticket": answer }) } else { answer }))
        }
        ("PUT", ["api", "v2", "tickets", id]) => {
            let ticket = ticket(books, id);
            for (field, value) in only(asked.body, &["priority", "status", "group_id", "tags", "resolution", category])? {
                match field.as_str() {
                    "tags" => ticket.tags = strings(value)?.into_iter().collect(),
                    "priority" | "status" | "group_id" => set(ticket, field, &json!(value.as_u64()?)),
                    _ => set(ticket, field, &json!(value.as_str()?)),
                }
            }
            Some((200, json!({})))
        }
        ("GET", ["api", "v2", "tickets", id, "conversations"]) => {
            let all = comments(ticket(books, id), |text| json!({ "body": text, "private": true }));
            let page = asked.page(all);
            Some((200, if wrapped { json!({ "conversations": page }) } else { json!(page) }))
        }
        ("POST", ["api", "v2", "tickets", id, "notes"]) => {
            let note = only(asked.body, &["body", "private"])?;
            say(ticket(books, id), note["body"].as_str()?, !note["private"].as_bool()?);
            Some((201, json!({ "id": 1 })))
        }
        _ => None,
    }
}

fn zammad(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    match (asked.method, parts) {
        ("POST", ["api", "v1", "tags", "add"]) => {
            let tag = only(asked.body, &["item", "object", "o_id"])?;
            assert_eq!(tag["object"], "Ticket");
            ticket(books, &tag["o_id"].as_u64()?.to_string()).tags.insert(tag["item"].as_str()?.to_owned());
            Some((201, json!(true)))
        }
        ("GET", ["api", "v1", "ticket_articles", "by_ticket", id]) => {
            Some((200, json!(comments(ticket(books, id), |text| json!({ "body": text, "internal": true })))))
        }
        ("PUT", ["api", "v1", "tickets", id]) => {
            let ticket = ticket(books, id);
            for (field, value) in only(asked.body, &["article", "priority", "group", "state"])? {
                if field == "article" {
                    let article = only(value, &["subject", "body", "content_type", "type", "internal"])?;
                    assert_eq!((&article["content_type"], &article["type"]), (&json!("text/plain"), &json!("note")));
                    say(ticket, article["body"].as_str()?, !article["internal"].as_bool()?);
                } else {
                    set(ticket, field, &json!(value.as_str()?));
                }
            }
            Some((200, json!({ "id": 42 })))
        }
        _ => None,
    }
}

fn glpi_login(seen: &Seen) -> (u16, Value) {
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    let wanted = "grant_type=password&client_id=client&client_secret=se%26cret&username=sluicegate&password=t0k3n&scope=api";
    if seen.method == "POST" && seen.body == wanted {
        (200, json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "glpi-access" }))
    } else {
        (401, json!({ "error": "invalid_grant" }))
    }
}

fn glpi(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    let ["api.php", "v2", "Assistance", "Ticket", id, rest @ ..] = parts else { return None };
    let ticket = ticket(books, id);
    match (asked.method, rest) {
        ("PATCH", []) => {
            for (field, value) in only(asked.body, &["priority", "category", "status"])? {
                let value = if field == "priority" { value } else { &only(value, &["id"])?["id"] };
                set(ticket, field, &json!(value.as_u64()?));
            }
            Some((200, json!({})))
        }
        ("GET", ["Timeline", "Followup"]) => {
            let number = |name: &str| asked.query(name).and_then(|text| text.parse::<usize>().ok());
            let all = comments(ticket, |text| json!({ "type": "ITILFollowup", "item": { "content": text, "is_private": true } }));
            let page: Vec<Value> = all.into_iter().skip(number("start")?).take(number("limit")?).collect();
            // A part of the list is answered 206.
            Some((206, json!(page)))
        }
        ("POST", ["Timeline", "Followup"]) => {
            let followup = only(asked.body, &["content", "is_private"])?;
            say(ticket, followup["content"].as_str()?, !followup["is_private"].as_bool()?);
            Some((201, json!({ "id": 1 })))
        }
        _ => None,
    }
}

fn github(seen: &Seen, asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    assert_eq!(seen.headers["accept"], "application/vnd.github+json");
    assert_eq!(seen.headers["x-github-api-version"], "2022-11-28");
    assert!(seen.headers.contains_key("user-agent"), "GitHub refuses requests without one");
    let ["issues", id, rest @ ..] = parts else { return None };
    let ticket = ticket(books, id);
    match (asked.method, rest) {
        ("POST", ["labels"]) => {
            ticket.tags.extend(strings(&only(asked.body, &["labels"])?["labels"])?);
            Some((200, json!([])))
        }
        ("PATCH", []) => {
            for (field, value) in only(asked.body, &["state", "state_reason"])? {
                set(ticket, field, &json!(value.as_str()?));
            }
            Some((200, json!({})))
        }
        ("GET", ["comments"]) => Some((200, json!(asked.page(comments(ticket, |text| json!({ "body": text })))))),
        ("POST", ["comments"]) => {
            say(ticket, only(asked.body, &["body"])?["body"].as_str()?, true);
            Some((201, json!({ "id": 1 })))
        }
        _ => None,
    }
}

fn gitlab(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    let ["issues", id, rest @ ..] = parts else { return None };
    let ticket = ticket(books, id);
    match (asked.method, rest) {
        ("PUT", []) => {
            for (field, value) in only(asked.body, &["add_labels", "state_event"])? {
                match field.as_str() {
                    "add_labels" => ticket.tags.extend(value.as_str()?.split(',').map(str::to_owned)),
                    _ => {
                        assert_eq!(value, "close");
                        set(ticket, "state", &json!("closed"));
                    }
                }
            }
            Some((200, json!({})))
        }
        ("GET", ["notes"]) => {
            let mut all = comments(ticket, |text| json!({ "body": text, "internal": true }));
            if asked.query("sort") == Some("desc") {
                all.reverse();
            }
            Some((200, json!(asked.page(all))))
        }
        ("POST", ["notes"]) => {
            let note = only(asked.body, &["body", "internal"])?;
            say(ticket, note["body"].as_str()?, !note["internal"].as_bool()?);
            Some((201, json!({ "id": 1 })))
        }
        _ => None,
    }
}

fn pagerduty(seen: &Seen, asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    assert_eq!(seen.headers["from"], "bot@example.com");
    assert_eq!(seen.headers["accept"], "application/vnd.pagerduty+json;version=2");
    let ["incidents", id, rest @ ..] = parts else { return None };
    let ticket = ticket(books, id);
    match (asked.method, rest) {
        ("GET", []) => Some((200, json!({ "incident": { "status": ticket.fields.get("status").cloned().unwrap_or(json!("triggered")) } }))),
        ("PUT", []) => {
            let incident = only(asked.body.get("incident")?, &["type", "status", "priority"])?;
            assert_eq!(incident["type"], "incident_reference");
            if let Some(priority) = incident.get("priority") {
                assert_eq!(priority["type"], "priority_reference");
                set(ticket, "priority", &json!(priority["id"].as_str()?));
            }
            if let Some(status) = incident.get("status") {
                if ticket.fields.get("status") == Some(status) {
                    return Some((400, json!({ "error": { "message": "Incident Already Resolved", "code": 1001 } })));
                }
                set(ticket, "status", status);
            }
            Some((200, json!({})))
        }
        ("GET", ["notes"]) => Some((200, json!({ "notes": comments(ticket, |text| json!({ "content": text })) }))),
        ("POST", ["notes"]) => {
            say(ticket, only(asked.body.get("note")?, &["content"])?["content"].as_str()?, false);
            Some((200, json!({ "note": {} })))
        }
        _ => None,
    }
}

fn opsgenie(asked: &Asked<'_>, parts: &[&str], books: &mut Books) -> Option<(u16, Value)> {
    let ["v2", "alerts", id, what] = parts else { return None };
    assert_eq!(asked.query("identifierType"), Some("id"));
    let ticket = ticket(books, id);
    let accepted = Some((202, json!({ "result": "Request will be processed", "requestId": "43a29c5c" })));
    match (asked.method, *what) {
        ("GET", "notes") => {
            assert_eq!((asked.query("order"), asked.query("limit")), (Some("desc"), Some("100")));
            let mut all = comments(ticket, |text| json!({ "note": text }));
            all.reverse();
            Some((200, json!({ "data": all.into_iter().take(100).collect::<Vec<_>>() })))
        }
        ("POST", "notes") => {
            say(ticket, only(asked.body, &["note", "source"])?["note"].as_str()?, false);
            accepted
        }
        ("PUT", "priority") => {
            set(ticket, "priority", &json!(only(asked.body, &["priority"])?["priority"].as_str()?));
            accepted
        }
        ("POST", "tags") => {
            ticket.tags.extend(strings(&only(asked.body, &["tags", "source"])?["tags"])?);
            accepted
        }
        ("POST", "close") => {
            only(asked.body, &["source"])?;
            set(ticket, "status", &json!("closed"));
            accepted
        }
        _ => None,
    }
}
