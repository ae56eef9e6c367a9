//! The client itself: one base URL, bounded in time and size, one connection a call.
//!
//! Never follows a redirect (an answer like any other), never asks the environment for a proxy, never sends a
//! request a second time by itself, never decompresses.
// INVARIANT: connections are not kept. A request on a kept connection that the receiver just closed fails in a
// way that does not say whether it was received; a fresh connection separates "not sent" from "not known", and
// makes every call's address pass the resolver.

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use ipnet::IpNet;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use url::{Host, Url};

use super::{
    address::{AddressPolicy, GuardedResolver, Lookup, SystemLookup},
    error::{CallError, Refusal},
    path::{Path, encode_query},
};

/// What bounds every call of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first look-up to the last byte of the answer.
    pub timeout: Duration,
    /// The largest answer read, in bytes.
    pub response: usize,
}

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
        self.headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string().into_bytes());
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

/// A guarded client bound to one base URL.
#[derive(Clone)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
    limits: Limits,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Client {
    /// # Errors
    /// The base URL is not plain `http` or `https`, carries a user or fragment, or is an address that is not allowed.
    pub fn new(base: &Url, allow_addresses: &[IpNet], limits: Limits) -> Result<Self, Refusal> {
        Self::with_lookup(base, allow_addresses, limits, Arc::new(SystemLookup))
    }

    /// As [`Self::new`], with another way to look names up.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_lookup(base: &Url, allow_addresses: &[IpNet], limits: Limits, lookup: Arc<dyn Lookup>) -> Result<Self, Refusal> {
        let policy = AddressPolicy::new(allow_addresses);
        check_base(base, &policy)?;
        install_cryptography();
        // Below the whole timeout, so that a connection that never comes is told apart from an answer that never comes.
        let connect = (limits.timeout / 2).min(Duration::from_secs(5));
        let http = reqwest::Client::builder()
            .user_agent(concat!("Sluicegate/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(connect)
            .timeout(limits.timeout)
            .dns_resolver(Arc::new(GuardedResolver { policy, lookup }))
            .build()
            .map_err(|error| Refusal::Setup(reason(&error)))?;
        Ok(Self { base: base.clone(), http, limits })
    }

    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The exact URL of a call.
    ///
    /// # Errors
    /// The result would not be below the base URL.
    pub fn url(&self, path: Option<&Path>, query: &[(String, String)]) -> Result<Url, Refusal> {
        let mut url = self.base.clone();
        if let Some(path) = path {
            let wanted = format!("{}{}", self.base.path().trim_end_matches('/'), path.as_str());
            url.set_path(&wanted);
            url.set_query(None);
            // The URL parser normalises; whatever it would change is something we did not mean.
            if url.path() != wanted {
                return Err(Refusal::Path { path: wanted, why: "does not stay as written in a URL" });
            }
        }
        if !query.is_empty() {
            let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{}={}", encode_query(name), encode_query(value))).collect();
            let joined = pairs.join("&");
            url.set_query(Some(&url.query().map_or(joined.clone(), |own| format!("{own}&{joined}"))));
        }
        Ok(url)
    }

    /// Sends one request, once, and reads the whole answer.
    ///
    /// # Errors
    /// Any status is an `Ok` answer, redirects included; [`CallError`] says what is known otherwise.
    pub async fn send(&self, request: Request) -> Result<Answer, CallError> {
        let url = self.url(request.path.as_ref(), &request.query)?;
        let mut builder = self.http.request(request.method, url).headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout.min(self.limits.timeout));
        }
        let mut response = builder.send().await.map_err(|error| classify(&error))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.limits.response => {
                    let why = format!("it is larger than {} bytes", self.limits.response);
                    return Err(CallError::Unreadable { status, why });
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(Answer { status, headers, body }),
                Err(error) => return Err(CallError::Unreadable { status, why: reason(&error) }),
            }
        }
    }
}

fn check_base(base: &Url, policy: &AddressPolicy) -> Result<(), Refusal> {
    // A base URL that carries a password must not show it in the error.
    let mut shown = base.clone();
    let _ = shown.set_password(None);
    let refuse = |why| Refusal::BaseUrl { url: shown.to_string(), why };
    if !matches!(base.scheme(), "http" | "https") {
        return Err(refuse("must start with `http://` or `https://`"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("must not carry a user or password: use `auth`"));
    }
    if base.fragment().is_some() {
        return Err(refuse("must not have a `#` part"));
    }
    if base.port() == Some(0) {
        return Err(refuse("must not have port 0"));
    }
    let address = match base.host() {
        // The HTTP stack connects to a literal address without asking the resolver, so it is checked here.
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(refuse("has no host")),
    };
    policy.filter(base.host_str().unwrap_or_default(), &[address]).map(|_| ())
}

fn classify(error: &reqwest::Error) -> CallError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return CallError::Forbidden(refusal.clone());
        }
        source = inner.source();
    }
    if error.is_connect() || error.is_builder() { CallError::NotSent(reason(error)) } else { CallError::Unknown(reason(error)) }
}

/// The innermost causes, without the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return "no whole answer in time".to_owned();
    }
    let mut texts = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        source = inner.source();
    }
    if texts.is_empty() { "the HTTP client gave no reason".to_owned() } else { texts.join(": ") }
}

/// TLS needs one cryptography provider per process; another one installed earlier is as good.
pub fn install_cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
