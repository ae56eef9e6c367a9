//! The `n8n` and `node_red` connectors: calls listed hooks of a workflow, whose answer is the end of the step.
//!
//! Facts and where they stand: docs/connectors/n8n.md and node_red.md.

use hyper::Method;
use serde_json::Value;

use super::{
    arguments::{Arguments, scalar},
    endpoint::{Body, Call, Endpoint},
    job,
    kind::{Kind, Probe, is_there},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::{Hook, HookOperation},
    domain::{runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::{Answer, Path},
};

#[derive(Debug)]
pub(super) struct Hooks {
    allow: Vec<Hook>,
    then: fn() -> Then,
}

impl Hooks {
    /// # Errors
    /// A path that is none.
    pub fn n8n(allow: &[Hook]) -> Result<Self, String> {
        Self::new(allow, || Then::Unless(has_ended))
    }

    /// # Errors
    /// A path that is none.
    pub fn node_red(allow: &[Hook]) -> Result<Self, String> {
        Self::new(allow, || Then::Done)
    }

    fn new(allow: &[Hook], then: fn() -> Then) -> Result<Self, String> {
        for listed in allow {
            job::path(&listed.hook.split('/').collect::<Vec<_>>())
                .map_err(|_| format!("`{}` is not the path of a hook: write it without a `/` in front", listed.hook))?;
        }
        Ok(Self { allow: allow.to_vec(), then })
    }
}

/// What n8n answers when its Webhook node is left at "Immediately".
const STARTED: &str = "Workflow was started";

fn has_ended(answer: &Answer) -> Result<(), String> {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match body.as_ref().and_then(|body| body.get("message")).and_then(Value::as_str) {
        Some(STARTED) => {
            Err("n8n answered before the workflow had run: let its Webhook node respond when the last node finishes".to_owned())
        }
        _ => Ok(()),
    }
}

impl Kind for Hooks {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let (operation, last) = match step.operation.as_str() {
            "call" => (HookOperation::Call, "body"),
            "ask" => (HookOperation::Ask, "query"),
            _ => return Err(Arguments::of(endpoint, step, values, &[])?.unknown_operation(&["call", "ask"])),
        };
        let arguments = Arguments::of(endpoint, step, values, &["hook", last])?;
        let hook = arguments.text("hook")?;
        let Some(listed) = self.allow.iter().find(|listed| listed.hook == hook && listed.operations.contains(&operation)) else {
            return Err(arguments.not_allowed(hook.chars().take(120).collect::<String>()));
        };
        let fields = arguments.table(last)?;
        arguments.only(&hook, listed.arguments.as_deref(), fields.keys())?;
        let path = arguments.path(&hook.split('/').collect::<Vec<_>>())?;
        let call = match operation {
            HookOperation::Call => Call { body: Body::Json(fields.into()), ..Call::new(Method::POST, path) },
            HookOperation::Ask => {
                let pair = |(key, value): (String, Value)| {
                    let text =
                        scalar(&value).ok_or_else(|| arguments.refuse(format!("`with.query.{key}` must be a text, a number or a flag")))?;
                    Ok((key, text))
                };
                Call { query: fields.into_iter().map(pair).collect::<Result<_, ExecuteError>>()?, ..Call::get(path) }
            }
        };
        endpoint.prepare(step, call, (self.then)())
    }

    /// Asking a hook would run it, so only the door is tried.
    fn probes(&self) -> Vec<Probe> {
        let probe = |root| Probe { judge: is_there, ..Probe::new("the base URL".to_owned(), Call::get(root)) };
        Path::parse("/").ok().map(probe).into_iter().collect()
    }
}
