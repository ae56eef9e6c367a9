//! Zendesk's two forms: an event subscription (`zen:event-type:ticket.…`), and the body of a trigger's webhook
//! that an admin pastes from `docs/senders/zendesk.md`.
//!
//! Source: developer.zendesk.com, "Ticket events"; unknown fields are accepted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Reading, fields, fields::Step, own};
use crate::domain::{
    priority::Level,
    ticket::{Report, Requester, TicketEvent, TicketKind},
    untrusted::Untrusted,
};

const EVENT_TYPE: &str = "zen:event-type:";

pub(super) fn read(body: &Value, own_actors: &BTreeSet<String>) -> Reading {
    match (fields::text(body, "/type"), body.get("detail"), body.get("ticket")) {
        (Some(kind), ..) if kind.starts_with(EVENT_TYPE) && !kind[EVENT_TYPE.len()..].starts_with("ticket.") => {
            Reading::Ignored { reason: format!("event type `{}` says nothing of a ticket", kind.chars().take(80).collect::<String>()) }
        }
        (Some(kind), Some(detail), _) if kind.starts_with(EVENT_TYPE) => {
            subscription(body, detail, &kind[EVENT_TYPE.len() + "ticket.".len()..], own_actors)
        }
        (_, _, Some(ticket)) => trigger(body, ticket, own_actors),
        _ => Reading::Unreadable {
            reason: fields::missing("Zendesk", &["/type and /detail (event subscription)".to_owned(), "/ticket (trigger)".to_owned()]),
        },
    }
}

