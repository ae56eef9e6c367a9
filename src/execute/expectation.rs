//! What a step expects of an answer: a CEL expression over `status`, `headers` and `body`, or any 2xx.
//!
//! Bounded: the expression's length, no loop inside a loop, the answer's size by the client. `matches` is a
//! linear-time regular expression. An expression that cannot be evaluated on an answer is not met: a missing
//! field never counts as success.
// INVARIANT: met means the expression gave `true`; anything else, errors included, is not met.

use std::sync::Arc;

use cel::{
    Context, Env, Program, Value,
    common::ast::{EntryExpr, Expr},
};
use serde_json::Value as Json;

use super::error::ExecuteError;
use crate::outbound::Answer;

const LONGEST: usize = 500;
/// The parser goes one deeper into its stack for each open bracket and overflows it at some hundreds.
const MOST_BRACKETS: usize = 32;

/// A compiled expectation.
pub struct Expectation {
    source: String,
    program: Option<(Arc<Env>, Program)>,
}

impl Expectation {
    /// # Errors
    /// The expression is too long, does not parse, or loops inside a loop.
    pub fn compile(expression: Option<&str>) -> Result<Self, ExecuteError> {
        let Some(source) = expression else { return Ok(Self { source: "any 2xx".to_owned(), program: None }) };
        let refuse = |why: String| ExecuteError::Expectation { expression: source.chars().take(200).collect(), why };
        if source.len() > LONGEST {
            return Err(refuse(format!("is longer than {LONGEST} bytes")));
        }
        if source.bytes().filter(|byte| b"([{?".contains(byte)).count() > MOST_BRACKETS {
            return Err(refuse(format!("has more than {MOST_BRACKETS} brackets")));
        }
        let env = Arc::new(Env::stdlib());
        let program = env.compile(source).map_err(|error| refuse(format!("does not parse: {error}")))?;
        if loop_depth(&program.expression().expr) > 1 {
            return Err(refuse("has a loop inside a loop, which an answer could make endless".to_owned()));
        }
        if let Some(unknown) = program
            .references()
            .variables()
            .into_iter()
            .find(|name| !matches!(*name, "status" | "headers" | "body") && !source_binds(&program.expression().expr, name))
        {
            return Err(refuse(format!("names `{unknown}`: there are `status`, `headers` and `body`")));
        }
        Ok(Self { source: source.to_owned(), program: Some((env, program)) })
    }

    /// True when the step asks for no more than a 2xx, so that an unreadable body does not matter.
    pub const fn needs_only_status(&self) -> bool {
        self.program.is_none()
    }

    /// # Errors
    /// Why it is not met, for people.
    pub fn check(&self, answer: &Answer) -> Result<(), String> {
        let Some((env, program)) = &self.program else {
            return if answer.is_success() { Ok(()) } else { Err(format!("answered {}, expected 2xx", answer.status)) };
        };
        let mut context = Context::with_env(Arc::clone(env));
        context.add_variable_from_value("status", i64::from(answer.status));
        let headers: std::collections::HashMap<String, Value> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned())))
            .collect();
        context.add_variable_from_value("headers", headers);
        let body = match serde_json::from_slice::<Json>(&answer.body) {
            Ok(json) => value_of(json),
            Err(_) => Value::from(String::from_utf8_lossy(&answer.body).into_owned()),
        };
        context.add_variable_from_value("body", body);
        match program.execute(&context) {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(Value::Bool(false)) => Err(format!("answered {}, and `{}` is false", answer.status, self.source)),
            Ok(_) => Err(format!("`{}` is neither true nor false", self.source)),
            // The library's message may quote the answer; its kind is enough.
            Err(cel::ExecutionError::NoSuchKey(key)) => Err(format!("answered {}, and the answer has no `{key}`", answer.status)),
            Err(_) => Err(format!("answered {}, and `{}` cannot be evaluated on the answer", answer.status, self.source)),
        }
    }
}

