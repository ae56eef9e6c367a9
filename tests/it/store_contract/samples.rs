//! Values for the store's tests: valid, small, and made from a number.

use std::collections::{BTreeMap, BTreeSet};

use sluicegate::{
    domain::{
        approval::{Caps, Mode, PreApproval},
        classification::{Classification, Estimate},
        delivery::Delivery,
        digest::Digest,
        dual_authorization::{DualAuthorization, Matter, Standing},
        entry::{Entry, Event},
        execution::{Execution, ExecutionState},
        id::{DeliveryId, DualAuthorizationId, ExecutionId, OutboxId, PreApprovalId, RecommendationId, TicketId},
        name::{PersonId, RunbookId, SourceId, TenantId},
        outbox::{Destination, Message, OutboxMessage},
        outcome::{Outcome, OutcomeKind},
        principal::Actor,
        priority::{Priority, Risk},
        receipt::Receipt,
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::{Report, Requester, Ticket, TicketEvent, TicketKind},
        time::Timestamp,
        verdict::{Decision, Verdict},
    },
    store::change::{Change, Expectation, Write},
};

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + seconds * 1000)
}

pub fn tenant() -> TenantId {
    TenantId::default()
}

pub fn other_tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub fn source() -> SourceId {
    SourceId::new("desk").unwrap()
}

pub fn runbook() -> RunbookId {
    RunbookId::new("restart-print-spooler").unwrap()
}

pub fn version() -> Digest {
    Digest::of(b"runbook, first version")
}

/// The `n`th ticket, received at second `n`.
pub fn ticket(tenant: &TenantId, n: u64) -> Ticket {
    let received = at(n as i64);
    Ticket {
        form: Ticket::FORM,
        id: TicketId::new(received, u128::from(n)),
        tenant: tenant.clone(),
        source: source(),
        delivery: DeliveryId::new(received, u128::from(n)),
        report: Report {
            external_id: format!("{n}"),
            external_key: Some(format!("INC{n:07}")),
            url: None,
            kind: TicketKind::Incident,
            event: TicketEvent::Opened,
            title: "Nothing comes out of prn-07".into(),
            body: "14 jobs wait and the light is on. \u{0}\u{202e}'; DROP TABLE tickets; --".into(),
            body_is_html: false,
            requester: Some(Requester { id: "u-1".into(), email: None, name: None, organization: None }),
            impact: None,
            urgency: None,
            category_hint: None,
            labels: BTreeMap::new(),
            attributes: BTreeMap::from([("ci".to_owned(), "prn-07".into())]),
            tags: BTreeSet::new(),
            reported_at: Some(received),
            updated_at: None,
        },
        state: TicketState::Received,
        version: 1,
        received_at: received,
        updated_at: received,
    }
}

pub fn delivery_of(ticket: &Ticket) -> Delivery {
    let body = format!("{{\"id\":{}}}", ticket.report.external_id).into_bytes();
    Delivery {
        id: ticket.delivery,
        tenant: ticket.tenant.clone(),
        source: ticket.source.clone(),
        dedup_key: format!("delivery-{}", ticket.report.external_id),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body_digest: Digest::of(&body),
        body,
        received_at: ticket.received_at,
    }
}

pub fn shape() -> Digest {
    Digest::of(b"nothing comes out of #")
}

/// What intake commits: delivery, ticket and entry, if both are new.
pub fn intake(ticket: &Ticket) -> Change {
    let delivery = delivery_of(ticket);
    Change {
        expect: vec![
            Expectation::NewDelivery {
                tenant: ticket.tenant.clone(),
                source: ticket.source.clone(),
                dedup_key: delivery.dedup_key.clone(),
            },
            Expectation::NewTicket {
                tenant: ticket.tenant.clone(),
                source: ticket.source.clone(),
                external_id: ticket.report.external_id.clone(),
            },
        ],
        entries: vec![Entry::new(
            ticket.tenant.clone(),
            ticket.received_at,
            Actor::Source(ticket.source.clone()),
            Event::TicketReceived {
                ticket: ticket.id,
                delivery: ticket.delivery,
                source: ticket.source.clone(),
                external_id: ticket.report.external_id.clone(),
                input: ticket.input_digest().unwrap(),
            },
        )],
        writes: vec![Write::Ticket { ticket: Box::new(ticket.clone()), shape: shape() }, Write::Delivery(delivery)],
    }
}

