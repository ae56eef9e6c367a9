//! Opsgenie alerts, API v2: priority, tags, closing, then a note.
//!
//! Every write is answered 202 and done a moment later; the shortest wait before a second try is longer than that. The
//! id is `alertId`, not the alias. Categories are tags. Sources: Opsgenie's OpenAPI description, "Alert API".

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Opsgenie;

impl Protocol for Opsgenie {
    fn id_form(&self) -> IdForm {
        IdForm::Word
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "/data", page: None, newest_first: true }
    }

    fn comments(&self, id: &str, _page: usize) -> Call {
        // A second page would be asked for by an offset that the first one's answer tells; ours is among the newest hundred.
        Call::get(format!("/v2/alerts/{id}/notes"), &[("identifierType", "id"), ("order", "desc"), ("limit", "100")])
    }

    fn writes(&self, id: &str, change: &Change<'_>, _current: &Value) -> Result<Vec<Call>, String> {
        let alert = format!("/v2/alerts/{id}");
        let write = |method, what: &str, body| Call::write(method, format!("{alert}/{what}"), body).with("identifierType", "id");
        let mut calls = Vec::new();
        if let Some(priority) = &change.priority {
            calls.push(write(Method::PUT, "priority", json!({ "priority": priority })));
        }
        let tags = change.tags_and(&[&change.category]);
        if !tags.is_empty() {
            calls.push(write(Method::POST, "tags", json!({ "tags": tags, "source": "Sluicegate" })));
        }
        if change.resolved.is_some() {
            calls.push(write(Method::POST, "close", json!({ "source": "Sluicegate" })));
        }
        let note = texts::plain(change.comment, change.mark);
        calls.push(write(Method::POST, "notes", json!({ "note": note, "source": "Sluicegate" })));
        Ok(calls)
    }
}
