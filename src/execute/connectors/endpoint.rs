//! Where the calls of one connector go: its guarded client, and how a call becomes a request and its preview.
//!
//! Knows nothing of any kind of engine.
// INVARIANT: the client adds what proves who we are when it sends, so nothing prepared or shown holds a secret.

use hyper::Method;

use super::prepared::{Prepared, RequestPreview, Then};
use crate::{
    config::connector::Connector,
    domain::runbook::Step,
    execute::error::ExecuteError,
    outbound::{Answer, CallError, Client, Limits, Path, Refusal, Request, Target},
};

#[derive(Debug)]
pub(super) struct Endpoint {
    name: String,
    client: Client,
}

/// A call as a kind of engine makes it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    pub path: Path,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    None,
    Json(serde_json::Value),
    /// JSON under a content type of its own.
    As(&'static str, serde_json::Value),
    /// Form fields; the preview shows them as they are sent.
    Form(Vec<(String, String)>),
}

impl Call {
    pub fn new(method: Method, path: Path) -> Self {
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: Body::None }
    }

    pub fn get(path: Path) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn post(path: Path, body: serde_json::Value) -> Self {
        Self { body: Body::Json(body), ..Self::new(Method::POST, path) }
    }

    #[must_use]
    pub fn headers(self, headers: &[(&'static str, &'static str)]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    fn request(self) -> Result<(Request, Option<serde_json::Value>), Refusal> {
        let mut request = Request::new(self.method, Some(self.path)).header("accept", "application/json")?;
        request.query = self.query;
        for (name, value) in self.headers {
            request = request.header(name, value)?;
        }
        Ok(match self.body {
            Body::None => (request, None),
            Body::Json(body) => (request.json(&body), Some(body)),
            Body::As(content_type, body) => (request.json(&body).header("content-type", content_type)?, Some(body)),
            Body::Form(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let request = request.form(&fields);
                let shown = request.body.as_deref().map(|body| serde_json::Value::String(String::from_utf8_lossy(body).into_owned()));
                (request, shown)
            }
        })
    }
}

impl Endpoint {
    /// # Errors
    /// A base URL that is not allowed, or bounds that let nothing through.
    pub fn new(config: &Connector) -> Result<Self, ExecuteError> {
        let refuse = |why: &str| ExecuteError::Connector { connector: config.name.clone(), why: why.to_owned() };
        if config.base_url.query().is_some() {
            return Err(refuse("`base_url` must not have a query"));
        }
        if config.timeout.get().is_zero() || config.response_limit == 0 {
            return Err(refuse("`timeout` and `response_limit` must be more than zero"));
        }
        let limits = Limits { timeout: config.timeout.get(), response: config.response_limit };
        let target = Target::new(&config.base_url, &config.allow_addresses, limits);
        let client = Client::to(target.auth(config.auth.as_ref()).tls(config.tls.as_ref()).proxy(config.proxy.as_ref()))
            .map_err(|why| ExecuteError::Target { connector: config.name.clone(), why })?;
        Ok(Self { name: config.name.clone(), client })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The call as it would be sent for `step`.
    ///
    /// # Errors
    /// The guarded client would refuse it.
    pub fn prepare(&self, step: &Step, call: Call, then: Then) -> Result<Prepared, ExecuteError> {
        let refused = |why: Refusal| ExecuteError::Step { step: step.id.clone(), why: why.to_string() };
        let url = self.client.url(Some(&call.path), &call.query).map_err(refused)?;
        let method = call.method.to_string();
        let (mut request, body) = call.request().map_err(refused)?;
        request.timeout = (!step.timeout.is_zero()).then_some(step.timeout);
        Ok(Prepared { preview: RequestPreview { method, url: url.into(), body }, request, then, stamp: None })
    }

    pub async fn send_call(&self, call: Call, longest: Option<std::time::Duration>) -> Result<Answer, CallError> {
        let (mut request, _) = call.request()?;
        request.timeout = longest;
        self.send(request).await
    }

    /// # Errors
    /// As [`Client::send`].
    pub async fn send(&self, request: Request) -> Result<Answer, CallError> {
        self.client.send(request).await
    }
}
