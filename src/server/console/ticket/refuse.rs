//! Rejecting a proposal with the reason, and telling what was done outside of Sluicegate.

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    domain::{
        id::{RecommendationId, TicketId},
        name::RunbookId,
        recommendation::RecommendationState,
    },
    pipeline::{
        actions::{
            judge::{self, Did, Judgement},
            reject::{self, Rejection},
        },
        error::ActionError,
        outcome::Correction,
    },
    server::{
        app::App,
        console::{
            form::Form,
            frame::Frame,
            page::{self, done},
            trouble::Trouble,
            visitor::Visitor,
        },
        masked,
        parameters::Id,
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "refuse.html")]
struct RefusePage {
    frame: Frame,
    id: RecommendationId,
    ticket: TicketId,
    title: String,
    runbook: Option<RunbookId>,
    revision: u64,
    runbooks: Vec<(RunbookId, String)>,
    categories: Vec<String>,
    /// True for the page that rejects, false for the one that tells what was done.
    rejects: bool,
}

async fn page_of(app: &App, visitor: &Visitor, id: RecommendationId, rejects: bool) -> Result<Response, Trouble> {
    let tenant = &visitor.principal().tenant;
    let proposal = app.service.recommendation(tenant, id).await?;
    if rejects && proposal.state != RecommendationState::Open {
        return Err(ActionError::Changed(format!("the proposal is `{}`", proposal.state.as_str())).into());
    }
    let ticket = masked::ticket(app.service.ticket(tenant, proposal.ticket).await?);
    let decider = app.service.decider();
    let mut runbooks: Vec<_> = decider.library().iter().map(|runbook| (runbook.id.clone(), runbook.title.clone())).collect();
    runbooks.sort_by(|a, b| a.1.cmp(&b.1));
    let frame = Frame::load(app, visitor, if rejects { "Reject" } else { "What was done" }).await?;
    page::page(&RefusePage {
        frame,
        id,
        ticket: proposal.ticket,
        title: ticket.report.title.as_untrusted().to_owned(),
        runbook: proposal.runbook,
        revision: proposal.revision,
        runbooks,
        categories: decider.triage().catalogue().ids().into_iter().collect(),
        rejects,
    })
}

pub async fn ask(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>) -> Result<Response, Trouble> {
    page_of(&app, &visitor, id, true).await
}

pub async fn ask_outcome(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>) -> Result<Response, Trouble> {
    page_of(&app, &visitor, id, false).await
}

fn correction(form: &Form) -> Result<Correction, Trouble> {
    Ok(Correction { another_runbook: form.maybe("another_runbook")?, category: form.some("category").map(str::to_owned) })
}

pub async fn reject(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>, form: Form) -> Result<Response, Trouble> {
    let rejection = Rejection { reason: form.text("reason").to_owned(), correction: correction(&form)? };
    let rejected = reject::reject(&app.service, visitor.principal(), id, form.value("revision")?, rejection).await?;
    Ok(done(&format!("/tickets/{}", rejected.ticket), "rejected"))
}

pub async fn tell(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>, form: Form) -> Result<Response, Trouble> {
    let did = match form.text("did") {
        "same_runbook" => Did::SameRunbook,
        "another_runbook" => Did::AnotherRunbook,
        "category_corrected" => Did::CategoryCorrected,
        "undone" => Did::Undone,
        "rejected" => Did::Rejected,
        other => {
            return Err(Trouble(Problem::Body { pointer: "/did".to_owned(), detail: format!("`{other}` is nothing that can be told") }));
        }
    };
    let comment = form.some("reason").map(str::to_owned);
    let judgement = Judgement { revision: form.value("revision")?, did, correction: correction(&form)?, comment };
    let outcome = judge::judge(&app.service, visitor.principal(), id, judgement).await?;
    Ok(done(&format!("/tickets/{}", outcome.ticket), "told"))
}
