//! The page behind an invitation: a person sets their password.

use askama::Template;
use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};

use super::{
    assets::{Assets, assets},
    form::Form,
    page,
    trouble::Trouble,
    visitor::{self, Theme},
    words,
};
use crate::{
    domain::invitation::Invitation,
    pipeline::{
        actions::{invitation, session},
        error::ActionError,
        passwords,
    },
    server::{app::App, problem::Problem},
};

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'a> {
    theme: Theme,
    assets: &'static Assets,
    invitation: &'a Invitation,
    roles: Vec<&'static str>,
    expires: String,
    least: usize,
    most: usize,
    name: &'a str,
    problem: Option<String>,
}

impl<'a> WelcomePage<'a> {
    fn new(invitation: &'a Invitation, headers: &HeaderMap, name: &'a str, problem: Option<String>) -> Self {
        Self {
            theme: Theme::chosen(headers),
            assets: assets(),
            invitation,
            roles: invitation.roles.iter().map(|role| role.as_str()).collect(),
            expires: words::minute(invitation.expires_at),
            least: passwords::LEAST,
            most: passwords::MOST,
            name,
            problem,
        }
    }
}

fn gone() -> Trouble {
    Trouble(Problem::NotFound { detail: "this link was used, taken back, or is too old: ask an admin for another".to_owned() })
}

pub async fn show(State(app): State<App>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    match invitation::look(&app.service, &secret).await {
        Ok(Some(found)) => page::page(&WelcomePage::new(&found, &headers, "", None)).unwrap_or_else(|trouble| trouble.into_response()),
        Ok(None) => gone().bare(),
        Err(error) => Trouble(error.into()).bare(),
    }
}

pub async fn accept(State(app): State<App>, Path(secret): Path<String>, mut request: Request) -> Result<Response, Trouble> {
    visitor::from_here(&app, request.headers())?;
    let form = Form::read(&mut request).await?;
    let Some(found) = invitation::look(&app.service, &secret).await? else { return Ok(gone().bare()) };
    let (password, again) = (form.secret("password"), form.secret("again"));
    let accepted = if password.expose() == again.expose() {
        invitation::accept(&app.service, &secret, form.some("name"), &password).await
    } else {
        Err(ActionError::Invalid { pointer: "/again".to_owned(), message: "the two passwords differ".to_owned() })
    };
    match accepted {
        Ok(account) => {
            let agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let new = session::begin(&app.service, &account, crate::domain::session::SignIn::Password, agent).await?;
            Ok(visitor::with_cookie(&app, &new.text, Redirect::to("/account")))
        }
        Err(ActionError::Invalid { message, .. }) => {
            let shown = WelcomePage::new(&found, request.headers(), form.text("name"), Some(message));
            page::page_as(StatusCode::UNPROCESSABLE_ENTITY, &shown)
        }
        Err(error) => Err(error.into()),
    }
}
