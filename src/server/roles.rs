//! Who may use which route: the one table. A route that is not in it answers nobody.
//!
//! The middleware asks it before any handler runs, the API document prints it, and the tests walk it. Actions
//! may ask for more (a matter its own role, four eyes two people); no action asks for less.

use axum::http::Method;

use super::console;
use crate::domain::principal::Role::{self, Admin, Approver, Auditor, Operator, Responder};

/// What a caller has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// The proof of a configured source, over the raw body.
    Sender,
    /// A live token with one of these roles.
    AnyOf(&'static [Role]),
    /// A page of the console: a signed-in person with one of these roles.
    Session(&'static [Role]),
}

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// As axum and OpenAPI write it.
    pub path: &'static str,
    pub access: Access,
}

/// Sees tickets and all that belongs to them.
const READ: Access = Access::AnyOf(&[Responder, Approver, Auditor, Operator]);
const WATCH: Access = Access::AnyOf(&[Operator, Auditor]);

const fn route(method: Method, path: &'static str, access: Access) -> Route {
    Route { method, path, access }
}

pub const ROUTES: &[Route] = &[
    route(Method::POST, "/v1/intake/{source}", Access::Sender),
    route(Method::GET, "/v1/tickets", READ),
    route(Method::POST, "/v1/tickets", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::GET, "/v1/tickets/{id}", READ),
    route(Method::GET, "/v1/tickets/{id}/log", READ),
    route(Method::GET, "/v1/tickets/{id}/similar", READ),
    route(Method::POST, "/v1/tickets/{id}/triage", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::POST, "/v1/tickets/{id}/take", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::POST, "/v1/tickets/{id}/release", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::POST, "/v1/tickets/{id}/snooze", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::POST, "/v1/tickets/{id}/wake", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::POST, "/v1/tickets/{id}/corrections", Access::AnyOf(&[Responder, Approver])),
    route(Method::GET, "/v1/feedback", READ),
    route(Method::POST, "/v1/feedback/{id}/ruling", Access::AnyOf(&[Approver])),
    route(Method::GET, "/v1/feedback-examples", Access::AnyOf(&[Operator])),
    route(Method::GET, "/v1/models", READ),
    route(Method::GET, "/v1/models/{id}", READ),
    route(Method::GET, "/v1/models/{id}/comparison", Access::AnyOf(&[Operator])),
    route(Method::POST, "/v1/models/{id}/promote", Access::AnyOf(&[Operator])),
    route(Method::POST, "/v1/model-rollback", Access::AnyOf(&[Operator])),
    route(Method::PUT, "/v1/model-shadow", Access::AnyOf(&[Operator])),
    route(Method::GET, "/v1/model-drift", READ),
    route(Method::GET, "/v1/recommendations", READ),
    route(Method::GET, "/v1/recommendations/{id}", READ),
    route(Method::POST, "/v1/recommendations/{id}/approve", Access::AnyOf(&[Approver])),
    route(Method::POST, "/v1/recommendations/{id}/reject", Access::AnyOf(&[Responder, Approver])),
    route(Method::POST, "/v1/recommendations/{id}/edit", Access::AnyOf(&[Responder, Approver])),
    route(Method::GET, "/v1/recommendations/{id}/outcome", READ),
    route(Method::POST, "/v1/recommendations/{id}/outcome", Access::AnyOf(&[Responder, Approver])),
    route(Method::GET, "/v1/shadow-report", READ),
    route(Method::GET, "/v1/shadow-report.svg", READ),
    route(Method::GET, "/v1/executions", READ),
    route(Method::GET, "/v1/executions/{id}", READ),
    route(Method::POST, "/v1/executions/{id}/cancel", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::POST, "/v1/executions/{id}/settle", Access::AnyOf(&[Responder, Approver])),
    route(Method::POST, "/v1/executions/{id}/undo", Access::AnyOf(&[Approver])),
    route(Method::GET, "/v1/runbooks", READ),
    route(Method::GET, "/v1/loads", READ),
    route(Method::GET, "/v1/runbooks/{id}", READ),
    route(Method::GET, "/v1/policies", READ),
    route(Method::GET, "/v1/connectors", READ),
    route(Method::GET, "/v1/receipts", Access::AnyOf(&[Approver, Auditor, Operator])),
    route(Method::GET, "/v1/pre-approvals", READ),
    route(Method::POST, "/v1/pre-approvals", Access::AnyOf(&[Approver])),
    route(Method::POST, "/v1/pre-approvals/{id}/revoke", Access::AnyOf(&[Approver, Operator])),
    route(Method::GET, "/v1/modes", READ),
    route(Method::PUT, "/v1/modes/global", Access::AnyOf(&[Approver, Operator])),
    route(Method::PUT, "/v1/modes/sources/{id}", Access::AnyOf(&[Approver, Operator])),
    route(Method::PUT, "/v1/modes/runbooks/{id}", Access::AnyOf(&[Approver, Operator])),
    route(Method::GET, "/v1/dual-authorizations", READ),
    route(Method::POST, "/v1/dual-authorizations", Access::AnyOf(&[Responder, Approver])),
    route(Method::GET, "/v1/dual-authorizations/{id}", READ),
    route(Method::POST, "/v1/dual-authorizations/{id}/confirm", Access::AnyOf(&[Approver])),
    route(Method::POST, "/v1/dual-authorizations/{id}/withdraw", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::PUT, "/v1/people/{person}/password", Access::AnyOf(&[Responder, Approver, Operator, Admin])),
    route(Method::PUT, "/v1/kill-switch", Access::AnyOf(&[Responder, Approver, Operator])),
    route(Method::GET, "/v1/storms", READ),
    route(Method::GET, "/v1/dead-letters", WATCH),
    route(Method::POST, "/v1/dead-letters/{id}/replay", Access::AnyOf(&[Operator])),
    route(Method::GET, "/v1/outbox", WATCH),
    route(Method::GET, "/v1/outbox/{id}", WATCH),
    route(Method::POST, "/v1/outbox/{id}/redeliver", Access::AnyOf(&[Operator])),
    route(Method::GET, "/v1/endpoints", WATCH),
    route(Method::POST, "/v1/endpoints/{id}/enable", Access::AnyOf(&[Operator])),
    route(Method::GET, "/v1/tokens", Access::AnyOf(&[Admin, Auditor])),
    route(Method::POST, "/v1/tokens", Access::AnyOf(&[Admin])),
    route(Method::DELETE, "/v1/tokens/{id}", Access::AnyOf(&[Admin])),
    route(Method::GET, "/v1/log/entries", READ),
    route(Method::GET, "/v1/log/entries/{index}", READ),
    route(Method::GET, "/v1/log/checkpoint", READ),
    route(Method::GET, "/v1/log/proof/inclusion", READ),
    route(Method::GET, "/v1/log/proof/consistency", READ),
    route(Method::GET, "/v1/log/tile/{*tile}", READ),
    route(Method::GET, "/v1/log/export", Access::AnyOf(&[Auditor])),
    route(Method::GET, "/livez", Access::Public),
    route(Method::GET, "/readyz", Access::Public),
    route(Method::GET, "/metrics", Access::Public),
    route(Method::GET, "/openapi.json", Access::Public),
    route(Method::GET, "/problems/{id}", Access::Public),
    route(Method::GET, "/schemas/runbook.json", Access::Public),
    route(Method::GET, "/schemas/events.json", Access::Public),
];

