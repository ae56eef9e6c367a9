//! A problem as a page: what was wrong, and what to do.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use super::page;
use crate::server::problem::{Answered, Kind, Problem};

/// Why a page was not shown or a change not made.
#[derive(Debug)]
pub struct Trouble(pub Problem);

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// A problem as a page tells it.
#[derive(Debug, Clone)]
pub struct Troubled {
    pub kind: &'static Kind,
    pub detail: String,
    /// Each check that refused.
    pub reasons: Vec<String>,
}

impl Troubled {
    /// What the response tells, when it is a problem.
    pub fn of(response: &Response) -> Option<Self> {
        let Answered { kind, detail, reasons } = response.extensions().get::<Answered>().cloned()?;
        Some(Self { kind, detail, reasons })
    }

    /// What the page says in its heading.
    pub fn title(&self) -> &'static str {
        match self.kind.status {
            409 => "This changed",
            401 => "Please sign in",
            403 => "You may not do this",
            404 => "There is nothing here",
            429 | 503 => "Please try again in a moment",
            500.. => "Something is wrong here",
            _ => "That cannot be",
        }
    }

    /// What to do; in the console's words, for a person before a page.
    pub fn advice(&self) -> &'static str {
        match self.kind.status {
            401 => "Your session is over, or there was none.",
            403 => "Nothing was changed. The reasons above say what it takes; often it is another person.",
            404 => "It may belong to somebody else, or the address has a slip.",
            409 => {
                "Nothing was changed. Somebody was first, or the ticket is no longer what was on your screen. Look again and decide again."
            }
            400 | 413 | 415 | 422 => "Nothing was changed. Go back, and put it right.",
            429 | 503 => "Nothing was changed. It will work again when the service has caught up.",
            _ => "Nothing was changed that was not answered for. The service's log has the rest, under the number below.",
        }
    }
}

/// A problem outside of any page, told to a person.
pub fn told(problem: Problem) -> Response {
    Trouble(problem).bare()
}

impl Trouble {
    /// Told on a page of its own, for who is not signed in.
    pub fn bare(self) -> Response {
        let response = self.into_response();
        match Troubled::of(&response) {
            Some(troubled) => page::bare_trouble(&troubled, response),
            None => response,
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        // A browser has no token to send: it is not challenged for one.
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        response
    }
}
