//! Rows of tickets as the queue and the list of all tickets show them.

use super::{
    trouble::Trouble,
    visitor::{Visitor, encoded},
    words::{self, Badge, Tone},
};
use crate::{
    domain::{
        id::TicketId,
        name::{PersonId, RunbookId, SourceId, TenantId},
        priority::{Priority, Risk},
        state::TicketState,
        time::Timestamp,
    },
    server::{app::App, console::frame::query, problem::Problem},
    store::worklist::{Due, ResponseTargets, TicketRow, Wanted, Whose},
    text::mask,
};

/// One ticket, ready to be shown.
pub struct Row {
    pub ticket: TicketId,
    pub key: String,
    pub title: String,
    pub source: SourceId,
    pub state: Badge,
    pub priority: Option<Badge>,
    pub risky: Option<Badge>,
    pub category: String,
    /// How sure the model is of the category.
    pub sure: Option<String>,
    pub runbook: Option<RunbookId>,
    /// Of the approvals that it needs, where one is not enough or has been given.
    pub approvals: Option<String>,
    pub due: Timestamp,
    /// What happens then.
    pub due_is: &'static str,
    pub left: String,
    pub is_over: bool,
    pub received: String,
    pub received_at: Timestamp,
    pub assignee: Option<PersonId>,
    pub mine: bool,
    pub snoozed: Option<String>,
    pub awaits_approval: bool,
}

impl Row {
    pub fn of(row: TicketRow, me: &PersonId, now: Timestamp) -> Self {
        let title = mask(row.title.as_untrusted());
        let risky = row.risk.filter(|risk| *risk > Risk::Low).map(risk);
        Self {
            ticket: row.ticket,
            key: row.external_key.unwrap_or(row.external_id),
            title: if title.trim().is_empty() { "(no title)".to_owned() } else { title },
            source: row.source,
            state: words::state(row.state),
            priority: row.priority.map(priority),
            risky,
            sure: row.probability.filter(|_| row.category.is_some()).map(words::percent),
            category: row.category.unwrap_or_default(),
            approvals: (row.state == TicketState::AwaitingApproval && (row.approvals > 0 || row.approvals_needed > 1))
                .then(|| format!("{} of {} approvals", row.approvals, row.approvals_needed)),
            runbook: row.runbook,
            due: row.due,
            due_is: match row.due_is {
                Due::Approval => "to decide",
                Due::Hold => "until it runs",
                Due::Response => "to look",
            },
            left: if row.due > now { words::span(row.due.since(now)) } else { format!("{} over", words::span(now.since(row.due))) },
            is_over: row.due <= now,
            received: words::ago(now, row.received_at),
            received_at: row.received_at,
            mine: row.assignee.as_ref() == Some(me),
            assignee: row.assignee,
            snoozed: row.snoozed_until.filter(|until| *until > now).map(words::minute),
            awaits_approval: row.state == TicketState::AwaitingApproval,
        }
    }
}

pub fn priority(priority: Priority) -> Badge {
    let tone = match priority {
        Priority::P1 => Tone::Bad,
        Priority::P2 => Tone::Waits,
        Priority::P3 | Priority::P4 => Tone::Plain,
    };
    Badge::new(tone, priority.as_str())
}

pub fn risk(risk: Risk) -> Badge {
    let tone = match risk {
        Risk::Low => Tone::Good,
        Risk::Medium => Tone::Waits,
        Risk::High => Tone::Bad,
    };
    Badge::new(tone, format!("{} risk", risk.as_str()))
}

/// The names of the tenant's senders.
pub fn sources(app: &App, tenant: &TenantId) -> Vec<String> {
    app.service.sources.iter().filter(|(_, source)| source.spec.tenant() == tenant).map(|(name, _)| name.clone()).collect()
}

pub fn targets(app: &App) -> ResponseTargets {
    let within = &app.service.config.console.respond_within;
    ResponseTargets { p1: within.p1.get(), p2: within.p2.get(), p3: within.p3.get(), p4: within.p4.get() }
}

/// The filters of a list as they stand in its address.
#[derive(Default)]
pub struct Asked {
    pub q: String,
    pub source: String,
    pub category: String,
    pub priority: String,
    pub runbook: String,
    pub who: String,
    pub from: String,
    pub until: String,
    /// Only what ran by itself.
    pub automatic: bool,
}

impl Asked {
    pub fn of(visitor: &Visitor) -> Self {
        let text = |name| query(visitor, name).unwrap_or_default().trim().to_owned();
        Self {
            q: text("q"),
            source: text("source"),
            category: text("category"),
            priority: text("priority"),
            runbook: text("runbook"),
            who: text("who"),
            from: text("from"),
            until: text("until"),
            automatic: text("automatic") == "yes",
        }
    }

    /// # Errors
    /// One of them cannot be.
    pub fn wanted(&self, me: &PersonId) -> Result<Wanted, Trouble> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let refused = |name: &str, why: String| Trouble(Problem::parameter(name, why));
        let priority = match self.priority.as_str() {
            "" => None,
            text => Some(
                Priority::ALL
                    .into_iter()
                    .find(|priority| priority.as_str() == text)
                    .ok_or_else(|| refused("priority", format!("`{text}` is not a priority: P1, P2, P3 or P4")))?,
            ),
        };
        let whose = match self.who.as_str() {
            "" => Whose::Anybodys,
            "nobody" => Whose::Nobodys,
            "me" => Whose::Of(me.clone()),
            text => Whose::Of(PersonId::new(text).map_err(|why| refused("who", why.to_string()))?),
        };
        let time = |name: &str, text: &str| match text {
            "" => Ok(None),
            _ => words::moment(text).map(Some).ok_or_else(|| refused(name, format!("`{text}` is no time: write 2026-11-25, in UTC"))),
        };
        Ok(Wanted {
            source: some(&self.source).map(SourceId::new).transpose().map_err(|why| refused("source", why.to_string()))?,
            category: some(&self.category),
            priority,
            runbook: some(&self.runbook).map(RunbookId::new).transpose().map_err(|why| refused("runbook", why.to_string()))?,
            whose,
            from: time("from", &self.from)?,
            until: time("until", &self.until)?,
            text: some(&self.q),
            automatic: self.automatic.then_some(true),
            ..Wanted::default()
        })
    }

    /// The same as a query, each with `&` after it.
    pub fn as_query(&self) -> String {
        let pairs = [
            ("q", self.q.as_str()),
            ("source", &self.source),
            ("category", &self.category),
            ("priority", &self.priority),
            ("runbook", &self.runbook),
            ("who", &self.who),
            ("from", &self.from),
            ("until", &self.until),
            ("automatic", if self.automatic { "yes" } else { "" }),
        ];
        pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}&", encoded(value))).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.as_query().is_empty()
    }
}
