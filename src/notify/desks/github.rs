//! GitHub issues: labels, then closing, then the comment.
//!
//! The base URL is the repository's (`https://api.github.com/repos/OWNER/NAME`), so no ticket's id can name another one.
//! GitHub has no internal comments, which the configuration must say it knows. Priority, category and group are labels.
//! Sources: docs.github.com, REST, "Issues", "Comments", "Labels".

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Github;

impl Protocol for Github {
    fn id_form(&self) -> IdForm {
        IdForm::Digits
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("accept", "application/vnd.github+json".to_owned()), ("x-github-api-version", "2022-11-28".to_owned())]
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "", page: Some(100), newest_first: false }
    }

    fn comments(&self, id: &str, page: usize) -> Call {
        Call::get(format!("/issues/{id}/comments"), &[("per_page", "100")]).with("page", (page + 1).to_string())
    }

    fn writes(&self, id: &str, change: &Change<'_>, _current: &Value) -> Result<Vec<Call>, String> {
        let mut calls = Vec::new();
        let labels = change.tags_and(&[&change.priority, &change.category, &change.group]);
        if !labels.is_empty() {
            calls.push(Call::write(Method::POST, format!("/issues/{id}/labels"), json!({ "labels": labels })));
        }
        if let Some(reason) = &change.resolved {
            calls.push(Call::write(Method::PATCH, format!("/issues/{id}"), json!({ "state": "closed", "state_reason": reason })));
        }
        let body = texts::markdown(change.comment, change.mark);
        calls.push(Call::write(Method::POST, format!("/issues/{id}/comments"), json!({ "body": body })));
        Ok(calls)
    }
}
