//! Single sign-on against a real provider, over real HTTP, as a browser goes the way; and answers that must not be believed.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluicegate::{
    config::{
        Config,
        console::{GroupRoles, SignInBy},
        secret::Secret,
    },
    domain::{
        name::{PersonId, TenantId},
        principal::{Actor, Role},
        time::Timestamp,
    },
    pipeline::actions::account,
};

use crate::{app::App, peers::OidcProvider};

/// Where people are sent back to; the test's browser knows that it is the service.
const PUBLIC: &str = "http://console.test";
const BACK: &str = "http://console.test/login/oidc/back";

fn configured(config: &mut Config, issuer: &str) {
    config.server.public_url = PUBLIC.to_owned();
    config.console.sign_in = SignInBy::Both;
    let oidc = &mut config.console.oidc;
    oidc.issuer = issuer.to_owned();
    oidc.client_id = "sluicegate".to_owned();
    oidc.client_secret = Secret::new("a secret of the two");
    oidc.allow_addresses = vec!["127.0.0.0/8".parse().unwrap()];
    let group =
        |name: &str, roles: &[&str]| GroupRoles { name: name.to_owned(), roles: roles.iter().map(|role| (*role).to_owned()).collect() };
    oidc.groups = vec![group("on-call", &["responder", "approver"]), group("platform", &["operator"])];
}

async fn app(issuer: &str) -> App {
    let issuer = issuer.to_owned();
    let app = App::started(move |config| configured(config, &issuer)).await;
    // The provider's tokens are of today.
    app.ambient.set(Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()));
    app
}

/// A page that was come to at last.
#[derive(Debug)]
struct Page {
    status: u16,
    url: String,
    text: String,
}

/// A browser with cookies by host, which follows redirects and knows where `console.test` is.
struct Browser {
    http: reqwest::Client,
    console: String,
    cookies: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Browser {
    fn new(app: &App) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { http, console: format!("http://{}", app.address), cookies: Mutex::default() }
    }

    async fn once(&self, method: &str, url: &str, form: Option<&[(&str, &str)]>) -> reqwest::Response {
        let parsed = reqwest::Url::parse(url).unwrap();
        let host = format!("{}:{}", parsed.host_str().unwrap(), parsed.port_or_known_default().unwrap());
        let jar = self.cookies.lock().unwrap().get(&host).cloned().unwrap_or_default();
        let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method.parse().unwrap(), url.replace(PUBLIC, &self.console)).header("accept", "text/html");
        request = request.header("cookie", cookies.join("; ")).header("sec-fetch-site", "same-origin");
        if let Some(form) = form {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let response = request.send().await.unwrap();
        let mut all = self.cookies.lock().unwrap();
        for set in response.headers().get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            all.entry(host.clone()).or_default().insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Follows wherever it is sent.
    async fn go(&self, method: &str, url: &str, form: Option<&[(&str, &str)]>) -> Page {
        let (mut method, mut url, mut form) = (method.to_owned(), url.to_owned(), form);
        for _ in 0..12 {
            let response = self.once(&method, &url, form).await;
            let status = response.status().as_u16();
            let Some(to) = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned()) else {
                return Page { status, url, text: response.text().await.unwrap() };
            };
            url = reqwest::Url::parse(&url).unwrap().join(&to).unwrap().to_string();
            (method, form) = ("GET".to_owned(), None);
        }
        panic!("sent around in circles, at last to {url}");
    }

    /// To the provider, in with `login`, and back to the page after the callback.
    async fn sign_in(&self, begin: &str, login: &str) -> Page {
        let asked = self.go("GET", &format!("{PUBLIC}{begin}"), None).await;
        if !asked.url.contains("/interaction/") {
            return asked;
        }
        self.go("POST", &asked.url, Some(&[("prompt", "login"), ("login", login), ("password", "x")])).await
    }

    async fn open(&self, path: &str) -> Page {
        self.go("GET", &format!("{PUBLIC}{path}"), None).await
    }
}

async fn people(provider: &OidcProvider, said: Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(format!("{}/test/people", provider.issuer)).body(said.to_string()).send().await.unwrap();
}

fn ana(groups: &[&str]) -> Value {
    json!({ "email": "Ana.Lima@example.com", "email_verified": true, "groups": groups })
}

