//! The page of one ticket: what it says, how sure triage is, what is proposed, why it may or may not run, and what was done.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    hints::{self, Alike, Choice},
    marks::Marked,
    plan::{self, Plan},
};
use crate::{
    domain::{
        classification::Estimate,
        execution::{Execution, ExecutionState, StepOutcome},
        id::{ExecutionId, TicketId},
        name::{PersonId, RunbookId},
        principal::Role::{Approver, Operator, Responder},
        recommendation::{Evidence, Origin, Recommendation, RecommendationState},
        runbook::Runbook,
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
    },
    pipeline::decider::exactly,
    server::{
        app::App,
        console::{
            frame::Frame,
            log::Line,
            page,
            rows::{priority, risk},
            trouble::Trouble,
            visitor::Visitor,
            words::{self, Badge, Tone},
        },
        masked,
        parameters::Id,
        problem::Problem,
    },
    store::interface::{EntryFilter, Page},
};

/// Entries of the log that the page shows; the log has the rest.
const TIMELINE: usize = 200;

/// One answer of triage, with how sure it is.
struct Guess {
    label: String,
    percent: String,
    /// 0 to 100, for the bar.
    wide: u32,
}

struct Word {
    feature: String,
    weight: String,
    speaks_for: bool,
}

/// A slot and where its value comes from.
struct Slot {
    name: String,
    value: Option<String>,
    origin: String,
    checks: String,
}

struct Fit {
    runbook: RunbookId,
    title: String,
    percent: String,
    because: Vec<String>,
    passage: Option<String>,
    proposed: bool,
}

struct Check {
    id: String,
    message: String,
    passed: bool,
}

/// One run with what can be done about it.
struct Run {
    id: ExecutionId,
    runbook: RunbookId,
    state: Badge,
    by: String,
    began: Timestamp,
    minute: String,
    /// Until then it waits, so that a person can cancel.
    holds_until: Option<Timestamp>,
    steps: Vec<RanStep>,
    can_cancel: bool,
    can_undo: bool,
    can_settle: bool,
    cancel: Option<String>,
    undoes: Option<ExecutionId>,
    undone_by: Option<ExecutionId>,
}

