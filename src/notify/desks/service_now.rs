//! ServiceNow, Table API on `incident`: one `PATCH` with the work note and the fields.
//!
//! The Table API has no conditional write, so two writers of one field are not told apart; only mapped fields are sent.
//! Priority is computed by ServiceNow from impact and urgency, so a priority is mapped to both. Sources: ServiceNow's
//! "Table API"; that `sysparm_display_value=true` gives a journal field with all its entries is from memory.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};

pub(super) struct ServiceNow;

fn path(id: &str) -> String {
    format!("/api/now/table/incident/{id}")
}

impl Protocol for ServiceNow {
    fn id_form(&self) -> IdForm {
        IdForm::SysId
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "/result", page: None, newest_first: true }
    }

    fn comments(&self, id: &str, _page: usize) -> Call {
        Call::get(path(id), &[("sysparm_fields", "work_notes,comments"), ("sysparm_display_value", "true")])
    }

    fn writes(&self, id: &str, change: &Change<'_>, _current: &Value) -> Result<Vec<Call>, String> {
        let journal = if change.public { "comments" } else { "work_notes" };
        let mut body = json!({});
        body[journal] = json!(texts::plain(change.comment, change.mark));
        for (field, value) in [("category", &change.category), ("assignment_group", &change.group)] {
            if let Some(value) = value {
                body[field] = value.clone();
            }
        }
        if let Some((impact, urgency)) = change.priority.as_ref().and_then(Value::as_str).and_then(|both| both.split_once('/')) {
            body["impact"] = json!(impact);
            body["urgency"] = json!(urgency);
        }
        if let Some(state) = &change.resolved {
            // The Table API takes and gives every value as text.
            body["state"] = json!(state.to_string());
        }
        for (field, value) in change.resolved_fields {
            body[field] = value.clone();
        }
        Ok(vec![Call::write(Method::PATCH, path(id), body).with("sysparm_fields", "sys_id")])
    }
}
