//! What a form sent: bounded, read once, given out by field.

use std::{str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request},
    http::{header, request::Parts},
};

use super::trouble::Trouble;
use crate::{
    config::secret::Secret,
    server::{body, problem::Problem},
};

/// The largest form has two hundred ids of tickets and a reason.
const LARGEST: usize = 64 * 1024;

/// The fields of a submitted form, in their order.
#[derive(Clone, Default)]
pub struct Form(Arc<Vec<(String, String)>>);

impl Form {
    /// Reads the request's body, leaving it empty.
    ///
    /// # Errors
    /// It is no form, too large or too slow.
    pub async fn read(request: &mut Request) -> Result<Self, Trouble> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let kind = kind.unwrap_or_default();
        if kind.split(';').next().unwrap_or_default().trim() != "application/x-www-form-urlencoded" {
            return Err(Trouble(Problem::UnsupportedMediaType { given: kind.chars().take(80).collect() }));
        }
        let bytes = body::read(std::mem::take(request.body_mut()), LARGEST).await?;
        Ok(Self(Arc::new(url::form_urlencoded::parse(&bytes).into_owned().collect())))
    }

    /// The first value of a field, without spaces around it; empty when the field is not there.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// A field's text when there is any.
    pub fn some(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Every value of a field, as boxes and lists send it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every field whose name begins so, with the rest of its name.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
    }

    /// True when the box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A secret exactly as it was typed.
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str()))
    }

    /// A field as a value that cannot be wrong.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    pub fn value<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, Trouble> {
        let text = self.text(name);
        text.parse().map_err(|why: T::Err| Trouble(Problem::Body { pointer: format!("/{name}"), detail: why.to_string() }))
    }

    /// A field that may be left empty.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn maybe<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Option<T>, Trouble> {
        self.some(name).map(|_| self.value(name)).transpose()
    }
}

// What it holds may be a password.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({} fields)", self.0.len())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        // Set by `visitor::admit` after its checks; a path without them has none.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Trouble(Problem::Internal("a form that nobody checked".to_owned())))
    }
}
