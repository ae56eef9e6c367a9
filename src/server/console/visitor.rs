//! Who sits before the browser: the cookie, the session behind it, and what must come with a change.
//!
//! The cookie is `HttpOnly` and `SameSite=Strict`, and `Secure` with the `__Host-` prefix where people reach the service
//! over TLS (`server.public_url`).
// INVARIANT: no handler of a changing request runs before its origin and its token were checked.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{
    form::Form,
    frame::Frame,
    page,
    trouble::{Trouble, Troubled},
};
use crate::{
    domain::{
        principal::{Principal, Role},
        session::Session,
    },
    pipeline::actions::session,
    server::{app::App, problem::Problem},
};

/// The field of a form that proves that it came from a page of this session.
pub const CSRF: &str = "csrf";

/// Set by the script where it reads a page again by itself: such a request keeps nobody signed in.
pub const BY_ITSELF: &str = "x-sluicegate-live";

/// The signed-in person, for handlers.
#[derive(Clone)]
pub struct Visitor(Arc<Seen>);

struct Seen {
    session: Session,
    principal: Principal,
    csrf: String,
    uri: Uri,
    theme: Theme,
}

impl Visitor {
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    pub fn has(&self, role: Role) -> bool {
        self.0.principal.has(role)
    }

    /// What forms of this session carry as [`CSRF`].
    pub fn csrf(&self) -> &str {
        &self.0.csrf
    }

    /// The address asked for.
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }

    pub fn theme(&self) -> Theme {
        self.0.theme
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or(Trouble(Problem::Unauthenticated))
    }
}

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const COOKIE: &'static str = "sluicegate-theme";

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn of(text: &str) -> Self {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.as_str() == text).unwrap_or_default()
    }

    pub fn chosen(headers: &HeaderMap) -> Self {
        cookie(headers, Self::COOKIE).map(Self::of).unwrap_or_default()
    }
}

/// Lets a signed-in person with one of these roles to the page, and checks where a change comes from.
pub async fn admit(app: &App, any_of: &'static [Role], mut request: Request, next: Next) -> Response {
    let text = cookie(request.headers(), cookie_name(app)).unwrap_or_default().to_owned();
    let by_itself = request.headers().contains_key(BY_ITSELF) || accepts(request.headers(), "text/event-stream");
    let found = if by_itself { session::look(&app.service, &text).await } else { session::resume(&app.service, &text).await };
    let session = match found {
        Ok(Some(session)) => session,
        Ok(None) => return sign_in_first(&request),
        Err(error) => return Trouble(error.into()).bare(),
    };
    let visitor = Visitor(Arc::new(Seen {
        principal: session.principal(),
        session,
        csrf: csrf_of(&text),
        uri: request.uri().clone(),
        theme: Theme::chosen(request.headers()),
    }));
    let response = if any_of.iter().any(|role| visitor.has(*role)) {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            request.extensions_mut().insert(visitor.clone());
            next.run(request).await
        } else {
            match submitted(app, &visitor, &mut request).await {
                Ok(form) => {
                    request.extensions_mut().insert(visitor.clone());
                    request.extensions_mut().insert(form);
                    next.run(request).await
                }
                Err(trouble) => trouble.into_response(),
            }
        }
    } else {
        Trouble(Problem::MissingRole { any_of: any_of.to_vec() }).into_response()
    };
    // What went wrong is told on a page like any other.
    match Troubled::of(&response) {
        Some(troubled) if !by_itself => match Frame::load(app, &visitor, troubled.title()).await {
            Ok(frame) => page::trouble(&frame, &troubled, response),
            Err(_) => response,
        },
        _ => response,
    }
}

/// The form of a change, after its origin and its token were checked.
async fn submitted(app: &App, visitor: &Visitor, request: &mut Request) -> Result<Form, Trouble> {
    from_here(app, request.headers())?;
    let form = Form::read(request).await?;
    let given = form.text(CSRF);
    if !bool::from(given.as_bytes().ct_eq(visitor.csrf().as_bytes())) {
        return Err(Trouble(Problem::Refused(vec!["the form is from another session than this one: open the page again".to_owned()])));
    }
    Ok(form)
}