async fn roles_of(app: &App, person: &str) -> Vec<Role> {
    let account = app.service.store.account(&TenantId::default(), &PersonId::new(person).unwrap()).await.unwrap();
    account.map_or_else(Vec::new, |account| account.roles.into_iter().collect())
}

#[tokio::test]
async fn a_person_of_a_group_signs_in_at_the_provider_and_comes_to_the_page_that_they_wanted() {
    let provider = OidcProvider::start(BACK);
    let app = app(&provider.issuer).await;
    people(&provider, json!({ "ana": ana(&["on-call", "canteen"]) })).await;
    let browser = Browser::new(&app);
    let first = browser.open("/login?next=/tickets").await;
    assert!(first.text.contains("Single sign-on") && first.text.contains("/login/oidc?next=%2Ftickets"), "{first:?}");
    let back = browser.sign_in("/login/oidc?next=/tickets", "ana").await;
    assert!(back.status == 200 && back.text.contains("url=/tickets"), "a page that goes on by itself: {back:?}");
    let page = browser.open("/tickets").await;
    assert!(page.status == 200 && page.text.contains("ana.lima@example.com"), "{page:?}");
    assert_eq!(roles_of(&app, "ana.lima@example.com").await, [Role::Responder, Role::Approver]);
    let auditor = app.token(&[Role::Auditor]).await;
    let started = app.get(&auditor, "/v1/log/entries?event=session_started").await.json();
    assert_eq!(
        (&started["items"][0]["entry"]["by"], &started["items"][0]["entry"]["person"]),
        (&json!("oidc"), &json!("ana.lima@example.com"))
    );
}

#[tokio::test]
async fn groups_are_asked_at_every_sign_in_and_other_roles_end_the_sessions_before() {
    let provider = OidcProvider::start(BACK);
    let app = app(&provider.issuer).await;
    people(&provider, json!({ "ana": ana(&["on-call"]) })).await;
    let old = Browser::new(&app);
    old.sign_in("/login/oidc", "ana").await;
    assert_eq!(old.open("/").await.status, 200);
    people(&provider, json!({ "ana": ana(&["platform"]) })).await;
    let new = Browser::new(&app);
    new.sign_in("/login/oidc", "ana").await;
    assert_eq!(roles_of(&app, "ana.lima@example.com").await, [Role::Operator]);
    assert!(old.open("/account").await.url.contains("/login?next="), "signed out");
    assert_eq!(new.open("/account").await.status, 200);
    people(&provider, json!({ "ana": ana(&["canteen"]) })).await;
    let refused = Browser::new(&app).sign_in("/login/oidc", "ana").await;
    assert!(refused.status == 403 && refused.text.contains("canteen"), "which groups were seen: {refused:?}");
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_opens_nothing() {
    let provider = OidcProvider::start(BACK);
    let app = app(&provider.issuer).await;
    let (tenant, local) = (TenantId::default(), PersonId::new("ana.lima@example.com").unwrap());
    account::make(&app.service, Actor::Engine, &tenant, &local, [Role::Admin].into(), &Secret::new("correct horse battery")).await.unwrap();
    people(&provider, json!({ "ana": ana(&["on-call"]), "eve": ana(&["on-call"]), "bo": { "email": "bo@example.com", "email_verified": true, "groups": ["on-call"] }, "mal": { "email": "bo@example.com", "email_verified": true, "groups": ["on-call"] } })).await;
    let refused = Browser::new(&app).sign_in("/login/oidc", "ana").await;
    assert!(refused.status == 403 && refused.text.contains("belongs to another account"), "a local account is not taken over: {refused:?}");
    assert_eq!(roles_of(&app, "ana.lima@example.com").await, [Role::Admin]);
    assert_eq!(Browser::new(&app).sign_in("/login/oidc", "bo").await.status, 200);
    let other = Browser::new(&app).sign_in("/login/oidc", "mal").await;
    assert_eq!(other.status, 403, "another subject with the same address: {other:?}");
    people(&provider, json!({ "cy": { "email": "cy@example.com", "email_verified": false, "groups": ["on-call"] } })).await;
    let unverified = Browser::new(&app).sign_in("/login/oidc", "cy").await;
    assert!(unverified.status == 403 && unverified.text.contains("has not verified"), "{unverified:?}");
}

#[tokio::test]
async fn who_has_no_password_proves_at_the_provider_that_they_are_there() {
    let provider = OidcProvider::start(BACK);
    let app = app(&provider.issuer).await;
    people(
        &provider,
        json!({ "ana": ana(&["on-call"]), "eve": { "email": "eve@example.com", "email_verified": true, "groups": ["on-call"] } }),
    )
    .await;
    let browser = Browser::new(&app);
    browser.sign_in("/login/oidc", "ana").await;
    let ask = async || {
        let page = browser.open("/automation").await;
        let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let form = [("csrf", csrf.as_str()), ("mode", "auto"), ("scope", "global"), ("reason", "it has earned it"), ("password", "")];
        (page.text.clone(), browser.go("POST", &format!("{PUBLIC}/automation/modes"), Some(&form)).await)
    };
    let (page, asked) = ask().await;
    assert!(page.contains("You proved a moment ago") && asked.status == 200, "just signed in: {asked:?}");
    app.ambient.turn(Duration::from_secs(6 * 60));
    let (page, asked) = ask().await;
    assert!(page.contains("/account/prove?next=") && asked.status == 403, "{asked:?}");
    // The provider's clock has not moved: what it says of "now" has to be recent for ours.
    app.ambient.set(Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()));
    let wrong = Browser::new(&app);
    wrong.sign_in("/login/oidc", "ana").await;
    // The provider is to ask anew, as another person's browser would have it.
    wrong.cookies.lock().unwrap().retain(|host, _| host.starts_with("console.test"));
    let other = wrong.sign_in("/account/prove?next=/automation", "eve").await;
    assert!(other.status == 403, "another person does not prove it: {other:?}");
    let back = browser.sign_in("/account/prove?next=/automation", "ana").await;
    assert!(back.status == 200 && back.text.contains("url=/automation"), "{back:?}");
    let auditor = app.token(&[Role::Auditor]).await;
    let proven = app.get(&auditor, "/v1/log/entries?event=session_proven").await.json();
    assert_eq!(proven["items"].as_array().unwrap().len(), 1, "{proven}");
}

