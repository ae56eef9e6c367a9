//! The client itself: one base URL, bounded in time and size, one connection a call.
//!
//! Never follows a redirect (an answer like any other), never asks the environment for a proxy, never decompresses, and
//! never sends a request a second time by itself, but for one case: an access token that it had kept and that the
//! target refused with 401 is fetched anew. A 401 says that the request was not acted upon.
// INVARIANT: connections are not kept. A request on a kept connection that the receiver just closed fails in a
// way that does not say whether it was received; a fresh connection separates "not sent" from "not known", and
// makes every call's address pass the resolver.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method,
    body::{Body as _, Bytes},
    client::conn::http1,
    header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use url::{Position, Url};

use super::{
    address::AddressPolicy,
    auth::Auth,
    error::{CallError, Refusal},
    path::{Path, encode_query},
    request::{Answer, Request},
    target::{Limits, Target},
    tls,
    tunnel::Tunnel,
    wire::{Allowance, Dialer, TooMuch},
};

/// The largest head of an answer, in bytes and in lines.
const LARGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
/// What may come in before the head of the answer is there: that head, interim ones, and the TLS handshake. Reading
/// interim heads is the most work a byte can make, so their flood must end soon. A head of the largest size may come in one
/// read with the beginning of the body.
const BEFORE_ANSWER: usize = 192 * 1024;
/// Bytes on the wire for each byte of a body, chunk headers included.
const WIRE_FACTOR: usize = 2;
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
const LATE: &str = "no whole answer in time";

