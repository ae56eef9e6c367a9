//! What waits for people, the home of whoever is on call.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{frame::Frame, page, trouble::Trouble, visitor::Visitor};
use crate::server::app::App;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Queue").await?;
    page::page(&QueuePage { frame })
}
