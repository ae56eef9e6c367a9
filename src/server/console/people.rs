//! Who may sign in, with which roles; links, sessions and tokens. An admin changes it, an auditor reads it.
//!
//! What gives somebody power asks for the admin's own password once more.

use std::{collections::BTreeSet, time::Duration};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    form::Form,
    frame::Frame,
    page::{self, done},
    trouble::Trouble,
    visitor::Visitor,
    words::{self, Badge, Tone, counted},
};
use crate::{
    domain::{
        account::Account,
        id::{InvitationId, TokenId},
        name::PersonId,
        principal::{
            Actor,
            Role::{self, Admin},
        },
        time::Timestamp,
    },
    gate::approval::same_person,
    pipeline::actions::{
        account::{self, Wanted},
        invitation,
        proof::{self, Proof},
        session, token,
    },
    server::{app::App, parameters::Id, problem::Problem},
};

struct Person {
    name: PersonId,
    roles: Vec<&'static str>,
    state: Badge,
    disabled: bool,
    sign_in: &'static str,
    sessions: String,
    has_session: bool,
    changed: Timestamp,
    me: bool,
}

impl Person {
    fn has(&self, role: &Role) -> bool {
        self.roles.contains(&role.as_str())
    }
}

struct Link {
    id: InvitationId,
    person: String,
    roles: String,
    by: String,
    expires: String,
}

struct Token {
    id: TokenId,
    person: String,
    roles: String,
    state: Badge,
    live: bool,
    made: String,
}

/// A secret that is shown this once.
struct Once {
    what: String,
    text: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<Person>,
    links: Vec<Link>,
    tokens: Vec<Token>,
    all_roles: [Role; 5],
    once: Option<Once>,
    changes: bool,
}

async fn page_with(app: &App, visitor: &Visitor, once: Option<Once>) -> Result<Response, Trouble> {
    let (tenant, store) = (&visitor.principal().tenant, &app.service.store);
    let frame = Frame::load(app, visitor, "People").await?;
    let (now, idle) = (frame.now, app.service.config.console.idle.get());
    let sessions: Vec<_> = store.sessions(tenant, None).await?.into_iter().filter(|session| session.is_live(now, idle)).collect();
    let person = |account: Account| {
        let own: Vec<_> = sessions.iter().filter(|session| session.person == account.person).collect();
        let last = own.iter().map(|session| session.seen_at).max();
        let state = match (&account.disabled_at, account.roles.is_empty()) {
            (Some(_), _) => Badge::new(Tone::Bad, "disabled"),
            (None, true) => Badge::new(Tone::Plain, "cannot sign in: no role"),
            (None, false) => Badge::new(Tone::Good, "may sign in"),
        };
        Person {
            state,
            disabled: account.disabled_at.is_some(),
            roles: account.roles.iter().map(|role| role.as_str()).collect(),
            sign_in: if account.password.is_some() { "password" } else { "single sign-on" },
            sessions: last.map_or("not signed in".to_owned(), |last| {
                format!("{}, used {}", counted(own.len() as u64, "session", "sessions"), words::ago(now, last))
            }),
            has_session: last.is_some(),
            changed: account.changed_at,
            me: same_person(&account.person, &visitor.principal().person),
            name: account.person,
        }
    };
    let people = store.accounts(tenant).await?.into_iter().map(person).collect();
    let named = |roles: &BTreeSet<Role>| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    let links = store.invitations(tenant).await?.into_iter().filter(|link| link.is_open(now)).map(|link| Link {
        id: link.id,
        person: link.person.as_ref().map_or("the first admin".to_owned(), ToString::to_string),
        roles: if link.roles.is_empty() { "a new password".to_owned() } else { named(&link.roles) },
        by: words::actor(&link.made_by),
        expires: words::minute(link.expires_at),
    });
    let links = links.collect();
    let tokens = store.tokens(tenant).await?.into_iter().map(|token| Token {
        id: token.id,
        person: token.person.to_string(),
        roles: named(&token.roles),
        live: token.is_live(now),
        state: match (token.revoked_at, token.expires_at) {
            (Some(_), _) => Badge::new(Tone::Plain, "revoked"),
            (None, Some(end)) if end <= now => Badge::new(Tone::Plain, "expired"),
            (None, Some(end)) => Badge::new(Tone::Good, format!("until {}", words::minute(end))),
            (None, None) => Badge::new(Tone::Waits, "for ever"),
        },
        made: words::minute(token.created_at),
    });
    let tokens = tokens.collect();
    let changes = frame.may(Admin);
    page::page(&PeoplePage { frame, people, links, tokens, all_roles: Role::ALL, once, changes })
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    page_with(&app, &visitor, None).await
}