/// A guarded client bound to one base URL.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    base: Url,
    /// Host and port as the request names them.
    host: HeaderValue,
    auth: Auth,
    dialer: Dialer,
    limits: Limits,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.0.base.as_str()).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Client {
    /// A client without authentication.
    ///
    /// # Errors
    /// As [`Self::to`].
    pub fn new(base: &Url, allow_addresses: &[IpNet], limits: Limits) -> Result<Self, Refusal> {
        Self::to(Target::new(base, allow_addresses, limits))
    }

    /// # Errors
    /// The base URL is not plain `http` or `https`, carries a user or fragment, or is an address that is not allowed;
    /// or a part of authentication, TLS or proxy cannot be used.
    pub fn to(target: Target<'_>) -> Result<Self, Refusal> {
        let (base, limits, policy) = (target.base, target.limits, AddressPolicy::new(target.allow_addresses));
        check_base(base, &policy)?;
        let host = HeaderValue::from_str(&base[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| Refusal::BaseUrl { url: base.to_string(), why: "has a host that no request can name" })?;
        let dialer = Dialer {
            policy,
            lookup: Arc::clone(&target.lookup),
            tls: (base.scheme() == "https").then(|| tls::connector(target.tls)).transpose()?,
            tunnel: target.proxy.map(Tunnel::from_config).transpose()?,
        };
        Ok(Self(Arc::new(Inner { base: base.clone(), host, auth: Auth::from_config(&target)?, dialer, limits })))
    }

    pub fn base(&self) -> &Url {
        &self.0.base
    }

    /// The exact URL of a call.
    ///
    /// # Errors
    /// The result would not be below the base URL.
    pub fn url(&self, path: Option<&Path>, query: &[(String, String)]) -> Result<Url, Refusal> {
        let base = &self.0.base;
        let mut url = base.clone();
        if let Some(path) = path {
            let wanted = format!("{}{}", base.path().trim_end_matches('/'), path.as_str());
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

    /// Sends one request, once, with what proves who we are, and reads the whole answer.
    ///
    /// # Errors
    /// Any status is an `Ok` answer, redirects included; [`CallError`] says what is known otherwise.
    pub async fn send(&self, mut request: Request) -> Result<Answer, CallError> {
        let Inner { auth, limits, .. } = &*self.0;
        let url = self.url(request.path.as_ref(), &request.query)?;
        let deadline = Instant::now() + request.timeout.map_or(limits.timeout, |own| own.min(limits.timeout));
        let held = auth.apply(&url, &mut request, deadline).await?;
        let answer = self.exchange(&url, &request, deadline).await?;
        if answer.status != 401 || !auth.renew(held.as_ref()).await {
            return Ok(answer);
        }
        match auth.apply(&url, &mut request, deadline).await {
            Ok(_) => self.exchange(&url, &request, deadline).await,
            // The refusal stands: it says more than that there is no new token.
            Err(_) => Ok(answer),
        }
    }

    async fn exchange(&self, url: &Url, request: &Request, deadline: Instant) -> Result<Answer, CallError> {
        let Inner { dialer, limits, .. } = &*self.0;
        let message = self.message(url, request)?;
        // Below the whole timeout, so that a connection that never comes is told apart from an answer that never comes.
        let now = Instant::now();
        let until = now + (deadline.saturating_duration_since(now) / 2).min(LONGEST_CONNECT);
        let allowance = Allowance::of(BEFORE_ANSWER);
        let dialled = timeout_at(until, dialer.dial(url, until, &allowance)).await;
        let stream = dialled.map_err(|_| CallError::NotSent("no connection in time".to_owned()))??;
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(MOST_HEADERS)
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|why| CallError::NotSent(reason(&why)))?;
        // Dropped with this call, and the connection with it.
        let mut driver = JoinSet::new();
        driver.spawn(connection);

        let answered = timeout_at(deadline, sender.send_request(message)).await;
        let response = answered.map_err(|_| CallError::Unknown(LATE.to_owned()))?.map_err(|why| classify(&why))?;
        let (head, mut body) = response.into_parts();
        allowance.add(limits.response.min(usize::MAX / 4) * WIRE_FACTOR);
        let status = head.status.as_u16();
        let unreadable = |why: String| CallError::Unreadable { status, why };
        let too_large = || unreadable(format!("it is larger than {} bytes", limits.response));
        if body.size_hint().lower() > limits.response as u64 {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        loop {
            let frame = timeout_at(deadline, body.frame()).await.map_err(|_| unreadable(LATE.to_owned()))?;
            match frame {
                None => return Ok(Answer { status, headers: head.headers, body: bytes }),
                Some(Err(why)) => return Err(unreadable(reason(&why))),
                Some(Ok(frame)) => {
                    // Trailers say nothing that anybody asks for.
                    let Ok(chunk) = frame.into_data() else { continue };
                    if bytes.len() + chunk.len() > limits.response {
                        return Err(too_large());
                    }
                    bytes.extend_from_slice(&chunk);
                }
            }
        }
    }

    fn message(&self, url: &Url, request: &Request) -> Result<hyper::Request<Full<Bytes>>, Refusal> {
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let refuse = || Refusal::Path { path: target.chars().take(200).collect(), why: "does not fit into an HTTP request" };
        let body = request.body.clone().unwrap_or_default();
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Sluicegate/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.extend(request.headers.clone());
        headers.insert(HOST, self.0.host.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        // RFC 9110 section 8.6: a method that may have a body says so when there is none.
        let says_length = request.body.is_some() || matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
        if says_length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        } else {
            headers.remove(CONTENT_LENGTH);
        }
        let uri: hyper::Uri = target.parse().map_err(|_| refuse())?;
        let mut message = hyper::Request::new(Full::new(Bytes::from(body)));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = uri;
        *message.headers_mut() = headers;
        Ok(message)
    }
}

fn check_base(base: &Url, policy: &AddressPolicy) -> Result<(), Refusal> {
    // A base URL that carries a user or a password, which may be a token, must not show it in the error.
    let mut shown = base.clone();
    let _ = (shown.set_username(""), shown.set_password(None));
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
    let Some(host) = base.host() else { return Err(refuse("has no host")) };
    policy.check_literal(&host)
}

fn classify(error: &hyper::Error) -> CallError {
    if tls::is_refused_certificate(error) {
        return CallError::NotSent(format!("the receiver refused our certificate: {}", reason(error)));
    }
    CallError::Unknown(reason(error))
}

/// The error and its causes; none of them holds a URL or a header.
fn reason(error: &hyper::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref).is_some_and(|inner| inner.is::<TooMuch>()) {
            return TooMuch.to_string();
        }
        let text = inner.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        source = inner.source();
    }
    texts.join(": ")
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