struct RanStep {
    step: String,
    kind: &'static str,
    state: Badge,
    request: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    frame: Frame,
    ticket: Ticket,
    state: Badge,
    priority: Option<Badge>,
    risk: Option<Badge>,
    key: String,
    link: Option<String>,
    requester: Vec<(&'static str, String)>,
    fields: Vec<(String, String)>,
    marked: Marked,
    received: String,
    assignee: Option<PersonId>,
    mine: bool,
    snoozed: Option<String>,
    may_handle: bool,
    triage: Option<Triaged>,
    proposal: Option<Proposed>,
    runs: Vec<Run>,
    timeline: Vec<Line>,
    more: bool,
    can_look_again: bool,
    similar: Vec<Alike>,
    /// How many near-equal tickets there are, and the first when it is another one.
    cluster: Option<(u64, Option<TicketId>)>,
    /// By target: its name, the labels to choose from. Empty for who may not correct.
    choices: Vec<Choice>,
    corrections: Vec<String>,
}

/// What triage said.
struct Triaged {
    category: String,
    sure: String,
    as_sure: Option<String>,
    guesses: Vec<Guess>,
    words: Vec<Word>,
    /// Texts that the model learned from: excerpt, label, how near.
    near: Vec<(String, String, String)>,
    priority_because: Vec<String>,
    risk_because: Vec<String>,
    flags: String,
    group: Option<String>,
    is_current: bool,
}

/// What is proposed and what the gate says of it.
struct Proposed {
    id: String,
    state: Badge,
    is_open: bool,
    runbook: Option<(RunbookId, String)>,
    in_force: bool,
    fits: Vec<Fit>,
    slots: Vec<Slot>,
    decision: Badge,
    checks: Vec<Check>,
    passed: Vec<Check>,
    plan: Option<Plan>,
    reversible: bool,
    approvals: Vec<String>,
    needed: u8,
    expires_at: Timestamp,
    expires: String,
    can_approve: bool,
    can_refuse: bool,
    can_tell: bool,
}

pub async fn show(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>) -> Result<Response, Trouble> {
    let (store, tenant) = (&app.service.store, &visitor.principal().tenant);
    let mut frame = Frame::load(&app, &visitor, "Ticket").await?;
    let stored = store.ticket(tenant, id).await?.ok_or_else(|| Problem::not_found("ticket", id))?;
    let handling = store.handling(tenant, id).await?.ok_or_else(|| Problem::not_found("ticket", id))?;
    let as_decided = store.recommendation_for(tenant, id).await?;
    let is_current = match &as_decided {
        Some(proposal) => stored.input_digest().is_ok_and(|digest| digest == proposal.receipt.input),
        None => false,
    };
    let proposal = as_decided.map(|proposal| masked::recommendation(proposal, &stored));
    let ticket = masked::ticket(stored);
    let runs = store.executions_for(tenant, id).await?;
    let filter = EntryFilter { ticket: Some(id), ..EntryFilter::default() };
    let entries = store.entries(tenant, &filter, Page { before: None, limit: TIMELINE + 1 }).await?;
    frame.title = ticket.report.title.as_untrusted().chars().take(60).collect::<String>().into();
    let now = frame.now;
    let more = entries.len() > TIMELINE;
    let timeline = entries.iter().take(TIMELINE).map(Line::of).collect();
    let triage = proposal.as_ref().map(|proposal| triaged(&app, proposal, is_current));
    let similar = hints::similar(&app, &ticket, now).await;
    let corrections = store.feedback_of(tenant, id).await?;
    let cluster = app.service.storms.of(&ticket, now).filter(|cluster| cluster.size > app.service.config.gate.storm_size);
    let me = &visitor.principal().person;
    let may_handle = frame.may_any(&[Responder, Approver, Operator]);
    let waits = matches!(ticket.state, TicketState::AwaitingApproval | TicketState::Recommended | TicketState::NoRunbook);
    let shown = TicketPage {
        state: words::state(ticket.state),
        priority: proposal.as_ref().map(|proposal| priority(proposal.classification.priority)),
        risk: proposal.as_ref().map(|proposal| risk(proposal.classification.risk)),
        key: ticket.report.external_key.clone().unwrap_or_else(|| ticket.report.external_id.clone()),
        link: ticket.report.url.as_ref().and_then(|url| safe_link(url.as_untrusted())),
        requester: requester(&ticket),
        fields: fields(&ticket),
        marked: Marked::of(&ticket, proposal.as_ref(), is_current),
        received: words::minute(ticket.received_at),
        mine: handling.assignee.as_ref() == Some(me),
        snoozed: handling.snoozed_until.filter(|until| *until > now).map(words::minute),
        assignee: handling.assignee,
        may_handle,
        triage,
        proposal: proposal.as_ref().map(|proposal| proposed(&app, &frame, &ticket, proposal)),
        runs: runs.iter().map(|run| ran(&frame, run)).collect(),
        timeline,
        more,
        can_look_again: may_handle && waits,
        similar,
        cluster: cluster.map(|cluster| (cluster.size, Some(cluster.first).filter(|first| *first != id))),
        choices: if proposal.is_some() && frame.may_any(&[Responder, Approver]) { hints::choices(&app) } else { Vec::new() },
        corrections: corrections
            .iter()
            .map(|one| format!("{} said that the {} is {}", one.by, words::plain(&one.target), one.label))
            .collect(),
        ticket,
        frame,
    };
    page::page(&shown)
}

/// A sender's own address of the ticket, when it is one that a browser may open.
fn safe_link(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

fn requester(ticket: &Ticket) -> Vec<(&'static str, String)> {
    let Some(requester) = &ticket.report.requester else { return Vec::new() };
    let known = [("name", &requester.name), ("e-mail", &requester.email), ("organisation", &requester.organization)];
    let mut said: Vec<_> = known.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?.as_untrusted().to_owned()))).collect();
    said.push(("id there", requester.id.as_untrusted().to_owned()));
    said
}

fn fields(ticket: &Ticket) -> Vec<(String, String)> {
    let report = &ticket.report;
    let written = report.labels.iter().chain(&report.attributes).map(|(name, value)| (name.clone(), value.as_untrusted().to_owned()));
    let mut fields: Vec<_> = written.collect();
    if !report.tags.is_empty() {
        fields.push(("tags".to_owned(), report.tags.iter().map(|tag| tag.as_untrusted()).collect::<Vec<_>>().join(", ")));
    }
    fields
}

fn guesses(estimate: &Estimate) -> Vec<Guess> {
    let guess = |(label, share): &(String, f64)| Guess {
        label: label.clone(),
        percent: words::percent(*share),
        wide: (share.clamp(0.0, 1.0) * 100.0).round() as u32,
    };
    estimate.ranked.iter().map(guess).collect()
}

