//! What a call says and what came back. Neither knows where it goes: that is the [`super::Client`]'s.

use std::time::Duration;

use hyper::{
    HeaderMap, Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};

use super::{error::Refusal, path::Path};

/// One call below the base URL.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// `None` calls the base URL exactly as configured, its query included.
    pub path: Option<Path>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
    /// Shortens the client's timeout, never lengthens it.
    pub timeout: Option<Duration>,
}

impl Request {
    pub fn new(method: Method, path: Option<Path>) -> Self {
        Self { method, path, query: Vec::new(), headers: HeaderMap::new(), body: None, timeout: None }
    }

    /// # Errors
    /// A name or value that a header may not have. The message names the header, never the value.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::Header(name.to_owned());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        self.headers.insert(key, HeaderValue::from_str(value).map_err(|_| refuse())?);
        Ok(self)
    }

    /// As [`Self::header`], for a value that must not show in debug output.
    ///
    /// # Errors
    /// As [`Self::header`].
    pub fn secret_header(mut self, name: &str, value: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::Header(name.to_owned());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| refuse())?;
        value.set_sensitive(true);
        self.headers.insert(key, value);
        Ok(self)
    }

    /// A JSON body with its content type.
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// A body of form fields with its content type.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.body = Some(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes());
        self
    }
}

/// An answer read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long the receiver asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        super::retry_after::retry_after(&self.headers)
    }
}
