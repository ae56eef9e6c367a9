//! The `http` connector: any JSON API, one request a step.
//!
//! `with` has `path`, and may have `query` and `body`. Values go in by position: percent-encoded inside one
//! path segment, percent-encoded in the query, as JSON strings in the body. What may be called is checked
//! against the configuration after the values are in, so a value cannot talk its way to another path.

use hyper::Method;

use super::{
    arguments::scalar,
    endpoint::{Body, Call, Endpoint},
    kind::{Kind, Probe, is_there},
    prepared::{Prepared, Then},
};
use crate::{
    config::engine::AllowedCall,
    domain::{
        runbook::Step,
        template::{Argument, Template, TemplateError, Values},
    },
    execute::error::ExecuteError,
    outbound::{Path, Refusal},
};

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

/// What may be called of one JSON API.
#[derive(Debug)]
pub(super) struct Http {
    allow: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    method: String,
    /// `None` stands for any one segment.
    segments: Vec<Option<String>>,
}

impl Http {
    /// # Errors
    /// A method or a path that is none.
    pub fn new(allow: &[AllowedCall]) -> Result<Self, String> {
        let allow = allow.iter().map(|allowed| {
            if !METHODS.contains(&allowed.method.as_str()) {
                return Err(format!("`{}` is not a method: choose from {}", allowed.method, METHODS.join(", ")));
            }
            let path = Path::parse(&allowed.path).map_err(|why| why.to_string())?;
            let segments = path.segments().map(|segment| (segment != "*").then(|| segment.to_owned())).collect();
            Ok(Pattern { method: allowed.method.clone(), segments })
        });
        Ok(Self { allow: allow.collect::<Result<_, _>>()? })
    }
}

impl Kind for Http {
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
        let refuse = |why: String| ExecuteError::Step { step: step.id.clone(), why };
        let refused = |why: Refusal| refuse(why.to_string());
        let missing = |why| ExecuteError::Value { step: step.id.clone(), why };
        if !METHODS.contains(&step.operation.as_str()) {
            return Err(refuse(format!("`{}` is not a method: choose from {}", step.operation, METHODS.join(", "))));
        }
        let Argument::Object(with) = &step.with else { return Err(refuse("`with` must have `path`".to_owned())) };
        if let Some(odd) = with.keys().find(|key| !matches!(key.as_str(), "path" | "query" | "body")) {
            return Err(refuse(format!("`with` has `{odd}`: it may have `path`, `query` and `body`")));
        }
        let Some(Argument::Text(template)) = with.get("path") else { return Err(refuse("`with.path` must be a text".to_owned())) };
        let path = Path::parse(&render_path(template, values).map_err(|error| match error {
            PathError::Template(why) => missing(why),
            PathError::Refused(why) => refused(why),
        })?)
        .map_err(refused)?;
        if !self.allow.iter().any(|pattern| pattern.allows(&step.operation, &path)) {
            let call = format!("{} {}", step.operation, path.as_str());
            return Err(ExecuteError::NotAllowed { step: step.id.clone(), connector: endpoint.name().to_owned(), call });
        }
        let query = match with.get("query") {
            None => Vec::new(),
            Some(Argument::Object(fields)) => fields
                .iter()
                .map(|(name, value)| {
                    Ok((
                        name.clone(),
                        scalar(&value.render(values).map_err(missing)?)
                            .ok_or_else(|| refuse(format!("`with.query.{name}` must be a text, a number or a flag")))?,
                    ))
                })
                .collect::<Result<_, ExecuteError>>()?,
            Some(_) => return Err(refuse("`with.query` must be a table".to_owned())),
        };
        let body = with.get("body").map(|body| body.render(values)).transpose().map_err(missing)?;
        if body.is_some() && matches!(step.operation.as_str(), "get" | "head") {
            return Err(refuse(format!("a `{}` has no body", step.operation)));
        }
        let method = Method::from_bytes(step.operation.to_ascii_uppercase().as_bytes())
            .map_err(|_| refused(Refusal::Method(step.operation.clone())))?;
        let body = body.map_or(Body::None, Body::Json);
        endpoint.prepare(step, Call { query, body, ..Call::new(method, path) }, Then::Done)
    }

    fn probes(&self) -> Vec<Probe> {
        let root = Path::parse("/").ok();
        let probe = |root| Probe { judge: is_there, ..Probe::new("the base URL".to_owned(), Call::get(root)) };
        root.map(probe).into_iter().collect()
    }
}

impl Pattern {
    fn allows(&self, method: &str, path: &Path) -> bool {
        let segments: Vec<_> = path.segments().collect();
        self.method == method
            && segments.len() == self.segments.len()
            && self.segments.iter().zip(segments).all(|(pattern, segment)| match pattern {
                Some(literal) => literal == segment,
                None => !segment.is_empty(),
            })
    }
}

enum PathError {
    Template(TemplateError),
    Refused(Refusal),
}