#[tokio::test]
async fn new_keys_of_the_provider_are_fetched_when_they_sign_and_an_answer_is_taken_once() {
    let provider = OidcProvider::start(BACK);
    let app = app(&provider.issuer).await;
    people(&provider, json!({ "ana": ana(&["on-call"]) })).await;
    assert_eq!(Browser::new(&app).sign_in("/login/oidc", "ana").await.status, 200);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(format!("{}/test/keys", provider.issuer)).send().await.unwrap();
    assert_eq!(Browser::new(&app).sign_in("/login/oidc", "ana").await.status, 200, "signed with a key that was not there before");

    let browser = Browser::new(&app);
    let asked = browser.go("GET", &format!("{PUBLIC}/login/oidc"), None).await;
    let mut response = browser.once("POST", &asked.url, Some(&[("prompt", "login"), ("login", "ana"), ("password", "x")])).await;
    let mut url = asked.url.clone();
    while !url.starts_with(BACK) {
        let to = response.headers()["location"].to_str().unwrap().to_owned();
        url = reqwest::Url::parse(&url).unwrap().join(&to).unwrap().to_string();
        if !url.starts_with(BACK) {
            response = browser.once("GET", &url, None).await;
        }
    }
    let stolen = Browser::new(&app).go("GET", &url, None).await;
    assert!(stolen.status == 403 && stolen.text.contains("was not begun here"), "another browser: {stolen:?}");
    let late = browser.go("GET", &url, None).await;
    assert_eq!(late.status, 403, "and it is used up by the try: {late:?}");
    let odd = browser.sign_in("/login/oidc?next=https://evil.example/", "ana").await;
    assert!(odd.text.contains("url=/\"") || odd.text.contains("url=/'"), "no way back to another host: {odd:?}");
}

/// The token for an issuer and a nonce.
type Forgery = Box<dyn Fn(&str, &str) -> String + Send>;
type Told = std::sync::Arc<Mutex<Forgery>>;

/// A provider that gives whatever token it is told to.
struct Hostile {
    issuer: String,
    token: Told,
}

