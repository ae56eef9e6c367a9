//! Taking a ticket, giving it back, putting it off, and having triage look again.

use std::time::Duration;

use axum::{extract::State, response::Response};

use crate::{
    domain::{id::TicketId, name::PersonId},
    pipeline::actions::{handling, look_again},
    server::{
        app::App,
        console::{form::Form, page::done, trouble::Trouble, visitor::Visitor},
        parameters::Id,
        problem::Problem,
    },
};

fn back(ticket: TicketId, word: &str) -> Response {
    done(&format!("/tickets/{ticket}"), word)
}

pub async fn take(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>, form: Form) -> Result<Response, Trouble> {
    let over: Option<PersonId> = form.maybe("over")?;
    handling::take(&app.service, visitor.principal(), id, over.as_ref()).await?;
    Ok(back(id, "taken"))
}

pub async fn release(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>) -> Result<Response, Trouble> {
    handling::release(&app.service, visitor.principal(), id).await?;
    Ok(back(id, "released"))
}

pub async fn snooze(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>, form: Form) -> Result<Response, Trouble> {
    let hours: u64 = form.value("hours")?;
    if !(1..=168).contains(&hours) {
        return Err(Trouble(Problem::Body { pointer: "/hours".to_owned(), detail: format!("`{hours}` is not 1 to 168 hours") }));
    }
    let until = app.service.ambient.now().plus(Duration::from_secs(hours * 3600));
    handling::snooze(&app.service, visitor.principal(), id, until).await?;
    Ok(back(id, "snoozed"))
}

pub async fn wake(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>) -> Result<Response, Trouble> {
    handling::wake(&app.service, visitor.principal(), id).await?;
    Ok(back(id, "woken"))
}

pub async fn look_again(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>, form: Form) -> Result<Response, Trouble> {
    look_again::look_again(&app.service, visitor.principal(), id, form.value("version")?).await?;
    Ok(back(id, "looks-again"))
}
