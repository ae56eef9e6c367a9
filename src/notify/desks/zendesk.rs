//! Zendesk: one `PUT` with comment and fields, under `safe_update`.
//!
//! Tags are written whole, because `additional_tags` is documented for bulk updates only; the lock makes that safe.
//! Sources: developer.zendesk.com, "Tickets" (`safe_update`, `updated_stamp`: 409 when the ticket changed since) and
//! "Ticket Comments". Zendesk has no category: the value becomes a tag, which also sets a drop-down field with that tag.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Zendesk;

impl Protocol for Zendesk {
    fn id_form(&self) -> IdForm {
        IdForm::Digits
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "/comments", page: Some(100), newest_first: true }
    }

    fn comments(&self, id: &str, page: usize) -> Call {
        Call::get(format!("/api/v2/tickets/{id}/comments.json"), &[("sort_order", "desc"), ("per_page", "100")])
            .with("page", (page + 1).to_string())
    }

    fn current(&self, id: &str, _change: &Change<'_>) -> Option<Call> {
        Some(Call::get(format!("/api/v2/tickets/{id}.json"), &[]))
    }

    fn writes(&self, id: &str, change: &Change<'_>, current: &Value) -> Result<Vec<Call>, String> {
        let stamp = current.pointer("/ticket/updated_at").and_then(Value::as_str).ok_or("the ticket was answered without `updated_at`")?;
        let mut ticket = json!({
            "comment": { "body": texts::plain(change.comment, change.mark), "public": change.public },
            "safe_update": true,
            "updated_stamp": stamp,
        });
        for (field, value) in [("priority", &change.priority), ("group_id", &change.group), ("status", &change.resolved)] {
            if let Some(value) = value {
                ticket[field] = value.clone();
            }
        }
        let had = current.pointer("/ticket/tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let had: Vec<String> = had.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let new: Vec<String> = change.tags_and(&[&change.category]).into_iter().filter(|tag| !had.contains(tag)).collect();
        if !new.is_empty() {
            ticket["tags"] = json!([had, new].concat());
        }
        Ok(vec![Call::write(Method::PUT, format!("/api/v2/tickets/{id}.json"), json!({ "ticket": ticket }))])
    }

    fn locks(&self) -> bool {
        true
    }
}
