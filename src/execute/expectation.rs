//! What a step asks of an answer before it counts: its `expect`, or any 2xx, and the outputs that later steps use.
//!
//! An expression that cannot be evaluated on an answer is not met, and an output of another type is none: a missing
//! field never counts as success.
// INVARIANT: met means the expression gave `true` and every output passed its type; anything else is not met.
// INVARIANT: a reason never quotes the answer.

use std::collections::BTreeMap;

use super::error::ExecuteError;
use crate::{
    domain::{
        name::OutputName,
        runbook::{Output, ParameterType, Step},
        template::Value,
    },
    outbound::Answer,
    runbook::{Answered, Expression, Found, Validator},
};

/// A compiled expectation.
pub struct Expectation {
    expect: Option<Expression>,
    outputs: Vec<(OutputName, Output, Expression)>,
}

impl Expectation {
    /// # Errors
    /// An expression of the step does not compile.
    pub fn of(step: &Step) -> Result<Self, ExecuteError> {
        let refuse = |why| ExecuteError::Step { step: step.id.clone(), why };
        let outputs = step.outputs.iter().map(|(name, output)| Ok((name.clone(), output.clone(), Expression::compile(&output.value)?)));
        Ok(Self {
            expect: step.expect.as_deref().map(Expression::compile).transpose().map_err(refuse)?,
            outputs: outputs.collect::<Result<_, _>>().map_err(refuse)?,
        })
    }

    /// True when the step asks for no more than a 2xx, so that an unreadable body does not matter.
    pub const fn needs_only_status(&self) -> bool {
        self.expect.is_none() && self.outputs.is_empty()
    }

    /// What the step gives to later ones.
    ///
    /// # Errors
    /// Why the answer is not as expected, for people.
    pub fn check(&self, answer: &Answer) -> Result<BTreeMap<OutputName, Value>, String> {
        let headers: Vec<(&str, &[u8])> = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let answered = Answered { status: answer.status, headers: &headers, body: &answer.body };
        match &self.expect {
            None if answer.is_success() => {}
            None => return Err(format!("answered {}, expected 2xx", answer.status)),
            Some(expression) => match expression.evaluate(&answered)? {
                Found::Bool(true) => {}
                Found::Bool(false) => return Err(format!("answered {}, and `{}` is false", answer.status, expression.source())),
                _ => return Err(format!("`{}` is neither true nor false", expression.source())),
            },
        }
        self.outputs
            .iter()
            .map(|(name, output, expression)| {
                let value = typed(output, expression.evaluate(&answered)?).map_err(|why| format!("output `{name}`: {why}"))?;
                Ok((name.clone(), value))
            })
            .collect()
    }
}

fn typed(output: &Output, found: Found) -> Result<Value, String> {
    let integer = matches!(output.kind, ParameterType::Integer { .. });
    let (text, value) = match found {
        Found::Integer(number) if integer => (number.to_string(), Value::Integer(number)),
        // Many engines number their jobs and write the number as a text, or name what is a text here with a number.
        Found::Text(text) if integer => {
            let number = text.parse().map_err(|_| "it is not a whole number".to_owned())?;
            (text, Value::Integer(number))
        }
        Found::Integer(number) => (number.to_string(), Value::Text(number.to_string())),
        Found::Text(text) => (text.clone(), Value::Text(text)),
        Found::Bool(_) | Found::Other => return Err("it is neither a text nor a whole number".to_owned()),
    };
    Validator::of(&output.kind, output.pattern.as_deref())?.form(&text)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{runbook::StepKind, template::Argument};

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: reqwest::header::HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn expectation(expect: Option<&str>, outputs: &[(&str, &str, ParameterType)]) -> Expectation {
        let outputs = outputs
            .iter()
            .map(|(name, value, kind)| (name.parse().unwrap(), Output { value: (*value).to_owned(), kind: kind.clone(), pattern: None }));
        Expectation::of(&Step {
            id: "s".parse().unwrap(),
            kind: StepKind::Change,
            connector: "c".parse().unwrap(),
            operation: "post".to_owned(),
            with: Argument::Null,
            expect: expect.map(str::to_owned),
            timeout: Duration::ZERO,
            within: Duration::ZERO,
            idempotent: false,
            rollback: None,
            outputs: outputs.collect(),
        })
        .unwrap()
    }

    #[test]
    fn a_body_that_is_no_json_is_text_and_a_lying_one_is_not_met() {
        assert!(expectation(Some("body == 'OK'"), &[]).check(&answer(200, "OK")).is_ok());
        let young = expectation(Some("body.queue_age_s < 60"), &[]);
        assert!(young.check(&answer(200, r#"{"queue_age_s": 5}"#)).is_ok());
        for lying in [
            "",
            "null",
            "[]",
            "{}",
            "{\"queue_age_s\": null}",
            "{\"queue_age_s\": \"0\"}",
            "{\"queue_age_s\": [1]}",
            "<html>",
            "{\"queue_age_s\": 1",
        ] {
            assert!(young.check(&answer(200, lying)).is_err(), "{lying}");
        }
        for neither in ["body.queue_age_s", "'true'"] {
            assert!(expectation(Some(neither), &[]).check(&answer(200, r#"{"queue_age_s": 5}"#)).is_err(), "{neither}");
        }
    }

    #[test]
    fn without_an_expression_any_2xx_will_do() {
        let any = expectation(None, &[]);
        assert!(any.check(&answer(204, "")).is_ok());
        for status in [199, 301, 400, 500] {
            assert!(any.check(&answer(status, "")).is_err());
        }
    }

    #[test]
    fn outputs_arrive_typed_or_the_step_is_not_as_expected() {
        let integer = ParameterType::Integer { min: 1, max: 100 };
        let text = ParameterType::String { max_length: 8 };
        let given = expectation(None, &[("job", "body.id", integer.clone()), ("node", "body.node", text.clone())]);
        for (body, job, node) in [(r#"{"id": 7, "node": "db-1"}"#, 7, "db-1"), (r#"{"id": "7", "node": 12}"#, 7, "12")] {
            let expected: BTreeMap<OutputName, Value> =
                [("job".parse().unwrap(), Value::Integer(job)), ("node".parse().unwrap(), Value::Text(node.to_owned()))].into();
            assert_eq!(given.check(&answer(201, body)), Ok(expected), "{body}");
        }
        for bad in [
            r#"{}"#,
            r#"{"id": 7}"#,
            r#"{"id": 0, "node": "a"}"#,
            r#"{"id": 101, "node": "a"}"#,
            r#"{"id": "07", "node": "a"}"#,
            r#"{"id": 7.5, "node": "a"}"#,
            r#"{"id": [7], "node": "a"}"#,
            r#"{"id": true, "node": "a"}"#,
            r#"{"id": 7, "node": ""}"#,
            r#"{"id": 7, "node": "../../x"}"#,
            r#"{"id": 7, "node": "$(reboot)"}"#,
            r#"{"id": 7, "node": "waytoolong"}"#,
            r#"{"id": 7, "node": "{{host}}"}"#,
        ] {
            let why = given.check(&answer(201, bad)).unwrap_err();
            assert!(!why.contains("reboot") && !why.contains("waytoolong"), "{why}");
        }
        assert!(given.check(&answer(500, r#"{"id": 7, "node": "db-1"}"#)).is_err(), "an answer that is not as expected gives nothing");
    }
}
