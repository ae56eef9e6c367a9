//! All tickets, newest first: found by their words, and cut down by what one knows.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};

use super::{
    frame::{Frame, query},
    page,
    rows::{self, Asked, Row, targets},
    trouble::Trouble,
    visitor::Visitor,
    words,
};
use crate::{
    domain::{id::TicketId, priority::Priority, state::TicketState},
    server::{app::App, problem::Problem},
    store::worklist::Order,
};

const ROWS: usize = 60;

#[derive(Template)]
#[template(path = "tickets.html")]
struct TicketsPage {
    frame: Frame,
    asked: Asked,
    state: String,
    states: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    next: Option<String>,
    sources: Vec<String>,
    categories: Vec<String>,
    priorities: [Priority; 4],
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let (tenant, me) = (&visitor.principal().tenant, &visitor.principal().person);
    let (store, asked) = (&app.service.store, Asked::of(&visitor));
    if let Ok(ticket) = asked.q.parse::<TicketId>() {
        return Ok(Redirect::to(&format!("/tickets/{ticket}")).into_response());
    }
    let frame = Frame::load(&app, &visitor, "Tickets").await?;
    let state = query(&visitor, "state").unwrap_or_default();
    let mut wanted = asked.wanted(me)?;
    if !state.is_empty() {
        let found = TicketState::ALL.into_iter().find(|known| known.as_str() == state);
        wanted.states.push(found.ok_or_else(|| Problem::parameter("state", format!("`{state}` is not a state of a ticket")))?);
    }
    let before = query(&visitor, "before").map(|text| text.parse()).transpose();
    let before = before.map_err(|why: crate::domain::id::NotAnId| Problem::parameter("before", why.to_string()))?;
    let mut found = store.ticket_rows(tenant, &wanted, Order::Newest(before), ROWS + 1, targets(&app), frame.now).await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let next = found.last().filter(|_| more).map(|last| last.ticket.to_string());
    let rows = found.into_iter().map(|row| Row::of(row, me, frame.now)).collect();
    let states = TicketState::ALL.map(|state| (state.as_str(), words::state(state).text)).into();
    let sources = rows::sources(&app, tenant);
    let categories = store.ticket_categories(tenant).await?;
    page::page(&TicketsPage { frame, asked, state, states, rows, next, sources, categories, priorities: Priority::ALL })
}
