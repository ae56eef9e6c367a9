//! Zammad: tags one by one, then one `PUT` with the article and the fields.
//!
//! The id is the one in the ticket's address, not its number. Zammad has no category: the value becomes a tag. Sources:
//! docs.zammad.org, "Tickets" (an `article` inside an update), "Articles", "Tags".

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Zammad;

impl Protocol for Zammad {
    fn id_form(&self) -> IdForm {
        IdForm::Digits
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "", page: None, newest_first: false }
    }

    fn comments(&self, id: &str, _page: usize) -> Call {
        Call::get(format!("/api/v1/ticket_articles/by_ticket/{id}"), &[])
    }

    fn writes(&self, id: &str, change: &Change<'_>, _current: &Value) -> Result<Vec<Call>, String> {
        let number: u64 = id.parse().map_err(|_| format!("`{id}` is too large for an id"))?;
        let tag = |tag: String| Call::write(Method::POST, "/api/v1/tags/add", json!({ "item": tag, "object": "Ticket", "o_id": number }));
        let mut calls: Vec<Call> = change.tags_and(&[&change.category]).into_iter().map(tag).collect();
        let mut ticket = json!({ "article": {
            "subject": "Sluicegate",
            "body": texts::plain(change.comment, change.mark),
            "content_type": "text/plain",
            "type": "note",
            "internal": !change.public,
        }});
        for (field, value) in [("priority", &change.priority), ("group", &change.group), ("state", &change.resolved)] {
            if let Some(value) = value {
                ticket[field] = value.clone();
            }
        }
        for (field, value) in change.resolved_fields {
            ticket[field] = value.clone();
        }
        calls.push(Call::write(Method::PUT, format!("/api/v1/tickets/{id}"), ticket));
        Ok(calls)
    }
}
