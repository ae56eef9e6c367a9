//! Signing in with a local account, and signing out.

use askama::Template;
use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    assets::{Assets, assets},
    form::Form,
    page,
    trouble::Trouble,
    visitor::{self, Theme, Visitor, encoded, local},
};
use crate::{
    config::console::SignInBy,
    domain::{name::TenantId, principal::Role},
    pipeline::{actions::session, error::ActionError},
    server::{app::App, problem::Problem},
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    theme: Theme,
    assets: &'static Assets,
    next: &'a str,
    name: &'a str,
    failed: bool,
    /// Local accounts may sign in.
    local: bool,
    /// What the button of the sign-on provider says, and the way back with it.
    elsewhere: Option<(&'a str, String)>,
    /// Nobody has an account yet.
    first: bool,
}

#[derive(Deserialize)]
pub struct Way {
    #[serde(default)]
    next: String,
}

pub async fn show(State(app): State<App>, Query(way): Query<Way>, headers: HeaderMap) -> Result<Response, Trouble> {
    let accounts = app.service.store.accounts(&TenantId::default()).await?;
    let first = !accounts.iter().any(|account| account.disabled_at.is_none() && account.roles.contains(&Role::Admin));
    let theme = Theme::chosen(&headers);
    let first = first && takes_passwords(&app);
    page::page(&SignInPage {
        theme,
        assets: assets(),
        next: local(&way.next),
        name: "",
        failed: false,
        local: takes_passwords(&app),
        elsewhere: elsewhere(&app, &way.next),
        first,
    })
}

fn takes_passwords(app: &App) -> bool {
    app.service.config.console.sign_in != SignInBy::Oidc
}

fn elsewhere<'a>(app: &'a App, next: &str) -> Option<(&'a str, String)> {
    app.service.sign_on.as_ref().map(|sign_on| (sign_on.label(), encoded(local(next))))
}

pub async fn sign_in(State(app): State<App>, mut request: Request) -> Result<Response, Trouble> {
    visitor::from_here(&app, request.headers())?;
    let form = Form::read(&mut request).await?;
    if !takes_passwords(&app) {
        return Err(Trouble(Problem::Refused(vec!["people sign in at the sign-on provider here, and with no password".to_owned()])));
    }
    let (name, next) = (form.text("name"), local(form.text("next")));
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match session::sign_in(&app.service, &TenantId::default(), name, &form.secret("password"), agent).await {
        Ok(new) => {
            let to = if new.session.roles == [Role::Admin].into() && next == "/" { "/people" } else { next };
            Ok(visitor::with_cookie(&app, &new.text, Redirect::to(to)))
        }
        Err(ActionError::NotProven) => {
            let theme = Theme::chosen(request.headers());
            let name: String = name.chars().take(100).collect();
            let shown = SignInPage {
                theme,
                assets: assets(),
                next,
                name: &name,
                failed: true,
                local: true,
                elsewhere: elsewhere(&app, next),
                first: false,
            };
            page::page_as(StatusCode::FORBIDDEN, &shown)
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn sign_out(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    match session::end(&app.service, visitor.session(), visitor.session().id).await {
        // Ended by somebody else meanwhile: signed out is what was asked for.
        Ok(()) | Err(ActionError::NotFound { .. }) => {}
        Err(error) => return Err(Problem::from(error).into()),
    }
    Ok(visitor::without_cookie(&app, Redirect::to("/login")).into_response())
}
