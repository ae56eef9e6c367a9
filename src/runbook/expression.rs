//! Expressions over the answer to a step: CEL over `status`, `headers` and `body`.
//!
//! Bounded: the expression's length, no loop inside a loop; whoever calls bounds the answer's size. `matches` is a
//! linear-time regular expression. Errors never quote the answer, which may hold secrets.

use std::{collections::HashMap, sync::Arc};

use cel::{
    Context, Env, Program, Value,
    common::ast::{EntryExpr, Expr},
};
use serde_json::Value as Json;

/// What an expression may look at.
const KNOWN: [&str; 3] = ["status", "headers", "body"];
const LONGEST: usize = 1_000;
/// The parser goes one deeper into its stack for each open bracket and overflows it at some hundreds.
const MOST_BRACKETS: usize = 32;

/// The answer to a step.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
    pub body: &'a [u8],
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Bool(bool),
    Integer(i64),
    Text(String),
    /// Anything else: a list, an object, a fraction, nothing.
    Other,
}

/// A compiled expression.
pub struct Expression {
    source: String,
    env: Arc<Env>,
    program: Program,
}

impl Expression {
    /// # Errors
    /// The expression is too long, does not parse, names something unknown, or loops inside a loop.
    pub fn compile(source: &str) -> Result<Self, String> {
        let shown: String = source.chars().take(200).collect();
        if source.len() > LONGEST {
            return Err(format!("`{shown}` is longer than {LONGEST} bytes"));
        }
        if source.bytes().filter(|byte| b"([{?".contains(byte)).count() > MOST_BRACKETS {
            return Err(format!("`{shown}` has more than {MOST_BRACKETS} brackets"));
        }
        let env = Arc::new(Env::stdlib());
        let program = env.compile(source).map_err(|error| {
            let error = error.to_string();
            format!("`{shown}` is not CEL: {}", error.lines().next().unwrap_or("it does not parse").trim())
        })?;
        if loop_depth(&program.expression().expr) > 1 {
            return Err(format!("`{shown}` has a loop inside a loop, which an answer could make endless"));
        }
        let references = program.references();
        let mut unknown: Vec<_> =
            references.variables().into_iter().filter(|name| !KNOWN.contains(name) && !binds(&program.expression().expr, name)).collect();
        unknown.sort_unstable();
        if let Some(unknown) = unknown.first() {
            return Err(format!("`{unknown}` is not known in an expression: there are `status`, `headers` and `body`"));
        }
        drop(references);
        Ok(Self { source: source.to_owned(), env, program })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// # Errors
    /// Why it cannot be evaluated on this answer, for people.
    pub fn evaluate(&self, answer: &Answered<'_>) -> Result<Found, String> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable_from_value("status", i64::from(answer.status));
        let headers: HashMap<String, Value> = answer
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(String::from_utf8_lossy(value).into_owned())))
            .collect();
        context.add_variable_from_value("headers", headers);
        let body = match serde_json::from_slice::<Json>(answer.body) {
            Ok(json) => value_of(json),
            Err(_) => Value::from(String::from_utf8_lossy(answer.body).into_owned()),
        };
        context.add_variable_from_value("body", body);
        match self.program.execute(&context) {
            Ok(Value::Bool(flag)) => Ok(Found::Bool(flag)),
            Ok(Value::Int(number)) => Ok(Found::Integer(number)),
            Ok(Value::UInt(number)) => Ok(i64::try_from(number).map_or(Found::Other, Found::Integer)),
            Ok(Value::String(text)) => Ok(Found::Text(text.to_string())),
            Ok(_) => Ok(Found::Other),
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
        Json::Object(fields) => Value::from(fields.into_iter().map(|(key, value)| (key, value_of(value))).collect::<HashMap<_, _>>()),
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
fn binds(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Comprehension(each) if each.iter_var == name || each.accu_var == name)
        || children(expr).into_iter().any(|child| binds(child, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(expression: &str, body: &str) -> Result<Found, String> {
        let headers: [(&str, &[u8]); 1] = [("x-state", b"ok")];
        Expression::compile(expression).unwrap().evaluate(&Answered { status: 200, headers: &headers, body: body.as_bytes() })
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
            assert_eq!(evaluated(yes, body), Ok(Found::Bool(true)), "{yes}");
        }
        for no in [
            "status == 404",
            "body.queue_age_s > 60",
            "body.gone == 1",
            "body.state < 3",
            "body.jobs[9].ok",
            "headers['gone'] == ''",
            "1/0 == 1",
        ] {
            assert_ne!(evaluated(no, body), Ok(Found::Bool(true)), "{no}");
        }
        assert_eq!(evaluated("body.queue_age_s", body), Ok(Found::Integer(12)));
        assert_eq!(evaluated("'job ' + body.state", body), Ok(Found::Text("job up".to_owned())));
        for other in ["body.load", "body.jobs", "body", "body.big"] {
            assert_eq!(evaluated(other, body), Ok(Found::Other), "{other}");
        }
    }

    #[test]
    fn odd_expressions_are_refused_when_compiled() {
        for bad in [
            "",
            "status ==",
            "status == 200 &&",
            "stauts == 200",
            "body.state = 1",
            "body.a.all(x, body.a.all(y, y == x))",
            &format!("status == {}", "1".repeat(1000)),
            &"(".repeat(900),
        ] {
            assert!(Expression::compile(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_reason_does_not_quote_the_answer() {
        let reason = evaluated("body.token < 3", r#"{"token": "hunter2"}"#).unwrap_err();
        assert!(!reason.contains("hunter2"), "{reason}");
    }
}
