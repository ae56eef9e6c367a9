//! Correcting a label of a ticket.

use axum::{extract::State, response::Response};

use crate::{
    domain::id::TicketId,
    pipeline::actions::correct,
    server::{
        app::App,
        console::{form::Form, page::done, trouble::Trouble, visitor::Visitor},
        parameters::Id,
    },
};

pub async fn correct(State(app): State<App>, visitor: Visitor, Id(id): Id<TicketId>, form: Form) -> Result<Response, Trouble> {
    correct::correct(&app.service, visitor.principal(), id, form.text("target"), form.text("label")).await?;
    Ok(done(&format!("/tickets/{id}"), "corrected"))
}