/// `what` is the part of the event's type after `ticket.`, like `status_changed`.
fn subscription(body: &Value, detail: &Value, what: &str, own_actors: &BTreeSet<String>) -> Reading {
    let status = fields::text(detail, "/status").map(|status| status.to_ascii_lowercase());
    let event = match what {
        "created" => TicketEvent::Opened,
        // Nobody has to work on it any more.
        "soft_deleted" | "permanently_deleted" | "marked_as_spam" | "merged" => TicketEvent::Resolved,
        _ if is_done(status.as_deref()) => TicketEvent::Resolved,
        _ => TicketEvent::Updated,
    };
    let actor = fields::text(detail, "/actor_id").or_else(|| fields::text(body, "/event/comment/author/id"));
    let comment = fields::text(body, "/event/comment/body");
    if let Some(reason) = own::doing(event, actor.as_deref(), comment.as_deref(), own_actors) {
        return Reading::Ignored { reason };
    }
    if what == "tags_changed" && only_our_tags(body) {
        return Reading::Ignored { reason: "only tags that Sluicegate set changed".to_owned() };
    }
    let mut attributes = BTreeMap::new();
    for (name, pointer) in [
        ("status", "/status"),
        ("priority", "/priority"),
        ("type", "/type"),
        ("group_id", "/group_id"),
        ("assignee_id", "/assignee_id"),
        ("brand_id", "/brand_id"),
        ("form_id", "/form_id"),
        ("channel", "/via/channel"),
        ("external_id", "/external_id"),
    ] {
        attributes.extend(fields::untrusted(detail, pointer).map(|value| (name.to_owned(), value)));
    }
    finish(Parts {
        root: "/detail",
        ticket: detail,
        title: "/subject",
        event,
        url: None,
        requester: fields::untrusted(detail, "/requester_id").map(|id| Requester {
            id,
            email: None,
            name: None,
            organization: fields::untrusted(detail, "/organization_id"),
        }),
        attributes,
        tags: detail.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

/// The template's values are all texts, blank where the ticket has none.
fn trigger(body: &Value, ticket: &Value, own_actors: &BTreeSet<String>) -> Reading {
    let status = fields::text(ticket, "/status").map(|status| status.to_ascii_lowercase());
    let event = match fields::text(body, "/event").as_deref() {
        Some("created") => TicketEvent::Opened,
        _ if is_done(status.as_deref()) => TicketEvent::Resolved,
        _ => TicketEvent::Updated,
    };
    let actor = fields::text(body, "/actor/id");
    let comment = fields::text(ticket, "/latest_comment");
    if let Some(reason) = own::doing(event, actor.as_deref(), comment.as_deref(), own_actors) {
        return Reading::Ignored { reason };
    }
    let mut attributes = BTreeMap::new();
    for (name, pointer) in
        [("status", "/status"), ("priority", "/priority"), ("type", "/type"), ("group", "/group"), ("brand", "/brand"), ("channel", "/via")]
    {
        attributes.extend(fields::untrusted(ticket, pointer).map(|value| (name.to_owned(), value)));
    }
    finish(Parts {
        root: "/ticket",
        ticket,
        title: "/title",
        event,
        // Zendesk writes the link without its scheme.
        url: fields::text(ticket, "/url").map(|url| if url.contains("://") { url } else { format!("https://{url}") }),
        requester: fields::untrusted(ticket, "/requester/id").map(|id| Requester {
            id,
            email: fields::untrusted(ticket, "/requester/email"),
            name: fields::untrusted(ticket, "/requester/name"),
            organization: fields::untrusted(ticket, "/requester/organization"),
        }),
        attributes,
        tags: fields::text(ticket, "/tags").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    })
}

/// What the two forms have in common once each has said where its parts are.
struct Parts<'a> {
    /// Where `ticket` stands in the body, for messages.
    root: &'a str,
    ticket: &'a Value,
    title: &'a str,
    event: TicketEvent,
    url: Option<String>,
    requester: Option<Requester>,
    attributes: BTreeMap<String, Untrusted>,
    tags: BTreeSet<String>,
}

fn finish(parts: Parts<'_>) -> Reading {
    let ticket = parts.ticket;
    let id = fields::id(ticket, "/id");
    let title = fields::untrusted(ticket, parts.title);
    let description = fields::untrusted(ticket, "/description");
    // A ticket by e-mail may have no subject; Zendesk then shows the description's start.
    let (Some(id), Some(title)) = (id.clone(), title.clone().or_else(|| description.as_ref().map(first_line))) else {
        let missing: Vec<String> = [("/id", id.is_none()), (parts.title, title.is_none()), ("/description", description.is_none())]
            .into_iter()
            .filter(|(_, missing)| *missing)
            .map(|(pointer, _)| format!("{}{pointer}", parts.root))
            .collect();
        return Reading::Unreadable { reason: fields::missing("Zendesk", &missing) };
    };
    let level = fields::text(ticket, "/priority").and_then(|priority| level(&priority));
    Reading::Tickets(vec![Report {
        external_key: Some(format!("#{id}")),
        external_id: id,
        url: parts.url.filter(|url| fields::is_link(url)).map(Untrusted::new),
        kind: kind(fields::text(ticket, "/type").as_deref()),
        event: parts.event,
        title,
        body: description.unwrap_or_default(),
        body_is_html: false,
        requester: parts.requester,
        impact: level.map(|(impact, _)| impact),
        urgency: level.map(|(_, urgency)| urgency),
        category_hint: fields::untrusted(ticket, "/category"),
        labels: BTreeMap::new(),
        attributes: parts.attributes,
        tags: parts.tags.into_iter().filter(|tag| !tag.starts_with(own::TAG)).map(Untrusted::new).collect(),
        reported_at: fields::time(ticket, "/created_at"),
        updated_at: fields::time(ticket, "/updated_at"),
    }])
}

fn only_our_tags(body: &Value) -> bool {
    let tags = |pointer| body.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut changed = tags("/event/tags_added").iter().chain(tags("/event/tags_removed")).peekable();
    changed.peek().is_some() && changed.all(|tag| tag.as_str().is_some_and(|tag| tag.starts_with(own::TAG)))
}

fn is_done(status: Option<&str>) -> bool {
    matches!(status, Some("solved" | "closed"))
}

fn first_line(text: &Untrusted) -> Untrusted {
    let line = text.as_untrusted().lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Untrusted::new(line.trim().chars().take(200).collect::<String>())
}

fn kind(kind: Option<&str>) -> TicketKind {
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("problem") => TicketKind::Problem,
        Some("question" | "task") => TicketKind::ServiceRequest,
        _ => TicketKind::Incident,
    }
}

fn level(priority: &str) -> Option<(Level, Level)> {
    let step = match priority.to_ascii_lowercase().as_str() {
        "urgent" => Step::Urgent,
        "high" => Step::High,
        "normal" => Step::Normal,
        "low" => Step::Low,
        _ => return None,
    };
    Some(fields::of_four(step))
}
