//! To the sign-on provider and back: at the beginning of a session, and to prove once more that one is there.

use axum::{
    extract::{Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    page,
    trouble::Trouble,
    visitor::{self, Visitor, cookie, local},
};
use crate::{
    domain::{
        id::SessionId,
        name::{PersonId, TenantId},
    },
    pipeline::{
        actions::single_sign_on,
        error::ActionError,
        single_sign_on::{Identity, SingleSignOn},
    },
    server::{app::App, problem::Problem},
};

/// By which the browser that asked is known when it comes back. `Lax`: the way back comes from another site.
const COOKIE: &str = "sluicegate_oidc";

#[derive(Deserialize)]
pub struct Way {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
}

fn sign_on(app: &App) -> Result<&SingleSignOn, Trouble> {
    app.service.sign_on.as_ref().ok_or_else(|| Trouble(Problem::not_found("page", "/login/oidc")))
}

async fn ask(app: &App, next: &str, again: Option<SessionId>) -> Result<Response, Trouble> {
    let question = sign_on(app)?.ask(&*app.service.ambient, local(next), again).await?;
    let cookie = format!("{COOKIE}={}; Path=/login/oidc; HttpOnly; SameSite=Lax; Max-Age=600", question.browser);
    Ok(visitor::set_cookie(app, &cookie, Redirect::to(question.url.as_str())))
}

pub async fn begin(State(app): State<App>, Query(way): Query<Way>) -> Result<Response, Response> {
    ask(&app, &way.next, None).await.map_err(Trouble::bare)
}

pub async fn prove(State(app): State<App>, visitor: Visitor, Query(way): Query<Way>) -> Result<Response, Trouble> {
    ask(&app, &way.next, Some(visitor.session().id)).await
}

pub async fn back(State(app): State<App>, Query(back): Query<Back>, headers: HeaderMap) -> Response {
    let answered = answered(&app, back, &headers).await;
    let gone = format!("{COOKIE}=; Path=/login/oidc; HttpOnly; SameSite=Lax; Max-Age=0");
    visitor::set_cookie(&app, &gone, answered.unwrap_or_else(Trouble::bare))
}

async fn answered(app: &App, back: Back, headers: &HeaderMap) -> Result<Response, Trouble> {
    let browser = cookie(headers, COOKIE).unwrap_or_default();
    let Some(code) = back.code else {
        let said: String = back.error.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(60).collect();
        return Err(Trouble(Problem::Refused(vec![format!("the sign-on provider let nobody in: `{said}`")])));
    };
    let identity = sign_on(app)?.answer(&*app.service.ambient, &back.state, &code, browser).await?;
    let tenant = TenantId::default();
    if let Some(session) = identity.again {
        return again(app, &tenant, session, &identity).await;
    }
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let new = single_sign_on::sign_in(&app.service, &tenant, &identity, agent).await?;
    // The session's cookie is a strict one, and this request came from another site: the next one comes from here.
    Ok(visitor::with_cookie(app, &new.text, page::bounce(local(&identity.next))))
}

async fn again(app: &App, tenant: &TenantId, id: SessionId, identity: &Identity) -> Result<Response, Trouble> {
    let person = PersonId::new(identity.person.to_ascii_lowercase()).map_err(|why| ActionError::Refused(vec![why.to_string()]))?;
    let own = app.service.store.sessions(tenant, Some(&person)).await?;
    let Some(session) = own.into_iter().find(|session| session.id == id) else {
        return Err(ActionError::Refused(vec![format!(
            "`{person}` proved to be there, and this is the session of somebody else, or over"
        )])
        .into());
    };
    single_sign_on::prove_again(&app.service, &session, identity).await?;
    Ok(page::bounce(local(&identity.next)).into_response())
}
