//! The outgoing events: a CloudEvents type and its data each, and the JSON Schema of them all.
//!
//! Pure. An event says what happened and names it by id; whoever wants the ticket's words asks the API for them.
//! Fields are added, never renamed, removed or given another meaning: that would be another type.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::{
    domain::{
        approval::PreApproval,
        digest::Digest,
        execution::{Execution, ExecutionState},
        id::{ExecutionId, PreApprovalId, RecommendationId, TicketId},
        name::{PersonId, RunbookId, SourceId},
        outbox::Message,
        priority::{Priority, Risk},
        recommendation::Recommendation,
        ticket::Ticket,
        time::Timestamp,
        verdict::Decision,
    },
    gate::sequential::WatchReport,
    notify::disabled::{DISABLED, WebhookDisabled},
};

pub const TRIAGED: &str = "ticket.triaged";
pub const RECOMMENDED: &str = "recommendation.created";
pub const FINISHED: &str = "execution.finished";
pub const DEMOTED: &str = "runbook.demoted";
pub const VOIDED: &str = "pre_approval.voided";
pub const PUBLISHED: &str = "checkpoint.published";

/// A ticket was classified and judged.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketTriaged {
    pub ticket: TicketId,
    pub source: SourceId,
    /// The sender's id of the ticket.
    pub external_id: String,
    pub recommendation: RecommendationId,
    /// `null` when the classifier abstained.
    pub category: Option<String>,
    pub category_probability: f64,
    pub priority: Priority,
    pub risk: Risk,
    /// `null` when none fits.
    pub runbook: Option<RunbookId>,
    pub decision: Decision,
}

/// A runbook is proposed for a ticket.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendationCreated {
    pub recommendation: RecommendationId,
    pub ticket: TicketId,
    pub source: SourceId,
    pub external_id: String,
    pub runbook: RunbookId,
    /// Digest of the runbook's version.
    pub runbook_digest: Digest,
    /// Probability that the runbook fits.
    pub fit: Option<f64>,
    pub decision: Decision,
    /// Approvals it needs; 0 when it needs none.
    pub approvals_needed: u8,
    /// After this nobody can approve it.
    pub expires_at: Timestamp,
    /// Ids of the checks that refused more, first the one that decided.
    pub refused_by: Vec<String>,
}

/// A run came to its end.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExecutionFinished {
    pub execution: ExecutionId,
    pub ticket: TicketId,
    pub source: SourceId,
    pub external_id: String,
    pub runbook: RunbookId,
    /// `in_doubt` is an end too: a person must look.
    pub state: ExecutionState,
    /// The run that this one took back.
    pub undoes: Option<ExecutionId>,
}

/// A runbook's automatic runs showed more errors than allowed; its mode is `suggest` now.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunbookDemoted {
    pub runbook: RunbookId,
    pub digest: Digest,
    /// The team that keeps it; empty for one that was withdrawn.
    pub owner: String,
    pub outcomes: u64,
    pub wrong: u64,
    /// The error rate it may have.
    pub limit: f64,
}

/// A runbook changed, so that its pre-approval holds no more.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreApprovalVoided {
    pub pre_approval: PreApprovalId,
    pub runbook: RunbookId,
    /// The team that keeps it; `null` for one that was withdrawn.
    pub owner: Option<String>,
    pub approver: PersonId,
    /// The version that was approved.
    pub approved: Digest,
    /// The version in force; `null` when it was withdrawn.
    pub current: Option<Digest>,
}

/// Size and root of the action log, signed. Kept outside, it proves later that nothing before it was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointPublished {
    /// Names the log.
    pub origin: String,
    /// Entries it covers.
    pub size: u64,
    /// The signed note (C2SP tlog-checkpoint), exactly as `GET /v1/log/checkpoint` gives it.
    pub checkpoint: String,
}

fn event(event_type: &str, data: impl Serialize) -> Message {
    Message::Event { event_type: event_type.to_owned(), data: json!(data) }
}

pub fn triaged(ticket: &Ticket, recommendation: &Recommendation) -> Message {
    let classification = &recommendation.classification;
    event(
        TRIAGED,
        TicketTriaged {
            ticket: ticket.id,
            source: ticket.source.clone(),
            external_id: ticket.report.external_id.clone(),
            recommendation: recommendation.id,
            category: classification.category.label.clone(),
            category_probability: classification.category.probability(),
            priority: classification.priority,
            risk: classification.risk,
            runbook: recommendation.runbook.clone(),
            decision: recommendation.verdict.decision,
        },
    )
}

