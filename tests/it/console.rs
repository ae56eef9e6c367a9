//! The console over real HTTP: who may open and change what, where a change must come from, and how sessions end.

use std::time::Duration;

use reqwest::{StatusCode, header};
use sluicegate::{
    config::secret::Secret,
    domain::{
        entry::Event,
        name::{PersonId, TenantId},
        principal::{Actor, Role},
    },
    pipeline::actions::account,
    server::{Access, CONSOLE_ROUTES},
    store::interface::{EntryFilter, Page},
};

use crate::app::App;

const PASSWORD: &str = "a sentence that is long";

/// Makes an account and gives its name.
async fn person(app: &App, tenant: &str, name: &str, roles: &[Role]) -> String {
    let (tenant, person) = (TenantId::new(tenant).unwrap(), PersonId::new(name).unwrap());
    account::make(&app.service, Actor::Engine, &tenant, &person, roles.iter().copied().collect(), &Secret::new(PASSWORD)).await.unwrap();
    name.to_owned()
}

/// A browser without a window: a cookie, and forms that say where they come from.
struct Visitor<'a> {
    app: &'a App,
    client: reqwest::Client,
    cookie: String,
}

struct Seen {
    status: StatusCode,
    location: String,
    text: String,
}

impl<'a> Visitor<'a> {
    fn new(app: &'a App) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { app, client, cookie: String::new() }
    }

    async fn signed_in(app: &'a App, name: &str) -> Self {
        let mut visitor = Self::new(app);
        let seen = visitor.sign_in(name, PASSWORD).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
        visitor
    }

    async fn sign_in(&mut self, name: &str, password: &str) -> Seen {
        self.send("/login", &[("name", name), ("password", password)], "same-origin").await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.address)
    }

    async fn get(&mut self, path: &str) -> Seen {
        let request = self.client.get(self.url(path)).header(header::ACCEPT, "text/html").header(header::COOKIE, &self.cookie);
        self.seen(request).await
    }

    /// Sends a form from `site`, as a browser says it.
    async fn send(&mut self, path: &str, fields: &[(&str, &str)], site: &str) -> Seen {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .client
            .post(self.url(path))
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, &self.cookie)
            .header("sec-fetch-site", site)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        self.seen(request).await
    }

    /// Sends a form of a page of this session.
    async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let csrf = self.csrf().await;
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.send(path, &fields, "same-origin").await
    }

    async fn csrf(&mut self) -> String {
        let page = self.get("/account").await;
        page.text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_default().split('"').next().unwrap().to_owned()
    }

    async fn seen(&mut self, request: reqwest::RequestBuilder) -> Seen {
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            if cookie.starts_with("sluicegate=") {
                self.cookie = cookie.split(';').next().unwrap().to_owned();
            }
        }
        let location = answer.headers().get(header::LOCATION).map_or(String::new(), |to| to.to_str().unwrap().to_owned());
        Seen { status: answer.status(), location, text: answer.text().await.unwrap() }
    }
}

