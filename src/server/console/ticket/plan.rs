//! What a proposal would send, step by step: made by the connectors themselves, as a run makes it.

use crate::{
    domain::{
        name::StepId,
        recommendation::Recommendation,
        runbook::{Runbook, StepKind},
    },
    server::app::App,
};

/// One step with its request.
pub struct PlannedStep {
    pub id: StepId,
    pub kind: &'static str,
    pub connector: String,
    /// Method and address; what an earlier step gives stands by its name.
    pub request: Result<String, String>,
    pub body: Option<String>,
    pub expect: Option<String>,
    pub idempotent: bool,
    /// The step that takes it back.
    pub rollback: Option<StepId>,
}

/// What a run would do, and what it could touch.
pub struct Plan {
    /// Those that run when all goes well, in their order.
    pub steps: Vec<PlannedStep>,
    /// Those that run only to take a change back.
    pub rollbacks: Vec<PlannedStep>,
    /// What could be touched, in words.
    pub reach: Vec<String>,
    pub changes: usize,
    /// True when each change has a step that takes it back.
    pub all_come_back: bool,
}

impl Plan {
    pub fn of(app: &App, runbook: &Runbook, proposal: &Recommendation) -> Self {
        let values = runbook.values(&proposal.values());
        let planned = |step: &crate::domain::runbook::Step| {
            let described = app.service.connectors.describe(step, &values.or_names(&step.with));
            let body =
                described.as_ref().ok().and_then(|preview| preview.body.as_ref()).and_then(|body| serde_json::to_string_pretty(body).ok());
            PlannedStep {
                id: step.id.clone(),
                kind: kind(step.kind),
                connector: step.connector.to_string(),
                request: described.map(|preview| preview.to_string()).map_err(|why| why.to_string()),
                body,
                expect: step.expect.clone(),
                idempotent: step.idempotent,
                rollback: step.rollback.clone(),
            }
        };
        let of = |rollback: bool| runbook.steps.iter().filter(move |step| (step.kind == StepKind::Rollback) == rollback);
        let changes: Vec<_> = runbook.steps.iter().filter(|step| step.kind == StepKind::Change).collect();
        Self {
            steps: of(false).map(planned).collect(),
            rollbacks: of(true).map(planned).collect(),
            reach: reach(runbook, proposal),
            changes: changes.len(),
            all_come_back: changes.iter().all(|step| step.rollback.is_some()),
        }
    }
}

pub fn kind(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Precheck => "looks",
        StepKind::Change => "changes",
        StepKind::Verify => "verifies",
        StepKind::Rollback => "takes back",
    }
}

/// Which systems a run may call and which things it names there. A connector's own allow list bounds it further.
fn reach(runbook: &Runbook, proposal: &Recommendation) -> Vec<String> {
    let mut connectors: Vec<&str> = runbook.steps.iter().map(|step| step.connector.as_str()).collect();
    connectors.sort_unstable();
    connectors.dedup();
    let mut said = vec![match connectors.as_slice() {
        [] => "no other system".to_owned(),
        names => format!("calls {}, and nothing else", names.join(" and ")),
    }];
    match proposal.parameters.as_slice() {
        [] => said.push("names nothing from the ticket: it does the same each time".to_owned()),
        filled => {
            let values: Vec<String> = filled.iter().map(|parameter| format!("{} {}", parameter.name, parameter.value)).collect();
            said.push(format!("acts on {} only", values.join(", ")));
        }
    }
    said
}