fn triaged(app: &App, proposal: &Recommendation, is_current: bool) -> Triaged {
    let classification = &proposal.classification;
    let category = &classification.category;
    let best = category.ranked.first().map_or("nothing", |(label, _)| label.as_str());
    let (share, threshold) = (words::percent(category.probability()), words::percent(category.threshold));
    let sure = match &category.label {
        Some(_) => format!("{share} likely, calibrated; it answers from {threshold} on"),
        None if category.foreign => {
            format!("It is unlike all that the model learned from: a person decides. The best guess would be {best}")
        }
        None => format!("The best guess, {best}, is {share} likely, and it answers from {threshold} on: a person decides"),
    };
    Triaged {
        category: category.label.clone().unwrap_or_else(|| "not sure".to_owned()),
        sure,
        as_sure: hints::as_sure(app, classification),
        guesses: guesses(category),
        words: category
            .because
            .iter()
            .map(|word| Word { feature: word.feature.clone(), weight: format!("{:+.2}", word.weight), speaks_for: word.weight > 0.0 })
            .collect(),
        near: category.near.iter().map(|near| (near.excerpt.clone(), near.label.clone(), words::percent(near.similarity))).collect(),
        priority_because: classification.priority_because.clone(),
        risk_because: classification.risk_because.clone(),
        flags: classification.flags.iter().map(|flag| words::plain(flag)).collect::<Vec<_>>().join(", "),
        group: classification.assignment_group.clone(),
        is_current,
    }
}

fn proposed(app: &App, frame: &Frame, ticket: &Ticket, proposal: &Recommendation) -> Proposed {
    let decider = app.service.decider();
    let in_force: Option<&Runbook> =
        proposal.runbook.as_ref().zip(proposal.runbook_digest.as_ref()).and_then(|(id, digest)| exactly(decider.library(), id, digest));
    let is_open = proposal.state == RecommendationState::Open;
    let check =
        |reason: &crate::domain::verdict::Reason| Check { id: reason.id.clone(), message: reason.message.clone(), passed: reason.passed };
    let (passed, checks): (Vec<Check>, Vec<Check>) = proposal.verdict.reasons.iter().map(check).partition(|check| check.passed);
    let awaits = is_open && ticket.state == TicketState::AwaitingApproval && proposal.expires_at > frame.now;
    Proposed {
        id: proposal.id.to_string(),
        state: recommendation_state(proposal.state),
        is_open,
        runbook: proposal.runbook.clone().map(|id| {
            let title = proposal.candidates.iter().find(|candidate| candidate.runbook == id).map(|candidate| candidate.title.clone());
            (id, title.or_else(|| in_force.map(|runbook| runbook.title.clone())).unwrap_or_default())
        }),
        in_force: in_force.is_some(),
        fits: fits(proposal),
        slots: slots(proposal),
        decision: words::decision(proposal.verdict.decision),
        checks,
        passed,
        plan: in_force.filter(|runbook| !runbook.steps.is_empty()).map(|runbook| Plan::of(app, runbook, proposal)),
        reversible: in_force.is_some_and(|runbook| runbook.reversible),
        approvals: proposal
            .approvals
            .iter()
            .map(|approval| {
                let comment = approval.comment.as_ref().map_or(String::new(), |comment| format!(": {comment}"));
                format!("{} {}{comment}", approval.by, frame.ago(&approval.at))
            })
            .collect(),
        needed: proposal.verdict.approvals_needed,
        expires_at: proposal.expires_at,
        expires: words::ago(frame.now, proposal.expires_at),
        can_approve: awaits && frame.may(Approver),
        can_refuse: is_open && frame.may_any(&[Responder, Approver]),
        can_tell: proposal.runbook.is_some() && frame.may_any(&[Responder, Approver]),
    }
}

pub fn recommendation_state(state: RecommendationState) -> Badge {
    match state {
        RecommendationState::Open => Badge::new(Tone::Waits, "open"),
        RecommendationState::Approved => Badge::new(Tone::Good, "let run"),
        RecommendationState::Rejected => Badge::new(Tone::Plain, "rejected"),
        RecommendationState::Expired => Badge::new(Tone::Plain, "expired"),
        RecommendationState::Superseded => Badge::new(Tone::Plain, "a newer one took its place"),
    }
}