/// Refuses a change that another site asked the browser for.
///
/// # Errors
/// The browser says that the request comes from elsewhere, or does not say where from.
pub fn from_here(app: &App, headers: &HeaderMap) -> Result<(), Trouble> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Every browser that knows `SameSite` says one of the two with a form.
    let here = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let public = url::Url::parse(&app.service.config.server.public_url).ok().map(|url| url.origin().ascii_serialization());
            let host = text("host").map(|host| (format!("http://{host}"), format!("https://{host}")));
            Some(origin) == public.as_deref() || host.is_some_and(|(plain, tls)| origin == plain || origin == tls)
        }
        (None, None) => false,
    };
    if here { Ok(()) } else { Err(Trouble(Problem::Refused(vec!["this form was sent from another site: open the page here".to_owned()]))) }
}

/// What forms of the session with this cookie carry. Derived, so that nothing more is stored.
fn csrf_of(cookie: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(cookie.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"sluicegate console form");
    hex::encode(mac.finalize().into_bytes())
}

fn sign_in_first(request: &Request) -> Response {
    let headers = request.headers();
    // What a page asks for by itself is told so, and not led away: the page would take the form to sign in for its own next state.
    if request.method() != Method::GET || headers.contains_key(BY_ITSELF) || !accepts(headers, "text/html") {
        return Trouble(Problem::Unauthenticated).bare();
    }
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if site == "cross-site" {
        // A strict cookie stays at home when a link in a chat or a mail leads here; asked for from here, it comes along.
        return page::bounce(wanted);
    }
    Redirect::to(&format!("/login?next={}", encoded(wanted))).into_response()
}

/// Percent-encoded for a query value.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A path of this service, whatever a query or header says; `/` for anything else.
pub fn local(path: &str) -> &str {
    let fine = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
    if fine { path } else { "/" }
}

/// Whether a browser asks for a page, and not a program for data.
pub fn is_for_people(headers: &HeaderMap) -> bool {
    accepts(headers, "text/html")
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
}

/// The value of the one cookie of that name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = found.next()?;
    // Two of one name: one of them was planted.
    found.next().is_none().then_some(value)
}

fn is_tls(app: &App) -> bool {
    app.service.config.server.public_url.starts_with("https://")
}

fn cookie_name(app: &App) -> &'static str {
    if is_tls(app) { "__Host-sluicegate" } else { "sluicegate" }
}

/// Sets the session's cookie; the browser forgets it when it closes.
pub fn with_cookie(app: &App, text: &str, response: impl IntoResponse) -> Response {
    set_cookie(app, &format!("{}={text}; Path=/; HttpOnly; SameSite=Strict", cookie_name(app)), response)
}

/// Takes the session's cookie from the browser.
pub fn without_cookie(app: &App, response: impl IntoResponse) -> Response {
    set_cookie(app, &format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", cookie_name(app)), response)
}

/// Adds a cookie that is `Secure` where people come over TLS.
pub fn set_cookie(app: &App, cookie: &str, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let cookie = format!("{cookie}{}", if is_tls(app) { "; Secure" } else { "" });
    match HeaderValue::from_str(&cookie) {
        Ok(value) => {
            response.headers_mut().append(header::SET_COOKIE, value);
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name_and_a_planted_second_one_spoils_it() {
        let some = headers(&[("cookie", "a=1; sluicegate=slgs_x; xsluicegate=no")]);
        assert_eq!(cookie(&some, "sluicegate"), Some("slgs_x"));
        assert_eq!(cookie(&headers(&[("cookie", "sluicegate=a; sluicegate=b")]), "sluicegate"), None);
        assert_eq!(cookie(&HeaderMap::new(), "sluicegate"), None);
    }

    #[test]
    fn a_way_back_never_leads_to_another_host() {
        assert_eq!(local("/tickets/tkt_1?x=1"), "/tickets/tkt_1?x=1");
        for bad in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"] {
            assert_eq!(local(bad), "/", "{bad}");
        }
    }

    #[test]
    fn each_session_has_its_own_form_token() {
        assert_ne!(csrf_of("slgs_a"), csrf_of("slgs_b"));
        assert_eq!(csrf_of("slgs_a").len(), 64);
    }
}
