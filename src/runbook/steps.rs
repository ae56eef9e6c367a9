//! One step as written to one step as the engine runs it; its `expect` compiles now or the file is refused.

use std::time::Duration;

use serde_saphyr::Spanned;

use super::{
    finding::{Finding, Place, Rule},
    format::{WrittenStep, place},
    parse::no_template,
    wording,
};
use crate::domain::{
    name::{ConnectorName, StepId},
    runbook::{Argument, Step, StepKind},
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);
/// What `expect` may look at.
const ANSWER: [&str; 3] = ["status", "headers", "body"];
const LONGEST_EXPECTATION: usize = 1_000;

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
        expectation(&expect.value).map_err(|why| Finding::error(file, place(expect), Rule::BadExpectation, why))?;
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

/// Compiles CEL and looks at the names it uses, so that a misspelt one fails at load and not at two in the morning.
fn expectation(source: &str) -> Result<(), String> {
    if source.len() > LONGEST_EXPECTATION {
        return Err(format!("the expectation is longer than {LONGEST_EXPECTATION} bytes"));
    }
    if source.contains("{{") {
        return Err(no_template(source));
    }
    let program = cel::Program::compile(source).map_err(|why| {
        let why = why.to_string();
        format!("`{source}` is not CEL: {}", why.lines().next().unwrap_or("it does not parse").trim())
    })?;
    let references = program.references();
    let bound = bound_by_macros(source);
    // Names with `@` are the macros' own accumulators.
    let known = |name: &str| ANSWER.contains(&name) || name.starts_with('@') || bound.contains(&name);
    let mut unknown: Vec<&str> = references.variables().into_iter().filter(|name| !known(name)).collect();
    unknown.sort_unstable();
    match unknown.first() {
        Some(name) => Err(format!("`{name}` is not known in an expectation: there are `status`, `headers` and `body`")),
        None => Ok(()),
    }
}

/// The variables that `all`, `exists`, `map` and their like bring in: the first word after the opening bracket.
fn bound_by_macros(source: &str) -> Vec<&str> {
    [".all(", ".exists(", ".exists_one(", ".map(", ".filter("]
        .iter()
        .flat_map(|opening| source.split(opening).skip(1))
        .filter_map(|rest| rest.split_once(',').map(|(name, _)| name.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::expectation;

    #[test]
    fn expectations_compile_and_name_only_the_answer() {
        assert_eq!(expectation("status == 200 && body.state == \"healthy\""), Ok(()));
        assert_eq!(expectation("body.nodes.all(n, n.ready)"), Ok(()));
        for bad in ["status ==", "status == 200 &&", "stauts == 200", "", "body.state = 1"] {
            assert!(expectation(bad).is_err(), "{bad}");
        }
    }
}