/// JSON numbers become signed integers where they fit, so that they compare with the literals people write.
fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .unwrap_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::List(Arc::new(items.into_iter().map(value_of).collect())),
        Json::Object(fields) => {
            Value::from(fields.into_iter().map(|(key, value)| (key, value_of(value))).collect::<std::collections::HashMap<_, _>>())
        }
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(|target| &target.expr).chain(call.args.iter().map(|arg| &arg.expr)).collect(),
        Expr::Comprehension(each) => {
            vec![&each.iter_range.expr, &each.accu_init.expr, &each.loop_cond.expr, &each.loop_step.expr, &each.result.expr]
        }
        Expr::List(list) => list.elements.iter().map(|element| &element.expr).collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand.expr],
        Expr::Struct(shape) => shape.entries.iter().flat_map(|entry| entry_children(&entry.expr)).collect(),
    }
}

fn entry_children(entry: &EntryExpr) -> Vec<&Expr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value.expr],
        EntryExpr::MapEntry(pair) => vec![&pair.key.expr, &pair.value.expr],
    }
}

fn loop_depth(expr: &Expr) -> usize {
    usize::from(matches!(expr, Expr::Comprehension(_))) + children(expr).into_iter().map(loop_depth).max().unwrap_or(0)
}

/// True when a loop of the expression binds `name`.
fn source_binds(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Comprehension(each) if each.iter_var == name || each.accu_var == name)
        || children(expr).into_iter().any(|child| source_binds(child, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("x-state", "ok".parse().unwrap());
        Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    fn met(expression: &str, body: &str) -> bool {
        Expectation::compile(Some(expression)).unwrap().check(&answer(200, body)).is_ok()
    }

    #[test]
    fn expressions_see_status_headers_and_body() {
        let body = r#"{"queue_age_s": 12, "load": 0.5, "state": "up", "jobs": [{"ok": true}, {"ok": true}], "big": 18446744073709551615}"#;
        for yes in [
            "status == 200",
            "status >= 200 && status < 300",
            "body.queue_age_s < 60",
            "body.load < 1.0",
            "body.load < 1",
            "body.queue_age_s < 60.5",
            "body.state == 'up'",
            "headers['x-state'] == 'ok'",
            "size(body.jobs) == 2",
            "body.jobs.all(j, j.ok)",
            "body.jobs[0].ok",
            "has(body.state)",
            "!has(body.gone)",
            "body.state in ['up', 'ready']",
            "body.state.startsWith('u')",
            "body.state.matches('^u.$')",
        ] {
            assert!(met(yes, body), "{yes}: {:?}", Expectation::compile(Some(yes)).unwrap().check(&answer(200, body)));
        }
        for no in [
            "status == 404",
            "body.queue_age_s > 60",
            "body.gone == 1",
            "body.state < 3",
            "body.queue_age_s",
            "'true'",
            "body.jobs[9].ok",
            "headers['gone'] == ''",
            "1/0 == 1",
        ] {
            assert!(!met(no, body), "{no}");
        }
    }

    #[test]
    fn a_body_that_is_no_json_is_text_and_a_lying_one_is_not_met() {
        assert!(met("body == 'OK'", "OK"));
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
            assert!(!met("body.queue_age_s < 60", lying), "{lying}");
        }
    }

    #[test]
    fn without_an_expression_any_2xx_will_do() {
        let any = Expectation::compile(None).unwrap();
        assert!(any.check(&answer(204, "")).is_ok());
        for status in [199, 301, 400, 500] {
            assert!(any.check(&answer(status, "")).is_err());
        }
    }

    #[test]
    fn odd_expressions_are_refused_when_compiled() {
        for bad in [
            "",
            "status ==",
            "stat == 200",
            "body.a.all(x, body.a.all(y, y == x))",
            &format!("status == {}", "1".repeat(1000)),
            &"(".repeat(900),
        ] {
            assert!(Expectation::compile(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_reason_does_not_quote_the_answer() {
        let secret = Expectation::compile(Some("body.token < 3")).unwrap().check(&answer(200, r#"{"token": "hunter2"}"#)).unwrap_err();
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