/// A path with something in every parameter; it does not exist, which only an allowed person learns.
fn concrete(path: &str) -> String {
    path.replace("{id}", "x").replace("{person}", "bo").replace("{name}", "x").replace("{index}", "999999").replace("{secret}", "x")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_and_every_change_opens_to_exactly_the_roles_of_the_table() {
    let app = App::start().await;
    for role in Role::ALL {
        let name = person(&app, "default", &format!("only-{}", role.as_str()), &[role]).await;
        let mut visitor = Visitor::signed_in(&app, &name).await;
        for route in CONSOLE_ROUTES {
            let Access::Session(roles) = route.access else { continue };
            // Ends the session, or lasts as long as the page is open.
            if ["/logout", "/live"].contains(&route.path) {
                continue;
            }
            let path = concrete(route.path);
            let seen = if route.method == "GET" { visitor.get(&path).await } else { visitor.submit(&path, &[]).await };
            let refused = seen.status == StatusCode::FORBIDDEN && seen.text.contains("this needs one of the roles");
            assert_eq!(refused, !roles.contains(&role), "{} {path} as {role:?}: {}", route.method, seen.status);
            assert!(seen.status != StatusCode::UNAUTHORIZED && !seen.status.is_server_error(), "{} {path}: {}", route.method, seen.status);
            let is_page = seen.text.contains("<h1") || route.path == "/log/export";
            assert!(seen.status.is_redirection() || is_page, "{} {path} is no page: {}", route.method, seen.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session_every_page_leads_to_the_sign_in_and_no_change_is_made() {
    let app = App::start().await;
    let mut stranger = Visitor::new(&app);
    for route in CONSOLE_ROUTES {
        let Access::Session(_) = route.access else { continue };
        let path = concrete(route.path);
        if route.method == "GET" {
            let seen = stranger.get(&path).await;
            assert!(seen.status == StatusCode::SEE_OTHER && seen.location.starts_with("/login?next="), "{path}: {}", seen.status);
        } else {
            assert_eq!(stranger.send(&path, &[], "same-origin").await.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    // A token opens the API and no page; a session opens pages and not the API.
    let token = app.token(&Role::ALL).await;
    let with_token = stranger.client.get(stranger.url("/")).bearer_auth(&token).header(header::ACCEPT, "text/html").send().await.unwrap();
    assert_eq!(with_token.status(), StatusCode::SEE_OTHER);
    let name = person(&app, "default", "ana", &Role::ALL).await;
    let visitor = Visitor::signed_in(&app, &name).await;
    let api = visitor.client.get(visitor.url("/v1/tickets")).header(header::COOKIE, &visitor.cookie).send().await.unwrap();
    assert_eq!(api.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_from_another_site_or_another_session_is_refused_on_every_path() {
    let app = App::start().await;
    let name = person(&app, "default", "ana", &Role::ALL).await;
    let other = person(&app, "default", "bo", &Role::ALL).await;
    let mut visitor = Visitor::signed_in(&app, &name).await;
    let foreign = Visitor::signed_in(&app, &other).await.csrf().await;
    let own = visitor.csrf().await;
    for route in CONSOLE_ROUTES.iter().filter(|route| route.method == "POST") {
        let path = concrete(route.path);
        for site in ["cross-site", "same-site", "none"] {
            let seen = visitor.send(&path, &[("csrf", &own)], site).await;
            assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path} from {site}");
        }
        if matches!(route.access, Access::Session(_)) {
            for csrf in ["", "x", foreign.as_str()] {
                let seen = visitor.send(&path, &[("csrf", csrf)], "same-origin").await;
                assert!(seen.status == StatusCode::FORBIDDEN && seen.text.contains("another session"), "{path}: {}", seen.status);
            }
        }
    }
    // Nothing of it signed anybody out.
    assert_eq!(visitor.get("/account").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_from_elsewhere_is_asked_for_once_more_from_here() {
    let app = App::start().await;
    let stranger = Visitor::new(&app);
    let request = stranger.client.get(stranger.url("/overview?days=7")).header(header::ACCEPT, "text/html");
    let answer = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    assert!(text.contains("http-equiv=\"refresh\" content=\"0; url=/overview?days=7\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_is_strict_changes_at_each_sign_in_and_is_worthless_after_the_sign_out() {
    let app = App::start().await;
    let name = person(&app, "default", "ana", &[Role::Auditor]).await;
    let mut visitor = Visitor::new(&app);
    visitor.cookie = "sluicegate=slgs_chosen_by_somebody_else".to_owned();
    visitor.sign_in(&name, PASSWORD).await;
    let first = visitor.cookie.clone();
    assert!(first.starts_with("sluicegate=slgs_") && !first.contains("chosen"), "{first}");
    visitor.sign_in(&name, PASSWORD).await;
    assert_ne!(visitor.cookie, first);
    let request = visitor.client.post(visitor.url("/login")).header("sec-fetch-site", "same-origin");
    let form = format!("name={name}&password={}", PASSWORD.replace(' ', "+"));
    let answer = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form).send().await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let kept = visitor.cookie.clone();
    assert_eq!(visitor.submit("/logout", &[]).await.location, "/login");
    visitor.cookie = kept;
    assert_eq!(visitor.get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_it_is_idle_and_when_its_time_is_over_and_live_pages_keep_none_alive() {
    let app = App::start().await;
    let name = person(&app, "default", "ana", &[Role::Auditor]).await;
    let console = &app.service.config.console;
    let (idle, longest) = (console.idle.get(), console.longest.get());

    let mut visitor = Visitor::signed_in(&app, &name).await;
    app.ambient.turn(idle - Duration::from_secs(1));
    assert_eq!(visitor.get("/account").await.status, StatusCode::OK, "used in time");
    app.ambient.turn(idle - Duration::from_secs(1));
    let by_itself = async |visitor: &Visitor| {
        let request = visitor.client.get(visitor.url("/account")).header(header::COOKIE, &visitor.cookie).header("x-sluicegate-live", "1");
        request.header(header::ACCEPT, "text/html").send().await.unwrap().status()
    };
    assert_eq!(by_itself(&visitor).await, StatusCode::OK);
    app.ambient.turn(Duration::from_secs(2));
    assert_eq!(visitor.get("/account").await.status, StatusCode::SEE_OTHER, "what the page does by itself is no use of it");
    assert_eq!(by_itself(&visitor).await, StatusCode::UNAUTHORIZED, "and it is told so, not given the form to sign in for an answer");

    let mut visitor = Visitor::signed_in(&app, &name).await;
    let mut left = longest;
    while left > idle / 2 {
        app.ambient.turn(idle / 2);
        left -= idle / 2;
        assert_eq!(visitor.get("/account").await.status, StatusCode::OK);
    }
    app.ambient.turn(left);
    assert_eq!(visitor.get("/account").await.status, StatusCode::SEE_OTHER, "however much it was used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_told_to_nobody_but_the_log() {
    let app = App::start().await;
    let name = person(&app, "default", "ana", &[Role::Auditor]).await;
    let mut visitor = Visitor::new(&app);
    let mut answers = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let seen = visitor.sign_in(&name, "wrong wrong wrong").await;
        answers.insert((seen.status.as_u16(), seen.text));
    }
    // Locked: the right password opens nothing, and the answer is the same as for a wrong one.
    let locked = visitor.sign_in(&name, PASSWORD).await;
    answers.insert((locked.status.as_u16(), locked.text));
    assert_eq!(answers.len(), 1, "{answers:?}");
    let (tenant, page) = (TenantId::default(), Page { before: None, limit: 50 });
    let entries = app.service.store.entries(&tenant, &EntryFilter::default(), page).await.unwrap();
    let failed: Vec<bool> = entries
        .into_iter()
        .filter_map(|logged| match logged.entry.event {
            Event::SignInFailed { locks, .. } => Some(locks),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [true, false, false, false, false], "newest first; the last try before the lock says so");
    app.ambient.turn(Duration::from_secs(15 * 60));
    assert_eq!(visitor.sign_in(&name, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_roles_and_a_disabled_account_end_the_sessions_at_once() {
    let app = App::start().await;
    person(&app, "default", "root", &[Role::Admin]).await;
    person(&app, "default", "ana", &[Role::Approver]).await;
    let mut admin = Visitor::signed_in(&app, "root").await;
    let changed = async || {
        app.service.store.account(&TenantId::default(), &PersonId::new("ana").unwrap()).await.unwrap().unwrap().changed_at.to_string()
    };

    let mut ana = Visitor::signed_in(&app, "ana").await;
    let at = changed().await;
    let wrong = admin.submit("/people/ana", &[("role", "auditor"), ("changed", &at), ("own", "not my password")]).await;
    assert!(wrong.status == StatusCode::FORBIDDEN, "{}", wrong.text);
    assert_eq!(ana.get("/account").await.status, StatusCode::OK);
    app.ambient.turn(Duration::from_secs(1));
    let done = admin.submit("/people/ana", &[("role", "auditor"), ("changed", &at), ("own", PASSWORD)]).await;
    assert_eq!(done.location, "/people?done=account", "{}", done.text);
    assert_eq!(ana.get("/account").await.status, StatusCode::SEE_OTHER);
    let stale = admin.submit("/people/ana", &[("role", "approver"), ("changed", &at), ("own", PASSWORD)]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);

    let mut ana = Visitor::signed_in(&app, "ana").await;
    assert_eq!(ana.get("/log").await.status, StatusCode::OK);
    app.ambient.turn(Duration::from_secs(1));
    let at = changed().await;
    admin.submit("/people/ana", &[("role", "auditor"), ("disabled", "on"), ("changed", &at), ("own", PASSWORD)]).await;
    assert_eq!(ana.get("/log").await.status, StatusCode::SEE_OTHER);
    assert_eq!(ana.sign_in("ana", PASSWORD).await.status, StatusCode::FORBIDDEN);
    let own = admin.submit("/people/root", &[("role", "approver"), ("changed", &at), ("own", PASSWORD)]).await;
    assert!(own.status == StatusCode::FORBIDDEN && own.text.contains("another admin has to change your account"), "{}", own.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_another_tenant_is_as_good_as_not_there() {
    let app = App::start().await;
    person(&app, "default", "ana", &Role::ALL).await;
    let mut visitor = Visitor::signed_in(&app, "ana").await;
    let foreign = app.token_of("other", "zoe", &Role::ALL, None).await;
    let made =
        app.send(&foreign, "POST", "/v1/tickets", serde_json::json!({ "external_id": "x1", "title": "theirs", "body": "theirs" })).await;
    let ticket = made.json()["tickets"][0].as_str().unwrap().to_owned();
    assert_eq!(visitor.get(&format!("/tickets/{ticket}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(visitor.submit(&format!("/tickets/{ticket}/take"), &[]).await.status, StatusCode::NOT_FOUND);
    for path in ["/tickets", "/", "/tickets?q=theirs"] {
        assert!(!visitor.get(path).await.text.contains("theirs</a>"), "{path}");
    }
    let theirs = app.get(&foreign, "/v1/log/entries").await.json()["items"][0]["index"].as_u64().unwrap();
    assert_eq!(visitor.get(&format!("/log/{theirs}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_take_a_ticket_one_gets_it_and_the_other_learns_who() {
    let app = App::start().await;
    person(&app, "default", "ana", &[Role::Responder]).await;
    person(&app, "default", "bo", &[Role::Responder]).await;
    let (mut ana, mut bo) = (Visitor::signed_in(&app, "ana").await, Visitor::signed_in(&app, "bo").await);
    let token = app.token(&[Role::Responder]).await;
    let made = app.send(&token, "POST", "/v1/tickets", serde_json::json!({ "external_id": "x1", "title": "t", "body": "b" })).await;
    let path = format!("/tickets/{}", made.json()["tickets"][0].as_str().unwrap());
    assert_eq!(ana.submit(&format!("{path}/take"), &[]).await.location, format!("{path}?done=taken"));
    let late = bo.submit(&format!("{path}/take"), &[]).await;
    assert!(late.status == StatusCode::CONFLICT && late.text.contains("`ana` has taken this ticket"), "{}", late.text);
    assert_eq!(bo.submit(&format!("{path}/take"), &[("over", "ana")]).await.location, format!("{path}?done=taken"));
    let gone = ana.submit(&format!("{path}/release"), &[]).await;
    assert!(gone.status == StatusCode::CONFLICT && gone.text.contains("`bo` has this ticket, not you"), "{}", gone.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_foreign_ticket_says_so_and_quotes_no_rate_of_the_models_own_texts() {
    let app = App::start().await;
    person(&app, "default", "ana", &[Role::Responder]).await;
    let mut ana = Visitor::signed_in(&app, "ana").await;
    let token = app.token(&[Role::Responder]).await;
    let mut page = async |id: &str, text: &str| {
        let ticket = serde_json::json!({ "external_id": id, "title": text, "body": text });
        let made = app.send(&token, "POST", "/v1/tickets", ticket).await;
        app.triage().await;
        ana.get(&format!("/tickets/{}", made.json()["tickets"][0].as_str().unwrap())).await.text
    };
    let foreign = page("x1", "zxqj vvkw pqxz jjkq").await;
    assert!(foreign.contains("It is unlike all that the model learned from") && !foreign.contains("At this score right"), "{foreign}");
    let own = page("x2", "the printer prints blank pages").await;
    assert!(!own.contains("It is unlike all") && own.contains("At this score right"), "{own}");
}