/// The ticket moved on, with the change that says so.
pub fn moved(ticket: &Ticket, to: TicketState) -> (Ticket, Change) {
    let next = Ticket { state: ticket.state.transition(to).unwrap(), version: ticket.version + 1, ..ticket.clone() };
    let change = Change {
        expect: vec![Expectation::TicketVersion { ticket: ticket.id, version: ticket.version }],
        writes: vec![Write::Ticket { ticket: Box::new(next.clone()), shape: shape() }],
        entries: vec![Entry::new(
            ticket.tenant.clone(),
            ticket.received_at,
            Actor::Engine,
            Event::TicketMoved { ticket: ticket.id, from: ticket.state, to, version: next.version },
        )],
    };
    (next, change)
}

fn estimate() -> Estimate {
    Estimate {
        label: Some("printer".to_owned()),
        ranked: vec![("printer".to_owned(), 0.75)],
        threshold: 0.5,
        foreign: false,
        because: Vec::new(),
        near: Vec::new(),
    }
}

pub fn recommendation(ticket: &Ticket, n: u64, decision: Decision) -> Recommendation {
    let created = at(n as i64);
    Recommendation {
        form: Recommendation::FORM,
        id: RecommendationId::new(created, u128::from(n)),
        tenant: ticket.tenant.clone(),
        ticket: ticket.id,
        ticket_version: ticket.version,
        classification: Classification {
            category: estimate(),
            assignment_group: None,
            kind: TicketKind::Incident,
            priority: Priority::P3,
            priority_because: Vec::new(),
            risk: Risk::Low,
            risk_because: Vec::new(),
            language: "en".to_owned(),
            flags: Vec::new(),
            signals: Vec::new(),
            entities: Vec::new(),
            model: Digest::of(b"model"),
            others: BTreeMap::new(),
        },
        runbook: Some(runbook()),
        runbook_digest: Some(version()),
        candidates: Vec::new(),
        parameters: Vec::new(),
        missing: Vec::new(),
        verdict: Verdict { decision, reasons: Vec::new(), policies: Digest::of(b"policies"), approvals_needed: 1 },
        allowed: None,
        would_act: true,
        freeze_override: None,
        edit: None,
        receipt: Receipt {
            look_ups: Vec::new(),
            form: Receipt::FORM,
            engine: "test".to_owned(),
            decided_at: created,
            input: ticket.input_digest().unwrap(),
            model: Digest::of(b"model"),
            signals: Digest::of(b"signals"),
            runbooks: Digest::of(b"runbooks"),
            policies: Digest::of(b"policies"),
            facts: serde_json::Value::Null,
            outcome: Digest::of(b"outcome"),
        },
        state: RecommendationState::Open,
        approvals: Vec::new(),
        revision: 1,
        created_at: created,
        expires_at: created.plus(std::time::Duration::from_secs(60)),
    }
}

pub fn outcome(recommendation: &Recommendation, kind: OutcomeKind) -> Outcome {
    Outcome {
        form: Outcome::FORM,
        recommendation: recommendation.id,
        tenant: recommendation.tenant.clone(),
        ticket: recommendation.ticket,
        runbook: runbook(),
        runbook_digest: recommendation.runbook_digest.unwrap(),
        would_act: recommendation.would_act,
        automatic: true,
        kind,
        another_runbook: None,
        category: None,
        comment: Some("it helped".to_owned()),
        by: Actor::Engine,
        decided_at: recommendation.created_at,
        known_at: recommendation.created_at,
        revision: 1,
    }
}

