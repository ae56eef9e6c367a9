//! The page that asks before something is let run, and the approval itself.
//!
//! The form carries what was on the screen: the binding and the revision. Anything changed since is told, not done.

use askama::Template;
use axum::{extract::State, response::Response};

use super::plan::Plan;
use crate::{
    domain::{digest::Digest, id::RecommendationId, name::RunbookId, priority::Risk, recommendation::RecommendationState, time::Timestamp},
    pipeline::{actions::approve, decider::exactly, error::ActionError},
    server::{
        app::App,
        console::{
            form::Form,
            frame::Frame,
            page::{self, done},
            rows::risk,
            trouble::Trouble,
            visitor::Visitor,
            words::{self, Badge},
        },
        masked,
        parameters::Id,
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "approve.html")]
struct ApprovePage {
    frame: Frame,
    id: RecommendationId,
    ticket: crate::domain::id::TicketId,
    title: String,
    runbook: RunbookId,
    runbook_title: String,
    values: Vec<(String, String)>,
    plan: Plan,
    reversible: bool,
    risk: Badge,
    /// Above low risk a person types the runbook's name.
    typed: bool,
    given: usize,
    needed: u8,
    given_by: Vec<String>,
    refusals: Vec<String>,
    expires_at: Timestamp,
    expires: String,
    binding: Digest,
    revision: u64,
}

pub async fn ask(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>) -> Result<Response, Trouble> {
    let tenant = &visitor.principal().tenant;
    let stored = app.service.recommendation(tenant, id).await?;
    let ticket = app.service.ticket(tenant, stored.ticket).await?;
    if stored.state != RecommendationState::Open {
        return Err(ActionError::Changed(format!("the proposal is `{}`", stored.state.as_str())).into());
    }
    let binding = stored.binding().map_err(ActionError::from)?;
    let decider = app.service.decider();
    let changed = decider.changed_since(&ticket, &stored)?;
    if !changed.is_empty() {
        return Err(ActionError::Changed(format!("{}; have triage look again", changed.join("; "))).into());
    }
    let nothing = || Trouble(Problem::Refused(vec!["no runbook is proposed, so there is nothing to approve".to_owned()]));
    let (runbook, digest) = stored.runbook.clone().zip(stored.runbook_digest).ok_or_else(nothing)?;
    let in_force = exactly(decider.library(), &runbook, &digest).ok_or_else(nothing)?;
    let combined = stored.classification.risk.max(in_force.risk);
    let proposal = masked::recommendation(stored, &ticket);
    let frame = Frame::load(&app, &visitor, "Approve").await?;
    let shown = ApprovePage {
        id,
        ticket: proposal.ticket,
        title: masked::ticket(ticket).report.title.as_untrusted().to_owned(),
        values: proposal.parameters.iter().map(|parameter| (parameter.name.to_string(), parameter.value.clone())).collect(),
        plan: Plan::of(&app, in_force, &proposal),
        reversible: in_force.reversible,
        runbook_title: in_force.title.clone(),
        risk: risk(combined),
        typed: combined > Risk::Low,
        given: proposal.approvals.len(),
        needed: proposal.verdict.approvals_needed,
        given_by: proposal.approvals.iter().map(|approval| approval.by.to_string()).collect(),
        refusals: proposal.verdict.refusals().map(|reason| reason.message.clone()).collect(),
        expires_at: proposal.expires_at,
        expires: words::ago(frame.now, proposal.expires_at),
        binding,
        revision: proposal.revision,
        runbook,
        frame,
    };
    page::page(&shown)
}

pub async fn approve(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>, form: Form) -> Result<Response, Trouble> {
    let caller = visitor.principal();
    let proposal = app.service.recommendation(&caller.tenant, id).await?;
    let decider = app.service.decider();
    let in_force = proposal.runbook.as_ref().and_then(|runbook| decider.library().get(runbook));
    // A word that the page asks for is asked for here too: a form can be sent without its page.
    if let Some(runbook) = in_force.filter(|runbook| proposal.classification.risk.max(runbook.risk) > Risk::Low)
        && form.text("typed") != runbook.id.as_str()
    {
        let detail = format!("type the name of the runbook, `{}`, to approve at this risk", runbook.id);
        return Err(Trouble(Problem::Body { pointer: "/typed".to_owned(), detail }));
    }
    let seen = approve::Approve {
        revision: form.value("revision")?,
        binding: form.value("binding")?,
        comment: form.some("comment").map(str::to_owned),
    };
    let approved = approve::approve(&app.service, caller, id, seen).await?;
    let word = if approved.state == RecommendationState::Approved { "approved" } else { "approved-once" };
    Ok(done(&format!("/tickets/{}", approved.ticket), word))
}
