//! The room as a whole: published vectors, forged requests, and the adapters on bodies as senders make them.

use proptest::prelude::*;
use serde_json::json;

use super::{error::IntakeError, *};
use crate::{
    config::source::Source,
    domain::{
        priority::Level,
        ticket::{Report, TicketEvent, TicketKind},
        time::Timestamp,
    },
};

const SECRET: &str = "triage-test-secret";
const BODY: &[u8] = br#"{"ticket":{"id":42,"title":"VPN down"}}"#;
const DIGEST: &str = "d5ccb4faec4c84ec8757dca3e8a1cd113f46dfd144f5a61ebf6083633b9412d7";
const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_030_000)
}

fn source(adapter: &str, auth: serde_json::Value) -> Source {
    serde_json::from_value(json!({"name": "desk", "adapter": adapter, "auth": auth, "own_actors": ["777"]})).unwrap()
}

fn spec(adapter: &str, auth: serde_json::Value) -> SourceSpec {
    SourceSpec::from_config(&source(adapter, auth)).unwrap()
}

fn signed(adapter: &str, scheme: &str, secrets: &[&str]) -> SourceSpec {
    let tolerance = if scheme == "glpi" { "off" } else { "5m" };
    spec(adapter, json!({"scheme": "signature", "name": scheme, "secrets": secrets, "tolerance": tolerance}))
}

