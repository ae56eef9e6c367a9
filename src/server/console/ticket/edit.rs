//! The page on which a person chooses another runbook, or types values in.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    domain::{
        id::{RecommendationId, TicketId},
        name::{ParameterName, RunbookId},
        recommendation::{Edit, Origin, RecommendationState},
    },
    pipeline::{
        actions::edit::{self, Wanted},
        error::ActionError,
    },
    server::{
        app::App,
        console::{
            form::Form,
            frame::{Frame, query},
            page::{self, done},
            trouble::Trouble,
            visitor::Visitor,
        },
        masked,
        parameters::Id,
        problem::Problem,
    },
};

/// One slot: what the ticket gives, or a person typed before.
struct Slot {
    name: ParameterName,
    kind: String,
    help: String,
    from_ticket: String,
    typed: String,
    why: String,
    required: bool,
}

#[derive(Template)]
#[template(path = "edit.html")]
struct EditPage {
    frame: Frame,
    id: RecommendationId,
    ticket: TicketId,
    title: String,
    revision: u64,
    runbook: Option<RunbookId>,
    runbooks: Vec<(RunbookId, String)>,
    slots: Vec<Slot>,
}

pub async fn ask(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>) -> Result<Response, Trouble> {
    let (caller, frame) = (visitor.principal(), Frame::load(&app, &visitor, "Change the proposal").await?);
    let proposal = app.service.recommendation(&caller.tenant, id).await?;
    if proposal.state != RecommendationState::Open {
        return Err(ActionError::Changed(format!("the proposal is `{}`", proposal.state.as_str())).into());
    }
    let ticket = app.service.ticket(&caller.tenant, proposal.ticket).await?;
    let chosen = query(&visitor, "runbook").filter(|text| !text.is_empty());
    let chosen = chosen.map(RunbookId::new).transpose().map_err(|why| Problem::parameter("runbook", why.to_string()))?;
    let runbook = chosen.or_else(|| proposal.runbook.clone());
    let decider = app.service.decider();
    let mut runbooks: Vec<_> = decider.library().iter().map(|runbook| (runbook.id.clone(), runbook.title.clone())).collect();
    runbooks.sort_by(|a, b| a.1.cmp(&b.1));
    let mut slots = Vec::new();
    if let Some(runbook) = &runbook {
        let plain = Edit { by: caller.person.clone(), runbook: runbook.clone(), parameters: BTreeMap::new() };
        let made = edit::settled(&app.service, &ticket, &plain).await?;
        let declared = decider.library().get(runbook).ok_or_else(|| Problem::not_found("runbook in force", runbook))?;
        for (name, parameter) in &declared.parameters {
            let filled = made.parameters.iter().find(|filled| filled.name == *name);
            let before = proposal.parameters.iter().find(|filled| filled.name == *name && proposal.runbook.as_ref() == Some(runbook));
            let typed = before.filter(|filled| matches!(filled.origin, Origin::Person { .. }));
            slots.push(Slot {
                name: name.clone(),
                kind: parameter.kind.as_str().to_owned(),
                help: parameter.description.clone().unwrap_or_default(),
                from_ticket: filled.map_or(String::new(), |filled| filled.value.clone()),
                typed: typed.map_or(String::new(), |filled| filled.value.clone()),
                why: made.missing.iter().find(|missing| missing.name == *name).map_or(String::new(), |missing| missing.reason.clone()),
                required: parameter.required,
            });
        }
    }
    page::page(&EditPage {
        frame,
        id,
        ticket: proposal.ticket,
        title: masked::ticket(ticket).report.title.as_untrusted().to_owned(),
        revision: proposal.revision,
        runbook,
        runbooks,
        slots,
    })
}

pub async fn edit(State(app): State<App>, visitor: Visitor, Id(id): Id<RecommendationId>, form: Form) -> Result<Response, Trouble> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form.under("value.").filter(|(_, value)| !value.trim().is_empty()) {
        let name = ParameterName::new(name).map_err(|why| Problem::Body { pointer: "/value".to_owned(), detail: why.to_string() })?;
        parameters.insert(name, value.trim().to_owned());
    }
    let wanted = Wanted { revision: form.value("revision")?, runbook: form.value("runbook")?, parameters };
    let new = edit::edit(&app.service, visitor.principal(), id, wanted).await?;
    Ok(done(&format!("/tickets/{}", new.ticket), "edited"))
}
