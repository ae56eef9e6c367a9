//! Prometheus Alertmanager's webhook, version 4 (and Grafana's superset): one notification, one report an alert.
//!
//! Source: prometheus/alertmanager, `notify/webhook/webhook.go` and `template/template.go`. The receiver's
//! configuration is in `docs/senders/alertmanager.md`. Unknown fields are accepted: newer versions add some.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Reading, fields, fields::Step};
use crate::domain::{
    digest::Digest,
    priority::Level,
    ticket::{Report, TicketEvent, TicketKind},
    untrusted::Untrusted,
};

/// Annotations that the title and the body are made of; all others become attributes.
const TEXT_ANNOTATIONS: [&str; 3] = ["summary", "description", "message"];

pub(super) fn read(body: &Value) -> Reading {
    let Some(alerts) = body.get("alerts").and_then(Value::as_array) else {
        return Reading::Unreadable { reason: fields::missing("Alertmanager", &["/alerts".to_owned()]) };
    };
    let mut wrong = Vec::new();
    // By external id: one notification may carry the same alert twice, and the later one is newer.
    let mut reports = BTreeMap::new();
    for (index, alert) in alerts.iter().enumerate() {
        match report(body, alert) {
            Some(report) => drop(reports.insert(report.external_id.clone(), report)),
            None => wrong.push(format!("/alerts/{index}/labels")),
        }
    }
    if !wrong.is_empty() {
        return Reading::Unreadable { reason: fields::missing("Alertmanager", &wrong) };
    }
    if reports.is_empty() {
        return Reading::Ignored { reason: "the notification has no alerts".to_owned() };
    }
    Reading::Tickets(reports.into_values().collect())
}

/// What makes two notifications the same: the group, and each alert's fingerprint, start and status.
///
/// `None` when the body is no notification.
pub(in crate::intake) fn identity(body: &Value) -> Option<Vec<String>> {
    let alerts = body.get("alerts")?.as_array()?;
    let status = fields::text(body, "/status").unwrap_or_default();
    let mut parts: Vec<String> = alerts
        .iter()
        .map(|alert| {
            let labels = texts(alert.get("labels"))?;
            let own_status = fields::text(alert, "/status").unwrap_or_else(|| status.clone());
            Some(format!("{}/{own_status}", external_id(alert, &labels)))
        })
        .collect::<Option<_>>()?;
    parts.sort();
    parts.insert(0, fields::text(body, "/groupKey").unwrap_or_default());
    Some(parts)
}

fn report(body: &Value, alert: &Value) -> Option<Report> {
    let labels = texts(alert.get("labels"))?;
    let annotations = texts(alert.get("annotations")).unwrap_or_default();
    let resolved = fields::text(alert, "/status").or_else(|| fields::text(body, "/status")).as_deref() == Some("resolved");
    let annotation = |name: &str| annotations.get(name).filter(|text| !text.trim().is_empty()).cloned();
    let level = labels.get("severity").and_then(|severity| level(severity));
    Some(Report {
        external_id: external_id(alert, &labels),
        external_key: None,
        url: fields::link(alert, "/generatorURL").or_else(|| fields::link(body, "/externalURL")),
        kind: TicketKind::Alert,
        event: if resolved { TicketEvent::Resolved } else { TicketEvent::Opened },
        title: Untrusted::new(title(&labels, annotation("summary"))),
        body: Untrusted::new(
            annotation("description").or_else(|| annotation("message")).or_else(|| annotation("summary")).unwrap_or_default(),
        ),
        body_is_html: false,
        requester: None,
        impact: level.map(|(impact, _)| impact),
        urgency: level.map(|(_, urgency)| urgency),
        category_hint: None,
        attributes: attributes(body, &annotations),
        labels: labels.into_iter().map(|(name, value)| (name, Untrusted::new(value))).collect(),
        tags: BTreeSet::new(),
        reported_at: fields::time(alert, "/startsAt"),
        // While an alert fires its end is zero or a guess of the future.
        updated_at: if resolved { fields::time(alert, "/endsAt") } else { None },
    })
}

/// An alert that fires again after it was resolved has a new start, and is a new ticket.
fn external_id(alert: &Value, labels: &BTreeMap<String, String>) -> String {
    let fingerprint = fields::id(alert, "/fingerprint").filter(|id| id.len() <= 64).unwrap_or_else(|| {
        let parts = labels.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        Digest::of_parts(parts).short()
    });
    match fields::time(alert, "/startsAt") {
        Some(start) => format!("{fingerprint}@{start}"),
        None => fingerprint,
    }
}

fn title(labels: &BTreeMap<String, String>, summary: Option<String>) -> String {
    match (labels.get("alertname").filter(|name| !name.trim().is_empty()), summary) {
        (Some(name), Some(summary)) => format!("{name}: {summary}"),
        (Some(name), None) => name.clone(),
        (None, Some(summary)) => summary,
        (None, None) => {
            let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("alert {{{}}}", pairs.join(", "))
        }
    }
}

fn attributes(body: &Value, annotations: &BTreeMap<String, String>) -> BTreeMap<String, Untrusted> {
    let mut attributes: BTreeMap<String, Untrusted> = annotations
        .iter()
        .filter(|(name, _)| !TEXT_ANNOTATIONS.contains(&name.as_str()))
        .map(|(name, value)| (format!("annotation.{name}"), Untrusted::new(value)))
        .collect();
    for (name, pointer) in [("receiver", "/receiver"), ("group_key", "/groupKey"), ("alertmanager", "/externalURL")] {
        attributes.extend(fields::untrusted(body, pointer).map(|value| (name.to_owned(), value)));
    }
    attributes.extend(
        fields::untrusted(body, "/truncatedAlerts")
            .filter(|count| count.as_untrusted() != "0")
            .map(|count| ("truncated_alerts".to_owned(), count)),
    );
    attributes
}

/// The severities in use: those of the Prometheus operator's mixin, of syslog and of PagerDuty.
fn level(severity: &str) -> Option<(Level, Level)> {
    let step = match severity.trim().to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "disaster" | "fatal" | "p1" | "sev1" => Step::Urgent,
        "high" | "error" | "major" | "p2" | "sev2" => Step::High,
        "warning" | "warn" | "medium" | "average" | "ticket" | "p3" | "sev3" => Step::Normal,
        "low" | "minor" | "info" | "information" | "notice" | "none" | "p4" | "sev4" => Step::Low,
        _ => return None,
    };
    Some(fields::of_four(step))
}

/// An object of texts; `None` when it is something else.
fn texts(value: Option<&Value>) -> Option<BTreeMap<String, String>> {
    value?.as_object()?.iter().map(|(name, value)| value.as_str().map(|text| (name.clone(), text.to_owned()))).collect()
}
