//! What `connector test` and the probe of a running service say of systems that are there, strange, or gone.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Connectors, Health};
use crate::{
    domain::time::Timestamp,
    execute::breaker::{BreakerState, THRESHOLD},
};

type Seen = Arc<Mutex<Vec<String>>>;

async fn serve(status: u16, body: &'static str) -> (String, Seen) {
    let seen = Seen::default();
    let answer = move |State(seen): State<Seen>, method: Method, uri: Uri, sent: Bytes| async move {
        seen.lock().unwrap().push(format!("{method} {uri} {}", String::from_utf8_lossy(&sent)));
        let mut response: Response = (StatusCode::from_u16(status).unwrap(), body).into_response();
        response.headers_mut().insert("location", "https://login.example/".parse().unwrap());
        response
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (root, seen)
}

fn connectors(kind: &str, base_url: &str, allow: &Value) -> Connectors {
    let config = json!([{"name": "engine", "kind": kind, "base_url": base_url, "allow_addresses": ["127.0.0.1/32"], "probe": "60s", "allow": allow}]);
    Connectors::from_config(&serde_json::from_value::<Vec<_>>(config).unwrap()).unwrap()
}

/// One thing of each kind, and what is asked about it.
fn kinds() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("http", json!([{"method": "get", "path": "/x"}]), "GET / "),
        ("rundeck", json!([{"job": "3b6c19f6"}]), "GET /job/3b6c19f6/info "),
        ("awx", json!([{"job_template": 42}]), "GET /job_templates/42/launch/ "),
        ("stackstorm", json!([{"action": "linux.restart"}]), "GET /actions/linux.restart "),
        ("jenkins", json!([{"job": "ops/restart"}]), "GET /job/ops/job/restart/api/json?tree=name%2Cbuildable "),
        (
            "kubernetes",
            json!([{"namespace": "shop", "resource": "deployment", "operations": ["scale"]}]),
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews ",
        ),
        (
            "github_workflow",
            json!([{"repository": "acme/ops", "workflow": "restart.yml", "ref": "main"}]),
            "GET /repos/acme/ops/actions/workflows/restart.yml ",
        ),
        ("gitlab_pipeline", json!([{"project": "acme/ops", "ref": "main"}]), "GET /projects/acme%2Fops/pipelines?per_page=1 "),
        ("n8n", json!([{"hook": "restart"}]), "GET / "),
        ("node_red", json!([{"hook": "restart"}]), "GET / "),
    ]
}

/// Whether we may scale what the list above allows.
fn review() -> Value {
    let attributes =
        json!({"namespace": "shop", "verb": "patch", "group": "apps", "resource": "deployments", "subresource": "scale", "name": ""});
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}})
}

#[tokio::test]
async fn each_kind_is_asked_one_harmless_question_and_says_what_to_do_about_the_answer() {
    for (kind, allow, question) in kinds() {
        for (status, body, says) in [
            (200, r#"{"status": {"allowed": true}}"#, None),
            (302, "", Some("check `auth` and `base_url`")),
            (401, "{}", Some("check `auth`")),
            (403, "{}", Some("give the account the right to it")),
            (404, "{}", Some("check its id and `base_url`")),
            (503, "", Some("look at its own log")),
            (200, "<html>Sign in</html>", Some("is `base_url` the API's?")),
        ] {
            let (root, seen) = serve(status, body).await;
            let found = connectors(kind, &root, &allow).test(&"engine".parse().unwrap()).await.unwrap();
            let asked = seen.lock().unwrap().concat();
            let body = asked.strip_prefix(question).unwrap_or_else(|| panic!("{kind}: {asked}"));
            match kind {
                "kubernetes" => assert_eq!(serde_json::from_str::<Value>(body).unwrap(), review()),
                _ => assert_eq!(body, ""),
            }
            // Where there is nothing to ask for, an answer says no more than that somebody is there.
            let only_there = matches!(kind, "http" | "n8n" | "node_red") && !matches!(status, 401 | 403 | 503);
            match (says, &found[0].failure) {
                (None, failure) => assert_eq!(*failure, None, "{kind}"),
                (Some(_), failure) if only_there => assert_eq!(*failure, None, "{kind} {status}"),
                (Some(says), failure) => {
                    assert!(failure.as_ref().is_some_and(|failure| failure.contains(says)), "{kind} {status} {failure:?}")
                }
            }
        }
    }
}

#[tokio::test]
async fn a_right_that_the_cluster_does_not_give_is_named() {
    let (root, _) = serve(201, r#"{"status": {"allowed": false}}"#).await;
    let allow = json!([{"namespace": "shop", "resource": "pod", "operations": ["delete_pod"]}]);
    let found = connectors("kubernetes", &root, &allow).test(&"engine".parse().unwrap()).await.unwrap();
    assert_eq!(found[0].about, "`delete` on `pods` in `shop`");
    assert_eq!(found[0].failure.as_deref(), Some("the account may not: bind it to a role that has this verb"));
}

#[tokio::test]
async fn a_probe_that_keeps_failing_opens_the_breaker_and_one_that_works_closes_it() {
    let (root, _) = serve(401, "{}").await;
    let (name, now) = ("engine".parse().unwrap(), Timestamp::from_millis(1_700_000_000_000));
    let strange = connectors("rundeck", &root, &json!([{"job": "a1"}]));
    for nth in 1..=THRESHOLD {
        assert!(strange.probe(&name, || now).await.unwrap().failure.is_some());
        let state = &strange.states(now)[0];
        assert_eq!((state.failures_in_a_row, state.breaker == BreakerState::Open), (nth, nth == THRESHOLD));
        assert_eq!((state.kind, state.last_probe_at), ("rundeck", Some(now)));
    }
    assert_eq!(strange.health(now)[&name], Health::Failing);
    assert_eq!(strange.probed_every(), [(name.clone(), std::time::Duration::from_secs(60))]);

    let (root, _) = serve(200, "{}").await;
    let known = connectors("rundeck", &root, &json!([{"job": "a1"}]));
    assert_eq!(known.probe(&name, || now).await.unwrap().failure, None);
    assert_eq!(known.states(now)[0].breaker, BreakerState::Closed);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gone = connectors("rundeck", &root, &json!([{"job": "a1"}]));
    let failure = gone.probe(&name, || now).await.unwrap().failure.unwrap();
    assert!(failure.starts_with("no connection: "), "{failure}");
}
