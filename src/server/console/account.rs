//! The signed-in person's own page: password, sessions, how pages look.

use askama::Template;
use axum::{
    extract::State,
    response::{Redirect, Response},
};

use super::{
    form::Form,
    frame::Frame,
    page::{self, done},
    trouble::Trouble,
    visitor::{self, Theme, Visitor, local},
    words,
};
use crate::{
    domain::{id::SessionId, session::SignIn},
    pipeline::{
        actions::{password, session},
        passwords,
    },
    server::{app::App, parameters::Id, problem::Problem},
};

/// One session as the page shows it.
struct Shown {
    id: SessionId,
    agent: String,
    began: String,
    seen: String,
    this: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    sessions: Vec<Shown>,
    has_password: bool,
    least: usize,
    most: usize,
    ends: String,
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Your account").await?;
    let own = visitor.session();
    let idle = app.service.config.console.idle.get();
    let sessions = app.service.store.sessions(&own.tenant, Some(&own.person)).await?;
    let shown = sessions.into_iter().filter(|session| session.is_live(frame.now, idle)).map(|session| Shown {
        id: session.id,
        agent: browser(session.agent.as_untrusted()),
        began: words::minute(session.created_at),
        seen: frame.ago(&session.seen_at),
        this: session.id == own.id,
    });
    let sessions = shown.collect();
    let has_password = own.sign_in == SignIn::Password;
    let ends = words::minute(own.ends_at);
    page::page(&AccountPage { frame, sessions, has_password, least: passwords::LEAST, most: passwords::MOST, ends })
}

/// A browser by the name people know it under. Order matters: most claim to be others too.
fn browser(agent: &str) -> String {
    let known = [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    let name = known.iter().find(|(mark, _)| agent.contains(mark)).map_or("A browser", |(_, name)| name);
    let systems =
        [("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux")];
    match systems.iter().find(|(mark, _)| agent.contains(mark)) {
        Some((_, system)) => format!("{name} on {system}"),
        None => name.to_owned(),
    }
}

pub async fn set_password(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let (new, again) = (form.secret("password"), form.secret("again"));
    if new.expose() != again.expose() {
        return Err(Trouble(Problem::Body { pointer: "/again".to_owned(), detail: "the two new passwords differ".to_owned() }));
    }
    let (principal, current) = (visitor.principal(), form.secret("current"));
    password::set(&app.service, principal, &principal.person, &new, Some(&current)).await?;
    // The change ended every session, this one too: whoever knows the new password goes on with a new one.
    let agent = visitor.session().agent.as_untrusted();
    let session = session::sign_in(&app.service, &principal.tenant, principal.person.as_str(), &new, agent).await?;
    Ok(visitor::with_cookie(&app, &session.text, done("/account", "password")))
}

pub async fn set_theme(State(app): State<App>, form: Form) -> Response {
    let theme = Theme::of(form.text("theme"));
    let cookie = format!("{}={}; Path=/; SameSite=Lax; HttpOnly; Max-Age=31536000", Theme::COOKIE, theme.as_str());
    visitor::set_cookie(&app, &cookie, Redirect::to(local(form.text("back"))))
}

pub async fn end(State(app): State<App>, visitor: Visitor, Id(id): Id<SessionId>) -> Result<Response, Trouble> {
    session::end(&app.service, visitor.session(), id).await?;
    Ok(done("/account", "session-ended"))
}

pub async fn end_others(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    session::end_others(&app.service, visitor.session()).await?;
    Ok(done("/account", "others-ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_people_name_it() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(browser("<script>"), "A browser");
    }
}