pub fn freeze_override(recommendation: &Recommendation) -> DualAuthorization {
    DualAuthorization {
        form: DualAuthorization::FORM,
        id: DualAuthorizationId::new(recommendation.created_at, 7),
        tenant: recommendation.tenant.clone(),
        matter: Matter::FreezeOverride {
            recommendation: recommendation.id,
            ticket: recommendation.ticket,
            binding: recommendation.binding().unwrap(),
            windows: BTreeSet::from(["weekend".to_owned()]),
        },
        reason: "the warehouse cannot ship".to_owned(),
        requested_by: PersonId::new("ana").unwrap(),
        requested_at: recommendation.created_at,
        expires_at: recommendation.expires_at,
        standing: Standing::Open,
        revision: 1,
    }
}

pub fn pre_approval() -> PreApproval {
    PreApproval {
        form: PreApproval::FORM,
        id: PreApprovalId::new(at(1), 1),
        tenant: tenant(),
        runbook: runbook(),
        digest: version(),
        mode: Mode::Auto,
        caps: Caps::default(),
        sources: BTreeSet::new(),
        categories: BTreeSet::new(),
        during: None,
        approver: PersonId::new("ana").unwrap(),
        created_at: at(1),
        expires_at: at(1000),
        revoked: None,
        voided: None,
    }
}

pub fn execution(ticket: &Ticket, n: u64, created: Timestamp) -> Execution {
    Execution {
        form: Execution::FORM,
        id: ExecutionId::new(created, u128::from(n)),
        tenant: ticket.tenant.clone(),
        ticket: ticket.id,
        recommendation: RecommendationId::new(created, u128::from(n)),
        runbook: runbook(),
        runbook_digest: version(),
        parameters: BTreeMap::new(),
        target: Digest::of(b"prn-07"),
        requester: Some(Digest::of(b"u-1")),
        started_by: Actor::Engine,
        state: ExecutionState::Pending,
        steps: Vec::new(),
        revision: 1,
        created_at: created,
        not_before: created,
        finished_at: None,
        cancel: None,
        undoes: None,
        undone_by: None,
    }
}

/// The change that starts it if the caps allow one more.
pub fn start(execution: &Execution, caps: Caps) -> Change {
    Change {
        expect: vec![Expectation::WithinCaps {
            tenant: execution.tenant.clone(),
            runbook: execution.runbook.clone(),
            target: execution.target,
            requester: execution.requester,
            caps,
            now: execution.created_at,
        }],
        ..written(execution)
    }
}

pub fn written(execution: &Execution) -> Change {
    Change {
        expect: Vec::new(),
        writes: vec![Write::Execution(Box::new(execution.clone()))],
        entries: vec![Entry::new(
            execution.tenant.clone(),
            execution.created_at,
            Actor::Engine,
            Event::ExecutionCreated {
                execution: execution.id,
                ticket: execution.ticket,
                recommendation: execution.recommendation,
                runbook: execution.runbook.clone(),
                runbook_digest: execution.runbook_digest,
                parameters: execution.target,
                allowed: None,
                undoes: None,
            },
        )],
    }
}

pub fn message(ticket: &Ticket, n: u64, destination: &str) -> OutboxMessage {
    let id = OutboxId::new(at(0), u128::from(u64::MAX - n));
    let event = Message::Event { event_type: "ticket.moved".to_owned(), data: serde_json::json!({"n": n}) };
    OutboxMessage::queued(ticket.tenant.clone(), Some(ticket.id), id, Destination::Webhook(destination.to_owned()), event, at(0))
}

pub fn queued(message: &OutboxMessage) -> Change {
    Change {
        writes: vec![Write::Message(Box::new(message.clone()))],
        entries: vec![Entry::new(
            message.tenant.clone(),
            message.created_at,
            Actor::Engine,
            Event::MessageQueued { message: message.id, ticket: message.ticket, destination: message.destination.key() },
        )],
        ..Change::default()
    }
}
