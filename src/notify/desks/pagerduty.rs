//! PagerDuty incidents, REST API v2: priority and resolving in one `PUT`, then a note.
//!
//! An incident that is resolved already refuses to be resolved, so its status is read first. Every write names a user
//! by `From`. There are no tags, categories or groups. Sources: PagerDuty's REST API reference, "Incidents", "Notes".

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct PagerDuty {
    pub from: String,
}

impl Protocol for PagerDuty {
    fn id_form(&self) -> IdForm {
        IdForm::Word
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("from", self.from.clone()), ("accept", "application/vnd.pagerduty+json;version=2".to_owned())]
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "/notes", page: None, newest_first: false }
    }

    fn comments(&self, id: &str, _page: usize) -> Call {
        Call::get(format!("/incidents/{id}/notes"), &[])
    }

    fn current(&self, id: &str, change: &Change<'_>) -> Option<Call> {
        change.resolved.is_some().then(|| Call::get(format!("/incidents/{id}"), &[]))
    }

    fn writes(&self, id: &str, change: &Change<'_>, current: &Value) -> Result<Vec<Call>, String> {
        let mut incident = json!({ "type": "incident_reference" });
        let bare = incident.clone();
        if let Some(priority) = &change.priority {
            incident["priority"] = json!({ "id": priority, "type": "priority_reference" });
        }
        if let Some(status) = change.resolved.as_ref().filter(|status| current.pointer("/incident/status") != Some(status)) {
            incident["status"] = status.clone();
        }
        let mut calls = Vec::new();
        if incident != bare {
            calls.push(Call::write(Method::PUT, format!("/incidents/{id}"), json!({ "incident": incident })));
        }
        let note = json!({ "note": { "content": texts::plain(change.comment, change.mark) } });
        calls.push(Call::write(Method::POST, format!("/incidents/{id}/notes"), note));
        Ok(calls)
    }
}
