//! One runbook: what it says, what it does, how it does, who allowed what; and making this version a standard change.

use std::{collections::BTreeSet, time::Duration};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    bound,
    form::Form,
    frame::Frame,
    log::Line,
    markdown,
    page::{self, done},
    rows::{risk, sources},
    runbooks::{Known, Standing},
    ticket::kind,
    trouble::Trouble,
    visitor::Visitor,
    words::{self, Badge, Tone},
};
use crate::{
    domain::{
        approval::{Caps, Mode, PreApproval},
        digest::Digest,
        id::PreApprovalId,
        name::{RunbookId, SourceId},
        principal::Role::{Approver, Operator},
        runbook::{Runbook, StepKind},
        time::Timestamp,
    },
    gate::facts::PerMillion,
    pipeline::actions::pre_approve::{self, NewPreApproval},
    server::{app::App, parameters::Id, problem::Problem},
    store::interface::{EntryFilter, Page},
};

struct Step {
    id: String,
    kind: &'static str,
    call: String,
    with: String,
    expect: Option<String>,
    more: String,
}

struct Parameter {
    name: String,
    kind: String,
    more: String,
}

/// A pre-approval as lists show it.
pub struct Approved {
    pub id: PreApprovalId,
    pub runbook: RunbookId,
    pub version: String,
    pub current: bool,
    pub by: String,
    pub until: String,
    pub caps: String,
    pub only: String,
    pub state: Badge,
    pub stands: bool,
}

impl Approved {
    pub fn of(record: &PreApproval, in_force: Option<&Digest>, now: Timestamp) -> Self {
        let state = match (&record.revoked, &record.voided) {
            (Some(revoked), _) => Badge::new(Tone::Plain, format!("revoked by {}", revoked.by)),
            (None, Some(_)) => Badge::new(Tone::Waits, "void: the runbook changed"),
            (None, None) if record.expires_at <= now => Badge::new(Tone::Plain, "expired"),
            (None, None) => Badge::new(Tone::Good, "in force"),
        };
        let mut only = Vec::new();
        only.extend(record.sources.iter().map(|source| format!("from {source}")));
        only.extend(record.categories.iter().map(|category| format!("category {category}")));
        only.extend(record.during.iter().map(|hours| format!("during {hours}")));
        let Caps { per_hour, per_target_hour, per_requester_hour, concurrent } = record.caps;
        Self {
            id: record.id,
            runbook: record.runbook.clone(),
            version: record.digest.short().to_string(),
            current: in_force == Some(&record.digest),
            by: record.approver.to_string(),
            until: words::minute(record.expires_at),
            caps: format!("{per_hour} an hour, {per_target_hour} a target, {per_requester_hour} a requester, {concurrent} at once"),
            only: only.join(", "),
            state,
            stands: record.stands() && record.expires_at > now,
        }
    }
}

#[derive(Template)]
#[template(path = "runbook.html")]
struct RunbookPage {
    frame: Frame,
    runbook: Runbook,
    risk: Badge,
    authors: String,
    reviewed: String,
    standing: Standing,
    steps: Vec<Step>,
    rollbacks: Vec<Step>,
    parameters: Vec<Parameter>,
    triggers: Vec<String>,
    body: String,
    approvals: Vec<Approved>,
    bound: Option<String>,
    history: Vec<Line>,
    findings: Vec<String>,
    may_pre_approve: bool,
    sources: Vec<String>,
    caps: Caps,
}

pub async fn show(State(app): State<App>, visitor: Visitor, Id(id): Id<RunbookId>) -> Result<Response, Trouble> {
    let tenant = &visitor.principal().tenant;
    let decider = app.service.decider();
    let runbook = decider.library().get(&id).ok_or_else(|| Problem::not_found("runbook in force", &id))?.clone();
    let frame = Frame::load(&app, &visitor, runbook.title.clone()).await?;
    let known = Known::gather(&app, tenant).await?;
    let standing = known.standing(&app, tenant, &runbook).await?;
    let records = app.service.store.pre_approvals(tenant, Some(&id)).await?;
    let filter = EntryFilter { runbook: Some(id.clone()), ..EntryFilter::default() };
    let entries = app.service.store.entries(tenant, &filter, Page { before: None, limit: 60 }).await?;
    let moved = bound::points(&*app.service.store, tenant, &id, &runbook.digest).await?;
    let gate = &app.service.config.gate;
    let of = |rollback: bool| runbook.steps.iter().filter(move |step| (step.kind == StepKind::Rollback) == rollback).map(step);
    let findings = decider.library().warnings().iter().filter(|finding| finding.file.contains(id.as_str()));
    let may_pre_approve = frame.may(Approver)
        && runbook.is_executable()
        && !runbook.authors.iter().any(|author| crate::gate::approval::may_be(author, &visitor.principal().person));
    let shown = RunbookPage {
        risk: risk(runbook.risk),
        authors: runbook.authors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        reviewed: runbook.reviewed.map_or("never".to_owned(), |day| day.to_string()),
        steps: of(false).collect(),
        rollbacks: of(true).collect(),
        parameters: parameters(&runbook),
        triggers: triggers(&runbook),
        body: markdown::to_html(&runbook.body),
        approvals: records.iter().rev().map(|record| Approved::of(record, Some(&runbook.digest), frame.now)).collect(),
        bound: bound::draw(&moved, PerMillion::configured(gate.error_confidence).unwrap_or(PerMillion::ONE), gate.error_limit),
        history: entries.iter().filter(|logged| !matches!(logged.entry.event.tag(), "step_recorded")).map(Line::of).collect(),
        findings: findings.map(|finding| format!("line {}: {}", finding.line, finding.message)).collect(),
        sources: sources(&app, tenant),
        caps: Caps::default(),
        standing,
        may_pre_approve,
        runbook,
        frame,
    };
    page::page(&shown)
}

