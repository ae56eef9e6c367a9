//! Freshdesk and Freshservice, API v2: fields and tags in one `PUT`, then a private note.
//!
//! `tags` replaces the list, and neither API locks, so tags are read first and the `PUT` is left out when it would change
//! nothing. The two differ in the name of the category (`type`, `category`) and in whether answers are wrapped. Sources:
//! developers.freshdesk.com and api.freshservice.com, "Tickets", "Conversations"; from memory.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Fresh {
    category: &'static str,
    /// Where the ticket's tags, and the list of comments, stand in an answer.
    tags: &'static str,
    conversations: &'static str,
}

impl Fresh {
    pub const DESK: Self = Self { category: "type", tags: "/tags", conversations: "" };
    pub const SERVICE: Self = Self { category: "category", tags: "/ticket/tags", conversations: "/conversations" };
}

impl Protocol for Fresh {
    fn id_form(&self) -> IdForm {
        IdForm::Digits
    }

    fn listing(&self) -> Listing {
        Listing { pointer: self.conversations, page: Some(100), newest_first: false }
    }

    fn comments(&self, id: &str, page: usize) -> Call {
        Call::get(format!("/api/v2/tickets/{id}/conversations"), &[("per_page", "100")]).with("page", (page + 1).to_string())
    }

    fn current(&self, id: &str, change: &Change<'_>) -> Option<Call> {
        (!change.tags.is_empty()).then(|| Call::get(format!("/api/v2/tickets/{id}"), &[]))
    }

    fn writes(&self, id: &str, change: &Change<'_>, current: &Value) -> Result<Vec<Call>, String> {
        let mut fields = json!({});
        for (field, value) in
            [("priority", &change.priority), (self.category, &change.category), ("group_id", &change.group), ("status", &change.resolved)]
        {
            if let Some(value) = value {
                fields[field] = value.clone();
            }
        }
        for (field, value) in change.resolved_fields {
            fields[field] = value.clone();
        }
        let had = current.pointer(self.tags).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let had: Vec<String> = had.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let new: Vec<String> = change.tags.iter().filter(|tag| !had.contains(tag)).cloned().collect();
        if !new.is_empty() {
            fields["tags"] = json!([had, new].concat());
        }
        let mut calls = Vec::new();
        if fields != json!({}) {
            calls.push(Call::write(Method::PUT, format!("/api/v2/tickets/{id}"), fields));
        }
        let note = json!({ "body": texts::html(change.comment, change.mark), "private": !change.public });
        calls.push(Call::write(Method::POST, format!("/api/v2/tickets/{id}/notes"), note));
        Ok(calls)
    }
}
