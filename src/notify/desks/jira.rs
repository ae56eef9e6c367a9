//! Jira and Jira Service Management, Cloud REST API v3: fields and labels, then the transition, then the comment.
//!
//! The comment is internal where the project is a service project; other projects have no such thing, and there
//! whoever sees the issue reads it. The transition is named by its name or its id, and looked up, because which ones
//! there are depends on the status. Sources: developer.atlassian.com, "Issues", "Issue comments"; the property
//! `sd.public.comment` is Jira Service Management's.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct Jira;

impl Protocol for Jira {
    fn id_form(&self) -> IdForm {
        IdForm::JiraKey
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "/comments", page: Some(100), newest_first: true }
    }

    fn comments(&self, id: &str, page: usize) -> Call {
        Call::get(format!("/rest/api/3/issue/{id}/comment"), &[("orderBy", "-created"), ("maxResults", "100")])
            .with("startAt", (page * 100).to_string())
    }

    fn current(&self, id: &str, change: &Change<'_>) -> Option<Call> {
        change.resolved.is_some().then(|| Call::get(format!("/rest/api/3/issue/{id}"), &[("fields", "status"), ("expand", "transitions")]))
    }

    fn writes(&self, id: &str, change: &Change<'_>, current: &Value) -> Result<Vec<Call>, String> {
        let issue = format!("/rest/api/3/issue/{id}");
        let mut calls = Vec::new();
        let labels: Vec<Value> = change.tags_and(&[&change.category]).into_iter().map(|label| json!({ "add": label })).collect();
        let mut body = json!({});
        if let Some(priority) = &change.priority {
            body["fields"] = json!({ "priority": { "name": priority } });
        }
        if !labels.is_empty() {
            body["update"] = json!({ "labels": labels });
        }
        if body != json!({}) {
            calls.push(Call::write(Method::PUT, issue.clone(), body));
        }
        if let Some(wanted) = &change.resolved
            && let Some(transition) = transition(wanted, current)?
        {
            calls.push(Call::write(Method::POST, format!("{issue}/transitions"), json!({ "transition": { "id": transition } })));
        }
        let mut comment = json!({ "body": texts::atlassian(change.comment, change.mark) });
        if !change.public {
            comment["properties"] = json!([{ "key": "sd.public.comment", "value": { "internal": true } }]);
        }
        calls.push(Call::write(Method::POST, format!("{issue}/comment"), comment));
        Ok(calls)
    }
}

/// The id of the transition; `None` when an earlier try, or a person, brought the issue to an end already.
fn transition(wanted: &Value, current: &Value) -> Result<Option<Value>, String> {
    let open = current.get("transitions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if let Some(found) = open.iter().find(|open| open.get("id") == Some(wanted) || open.get("name") == Some(wanted)) {
        return Ok(found.get("id").cloned());
    }
    let category = current.pointer("/fields/status/statusCategory/key").and_then(Value::as_str);
    if category == Some("done") {
        return Ok(None);
    }
    let names: Vec<&str> = open.iter().filter_map(|open| open.get("name")?.as_str()).collect();
    Err(format!("no transition {wanted} leads out of the issue's status: there are {}", names.join(", ")))
}