/// The template's own renderer cannot refuse a value, so refusals are collected on the side.
fn render_path(template: &Template, values: &Values) -> Result<String, PathError> {
    let refused = std::cell::RefCell::new(None);
    let text = template
        .render(values, |value| {
            Path::encode(value).unwrap_or_else(|why| {
                refused.borrow_mut().get_or_insert(why);
                String::new()
            })
        })
        .map_err(PathError::Template)?;
    refused.into_inner().map_or(Ok(text), |why| Err(PathError::Refused(why)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{runbook::StepKind, template::Value};

    struct Connector {
        endpoint: Endpoint,
        http: Http,
    }

    impl Connector {
        fn prepare(&self, step: &Step, values: &Values) -> Result<Prepared, ExecuteError> {
            self.http.prepare(&self.endpoint, step, values)
        }
    }

    fn connector() -> Connector {
        let config = serde_json::json!({
            "name": "automation", "kind": "http", "base_url": "https://automation.example/api",
            "auth": {"kind": "bearer", "token": "hunter2"},
            "allow": [{"method": "get", "path": "/printers/*"}, {"method": "post", "path": "/printers/*/restart"}],
        });
        let config: crate::config::connector::Connector = serde_json::from_value(config).unwrap();
        let crate::config::engine::Engine::Http(allow) = &config.engine else { panic!("{config:?}") };
        Connector { endpoint: Endpoint::new(&config).unwrap(), http: Http::new(allow).unwrap() }
    }

    fn step(operation: &str, with: serde_json::Value) -> Step {
        Step {
            id: "restart".parse().unwrap(),
            kind: StepKind::Change,
            connector: "automation".parse().unwrap(),
            operation: operation.to_owned(),
            with: Argument::parse(&with).unwrap(),
            expect: None,
            timeout: Duration::from_secs(1),
            within: Duration::ZERO,
            idempotent: true,
            rollback: None,
            outputs: std::collections::BTreeMap::new(),
        }
    }

    fn values(host: &str) -> Values {
        [("host".parse().unwrap(), Value::Text(host.to_owned()))].into_iter().collect()
    }

    #[test]
    fn the_preview_is_the_exact_request_without_the_secret() {
        let step = step(
            "post",
            serde_json::json!({"path": "/printers/{{host}}/restart", "query": {"q": "{{host}}&x", "n": 2}, "body": {"host": "{{host}}", "force": true}}),
        );
        let prepared = connector().prepare(&step, &values("prn 07?")).unwrap();
        assert_eq!(prepared.preview.to_string(), "POST https://automation.example/api/printers/prn%2007%3F/restart?n=2&q=prn%2007%3F%26x");
        assert_eq!(prepared.preview.body, Some(serde_json::json!({"host": "prn 07?", "force": true})));
        assert!(!format!("{prepared:?} {:?} {:?}", connector().endpoint, connector().http).contains("hunter2"));
    }

    #[test]
    fn only_listed_calls_are_allowed_after_the_values_are_in() {
        let connector = connector();
        for (operation, path) in [("get", "/printers/{{host}}"), ("post", "/printers/{{host}}/restart"), ("get", "/printers/x-{{host}}")] {
            assert!(connector.prepare(&step(operation, serde_json::json!({ "path": path })), &values("p1")).is_ok(), "{operation} {path}");
        }
        for (operation, path, host) in [
            ("post", "/printers/{{host}}", "p1"),
            ("delete", "/printers/{{host}}", "p1"),
            ("get", "/users/{{host}}", "p1"),
            ("get", "/printers/{{host}}/restart", "p1"),
            ("get", "/printers", "p1"),
            ("get", "/printers/", "p1"),
            ("get", "/{{host}}/p1", "users"),
            ("get", "/printers/{{host}}", "../users"),
            ("get", "/printers/{{host}}", "p1/restart"),
            ("get", "/printers/{{host}}", ".."),
            ("get", "/printers/{{host}}", "%2e%2e"),
            ("get", "/printers/{{host}}", ""),
            ("get", "/printers/.{{host}}", "."),
            ("get", "/Printers/{{host}}", "p1"),
            ("get", "/%70rinters/{{host}}", "p1"),
            ("GET", "/printers/{{host}}", "p1"),
            ("connect", "/printers/{{host}}", "p1"),
            ("get", "printers/{{host}}", "p1"),
            ("get", "//printers/{{host}}", "p1"),
            ("get", "https://evil.example/{{host}}", "p1"),
            ("get", "/printers/{{host}}?x", "p1"),
            ("get", "/printers/{{other}}", "p1"),
        ] {
            assert!(
                connector.prepare(&step(operation, serde_json::json!({ "path": path })), &values(host)).is_err(),
                "{operation} {path} {host}"
            );
        }
    }

    #[test]
    fn arguments_of_the_wrong_shape_are_refused() {
        let connector = connector();
        for with in [
            serde_json::json!(null),
            serde_json::json!({}),
            serde_json::json!({"path": 3}),
            serde_json::json!({"path": "/printers/x", "url": "http://evil"}),
            serde_json::json!({"path": "/printers/x", "headers": {}}),
            serde_json::json!({"path": "/printers/x", "query": "a=b"}),
            serde_json::json!({"path": "/printers/x", "query": {"a": [1]}}),
            serde_json::json!({"path": "/printers/x", "body": {}}),
        ] {
            assert!(connector.prepare(&step("get", with.clone()), &values("p1")).is_err(), "{with}");
        }
    }

    proptest! {
        #[test]
        fn no_value_reaches_another_path_or_host(host in "\\PC{0,24}|[./%\\\\?#@:a-f0-9]{1,12}") {
            let connector = connector();
            if let Ok(prepared) = connector.prepare(&step("post", serde_json::json!({"path": "/printers/{{host}}/restart"})), &values(&host)) {
                let url = url::Url::parse(&prepared.preview.url).unwrap();
                prop_assert_eq!(url.host_str(), Some("automation.example"));
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 4);
                prop_assert_eq!((segments[0], segments[1], segments[3]), ("api", "printers", "restart"));
                prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }
    }
}
