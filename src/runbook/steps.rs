//! One step as written to one step as the engine runs it; its `expect` compiles now or the file is refused.

use std::{collections::BTreeMap, time::Duration};

use serde_saphyr::Spanned;

use super::{
    expression::Expression,
    finding::{Finding, Place, Rule},
    format::{WrittenOutput, WrittenStep, place},
    parse::no_template,
    triggers, wording,
};
use crate::domain::{
    name::{ConnectorName, OutputName, StepId},
    runbook::{Output, Step, StepKind},
    template::Argument,
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) fn read(file: &str, written: &Spanned<WrittenStep>) -> Result<Step, Finding> {
    let step = &written.value;
    let bad = |at: Place, why: String| Finding::error(file, at, Rule::BadValue, why);
    let id = StepId::new(step.id.value.as_str()).map_err(|why| bad(place(&step.id), why.to_string()))?;
    let kind = match step.kind.value.as_str() {
        "precheck" => StepKind::Precheck,
        "change" => StepKind::Change,
        "verify" => StepKind::Verify,
        "rollback" => StepKind::Rollback,
        other => {
            let why = format!("`{other}` is not a kind of step: write `precheck`, `change`, `verify` or `rollback`");
            return Err(bad(place(&step.kind), why));
        }
    };
    let (connector, operation) = step
        .connector
        .value
        .split_once('.')
        .filter(|(_, operation)| !operation.is_empty() && operation.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        .ok_or_else(|| {
            let why = format!("`{}` does not name an operation: write `CONNECTOR.OPERATION`, like `automation.post`", step.connector.value);
            bad(place(&step.connector), why)
        })?;
    let connector = ConnectorName::new(connector).map_err(|why| bad(place(&step.connector), why.to_string()))?;
    sound_texts(&step.with).map_err(|why| bad(place(written), format!("in `with` of step `{id}`: {why}")))?;
    let with = Argument::parse(&step.with).map_err(|why| bad(place(written), format!("in `with` of step `{id}`: {why}")))?;
    if let Some(expect) = &step.expect {
        expression(&expect.value).map_err(|why| Finding::error(file, place(expect), Rule::BadExpectation, why))?;
    }
    let time = |text: &Option<Spanned<String>>, default: Duration| match text {
        Some(text) => wording::duration(&text.value).map_err(|why| bad(place(text), why)),
        None => Ok(default),
    };
    let timeout = time(&step.timeout, DEFAULT_TIMEOUT)?;
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        let at = step.timeout.as_ref().map_or(place(written), place);
        return Err(bad(at, format!("a step's timeout is between 1s and {}s", LONGEST_TIMEOUT.as_secs())));
    }
    let outputs = outputs(file, &id, &step.outputs)?;
    let rollback = match &step.rollback {
        Some(name) => Some(StepId::new(name.value.as_str()).map_err(|why| bad(place(name), why.to_string()))?),
        None => None,
    };
    Ok(Step {
        id,
        kind,
        connector,
        operation: operation.to_owned(),
        with,
        expect: step.expect.as_ref().map(|expect| expect.value.clone()),
        timeout,
        within: time(&step.within, Duration::ZERO)?,
        idempotent: step.idempotent,
        rollback,
        outputs,
    })
}

/// Keys are not filled, and a path with a line end in it would be a second header line.
fn sound_texts(with: &serde_json::Value) -> Result<(), String> {
    use serde_json::Value;
    match with {
        Value::Array(items) => items.iter().try_for_each(sound_texts),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| match value {
            _ if key.contains("{{") => Err(no_template(key)),
            Value::String(path) if key == "path" && path.contains(char::is_control) => Err("`path` has a control character".to_owned()),
            value => sound_texts(value),
        }),
        _ => Ok(()),
    }
}

/// Compiles it, so that a misspelt name fails at load and not at two in the morning.
fn expression(source: &str) -> Result<(), String> {
    if source.contains("{{") {
        return Err(no_template(source));
    }
    Expression::compile(source).map(|_| ())
}

fn outputs(file: &str, step: &StepId, written: &BTreeMap<String, Spanned<WrittenOutput>>) -> Result<BTreeMap<OutputName, Output>, Finding> {
    written
        .iter()
        .map(|(name, entry)| {
            let at = place(entry);
            let output = &entry.value;
            let bad = |at: Place, why: String| Finding::error(file, at, Rule::BadValue, format!("output `{name}` of step `{step}`: {why}"));
            let name = OutputName::new(name.as_str()).map_err(|why| bad(at, why.to_string()))?;
            expression(&output.value.value).map_err(|why| Finding::error(file, place(&output.value), Rule::BadExpectation, why))?;
            let kind = wording::output_type(&output.kind).map_err(|why| bad(place(&output.kind), why))?;
            if let Some(pattern) = &output.pattern {
                triggers::compile(&pattern.value).map_err(|why| Finding::error(file, place(pattern), Rule::BadPattern, why))?;
            }
            let pattern = output.pattern.as_ref().map(|pattern| pattern.value.clone());
            Ok((name, Output { value: output.value.value.clone(), kind, pattern }))
        })
        .collect()
}