fn fits(proposal: &Recommendation) -> Vec<Fit> {
    let fit = |candidate: &crate::domain::recommendation::Candidate| {
        let mut passage = None;
        let mut because = Vec::new();
        let mut terms: BTreeMap<String, f64> = BTreeMap::new();
        for evidence in &candidate.because {
            match evidence {
                Evidence::AlertName { name } => because.push(format!("the alert is {name}")),
                Evidence::Label { name } => because.push(format!("the label {name}")),
                Evidence::Pattern { pattern, .. } => because.push(format!("the pattern {pattern}")),
                Evidence::Term { term, weight, .. } => *terms.entry(term.clone()).or_default() += weight,
                Evidence::Passage { text, .. } => passage = Some(text.clone()),
            }
        }
        let mut terms: Vec<(String, f64)> = terms.into_iter().collect();
        terms.sort_by(|a, b| b.1.total_cmp(&a.1));
        if !terms.is_empty() {
            let words: Vec<&str> = terms.iter().take(6).map(|(term, _)| term.as_str()).collect();
            because.push(format!("the words {}", words.join(", ")));
        }
        Fit {
            runbook: candidate.runbook.clone(),
            title: candidate.title.clone(),
            percent: words::percent(candidate.fit),
            because,
            passage,
            proposed: proposal.runbook.as_ref() == Some(&candidate.runbook),
        }
    };
    proposal.candidates.iter().map(fit).collect()
}

fn slots(proposal: &Recommendation) -> Vec<Slot> {
    let filled = proposal.parameters.iter().map(|parameter| Slot {
        name: parameter.name.to_string(),
        value: Some(parameter.value.clone()),
        origin: match &parameter.origin {
            Origin::Label { name } => format!("the label {name}"),
            Origin::Attribute { name } => format!("the field {name}"),
            Origin::Requester => "the requester".to_owned(),
            Origin::Text { .. } => "the text, marked there".to_owned(),
            Origin::Person { person } => format!("{person} typed it"),
        },
        checks: parameter.validated_by.join("; "),
    });
    let missing = proposal.missing.iter().map(|missing| Slot {
        name: missing.name.to_string(),
        value: None,
        origin: missing.reason.clone(),
        checks: String::new(),
    });
    filled.chain(missing).collect()
}

fn ran(frame: &Frame, run: &Execution) -> Run {
    let held = run.state == ExecutionState::Pending && run.not_before > frame.now && run.cancel.is_none();
    Run {
        id: run.id,
        runbook: run.runbook.clone(),
        state: words::execution(run.state),
        by: words::actor(&run.started_by),
        began: run.created_at,
        minute: words::second(run.created_at),
        holds_until: held.then_some(run.not_before),
        steps: run.steps.iter().map(ran_step).collect(),
        can_cancel: !run.state.is_final()
            && run.cancel.is_none()
            && run.undoes.is_none()
            && frame.may_any(&[Responder, Approver, Operator]),
        can_undo: run.state == ExecutionState::Succeeded && run.undoes.is_none() && run.undone_by.is_none() && frame.may(Approver),
        can_settle: run.state == ExecutionState::InDoubt && frame.may_any(&[Responder, Approver]),
        cancel: run.cancel.as_ref().map(|cancel| {
            let reason = cancel.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("{} asked to cancel{reason}", cancel.by)
        }),
        undoes: run.undoes.as_ref().map(|undo| undo.of),
        undone_by: run.undone_by,
    }
}

fn ran_step(step: &crate::domain::execution::StepRun) -> RanStep {
    let state = match step.outcome {
        StepOutcome::Started => Badge::new(Tone::Info, "sent"),
        StepOutcome::Accepted => Badge::new(Tone::Info, "job runs"),
        StepOutcome::Succeeded => Badge::new(Tone::Good, "done"),
        StepOutcome::Failed => Badge::new(Tone::Bad, "failed"),
    };
    let status = step.status.map_or(String::new(), |status| format!("answered {status}"));
    let again = if step.attempt > 1 { format!("attempt {}", step.attempt) } else { String::new() };
    let parts = [status, again, step.detail.clone().unwrap_or_default()];
    RanStep {
        step: step.step.to_string(),
        kind: plan::kind(step.kind),
        state,
        request: step.request.clone(),
        detail: parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_from_a_sender_opens_a_page_and_nothing_else() {
        assert_eq!(safe_link("https://desk.example/t/1"), Some("https://desk.example/t/1".to_owned()));
        for bad in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "not a link", "//desk.example"] {
            assert_eq!(safe_link(bad), None, "{bad}");
        }
    }
}
