//! A problem as a page: what was wrong, and what to do.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::page;
use crate::server::problem::{Kind, Problem};

/// Why a page was not shown or a change not made.
#[derive(Debug)]
pub struct Trouble(pub Problem);

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Marks a response that is to be told on a page.
#[derive(Debug, Clone)]
pub struct Troubled {
    pub kind: &'static Kind,
    pub detail: String,
    /// Each check that refused.
    pub reasons: Vec<String>,
}

impl Troubled {
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

impl Trouble {
    /// Told on a page of its own, for who is not signed in.
    pub fn bare(self) -> Response {
        let response = self.into_response();
        match response.extensions().get::<Troubled>().cloned() {
            Some(troubled) => page::bare_trouble(&troubled, response),
            None => response,
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let kind = self.0.kind();
        let (detail, reasons) = (self.0.detail(), if let Problem::Refused(reasons) = &self.0 { reasons.clone() } else { Vec::new() });
        let mut response = self.0.into_response();
        *response.status_mut() = StatusCode::from_u16(kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A browser has no token to send: it is not challenged for one.
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        response.extensions_mut().insert(Troubled { kind, detail, reasons });
        response
    }
}