/// What the table says of a request to a matched path.
#[derive(Debug, PartialEq, Eq)]
pub enum Ruling {
    Access(Access),
    /// The path is known and takes only these methods.
    WrongMethod {
        allow: String,
    },
    /// The router knows the path and the table does not.
    Unlisted,
}

/// HEAD is answered where GET is.
pub fn ruling(method: &Method, path: &str) -> Ruling {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut allow = Vec::new();
    for route in ROUTES.iter().chain(console::ROUTES).filter(|route| route.path == path) {
        if route.method == method {
            return Ruling::Access(route.access);
        }
        allow.push(route.method.as_str());
    }
    if allow.is_empty() { Ruling::Unlisted } else { Ruling::WrongMethod { allow: allow.join(", ") } }
}

impl Access {
    /// For the API document.
    pub fn sentence(&self) -> String {
        match self {
            Self::Public => "Open to everybody.".to_owned(),
            Self::Sender => "Needs the proof that the source is configured with.".to_owned(),
            Self::Session(_) => "Needs a signed-in person.".to_owned(),
            Self::AnyOf(roles) => {
                let roles: Vec<String> = roles.iter().map(|role| format!("`{}`", role.as_str())).collect();
                format!("Needs a token with {} {}.", if roles.len() == 1 { "the role" } else { "one of the roles" }, roles.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_is_listed_twice_and_what_is_not_listed_is_not_open() {
        for (place, route) in ROUTES.iter().enumerate() {
            assert!(ROUTES[place + 1..].iter().all(|other| (&other.method, other.path) != (&route.method, route.path)), "{route:?}");
        }
        assert_eq!(ruling(&Method::GET, "/v1/secrets"), Ruling::Unlisted);
        assert_eq!(ruling(&Method::DELETE, "/v1/tickets"), Ruling::WrongMethod { allow: "GET, POST".to_owned() });
        assert_eq!(ruling(&Method::HEAD, "/livez"), Ruling::Access(Access::Public));
    }

    #[test]
    fn an_auditor_changes_nothing_and_an_admin_makes_tokens_and_passwords_only() {
        for route in ROUTES.iter().filter(|route| route.method != Method::GET) {
            let Access::AnyOf(roles) = route.access else { continue };
            assert!(!roles.contains(&Auditor), "{route:?}");
            assert_eq!(roles.contains(&Admin), ["/v1/tokens", "/v1/people"].iter().any(|path| route.path.starts_with(path)), "{route:?}");
        }
    }

    #[test]
    fn everything_under_v1_needs_a_proof() {
        for route in ROUTES.iter().filter(|route| route.path.starts_with("/v1/")) {
            assert_ne!(route.access, Access::Public, "{route:?}");
        }
    }
}
