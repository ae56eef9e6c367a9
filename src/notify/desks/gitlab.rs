//! GitLab issues: labels and closing in one `PUT`, then an internal note.
//!
//! The base URL is the project's (`https://gitlab.example.com/api/v4/projects/42`), so no ticket's id can name another
//! one. Priority, category and group are labels. Sources: docs.gitlab.com, "Notes API", "Issues API".

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Gitlab;

impl Protocol for Gitlab {
    fn id_form(&self) -> IdForm {
        IdForm::Digits
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "", page: Some(100), newest_first: true }
    }

    fn comments(&self, id: &str, page: usize) -> Call {
        let query = [("sort", "desc"), ("order_by", "created_at"), ("per_page", "100")];
        Call::get(format!("/issues/{id}/notes"), &query).with("page", (page + 1).to_string())
    }

    fn writes(&self, id: &str, change: &Change<'_>, _current: &Value) -> Result<Vec<Call>, String> {
        let mut fields = json!({});
        let labels = change.tags_and(&[&change.priority, &change.category, &change.group]);
        if !labels.is_empty() {
            fields["add_labels"] = json!(labels.join(","));
        }
        if change.resolved.is_some() {
            fields["state_event"] = json!("close");
        }
        let mut calls = Vec::new();
        if fields != json!({}) {
            calls.push(Call::write(Method::PUT, format!("/issues/{id}"), fields));
        }
        let note = json!({ "body": texts::markdown(change.comment, change.mark), "internal": !change.public });
        calls.push(Call::write(Method::POST, format!("/issues/{id}/notes"), note));
        Ok(calls)
    }
}
