//! The canonical form inside a Standard Webhooks envelope: `{"type": …, "timestamp": …, "data": {ticket}}`.
//!
//! The type says what happened, so `data` has no `event` of its own. Envelope fields we do not know are the
//! sender's business; `data` is read as strictly as the canonical form.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Reading, fields, json};
use crate::domain::ticket::TicketEvent;

/// Types that say something of a ticket. `ticket.` may be followed by these words only.
const TYPES: [(&str, TicketEvent); 7] = [
    ("ticket.created", TicketEvent::Opened),
    ("ticket.opened", TicketEvent::Opened),
    ("ticket.updated", TicketEvent::Updated),
    ("ticket.reopened", TicketEvent::Updated),
    ("ticket.resolved", TicketEvent::Resolved),
    ("ticket.solved", TicketEvent::Resolved),
    ("ticket.closed", TicketEvent::Resolved),
];

pub(super) fn read(body: &Value, own_actors: &BTreeSet<String>) -> Reading {
    let kind = fields::text(body, "/type");
    let (Some(kind), Some(data)) = (&kind, body.get("data")) else {
        let missing: Vec<String> = [("/type", kind.is_none()), ("/data", body.get("data").is_none())]
            .into_iter()
            .filter(|(_, missing)| *missing)
            .map(|(pointer, _)| pointer.to_owned())
            .collect();
        return Reading::Unreadable { reason: fields::missing("Standard Webhooks", &missing) };
    };
    let Some((_, event)) = TYPES.iter().find(|(name, _)| name == kind) else {
        return Reading::Ignored { reason: format!("event type `{}` says nothing of a ticket", kind.chars().take(80).collect::<String>()) };
    };
    if data.get("event").is_some() {
        return Reading::Unreadable { reason: "`/data/event` is given: `/type` already says what happened".to_owned() };
    }
    match json::report_at(data, "/data") {
        Ok(mut report) => {
            report.event = *event;
            report.updated_at = report.updated_at.or_else(|| fields::time(body, "/timestamp"));
            json::told_by_another(report, data, own_actors)
        }
        Err(problems) => Reading::Unreadable { reason: json::NotATicket::Fields(problems).to_string() },
    }
}
