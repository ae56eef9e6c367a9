//! Adapters: one file a sender's form of JSON. Each maps an authentic body to reports, and never fails:
//! what it cannot read it says so of, and the delivery becomes a dead letter.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{config::source::AdapterKind, domain::ticket::Report};

pub mod alertmanager;
mod fields;
pub mod json;
mod own;
mod standard_webhooks;
mod zendesk;

/// What an authentic body says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// One or more tickets; an alert notification carries many. No two have the same `external_id`.
    Tickets(Vec<Report>),
    /// Nothing for us: another kind of event, or our own write-back coming round. Answered 202.
    Ignored { reason: String },
    /// Not in the form the adapter knows. Kept as a dead letter and answered 202: sending it again repairs nothing.
    Unreadable { reason: String },
}

pub(super) fn read(adapter: AdapterKind, body: &Value, own_actors: &BTreeSet<String>) -> Reading {
    match adapter {
        AdapterKind::Json => json::read(body, own_actors),
        AdapterKind::StandardWebhooks => standard_webhooks::read(body, own_actors),
        AdapterKind::Zendesk => zendesk::read(body, own_actors),
        AdapterKind::Alertmanager => alertmanager::read(body),
    }
}
