//! Cancelling a run, taking one back, and saying what became of one in doubt.

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    domain::{
        execution::{Execution, ExecutionState},
        id::ExecutionId,
        runbook::StepKind,
    },
    pipeline::actions::{cancel, settle, undo},
    server::{
        app::App,
        console::{
            form::Form,
            frame::Frame,
            page::{self, done},
            trouble::Trouble,
            visitor::Visitor,
            words::{self, Badge},
        },
        parameters::Id,
        problem::Problem,
    },
};

/// What is asked about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Cancel,
    Undo,
    Settle,
}

impl Question {
    const fn title(self) -> &'static str {
        match self {
            Self::Cancel => "Cancel the run",
            Self::Undo => "Take the run back",
            Self::Settle => "What became of the run",
        }
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    question: Question,
    run: Execution,
    state: Badge,
    values: Vec<(String, String)>,
    /// Steps that changed something, the last first: the order in which they are taken back.
    made: Vec<String>,
    holds: bool,
}

async fn page_of(app: &App, visitor: &Visitor, id: ExecutionId, question: Question) -> Result<Response, Trouble> {
    let run = app.service.execution(&visitor.principal().tenant, id).await?;
    let frame = Frame::load(app, visitor, question.title()).await?;
    let made = run.steps.iter().rev().filter(|step| step.kind == StepKind::Change).map(|step| format!("{}: {}", step.step, step.request));
    page::page(&RunPage {
        made: made.collect(),
        state: words::execution(run.state),
        values: run.parameters.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        holds: run.state == ExecutionState::Pending,
        frame,
        question,
        run,
    })
}

pub async fn ask_cancel(State(app): State<App>, visitor: Visitor, Id(id): Id<ExecutionId>) -> Result<Response, Trouble> {
    page_of(&app, &visitor, id, Question::Cancel).await
}

pub async fn ask_undo(State(app): State<App>, visitor: Visitor, Id(id): Id<ExecutionId>) -> Result<Response, Trouble> {
    page_of(&app, &visitor, id, Question::Undo).await
}

pub async fn ask_settle(State(app): State<App>, visitor: Visitor, Id(id): Id<ExecutionId>) -> Result<Response, Trouble> {
    page_of(&app, &visitor, id, Question::Settle).await
}

fn back(run: &Execution, word: &str) -> Response {
    done(&format!("/tickets/{}", run.ticket), word)
}

pub async fn cancel(State(app): State<App>, visitor: Visitor, Id(id): Id<ExecutionId>, form: Form) -> Result<Response, Trouble> {
    let run = cancel::cancel(&app.service, visitor.principal(), id, form.some("reason").map(str::to_owned)).await?;
    Ok(back(&run, "cancelled"))
}

pub async fn undo(State(app): State<App>, visitor: Visitor, Id(id): Id<ExecutionId>, form: Form) -> Result<Response, Trouble> {
    let run = undo::undo(&app.service, visitor.principal(), id, form.value("revision")?).await?;
    Ok(back(&run, "undone"))
}

pub async fn settle(State(app): State<App>, visitor: Visitor, Id(id): Id<ExecutionId>, form: Form) -> Result<Response, Trouble> {
    let found = match form.text("found") {
        "succeeded" => settle::Found::Succeeded,
        "rolled_back" => settle::Found::RolledBack,
        "failed" => settle::Found::Failed,
        other => {
            return Err(Trouble(Problem::Body { pointer: "/found".to_owned(), detail: format!("`{other}` is nothing that can be found") }));
        }
    };
    let run = settle::settle(&app.service, visitor.principal(), id, form.value("revision")?, found, form.text("comment")).await?;
    Ok(back(&run, "settled"))
}
