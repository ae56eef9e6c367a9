//! From a template to an answer, with the policy that keeps a browser strict.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    assets::{Assets, assets},
    frame::Frame,
    trouble::{Trouble, Troubled},
    visitor::Theme,
};
use crate::server::problem::Problem;

/// Everything a page loads is from here; nothing on it is a script or a style but what is in `web/`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// The page, or a problem when a template fails.
pub fn page(template: &impl Template) -> Result<Response, Trouble> {
    page_as(StatusCode::OK, template)
}

pub fn page_as(status: StatusCode, template: &impl Template) -> Result<Response, Trouble> {
    let text = template.render().map_err(|why| Trouble(Problem::Internal(format!("a page was not made: {why}"))))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    Ok((status, headers, text).into_response())
}

/// After a change: the browser asks for `path`, which says `done`, one of the words that `frame` knows.
pub fn done(path: &str, done: &str) -> Response {
    let (path, rest) = path.split_once('#').map_or((path, String::new()), |(path, rest)| (path, format!("#{rest}")));
    let joint = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{joint}done={done}{rest}")).into_response()
}

/// Asks for the same address again, from here.
pub fn bounce(path: &str) -> Response {
    page(&Bounce { path }).unwrap_or_else(IntoResponse::into_response)
}

#[derive(Template)]
#[template(path = "bounce.html")]
struct Bounce<'a> {
    path: &'a str,
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    frame: &'a Frame,
    troubled: &'a Troubled,
}

#[derive(Template)]
#[template(path = "bare_trouble.html")]
struct BareTrouble<'a> {
    theme: Theme,
    assets: &'static Assets,
    troubled: &'a Troubled,
}

/// `response` with the page in place of its body; its status and its other headers stay.
pub fn trouble(frame: &Frame, troubled: &Troubled, response: Response) -> Response {
    with_body(response, &TroublePage { frame, troubled })
}

pub fn bare_trouble(troubled: &Troubled, response: Response) -> Response {
    with_body(response, &BareTrouble { theme: Theme::System, assets: assets(), troubled })
}

fn with_body(mut response: Response, template: &impl Template) -> Response {
    let Ok(text) = template.render() else { return response };
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    *response.body_mut() = Body::from(text);
    response
}