impl Hostile {
    async fn start() -> Self {
        use axum::{
            Json, Router,
            extract::State,
            routing::{get, post},
        };
        let token: Told = std::sync::Arc::new(Mutex::new(Box::new(|_, _| String::new())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (described, own) = (issuer.clone(), issuer.clone());
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || {
                    Json(json!({
                        "issuer": described, "authorization_endpoint": format!("{described}/auth"), "token_endpoint": format!("{described}/token"),
                        "jwks_uri": format!("{described}/jwks"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                    }))
                }),
            )
            .route("/jwks", get(async || Json(json!({ "keys": [] }))))
            .route(
                "/token",
                post(async move |State(token): State<Told>, body: String| {
                    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                    let id_token = token.lock().unwrap()(&own, &form["code"]);
                    Json(json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token }))
                }),
            )
            .with_state(token.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, token }
    }
}

fn unsigned(header: Value, claims: Value) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

/// Signed with the client's secret, which others of the same client know.
fn with_the_secret(claims: Value) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let text = unsigned(json!({ "alg": "HS256" }), claims);
    let text = text.trim_end_matches('.');
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"a secret of the two").unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_token_that_nobody_or_the_wrong_key_signed_or_of_another_issuer_is_not_believed() {
    let hostile = Hostile::start().await;
    let app = app(&hostile.issuer).await;
    let claims = |issuer: &str, nonce: &str| {
        json!({ "iss": issuer, "sub": "ana", "aud": "sluicegate", "exp": 4_000_000_000u64, "iat": 1_700_000_000, "nonce": nonce,
            "email": "ana@example.com", "email_verified": true, "groups": ["on-call", "platform"] })
    };
    let forgeries: [(&str, Forgery); 3] = [
        ("alg none", Box::new(move |issuer, nonce| unsigned(json!({ "alg": "none" }), claims(issuer, nonce)))),
        ("HS256 with the client's secret", Box::new(move |issuer, nonce| with_the_secret(claims(issuer, nonce)))),
        (
            "RS256 without a signature",
            Box::new(move |issuer, nonce| unsigned(json!({ "alg": "RS256", "kid": "x" }), claims(issuer, nonce)) + "AAAA"),
        ),
    ];
    for (what, token) in forgeries {
        *hostile.token.lock().unwrap() = token;
        let browser = Browser::new(&app);
        let response = browser.once("GET", &format!("{PUBLIC}/login/oidc"), None).await;
        let asked = reqwest::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
        let query: BTreeMap<_, _> = asked.query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        // The nonce comes back as the code, so that the forgery has the right one.
        let back = browser.go("GET", &format!("{BACK}?state={}&code={}", query["state"], query["nonce"]), None).await;
        assert!(back.status == 403 && back.text.contains("does not hold"), "{what}: {back:?}");
    }
    assert!(roles_of(&app, "ana@example.com").await.is_empty());
    let refused = Browser::new(&app).go("GET", &format!("{BACK}?error=access_denied&state=x"), None).await;
    assert!(refused.status == 403 && refused.text.contains("access_denied"), "{refused:?}");
}

#[tokio::test]
async fn with_single_sign_on_alone_no_password_opens_an_account() {
    let provider = OidcProvider::start(BACK);
    let issuer = provider.issuer.clone();
    let app = App::started(move |config| {
        configured(config, &issuer);
        config.console.sign_in = SignInBy::Oidc;
    })
    .await;
    let (tenant, local) = (TenantId::default(), PersonId::new("bo@example.com").unwrap());
    account::make(&app.service, Actor::Engine, &tenant, &local, [Role::Admin].into(), &Secret::new("correct horse battery")).await.unwrap();
    let browser = Browser::new(&app);
    let page = browser.open("/login").await;
    assert!(page.text.contains("Single sign-on") && !page.text.contains("name=\"password\""), "{page:?}");
    let form = [("name", "bo@example.com"), ("password", "correct horse battery"), ("next", "/")];
    assert_eq!(browser.go("POST", &format!("{PUBLIC}/login"), Some(&form)).await.status, 403);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_told_as_that_and_not_as_something_the_person_may_not_do() {
    // A port that nobody listens on any longer.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app = app(&format!("http://{gone}")).await;
    let page = Browser::new(&app).open("/login/oidc").await;
    assert!(page.status == 503 && page.text.contains("Please try again in a moment"), "{page:?}");
    assert!(page.text.contains("sign-on provider could not be asked") && !page.text.contains(&gone.to_string()), "{page:?}");
}
