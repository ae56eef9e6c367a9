//! What every request and answer gets: an id, a span, headers that keep browsers strict, figures, the address limit.

use std::{net::SocketAddr, time::Instant};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument as _;

use super::{
    app::App,
    problem::{Answered, Problem},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const LONGEST_REQUEST_ID: usize = 64;

/// Gives the request its id and its log line, counts it, and finishes the answer's headers.
pub async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers()).unwrap_or_else(|| format!("{:032x}", app.service.ambient.random()));
    let trace = traceparent(request.headers());
    // The pattern, never the path: labels must not grow with what strangers ask for.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = known_method(request.method());
    let span = tracing::info_span!("request", id, method, route, trace = trace.as_deref().unwrap_or_default());
    let mut response = next.run(request).instrument(span.clone()).await;

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let problem = response.extensions().get::<Answered>().map(|answered| answered.kind.id);
    span.in_scope(|| tracing::info!(status, problem, milliseconds = elapsed.as_secs_f64() * 1000.0, "answered"));
    let metrics = &app.service.metrics;
    metrics.requests.with_label_values(&[route.as_str(), method, status.to_string().as_str()]).inc();
    metrics.request_seconds.with_label_values(&[route.as_str()]).observe(elapsed.as_secs_f64());
    finish(response.headers_mut(), &id, trace.as_deref());
    response
}

/// Every response is the API's and nothing a browser should run, frame, guess at or keep. The console's pages
/// set their own policy before this, and it is left alone.
fn finish(headers: &mut HeaderMap, id: &str, trace: Option<&str>) {
    const FIXED: &[(HeaderName, &str)] = &[
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in FIXED {
        headers.entry(name.clone()).or_insert(HeaderValue::from_static(value));
    }
    for (name, value) in [(REQUEST_ID, Some(id)), (TRACEPARENT, trace)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// Labels must not grow with what strangers send: a method is one of these.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];
    const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("OTHER", |place| NAMES[place])
}

/// The caller's own id, if it can stand in a log line.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits =
        (1..=LONGEST_REQUEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    fits.then(|| text.to_owned())
}

/// A version 00 `traceparent` (W3C Trace Context, section 3.2): anything else is left out.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let lower_hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let [version, trace, parent, flags] = parts[..] else { return None };
    let fits = version == "00" && lower_hex(trace, 32) && lower_hex(parent, 16) && lower_hex(flags, 2);
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    (fits && !zero(trace) && !zero(parent)).then(|| text.to_owned())
}

/// The coarse limit per address, before anything else is looked at. Probes and scrapers are not counted.
pub async fn limit_addresses(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/v1/") {
        return next.run(request).await;
    }
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let taken = address.map_or(Ok(()), |address| app.addresses.take(address, app.service.ambient.now()));
    match taken {
        Ok(()) => next.run(request).await,
        // Nobody knows yet which sender this is, and some drop what is answered 429: 503 loses nothing.
        Err(over) if path.starts_with("/v1/intake/") => Problem::Overloaded { retry_after: over.retry_after }.into_response(),
        Err(over) => Problem::TooManyRequests { retry_after: over.retry_after }.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        assert_eq!(request_id(&with(REQUEST_ID, "req-1_2.3:4")).as_deref(), Some("req-1_2.3:4"));
        for bad in ["", "a b", "a\"b", "é", &"x".repeat(65)] {
            assert_eq!(request_id(&with(REQUEST_ID, bad)), None, "{bad}");
        }
    }

    #[test]
    fn only_a_well_formed_trace_context_is_echoed() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(&with(TRACEPARENT, good)).as_deref(), Some(good));
        for bad in [
            "",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(traceparent(&with(TRACEPARENT, bad)), None, "{bad}");
        }
    }
}
