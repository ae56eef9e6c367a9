//! GLPI 11, high-level API: fields in one `PATCH`, then a private followup.
//!
//! Sources: GLPI's own code, `ITILController` and `ResourceAccessor` (`status` and `category` are written as objects
//! with an `id`; a followup does not open a solved ticket again unless told to). The token lives an hour, so each message
//! logs in.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    protocol::{Call, Change, IdForm, Listing, Protocol},
    texts,
};
use crate::config::secret::Secret;

pub(super) struct Glpi;

impl Glpi {
    pub const LOGIN: &str = "/api.php/token";

    /// The form that changes user and password for a token.
    pub fn login(client_id: &str, client_secret: &Secret, user: &str, password: &Secret) -> Secret {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "password").append_pair("client_id", client_id).append_pair("client_secret", client_secret.expose());
        form.append_pair("username", user).append_pair("password", password.expose()).append_pair("scope", "api");
        Secret::new(form.finish())
    }
}

impl Protocol for Glpi {
    fn id_form(&self) -> IdForm {
        IdForm::Digits
    }

    fn listing(&self) -> Listing {
        Listing { pointer: "", page: Some(100), newest_first: false }
    }

    fn comments(&self, id: &str, page: usize) -> Call {
        Call::get(format!("/api.php/v2/Assistance/Ticket/{id}/Timeline/Followup"), &[("limit", "100")])
            .with("start", (page * 100).to_string())
    }

    fn writes(&self, id: &str, change: &Change<'_>, _current: &Value) -> Result<Vec<Call>, String> {
        let ticket = format!("/api.php/v2/Assistance/Ticket/{id}");
        let mut fields = json!({});
        if let Some(priority) = &change.priority {
            fields["priority"] = priority.clone();
        }
        for (field, value) in [("category", &change.category), ("status", &change.resolved)] {
            if let Some(value) = value {
                fields[field] = json!({ "id": value });
            }
        }
        let mut calls = Vec::new();
        if fields != json!({}) {
            calls.push(Call::write(Method::PATCH, ticket.clone(), fields));
        }
        let followup = json!({ "content": texts::html(change.comment, change.mark), "is_private": !change.public });
        calls.push(Call::write(Method::POST, format!("{ticket}/Timeline/Followup"), followup));
        Ok(calls)
    }
}
