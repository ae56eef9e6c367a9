//! The action log for whoever audits: found by what one knows, said in words, provable.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    frame::{Frame, query},
    page,
    sentences::{self, EVENTS},
    trouble::Trouble,
    visitor::{Visitor, encoded},
    words,
};
use crate::{
    domain::{id::TicketId, name::RunbookId, principal::Role::Auditor, time::Timestamp},
    server::{app::App, problem::Problem},
    store::interface::{EntryFilter, LoggedEntry, Page},
};

const ROWS: usize = 100;

/// One entry as lists show it.
pub struct Line {
    pub index: u64,
    pub at: Timestamp,
    pub minute: String,
    pub actor: String,
    pub sentence: String,
    pub event: &'static str,
    pub ticket: Option<TicketId>,
    pub runbook: Option<RunbookId>,
}

impl Line {
    pub fn of(logged: &LoggedEntry) -> Self {
        let entry = &logged.entry;
        Self {
            index: logged.index,
            at: entry.at,
            minute: words::second(entry.at),
            actor: words::actor(&entry.actor),
            sentence: sentences::sentence(entry),
            event: entry.event.tag(),
            ticket: entry.event.ticket(),
            runbook: entry.event.runbook().cloned(),
        }
    }
}

/// What was typed into the filters, as it was typed.
#[derive(Default)]
struct Asked {
    event: String,
    actor: String,
    ticket: String,
    runbook: String,
    from: String,
    until: String,
}

impl Asked {
    fn of(visitor: &Visitor) -> Self {
        let text = |name| query(visitor, name).unwrap_or_default().trim().to_owned();
        Self {
            event: text("event"),
            actor: text("actor"),
            ticket: text("ticket"),
            runbook: text("runbook"),
            from: text("from"),
            until: text("until"),
        }
    }

    fn filter(&self) -> Result<EntryFilter, Trouble> {
        let refused = |name: &str, why: String| Trouble(Problem::parameter(name, why));
        let time = |name: &str, text: &str| match text {
            "" => Ok(None),
            _ => words::moment(text)
                .map(Some)
                .ok_or_else(|| refused(name, format!("`{text}` is no time: write 2026-11-25 or 2026-11-25 08:30, in UTC"))),
        };
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Ok(EntryFilter {
            ticket: some(&self.ticket)
                .map(|text| text.parse())
                .transpose()
                .map_err(|why: crate::domain::id::NotAnId| refused("ticket", why.to_string()))?,
            runbook: some(&self.runbook).map(RunbookId::new).transpose().map_err(|why| refused("runbook", why.to_string()))?,
            event: some(&self.event),
            actor: some(&self.actor),
            from: time("from", &self.from)?,
            until: time("until", &self.until)?,
        })
    }

    /// The same filters as a query, for the link to older ones.
    fn as_query(&self) -> String {
        let pairs = [
            ("event", &self.event),
            ("actor", &self.actor),
            ("ticket", &self.ticket),
            ("runbook", &self.runbook),
            ("from", &self.from),
            ("until", &self.until),
        ];
        pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}&", encoded(value))).collect()
    }

    fn is_empty(&self) -> bool {
        self.as_query().is_empty()
    }
}

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    asked: Asked,
    events: &'static [&'static str],
    lines: Vec<Line>,
    /// Where the page after this one begins.
    older: Option<u64>,
    size: u64,
    may_export: bool,
}

impl LogPage {
    fn words(&self, event: &str) -> String {
        words::plain(event)
    }
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Log").await?;
    let asked = Asked::of(&visitor);
    let before = query(&visitor, "before").and_then(|text| text.parse().ok());
    let store = &app.service.store;
    let found = store.entries(&visitor.principal().tenant, &asked.filter()?, Page { before, limit: ROWS + 1 }).await?;
    let mut lines: Vec<Line> = found.iter().map(Line::of).collect();
    let more = lines.len() > ROWS;
    lines.truncate(ROWS);
    let older = lines.last().filter(|_| more).map(|line| line.index);
    let may_export = visitor.has(Auditor);
    page::page(&LogPage { frame, asked, events: EVENTS, lines, older, size: store.log_size().await?, may_export })
}