fn roles(form: &Form) -> Result<BTreeSet<Role>, Trouble> {
    let read = |text: &str| text.parse::<Role>().map_err(|detail| Trouble(Problem::Body { pointer: "/role".to_owned(), detail }));
    form.all("role").map(read).collect()
}

/// The admin is there, and not only their browser.
async fn proven(app: &App, visitor: &Visitor, form: &Form) -> Result<(), Trouble> {
    proof::prove(&app.service, visitor.principal(), &Proof::of(visitor.session(), form.secret("own"))).await?;
    Ok(())
}

pub async fn invite(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let (person, roles): (PersonId, _) = (form.value("person")?, roles(&form)?);
    proven(&app, &visitor, &form).await?;
    let made = invitation::invite(&app.service, visitor.principal(), &person, roles).await?;
    let text = made.link(&app.service.config.server.public_url);
    page_with(
        &app,
        &visitor,
        Some(Once { what: format!("The link for {person}: it works once, until {}", words::minute(made.invitation.expires_at)), text }),
    )
    .await
}

pub async fn withdraw(State(app): State<App>, visitor: Visitor, Id(id): Id<InvitationId>) -> Result<Response, Trouble> {
    invitation::withdraw(&app.service, visitor.principal(), id).await?;
    Ok(done("/people", "link-withdrawn"))
}

pub async fn change(State(app): State<App>, visitor: Visitor, Id(person): Id<PersonId>, form: Form) -> Result<Response, Trouble> {
    let wanted = Wanted { roles: roles(&form)?, disabled: form.ticked("disabled"), seen: form.value("changed")? };
    proven(&app, &visitor, &form).await?;
    account::change(&app.service, visitor.principal(), &person, wanted).await?;
    Ok(done("/people", "account"))
}

pub async fn end_sessions(State(app): State<App>, visitor: Visitor, Id(person): Id<PersonId>) -> Result<Response, Trouble> {
    session::end_all(&app.service, visitor.principal(), &person).await?;
    Ok(done("/people", "all-ended"))
}

pub async fn make_token(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let (person, roles, days): (PersonId, _, Option<u64>) = (form.value("person")?, roles(&form)?, form.maybe("days")?);
    if let Some(days) = days.filter(|days| !(1..=3650).contains(days)) {
        return Err(Trouble(Problem::Body { pointer: "/days".to_owned(), detail: format!("`{days}` is not 1 to 3650 days") }));
    }
    proven(&app, &visitor, &form).await?;
    let caller = visitor.principal();
    let expires = days.map(|days| app.service.ambient.now().plus(Duration::from_secs(days * 86_400)));
    let made = token::create(&app.service, Actor::Person(caller.person.clone()), caller.tenant.clone(), person, roles, expires).await?;
    page_with(&app, &visitor, Some(Once { what: format!("The token for {}: it is not shown again", made.token.person), text: made.text }))
        .await
}

pub async fn revoke_token(State(app): State<App>, visitor: Visitor, Id(id): Id<TokenId>) -> Result<Response, Trouble> {
    let caller = visitor.principal();
    token::revoke(&app.service, Actor::Person(caller.person.clone()), &caller.tenant, id).await?;
    Ok(done("/people", "token-revoked"))
}