fn bearer(adapter: &str) -> (SourceSpec, Vec<(String, String)>) {
    let token = "4f1d9a7be2c88035";
    (spec(adapter, json!({"scheme": "token", "secrets": [token]})), headers(&[("authorization", &format!("Bearer {token}"))]))
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Scheme, secret, headers, body.
type Vector = (&'static str, &'static str, Vec<(String, String)>, &'static [u8]);

/// Computed with openssl, or published by the sender.
fn vectors() -> Vec<Vector> {
    let (unix, iso) = ("1700000000", "2023-11-14T22:13:20Z");
    let standard = |prefix: &str| {
        headers(&[
            (&format!("{prefix}-id"), "msg_test"),
            (&format!("{prefix}-timestamp"), unix),
            (&format!("{prefix}-signature"), "v1,KaQjb2+ldFnppd3jmNWEZ9oc1plCmHX6mTcDRymBsXM="),
        ])
    };
    vec![
        ("standard_webhooks", WHSEC, standard("webhook"), BODY),
        ("gitlab", WHSEC, standard("webhook"), BODY),
        ("svix", WHSEC, standard("svix"), BODY),
        (
            "zendesk",
            SECRET,
            headers(&[
                ("x-zendesk-webhook-signature", "+SqJoNgLuQsJz7E9gL2gJEdrjXpbwTe+oOdkxPmaHiE="),
                ("x-zendesk-webhook-signature-timestamp", iso),
            ]),
            BODY,
        ),
        ("jira", SECRET, headers(&[("x-hub-signature", &format!("sha256={DIGEST}"))]), BODY),
        ("github", SECRET, headers(&[("x-hub-signature-256", &format!("sha256={DIGEST}"))]), BODY),
        (
            "github",
            "It's a Secret to Everybody",
            headers(&[("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")]),
            b"Hello, World!",
        ),
        ("zammad", SECRET, headers(&[("x-hub-signature", "sha1=8e64e00fa2a06b7c53db3e88e8e4ceb06cb6e493")]), BODY),
        (
            "glpi",
            SECRET,
            headers(&[
                ("x-glpi-signature", "ff689acfe4fe81ae72881869f01a8badc018efbacd60d9845d9226c530ed9c5a"),
                ("x-glpi-timestamp", unix),
            ]),
            BODY,
        ),
        ("pagerduty", SECRET, headers(&[("x-pagerduty-signature", &format!("v1={DIGEST}"))]), BODY),
        ("grafana", SECRET, headers(&[("x-grafana-alerting-signature", DIGEST)]), BODY),
        (
            "grafana_timestamp",
            SECRET,
            headers(&[
                ("x-grafana-alerting-signature", "23aca2f6300f5bf0265e483465ea6572ad51d092909fa0e735ad9e233512fcb1"),
                ("x-grafana-alerting-signature-timestamp", unix),
            ]),
            BODY,
        ),
        (
            "slack",
            SECRET,
            headers(&[
                ("x-slack-signature", "v0=d7711ac46f1ccc749fb34c40f28f22bad494340cbd1ca059e31fdb3b38ff4a2b"),
                ("x-slack-request-timestamp", unix),
            ]),
            BODY,
        ),
    ]
}

#[test]
fn every_scheme_takes_its_vector_and_nothing_that_differs_from_it() {
    let mut tried = std::collections::BTreeSet::new();
    for (scheme, secret, headers, body) in vectors() {
        tried.insert(scheme);
        let spec = signed("json", scheme, &[secret]);
        assert!(receive(&spec, &headers, body, now()).is_ok(), "{scheme}");
        let rotating = signed(
            "json",
            scheme,
            &[if secret == WHSEC { "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=" } else { "another-live-secret" }, secret],
        );
        assert!(receive(&rotating, &headers, body, now()).is_ok(), "{scheme}: the second live secret");

        let longer = [body, b" "].concat();
        assert_unauthentic(&spec, &headers, &longer, scheme);
        for (index, (name, value)) in headers.iter().enumerate() {
            let mut without = headers.clone();
            without.remove(index);
            assert_unauthentic(&spec, &without, body, scheme);
            let mut twice = headers.clone();
            twice.push((name.clone(), value.clone()));
            assert_unauthentic(&spec, &twice, body, scheme);
            for changed in
                [String::new(), format!("{value}0"), value[..value.len() - 1].to_owned(), value.replace(['4', '7'], "5"), "é".to_owned()]
            {
                if changed != *value {
                    let mut other = headers.clone();
                    other[index].1 = changed;
                    assert_unauthentic(&spec, &other, body, scheme);
                }
            }
        }
    }
    assert_eq!(tried, scheme::SCHEMES.iter().map(|scheme| scheme.name).collect());
}

fn assert_unauthentic(spec: &SourceSpec, headers: &[(String, String)], body: &[u8], what: &str) {
    match receive(spec, headers, body, now()) {
        Err(refused @ Refused::Unauthentic(_)) => assert_eq!(refused.to_string(), refuse_unknown_source(body).to_string()),
        other => panic!("{what}: {headers:?} gave {other:?}"),
    }
}

#[test]
fn the_vector_of_the_standard_webhooks_library_is_taken_within_its_window() {
    let spec = signed("json", "standard_webhooks", &["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
    let headers = headers(&[
        ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
        ("webhook-timestamp", "1649367553"),
        ("webhook-signature", "v1a,AAAA v1,AAAA v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
    ]);
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let at = |seconds: i64| receive(&spec, &headers, body, Timestamp::from_millis((1_649_367_553 + seconds) * 1000));
    for inside in [-300, 0, 300] {
        assert_eq!(at(inside).unwrap().dedup_key, "id:msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
    }
    for outside in [-301, 301, 86_400] {
        let refused = at(outside).unwrap_err();
        assert!(matches!(refused, Refused::Stale { .. }), "{outside}");
        assert_eq!(refused.to_string(), refuse_unknown_source(body).to_string());
    }
}

#[test]
fn pagerduty_may_send_the_old_and_the_new_signature() {
    let spec = signed("json", "pagerduty", &[SECRET]);
    let both = headers(&[("x-pagerduty-signature", &format!("v1={},v1={DIGEST}", "0".repeat(64)))]);
    assert!(receive(&spec, &both, BODY, now()).is_ok());
    let many = headers(&[("x-pagerduty-signature", &vec![format!("v1={DIGEST}"); 9].join(","))]);
    assert_unauthentic(&spec, &many, BODY, "nine signatures");
}

#[test]
fn tokens_and_passwords_are_taken_only_whole() {
    let token = "0123456789abcdef";
    let spec_bearer = spec("json", json!({"scheme": "token", "secrets": [token, "fedcba9876543210"]}));
    let spec_header = spec("json", json!({"scheme": "token", "secrets": [token], "header": "X-Gitlab-Token"}));
    let spec_basic = spec("json", json!({"scheme": "basic", "username": "am", "password": token}));
    // base64 of `am:0123456789abcdef`
    let basic = "Basic YW06MDEyMzQ1Njc4OWFiY2RlZg==";
    assert!(receive(&spec_bearer, &headers(&[("authorization", "bearer 0123456789abcdef")]), BODY, now()).is_ok());
    assert!(receive(&spec_bearer, &headers(&[("authorization", "Bearer fedcba9876543210")]), BODY, now()).is_ok());
    assert!(receive(&spec_header, &headers(&[("x-gitlab-token", token)]), BODY, now()).is_ok());
    assert!(receive(&spec_basic, &headers(&[("authorization", basic)]), BODY, now()).is_ok());
    for (spec, value) in [
        (&spec_bearer, "Bearer 0123456789abcde"),
        (&spec_bearer, "Bearer"),
        (&spec_bearer, basic),
        (&spec_basic, "Basic YW06"),
        (&spec_basic, "Basic ???"),
        (&spec_basic, "Bearer 0123456789abcdef"),
    ] {
        assert_unauthentic(spec, &headers(&[("authorization", value)]), BODY, value);
    }
    assert_unauthentic(&spec_header, &headers(&[("authorization", "Bearer 0123456789abcdef")]), BODY, "another header");
}

#[test]
fn a_source_that_could_be_guessed_or_cannot_work_is_refused_when_loaded() {
    let refuse = |auth| SourceSpec::from_config(&source("json", auth)).unwrap_err();
    let signature = |name: &str, secrets: serde_json::Value| json!({"scheme": "signature", "name": name, "secrets": secrets});
    assert!(refuse(signature("zendesc", json!([SECRET]))).to_string().contains("did you mean `zendesk`?"));
    assert!(matches!(refuse(signature("zendesk", json!([]))), IntakeError::SecretCount { count: 0, .. }));
    assert!(matches!(refuse(signature("zendesk", json!([SECRET, SECRET, SECRET]))), IntakeError::SecretCount { count: 3, .. }));
    for weak in ["", "changeme", "xxxxxxxxxxxxxxxxxxxxxxxx"] {
        assert!(matches!(refuse(signature("zendesk", json!([weak]))), IntakeError::WeakSecret { number: 1, .. }), "{weak}");
        assert!(matches!(refuse(json!({"scheme": "basic", "username": "a", "password": weak})), IntakeError::WeakSecret { .. }), "{weak}");
    }
    for bad in [SECRET, "whsec_", "whsec_AAAA", "whsec_!!!!"] {
        assert!(matches!(refuse(signature("svix", json!([bad]))), IntakeError::SecretForm { .. }), "{bad}");
    }
    assert!(matches!(refuse(signature("glpi", json!([SECRET]))), IntakeError::ToleranceWithRetries { .. }));
    assert!(matches!(refuse(json!({"scheme": "token", "secrets": [SECRET], "header": "X Token"})), IntakeError::Header { .. }));
    let shown = format!("{:?} {}", signed("json", "github", &[SECRET]), refuse(signature("zendesk", json!(["changeme"]))));
    assert!(!shown.contains(SECRET) && !shown.contains("changeme"), "{shown}");
}

#[test]
fn a_replay_with_another_unsigned_delivery_id_has_the_key_of_the_first() {
    let spec = signed("json", "github", &[SECRET]);
    let signature = format!("sha256={DIGEST}");
    let key = |id: &str| receive(&spec, &headers(&[("x-hub-signature-256", &signature), ("x-github-delivery", id)]), BODY, now()).unwrap();
    assert_eq!(key("a").dedup_key, key("b").dedup_key);
    assert_eq!(key("a").kept_headers, headers(&[("x-github-delivery", "a")]));
    let (spec, mut pairs) = bearer("json");
    let by_body = receive(&spec, &pairs, b"{}", now()).unwrap().dedup_key;
    assert!(by_body.starts_with("body:sha256:"));
    pairs.push(("idempotency-key".to_owned(), "order-7".to_owned()));
    assert_eq!(receive(&spec, &pairs, b"{}", now()).unwrap().dedup_key, "key:order-7");
}

#[test]
fn a_glpi_retry_hours_later_has_the_key_of_the_first() {
    let (_, secret, pairs, body) = vectors().into_iter().find(|(scheme, ..)| *scheme == "glpi").unwrap();
    let spec = signed("json", "glpi", &[secret]);
    let later = receive(&spec, &pairs, body, now().plus(std::time::Duration::from_secs(7200))).unwrap();
    assert_eq!(later.dedup_key, receive(&spec, &pairs, body, now()).unwrap().dedup_key);
    let mut upper = pairs.clone();
    upper[0].1 = upper[0].1.to_ascii_uppercase();
    assert_eq!(receive(&spec, &upper, body, now()).unwrap().dedup_key, later.dedup_key, "another spelling of the same signature");
}

fn read(adapter: &str, body: &serde_json::Value) -> Reading {
    let (spec, pairs) = bearer(adapter);
    receive(&spec, &pairs, body.to_string().as_bytes(), now()).unwrap().reading
}

fn tickets(adapter: &str, body: &serde_json::Value) -> Vec<Report> {
    match read(adapter, body) {
        Reading::Tickets(reports) => reports,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_canonical_ticket_reports_all_that_is_wrong_at_once() {
    let problems = |body: &str| match adapters::json::report(body.as_bytes()).unwrap_err() {
        adapters::json::NotATicket::Fields(problems) => problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>(),
        other => panic!("{other}"),
    };
    assert_eq!(problems("{}"), ["/body", "/external_id", "/title"]);
    assert_eq!(
        problems(
            r#"{"external_id": "a b", "title": " ", "body": 7, "impact": "huge", "url": "javascript:alert(1)", "tags": ["x", 1],
                "labels": {"a/b": []}, "requester": {"mail": "x"}, "reported_at": "yesterday", "titel": 1}"#
        ),
        [
            "/body",
            "/external_id",
            "/impact",
            "/labels/a~1b",
            "/reported_at",
            "/requester/id",
            "/requester/mail",
            "/tags/1",
            "/titel",
            "/title",
            "/url"
        ]
    );
    let error = adapters::json::report(br#"{"external_id": "1", "titel": "x", "title": "x", "body": ""}"#).unwrap_err().to_string();
    assert_eq!(error, "`/titel` is not a known field: did you mean `title`?");
    assert!(adapters::json::report(b"[]").is_err());
}

#[test]
fn the_fields_of_the_canonical_form_are_those_documented() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/senders/json.md")).unwrap();
    for field in adapters::json::FIELDS {
        assert!(page.contains(&format!("| `{field}` |")), "{field}");
    }
}

#[test]
fn an_envelope_says_what_happened_and_other_types_are_ignored() {
    let data = json!({"external_id": "7", "title": "t", "body": "b"});
    let report =
        tickets("standard_webhooks", &json!({"type": "ticket.closed", "timestamp": "2026-01-02T03:04:05Z", "data": data, "more": 1}));
    assert_eq!((report[0].event, report[0].updated_at), (TicketEvent::Resolved, Some("2026-01-02T03:04:05Z".parse().unwrap())));
    assert!(matches!(read("standard_webhooks", &json!({"type": "user.created", "data": {}})), Reading::Ignored { .. }));
    match read("standard_webhooks", &json!({"type": "ticket.created", "data": {"title": "t"}})) {
        Reading::Unreadable { reason } => assert!(reason.contains("`/data/body` is missing; `/data/external_id` is missing"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

fn zendesk_event(kind: &str, detail: serde_json::Value, event: serde_json::Value) -> serde_json::Value {
    let mut whole = json!({"id": "35436", "subject": "VPN down", "description": "since nine", "status": "OPEN", "priority": "URGENT",
        "type": "incident", "requester_id": "881", "tags": ["vpn"], "created_at": "2026-01-02T03:04:05Z", "via": {"channel": "web"}});
    whole.as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
    json!({"id": "e1", "type": format!("zen:event-type:ticket.{kind}"), "account_id": 1, "event": event, "detail": whole})
}

#[test]
fn zendesk_events_become_reports_and_our_own_are_ignored() {
    let report = &tickets("zendesk", &zendesk_event("created", json!({"actor_id": "5"}), json!({})))[0];
    assert_eq!((report.external_id.as_str(), report.title.as_untrusted(), report.event), ("35436", "VPN down", TicketEvent::Opened));
    assert_eq!((report.impact, report.urgency), (Some(Level::High), Some(Level::High)));
    assert_eq!(report.requester.as_ref().unwrap().id.as_untrusted(), "881");
    assert_eq!(report.attributes["channel"].as_untrusted(), "web");
    assert_eq!(
        tickets("zendesk", &zendesk_event("status_changed", json!({"status": "SOLVED"}), json!({})))[0].event,
        TicketEvent::Resolved
    );

    let mark = "done\n[sluicegate:out_01hf7yat00000000000000002a]";
    let ignored = |body| matches!(read("zendesk", &body), Reading::Ignored { .. });
    assert!(ignored(zendesk_event("status_changed", json!({"actor_id": "777"}), json!({}))));
    assert!(ignored(zendesk_event("comment_added", json!({}), json!({"comment": {"body": mark}}))));
    assert!(ignored(zendesk_event("tags_changed", json!({}), json!({"tags_added": ["sluicegate:done"]}))));
    assert!(ignored(json!({"type": "zen:event-type:user.created", "detail": {"id": "1"}})));
    assert!(
        !ignored(zendesk_event("created", json!({"description": mark}), json!({"comment": {"body": mark}}))),
        "nobody hides a new ticket"
    );
    match read("zendesk", &zendesk_event("created", json!({"id": null, "subject": "", "description": null}), json!({}))) {
        Reading::Unreadable { reason } => {
            assert!(["`/detail/id`", "`/detail/subject`"].iter().all(|pointer| reason.contains(pointer)), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(read("zendesk", &json!({"hello": 1})), Reading::Unreadable { .. }));
}

#[test]
fn the_zendesk_template_that_admins_paste_is_what_the_adapter_reads() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/senders/zendesk.md")).unwrap();
    let template = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let filled = [
        ("{{ticket.id}}", "42"),
        ("{{ticket.link}}", "acme.zendesk.com/agent/tickets/42"),
        ("{{ticket.title}}", "Password"),
        ("{{ticket.priority}}", "Low"),
        ("{{ticket.ticket_type}}", "Question"),
        ("{{ticket.status}}", "New"),
        ("{{ticket.tags}}", "vpn sluicegate:seen"),
        ("{{ticket.requester.id}}", "9"),
        ("{{ticket.requester.email}}", "ana@example.com"),
        ("{{current_user.id}}", "9"),
        ("{{ticket.updated_at_with_timestamp}}", "2026-01-02T03:04:05Z"),
    ]
    .into_iter()
    .fold(template.to_owned(), |text, (name, value)| text.replace(name, value));
    // Every placeholder that is left is one that this ticket has no value for.
    let filled = regex::Regex::new(r"\{\{[^}]*\}\}").unwrap().replace_all(&filled, "").into_owned();
    let report = &tickets("zendesk", &serde_json::from_str(&filled).unwrap())[0];
    assert_eq!((report.external_id.as_str(), report.event, report.kind), ("42", TicketEvent::Opened, TicketKind::ServiceRequest));
    assert_eq!(report.url.as_ref().unwrap().as_untrusted(), "https://acme.zendesk.com/agent/tickets/42");
    assert_eq!(report.tags.iter().map(|tag| tag.as_untrusted()).collect::<Vec<_>>(), ["vpn"]);
    assert_eq!(report.updated_at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
}

fn notification(external_url: &str) -> serde_json::Value {
    json!({"version": "4", "groupKey": "{}:{alertname=\"DiskFull\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "sluicegate",
    "externalURL": external_url, "unknown": [1],
    "alerts": [
        {"status": "firing", "fingerprint": "aa11", "startsAt": "2026-01-02T03:04:05.123456789Z", "endsAt": "0001-01-01T00:00:00Z",
         "generatorURL": "http://prometheus/graph", "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db1"},
         "annotations": {"summary": "disk of db1 is full", "description": "3 % free", "runbook_url": "https://r/d"}},
        {"status": "resolved", "fingerprint": "bb22", "startsAt": "2026-01-02T03:00:00Z", "endsAt": "2026-01-02T03:05:00Z",
         "labels": {"alertname": "DiskFull", "severity": "warning"}, "annotations": {}}
    ]})
}

#[test]
fn one_notification_becomes_one_report_an_alert() {
    let reports = tickets("alertmanager", &notification("http://a"));
    assert_eq!(reports.len(), 2);
    let (firing, resolved) = (&reports[0], &reports[1]);
    assert_eq!(firing.external_id, "aa11@2026-01-02T03:04:05.123Z");
    assert_eq!((firing.kind, firing.event, resolved.event), (TicketKind::Alert, TicketEvent::Opened, TicketEvent::Resolved));
    assert_eq!((firing.title.as_untrusted(), firing.body.as_untrusted()), ("DiskFull: disk of db1 is full", "3 % free"));
    assert_eq!((firing.impact, resolved.impact), (Some(Level::High), Some(Level::Medium)));
    assert_eq!(firing.labels["instance"].as_untrusted(), "db1");
    assert_eq!(firing.attributes["annotation.runbook_url"].as_untrusted(), "https://r/d");
    assert_eq!(firing.url.as_ref().unwrap().as_untrusted(), "http://prometheus/graph");
}

#[test]
fn two_instances_of_alertmanager_give_one_key_and_a_changed_status_another() {
    let (spec, pairs) = bearer("alertmanager");
    let key = |body: serde_json::Value| receive(&spec, &pairs, body.to_string().as_bytes(), now()).unwrap().dedup_key;
    assert_eq!(key(notification("http://a")), key(notification("http://b")));
    let mut resolved = notification("http://a");
    resolved["alerts"][0]["status"] = json!("resolved");
    assert_ne!(key(notification("http://a")), key(resolved));
    assert!(!spec.retries_after_429());
}

#[test]
fn an_authentic_body_that_cannot_be_read_is_kept_with_its_reason() {
    let (spec, pairs) = bearer("json");
    let deep = "[".repeat(10_000);
    for (body, reason) in [
        (&b"\xff"[..], "UTF-8"),
        (br#"{"a":1,"a":2}"#, "`/a` is given twice"),
        (deep.as_bytes(), "64 levels"),
        (b"", "empty"),
        (b"<xml/>", "not JSON"),
    ] {
        match receive(&spec, &pairs, body, now()).unwrap().reading {
            Reading::Unreadable { reason: found } => assert!(found.contains(reason), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let key =
        prop::sample::select(vec!["type", "detail", "ticket", "event", "alerts", "labels", "id", "title", "subject", "status", "data"]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        Just(json!("zen:event-type:ticket.")),
        Just(json!("ticket.created")),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_ignored_or_refused_by_every_adapter(body in arbitrary_json()) {
        for adapter in ["json", "standard_webhooks", "zendesk", "alertmanager"] {
            if let Reading::Tickets(reports) = read(adapter, &body) {
                let ids: std::collections::BTreeSet<_> = reports.iter().map(|report| &report.external_id).collect();
                prop_assert!(ids.len() == reports.len() && !ids.contains(&String::new()));
            }
        }
    }

    #[test]
    fn the_signature_of_another_body_never_verifies(body in prop::collection::vec(any::<u8>(), 0..64)) {
        for (scheme, secret, headers, signed_body) in vectors() {
            prop_assert_eq!(receive(&signed("json", scheme, &[secret]), &headers, &body, now()).is_ok(), body == signed_body);
        }
    }

    #[test]
    fn any_headers_and_bytes_are_refused_without_a_signature(value in "\\PC{0,80}", body in prop::collection::vec(any::<u8>(), 0..64)) {
        for scheme in scheme::SCHEMES {
            let secret = if scheme.key == scheme::KeyEncoding::Whsec { WHSEC } else { SECRET };
            let all = [Some(scheme.header), scheme.id_header, scheme.timestamp.map(|time| time.header)];
            let pairs: Vec<_> = all.into_iter().flatten().map(|name| (name.to_owned(), format!("{}{value}", scheme.prefix))).collect();
            prop_assert!(receive(&signed("json", scheme.name, &[secret]), &pairs, &body, now()).is_err());
        }
    }

    #[test]
    fn a_canonical_ticket_is_read_back_as_written(id in "[a-zA-Z0-9_.#-]{1,40}", title in "\\PC{1,60}", body in "\\PC{0,200}", value in "\\PC{0,20}") {
        prop_assume!(!title.trim().is_empty());
        let text = json!({"external_id": id, "title": title, "body": body, "attributes": {"ci": value}, "kind": "change"}).to_string();
        let report = adapters::json::report(text.as_bytes()).unwrap();
        prop_assert_eq!((report.external_id, report.title.as_untrusted(), report.body.as_untrusted()), (id, title.as_str(), body.as_str()));
        prop_assert_eq!((report.attributes["ci"].as_untrusted(), report.kind), (value.as_str(), TicketKind::Change));
    }
}