fn step(step: &crate::domain::runbook::Step) -> Step {
    let written = step.with.written();
    let with = if written.is_null() { String::new() } else { serde_json::to_string_pretty(&written).unwrap_or_default() };
    let mut more = vec![format!("at most {}", words::span(step.timeout))];
    if !step.within.is_zero() {
        more.push(format!("within {}", words::span(step.within)));
    }
    if step.idempotent {
        more.push("safe to send twice".to_owned());
    }
    if let Some(rollback) = &step.rollback {
        more.push(format!("taken back by {rollback}"));
    }
    Step {
        id: step.id.to_string(),
        kind: kind(step.kind),
        call: format!("{} {}", step.connector, step.operation),
        with,
        expect: step.expect.clone(),
        more: more.join(", "),
    }
}

fn parameters(runbook: &Runbook) -> Vec<Parameter> {
    let said = |(name, parameter): (&crate::domain::name::ParameterName, &crate::domain::runbook::Parameter)| {
        let mut more = Vec::new();
        more.extend(parameter.description.clone());
        more.extend(parameter.pattern.as_ref().map(|pattern| format!("matches {pattern}")));
        more.extend(parameter.one_of.as_ref().map(|directory| format!("is in {directory}")));
        if !parameter.required {
            more.push("may be missing".to_owned());
        }
        Parameter { name: name.to_string(), kind: parameter.kind.as_str().to_owned(), more: more.join("; ") }
    };
    runbook.parameters.iter().map(said).collect()
}

fn triggers(runbook: &Runbook) -> Vec<String> {
    let triggers = &runbook.triggers;
    let mut said = Vec::new();
    said.extend(triggers.alertnames.iter().map(|name| format!("the alert {name}")));
    said.extend(triggers.labels.iter().map(|(name, value)| format!("the label {name} is {value}")));
    said.extend(triggers.patterns.iter().map(|pattern| format!("the text matches {pattern}")));
    said.extend(triggers.not_patterns.iter().map(|pattern| format!("never when the text matches {pattern}")));
    said
}

pub async fn pre_approve(State(app): State<App>, visitor: Visitor, Id(id): Id<RunbookId>, form: Form) -> Result<Response, Trouble> {
    let sources = form.all("source").filter(|source| !source.is_empty()).map(|source| {
        SourceId::new(source).map_err(|why| Trouble(Problem::Body { pointer: "/source".to_owned(), detail: why.to_string() }))
    });
    let days: u64 = form.value("days")?;
    let asked = NewPreApproval {
        runbook: id.clone(),
        digest: form.value("digest")?,
        mode: Mode::Auto,
        caps: Caps {
            per_hour: form.value("per_hour")?,
            per_target_hour: form.value("per_target_hour")?,
            per_requester_hour: form.value("per_requester_hour")?,
            concurrent: form.value("concurrent")?,
        },
        sources: sources.collect::<Result<BTreeSet<_>, _>>()?,
        categories: BTreeSet::new(),
        during: form.some("during").map(str::to_owned),
        expires_at: app.service.ambient.now().plus(Duration::from_secs(days.saturating_mul(86_400))),
    };
    pre_approve::make(&app.service, visitor.principal(), asked).await?;
    Ok(done(&format!("/runbooks/{id}"), "pre-approved"))
}

pub async fn revoke(State(app): State<App>, visitor: Visitor, Id(id): Id<PreApprovalId>, form: Form) -> Result<Response, Trouble> {
    let revoked = pre_approve::revoke(&app.service, visitor.principal(), id, form.text("reason")).await?;
    Ok(done(&format!("/runbooks/{}", revoked.runbook), "revoked"))
}

/// Who may take a pre-approval back.
pub const REVOKES: [crate::domain::principal::Role; 2] = [Approver, Operator];
