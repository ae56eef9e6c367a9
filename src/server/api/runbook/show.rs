//! One runbook in force, as people read it.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State};
use serde::Serialize;

use super::list::{RunbookSummary, today};
use crate::{
    domain::{
        name::{ConnectorName, ParameterName, PersonId, RunbookId, StepId},
        runbook::{Parameter, Step, StepKind},
    },
    server::{app::App, auth::Caller, parameters::Id, problem::Problem},
};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RunbookView {
    #[serde(flatten)]
    pub summary: RunbookSummary,
    pub authors: BTreeSet<PersonId>,
    /// Categories it applies to; empty means any.
    pub categories: BTreeSet<String>,
    pub symptoms: Vec<String>,
    #[schema(value_type = BTreeMap<String, ParameterView>)]
    pub parameters: BTreeMap<ParameterName, ParameterView>,
    pub steps: Vec<StepView>,
    /// Markdown.
    pub body: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ParameterView {
    /// `hostname`, `ip`, `email`, and so on.
    pub kind: &'static str,
    pub required: bool,
    pub pattern: Option<String>,
    /// The list or the directory service it must be in, as written in the runbook.
    pub one_of: Option<String>,
    pub description: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StepView {
    pub id: StepId,
    pub kind: StepKind,
    pub connector: ConnectorName,
    pub operation: String,
    pub expect: Option<String>,
    pub timeout_ms: u64,
    pub idempotent: bool,
    pub rollback: Option<StepId>,
}

impl From<&Parameter> for ParameterView {
    fn from(parameter: &Parameter) -> Self {
        Self {
            kind: parameter.kind.as_str(),
            required: parameter.required,
            pattern: parameter.pattern.clone(),
            one_of: parameter.one_of.as_ref().map(ToString::to_string),
            description: parameter.description.clone(),
        }
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        Self {
            id: step.id.clone(),
            kind: step.kind,
            connector: step.connector.clone(),
            operation: step.operation.clone(),
            expect: step.expect.clone(),
            timeout_ms: u64::try_from(step.timeout.as_millis()).unwrap_or(u64::MAX),
            idempotent: step.idempotent,
            rollback: step.rollback.clone(),
        }
    }
}

/// Show a runbook
#[utoipa::path(
    get,
    path = "/v1/runbooks/{id}",
    tag = "runbooks",
    params(("id" = RunbookId, Path)),
    responses((status = 200, description = "The version in force", body = RunbookView))
)]
pub async fn show(State(app): State<App>, _: Caller, Id(id): Id<RunbookId>) -> Result<Json<RunbookView>, Problem> {
    let decider = app.service.decider();
    let runbook = decider.library().get(&id).ok_or_else(|| Problem::not_found("runbook", &id))?;
    Ok(Json(RunbookView {
        summary: RunbookSummary::new(runbook, today(&app)),
        authors: runbook.authors.clone(),
        categories: runbook.categories.clone(),
        symptoms: runbook.symptoms.clone(),
        parameters: runbook.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.into())).collect(),
        steps: runbook.steps.iter().map(StepView::from).collect(),
        body: runbook.body.clone(),
    }))
}
