//! The named arguments of a step, read one by one and checked: what a kind of engine does not know is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use crate::{
    domain::{
        runbook::Step,
        template::{Argument, Hole, Value as Filled, Values},
    },
    execute::error::ExecuteError,
    outbound::{Path, Refusal},
};

pub(super) struct Arguments<'a> {
    endpoint: &'a Endpoint,
    step: &'a Step,
    values: &'a Values,
    given: BTreeMap<&'a str, &'a Argument>,
}

impl<'a> Arguments<'a> {
    /// # Errors
    /// `with` is no table, or has a key that is not in `known`.
    pub fn of(endpoint: &'a Endpoint, step: &'a Step, values: &'a Values, known: &[&str]) -> Result<Self, ExecuteError> {
        let mut arguments = Self { endpoint, step, values, given: BTreeMap::new() };
        match &step.with {
            Argument::Object(with) => arguments.given = with.iter().map(|(key, value)| (key.as_str(), value)).collect(),
            Argument::Null => {}
            _ => return Err(arguments.refuse(format!("`with` must be a table of {}", quoted(known)))),
        }
        match arguments.given.keys().find(|key| !known.contains(key)) {
            Some(odd) => Err(arguments.refuse(format!("`with` has `{odd}`: `{}` takes {}", step.operation, quoted(known)))),
            None => Ok(arguments),
        }
    }

    pub fn refuse(&self, why: impl Into<String>) -> ExecuteError {
        ExecuteError::Step { step: self.step.id.clone(), why: why.into() }
    }

    pub fn refused(&self, why: &Refusal) -> ExecuteError {
        self.refuse(why.to_string())
    }

    pub fn not_allowed(&self, what: impl std::fmt::Display) -> ExecuteError {
        let call = format!("{} {what}", self.step.operation);
        ExecuteError::NotAllowed { step: self.step.id.clone(), connector: self.endpoint.name().to_owned(), call }
    }

    pub fn unknown_operation(&self, known: &[&str]) -> ExecuteError {
        self.refuse(format!("`{}` is no operation of connector `{}`: it has {}", self.step.operation, self.endpoint.name(), quoted(known)))
    }

    fn render(&self, argument: &Argument) -> Result<Value, ExecuteError> {
        argument.render(self.values).map_err(|why| ExecuteError::Value { step: self.step.id.clone(), why })
    }

    /// # Errors
    /// It is missing, or neither a text nor a number.
    pub fn text(&self, name: &str) -> Result<String, ExecuteError> {
        self.maybe_text(name)?.ok_or_else(|| self.refuse(format!("`with.{name}` is missing")))
    }

    /// # Errors
    /// It is there and neither a text nor a number.
    pub fn maybe_text(&self, name: &str) -> Result<Option<String>, ExecuteError> {
        let Some(argument) = self.given.get(name) else { return Ok(None) };
        match self.render(argument)? {
            Value::String(text) => Ok(Some(text)),
            Value::Number(number) => Ok(Some(number.to_string())),
            _ => Err(self.refuse(format!("`with.{name}` must be a text or a number"))),
        }
    }

    /// A text of a certain form. One that an earlier step has yet to give stands by its name, and is not held to the form.
    ///
    /// # Errors
    /// It is missing or has another form.
    pub fn of_form(&self, name: &str, expected: &str, is: impl Fn(&str) -> bool) -> Result<String, ExecuteError> {
        let text = self.text(name)?;
        if is(&text) || self.is_yet_to_come(name) {
            return Ok(text);
        }
        let shown: String = text.chars().take(80).collect();
        Err(self.refuse(format!("`with.{name}` is `{shown}`: expected {expected}")))
    }

    /// True when an earlier step has yet to give what stands under `name`.
    pub fn is_yet_to_come(&self, name: &str) -> bool {
        let named = |hole: &&Hole| matches!(self.values.get(hole), Some(Filled::Text(text)) if *text == hole.to_string());
        self.given.get(name).is_some_and(|argument| argument.holes().iter().any(named))
    }

    /// # Errors
    /// It is there and not a table.
    pub fn table(&self, name: &str) -> Result<Map<String, Value>, ExecuteError> {
        match self.given.get(name).map(|argument| self.render(argument)).transpose()? {
            None => Ok(Map::new()),
            Some(Value::Object(fields)) => Ok(fields),
            Some(_) => Err(self.refuse(format!("`with.{name}` must be a table"))),
        }
    }

    /// A table whose values are texts, numbers or flags, all as texts.
    ///
    /// # Errors
    /// It is there and something else.
    pub fn texts(&self, name: &str) -> Result<BTreeMap<String, String>, ExecuteError> {
        let one = |(key, value): (String, Value)| {
            let text = scalar(&value).ok_or_else(|| self.refuse(format!("`with.{name}.{key}` must be a text, a number or a flag")))?;
            Ok((key, text))
        };
        self.table(name)?.into_iter().map(one).collect()
    }

    /// Refuses names of arguments that `allowed` does not list, and names that are none.
    ///
    /// # Errors
    /// The first that is refused.
    pub fn only<'n>(
        &self,
        target: &str,
        allowed: Option<&[String]>,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<Vec<String>, ExecuteError> {
        let mut given = Vec::new();
        for name in names {
            let sound = !name.is_empty() && name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
            if !sound {
                return Err(self.refuse(format!("`{name}` is not the name of an argument: letters, digits, `_`, `-` and `.`")));
            }
            if allowed.is_some_and(|allowed| !allowed.contains(name)) {
                return Err(self.not_allowed(format!("{target} with `{name}`")));
            }
            given.push(name.clone());
        }
        Ok(given)
    }

    /// # Errors
    /// As [`super::job::path`].
    pub fn path(&self, parts: &[&str]) -> Result<Path, ExecuteError> {
        super::job::path(parts).map_err(|why| self.refused(&why))
    }
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