/// `None` when no runbook is proposed.
pub fn recommended(ticket: &Ticket, recommendation: &Recommendation) -> Option<Message> {
    let (runbook, runbook_digest) = recommendation.runbook.clone().zip(recommendation.runbook_digest)?;
    let candidate = recommendation.candidates.iter().find(|candidate| candidate.runbook == runbook);
    Some(event(
        RECOMMENDED,
        RecommendationCreated {
            recommendation: recommendation.id,
            ticket: ticket.id,
            source: ticket.source.clone(),
            external_id: ticket.report.external_id.clone(),
            fit: candidate.map(|candidate| candidate.fit),
            runbook,
            runbook_digest,
            decision: recommendation.verdict.decision,
            approvals_needed: match recommendation.verdict.decision {
                Decision::NeedsApproval => recommendation.verdict.approvals_needed,
                _ => 0,
            },
            expires_at: recommendation.expires_at,
            refused_by: recommendation.verdict.refusals().map(|reason| reason.id.clone()).collect(),
        },
    ))
}

pub fn finished(ticket: &Ticket, execution: &Execution) -> Message {
    event(
        FINISHED,
        ExecutionFinished {
            execution: execution.id,
            ticket: ticket.id,
            source: ticket.source.clone(),
            external_id: ticket.report.external_id.clone(),
            runbook: execution.runbook.clone(),
            state: execution.state,
            undoes: execution.undoes.as_ref().map(|undo| undo.of),
        },
    )
}

/// `limit` is the error rate that the runbook may have.
pub fn demoted(runbook: &RunbookId, digest: &Digest, owner: &str, report: &WatchReport, limit: f64) -> Message {
    let (outcomes, wrong) = (report.outcomes, report.wrong);
    event(DEMOTED, RunbookDemoted { runbook: runbook.clone(), digest: *digest, owner: owner.to_owned(), outcomes, wrong, limit })
}

pub fn voided(record: &PreApproval, current: Option<Digest>, owner: Option<String>) -> Message {
    event(
        VOIDED,
        PreApprovalVoided {
            pre_approval: record.id,
            runbook: record.runbook.clone(),
            owner,
            approver: record.approver.clone(),
            approved: record.digest,
            current,
        },
    )
}

pub fn published(origin: &str, size: u64, checkpoint: String) -> Message {
    event(PUBLISHED, CheckpointPublished { origin: origin.to_owned(), size, checkpoint })
}

/// JSON Schema 2020-12 of the `data` of every event, under `$defs` by its type.
///
/// # Errors
/// Never for the types above.
pub fn schema() -> Result<Value, serde_json::Error> {
    let mut parts = Vec::new();
    let mut defs = serde_json::Map::new();
    let mut add = |event_type: &str, schema: Value, of: fn(&mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>)| {
        of(&mut parts);
        defs.insert(event_type.to_owned(), schema);
    };
    add(TRIAGED, json!(TicketTriaged::schema()), TicketTriaged::schemas);
    add(RECOMMENDED, json!(RecommendationCreated::schema()), RecommendationCreated::schemas);
    add(FINISHED, json!(ExecutionFinished::schema()), ExecutionFinished::schemas);
    add(DEMOTED, json!(RunbookDemoted::schema()), RunbookDemoted::schemas);
    add(VOIDED, json!(PreApprovalVoided::schema()), PreApprovalVoided::schemas);
    add(PUBLISHED, json!(CheckpointPublished::schema()), CheckpointPublished::schemas);
    add(DISABLED, json!(WebhookDisabled::schema()), WebhookDisabled::schemas);
    for (name, part) in parts {
        defs.insert(name, serde_json::to_value(part)?);
    }
    let text = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The data of Sluicegate's events, by type",
        "$defs": defs,
    })
    .to_string();
    // The schemas are those of the API document, whose parts stand elsewhere.
    serde_json::from_str(&text.replace("#/components/schemas/", "#/$defs/"))
}

/// The schema as served and kept in `docs/schemas/events.schema.json`.
pub fn schema_text() -> String {
    let mut text = schema().and_then(|schema| serde_json::to_string_pretty(&schema)).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::outbox::EVENT_TYPES;

    const PAGE: &str = include_str!("../../docs/events.md");

    fn names(value: &Value) -> BTreeSet<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_page_on_events_shows_one_sample_of_every_type_with_exactly_its_fields() {
        let schema = schema().unwrap();
        for event_type in EVENT_TYPES {
            let section = PAGE.split(&format!("### `{event_type}`")).nth(1).unwrap_or_else(|| panic!("`{event_type}` is not on the page"));
            let sample = section.split("```json").nth(1).unwrap().split("```").next().unwrap();
            let sample: Value = serde_json::from_str(sample).unwrap();
            let data = if event_type == TRIAGED { &sample["data"] } else { &sample };
            assert_eq!(names(data), names(&schema["$defs"][event_type]["properties"]), "{event_type}");
        }
    }

    #[test]
    fn every_type_has_a_schema_and_nothing_else_has() {
        let schema = schema().unwrap();
        let dotted: BTreeSet<&str> = names(&schema["$defs"]).into_iter().filter(|name| name.contains('.')).collect();
        assert_eq!(dotted, EVENT_TYPES.into());
    }
}
