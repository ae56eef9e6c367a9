//! Who may use which route, asked over real HTTP for every route and every role.

use serde_json::json;
use sluicegate::{
    domain::{principal::Role, time::Timestamp},
    server::{Access, ROUTES},
};

use crate::app::{Answer, App, START};

/// A path with something in every parameter; most of it does not exist, which only an allowed caller learns.
fn concrete(path: &str) -> String {
    path.replace("{*tile}", "0/000").replace("{index}", "0").replace("{source}", "desk").replace("{id}", "x").replace("{person}", "bo")
}

#[tokio::test]
async fn every_route_opens_to_exactly_the_roles_of_the_table() {
    let app = App::start().await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, app.token(&[role]).await));
    }
    for route in ROUTES {
        let Access::AnyOf(roles) = route.access else { continue };
        let path = concrete(route.path);
        for (role, token) in &tokens {
            let answer = app.send(token, route.method.as_str(), &path, json!({})).await;
            if roles.contains(role) {
                assert!(answer.status != 401, "{route:?} refused {role:?}: {answer:?}");
                let missing = answer.status == 403 && answer.text.contains("/problems/missing-role");
                assert!(!missing, "{route:?} refused {role:?}: {answer:?}");
            } else {
                answer.is(403, "missing-role");
            }
        }
        Answer::of(app.ask(route.method.as_str(), &path)).await.is(401, "unauthenticated");
    }
}

#[tokio::test]
async fn unknown_expired_revoked_and_odd_tokens_get_the_same_answer() {
    let app = App::start().await;
    let expired = app.token_of("default", "old", &[Role::Auditor], Some(Timestamp::from_millis(START))).await;
    let admin = app.token(&[Role::Admin]).await;
    let made = app.send(&admin, "POST", "/v1/tokens", json!({ "person": "bob", "roles": ["auditor"] })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, revoked) = (made.json()["token"]["id"].as_str().unwrap().to_owned(), made.json()["text"].as_str().unwrap().to_owned());
    assert!(!made.json()["token"].as_object().unwrap().contains_key("secret"));
    assert_eq!(app.get(&revoked, "/v1/tickets").await.status, 200);
    assert_eq!(app.send(&admin, "DELETE", &format!("/v1/tokens/{id}"), json!({})).await.status, 200);

    let long = "x".repeat(5_000);
    let first = app.get("slg_unknown", "/v1/tickets").await;
    first.is(401, "unauthenticated");
    assert!(first.header("www-authenticate").starts_with("Bearer"));
    for token in [expired.as_str(), &revoked, "", &long] {
        assert_eq!(app.get(token, "/v1/tickets").await.text, first.text);
    }
    let basic = Answer::of(app.ask("GET", "/v1/tickets").basic_auth("a", Some("b"))).await;
    assert_eq!(basic.text, first.text);
}

#[tokio::test]
async fn a_token_ends_the_moment_it_expires() {
    let app = App::start().await;
    let end = Timestamp::from_millis(START + 60_000);
    let token = app.token_of("default", "ana", &[Role::Auditor], Some(end)).await;
    assert_eq!(app.get(&token, "/v1/tickets").await.status, 200);
    app.ambient.turn(std::time::Duration::from_secs(60));
    app.get(&token, "/v1/tickets").await.is(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_without_roles_or_with_a_past_end_is_not_made() {
    let app = App::start().await;
    let admin = app.token(&[Role::Admin]).await;
    let make = async |body| app.send(&admin, "POST", "/v1/tokens", body).await;
    let answer = make(json!({ "person": "bob", "roles": [] })).await;
    answer.is(422, "invalid-body");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/roles");
    let answer = make(json!({ "person": "bob", "roles": ["auditr"] })).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/roles/0");
    assert!(answer.text.contains("did you mean `auditor`?"), "{answer:?}");
    let answer = make(json!({ "person": "bob", "roles": ["auditor"], "expires_at": "2023-11-14T22:13:20Z" })).await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/expires_at");
    assert_eq!(app.get(&admin, "/v1/tokens").await.json()["items"].as_array().unwrap().len(), 1);
}
