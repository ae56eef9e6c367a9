//! Lists of tickets from the columns beside their documents, and the counts of an overview.

use std::time::Duration;

use rusqlite::{Connection, Row, params_from_iter};

use super::{
    read::{self, PAGE, Where, rows},
    rows::{found_by, int, parse, uint},
};
use crate::{
    domain::{
        handling::Handling,
        id::TicketId,
        name::TenantId,
        priority::{Priority, Risk},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
        untrusted::Untrusted,
        verdict::Decision,
    },
    store::{
        interface::{Result, StoreError},
        worklist::{DayCount, Due, Order, ResponseTargets, RunCount, Tally, TicketRow, WAITING, Wanted, Whose, WorklistCounts},
    },
    text::search_words,
};

const DAY: i64 = 86_400_000;

type Target = fn(&ResponseTargets) -> Duration;

/// The lanes of the queue, as the migration that made them names them, and which response target counts in each.
const LANES: [(&str, Target); 6] = [
    ("hold", |_| Duration::ZERO),
    ("approval", |_| Duration::ZERO),
    ("P1", |targets| targets.p1),
    ("P2", |targets| targets.p2),
    ("P3", |targets| targets.p3),
    ("P4", |targets| targets.p4),
];

/// Snoozed, and nothing about it is urgent: nobody sleeps through a proposal's last hour or a run's hold.
const ASLEEP: &str = "(snoozed_until IS NOT NULL AND hold_until IS NULL
    AND min(snoozed_until, coalesce(CASE WHEN state = 'awaiting_approval' THEN deadline - 3600000 END, snoozed_until)) > ?)";

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn unreadable(id: &str, why: String) -> StoreError {
    StoreError::Unreadable { what: "ticket", id: id.to_owned(), why }
}

pub(super) fn ticket_rows(
    connection: &Connection,
    tenant: &TenantId,
    wanted: &Wanted,
    order: &Order,
    limit: usize,
    targets: &ResponseTargets,
    now: Timestamp,
) -> Result<Vec<TicketRow>> {
    let words = match &wanted.text {
        Some(text) => asked_words(text),
        None => Vec::new(),
    };
    if words.is_empty() && wanted.text.is_some() {
        return Ok(Vec::new());
    }
    let limit = int(limit.min(PAGE) as u64);
    let conditions = || conditions(tenant, wanted, now);
    let shown = match order {
        Order::Due(after) => falling_due(conditions, &words, *after, targets, limit),
        Order::Newest(before) if words.is_empty() => newest(conditions(), *before, limit),
        Order::Newest(before) => newest_found(conditions(), &words, *before, limit),
    };
    // Which rows comes from indexes; only those shown are then looked up.
    let sql = format!(
        "WITH shown AS MATERIALIZED ({})
         SELECT t.id, t.source, t.external_id, json_extract(t.doc, '$.report.external_key'), json_extract(t.doc, '$.report.title'),
             t.state, t.priority, t.risk, t.category, t.probability, t.runbook, t.decision, t.approvals, t.approvals_needed, t.received_at,
             t.falls + CASE coalesce(t.lane, 'P' || coalesce(t.priority, 4))
                 WHEN 'P1' THEN ? WHEN 'P2' THEN ? WHEN 'P3' THEN ? WHEN 'P4' THEN ? ELSE 0 END AS due,
             t.hold_until, t.assignee, t.snoozed_until
         FROM shown JOIN tickets t ON t.seq = shown.seq ORDER BY {}",
        shown.sql,
        match order {
            Order::Due(_) => "due, t.id",
            Order::Newest(_) if words.is_empty() => "t.id DESC",
            Order::Newest(_) => "t.seq DESC",
        },
    );
    let mut values = shown.values;
    for target in [targets.p1, targets.p2, targets.p3, targets.p4] {
        values.push(Box::new(millis(target)));
    }
    rows(connection, &sql, params_from_iter(values), raw)?.into_iter().map(Raw::read).collect()
}

/// What waits, the least time left first: each lane has that order in its index, so a page reads no more than a page of each.
fn falling_due(
    conditions: impl Fn() -> Where,
    words: &[String],
    after: Option<(Timestamp, TicketId)>,
    targets: &ResponseTargets,
    limit: i64,
) -> Where {
    let mut all = Where { sql: String::new(), values: Vec::new() };
    for (lane, target) in LANES {
        let target = millis(target(targets));
        // What waits has its words in the index: no search among all tickets.
        let mut found = words.iter().fold(conditions(), |all, word| all.and("instr(' ' || words, ?) > 0", format!(" {word}")));
        if let Some((due, ticket)) = after {
            found.sql.push_str(" AND (falls, id) > (?, ?)");
            found.values.push(Box::new(due.as_millis().saturating_sub(target)));
            found.values.push(Box::new(ticket.to_string()));
        }
        let before = if all.sql.is_empty() { "" } else { " UNION ALL " };
        all.sql.push_str(&format!(
            "{before}SELECT * FROM (SELECT seq, id, falls + {target} AS due FROM tickets INDEXED BY tickets_lanes
                 WHERE lane = '{lane}' AND {} ORDER BY falls, id LIMIT {limit})",
            found.sql
        ));
        all.values.extend(found.values);
    }
    Where { sql: format!("SELECT seq FROM ({}) ORDER BY due, id LIMIT {limit}", all.sql), values: all.values }
}

fn newest(conditions: Where, before: Option<TicketId>, limit: i64) -> Where {
    let mut found = conditions.and_some("id < ?", before.map(|ticket| ticket.to_string()));
    found.sql = format!("SELECT seq FROM tickets WHERE {} ORDER BY id DESC LIMIT {limit}", found.sql);
    found
}

/// The search gives its rows in the order in which they were stored: it ends with the page, however many have the words.
fn newest_found(conditions: Where, words: &[String], before: Option<TicketId>, limit: i64) -> Where {
    let matching: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
    let before = before.map(|ticket| ticket.to_string());
    let mut found = conditions
        .and("ticket_words MATCH ?", matching.join(" "))
        .and_some("ticket_words.rowid < (SELECT seq FROM tickets WHERE id = ?)", before);
    found.sql = format!(
        "SELECT seq FROM ticket_words CROSS JOIN tickets ON seq = ticket_words.rowid WHERE {} ORDER BY ticket_words.rowid DESC LIMIT {limit}",
        found.sql
    );
    found
}

fn conditions(tenant: &TenantId, wanted: &Wanted, now: Timestamp) -> Where {
    let all = Where::tenant(tenant)
        .and_one_of("state", wanted.states.iter().map(|state| state.as_str()))
        .and_some("source = ?", wanted.source.as_ref().map(|source| source.as_str().to_owned()))
        .and_some("category = ?", wanted.category.clone())
        .and_some("priority = ?", wanted.priority.map(|priority| 1 + priority as i64))
        .and_some("runbook = ?", wanted.runbook.as_ref().map(|runbook| runbook.as_str().to_owned()))
        .and_some("received_at >= ?", wanted.from.map(Timestamp::as_millis))
        .and_some("received_at < ?", wanted.until.map(Timestamp::as_millis))
        .and_some("automatic = ?", wanted.automatic);
    let mut all = match wanted.awake {
        Some(true) => all.and(&format!("NOT {ASLEEP}"), now.as_millis()),
        Some(false) => all.and(ASLEEP, now.as_millis()),
        None => all,
    };
    match &wanted.whose {
        Whose::Anybodys => all,
        Whose::Nobodys => {
            all.sql.push_str(" AND assignee IS NULL");
            all
        }
        Whose::Of(person) => all.and("assignee = ?", person.as_str().to_owned()),
    }
}

/// Each is asked for by its beginning, and all of them. Without signs, so that nothing in them is an operator.
fn asked_words(text: &str) -> Vec<String> {
    search_words(text).into_iter().take(12).collect()
}

/// A row as SQLite has it.
struct Raw {
    id: String,
    source: String,
    external_id: String,
    external_key: Option<String>,
    title: Option<String>,
    state: String,
    priority: Option<i64>,
    risk: Option<String>,
    category: Option<String>,
    probability: Option<f64>,
    runbook: Option<String>,
    decision: Option<String>,
    approvals: i64,
    approvals_needed: i64,
    received_at: i64,
    due: i64,
    hold_until: Option<i64>,
    assignee: Option<String>,
    snoozed_until: Option<i64>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        source: row.get(1)?,
        external_id: row.get(2)?,
        external_key: row.get(3)?,
        title: row.get(4)?,
        state: row.get(5)?,
        priority: row.get(6)?,
        risk: row.get(7)?,
        category: row.get(8)?,
        probability: row.get(9)?,
        runbook: row.get(10)?,
        decision: row.get(11)?,
        approvals: row.get(12)?,
        approvals_needed: row.get(13)?,
        received_at: row.get(14)?,
        due: row.get(15)?,
        hold_until: row.get(16)?,
        assignee: row.get(17)?,
        snoozed_until: row.get(18)?,
    })
}

impl Raw {
    fn read(self) -> Result<TicketRow> {
        let state = state(&self.id, &self.state)?;
        let due_is = if self.hold_until.is_some() {
            Due::Hold
        } else if state == TicketState::AwaitingApproval {
            Due::Approval
        } else {
            Due::Response
        };
        let priority = self.priority.and_then(|number| Priority::ALL.get(usize::try_from(number - 1).ok()?).copied());
        let risk = self.risk.and_then(|risk| Risk::ALL.into_iter().find(|known| known.as_str() == risk));
        let decision = self.decision.and_then(|decision| Decision::ALL.into_iter().find(|known| known.as_str() == decision));
        Ok(TicketRow {
            ticket: read::id("ticket", &self.id)?,
            source: read::id("source", &self.source)?,
            external_id: self.external_id,
            external_key: self.external_key,
            title: Untrusted::new(self.title.unwrap_or_default()),
            state,
            priority,
            risk,
            category: self.category,
            probability: self.probability,
            runbook: self.runbook.map(|runbook| read::id("runbook", &runbook)).transpose()?,
            decision,
            approvals: uint(self.approvals),
            approvals_needed: uint(self.approvals_needed),
            received_at: Timestamp::from_millis(self.received_at),
            due: Timestamp::from_millis(self.due),
            due_is,
            assignee: self.assignee.map(|person| read::id("person", &person)).transpose()?,
            snoozed_until: self.snoozed_until.map(Timestamp::from_millis),
        })
    }
}

fn state(id: &str, text: &str) -> Result<TicketState> {
    let found = TicketState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| unreadable(id, format!("`{text}` is not a state of a ticket")))
}

pub(super) fn counts(connection: &Connection, tenant: &TenantId, now: Timestamp) -> Result<WorklistCounts> {
    let marks = WAITING.map(|state| format!("'{}'", state.as_str())).join(", ");
    let counted = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, uint(row.get(1)?)));
    let mut counts = WorklistCounts::default();
    // All by their state, from its index; then the few that are held, taken or put off are told apart.
    let sql =
        format!("SELECT state, count(*) FROM tickets INDEXED BY tickets_by_state WHERE tenant = ? AND state IN ({marks}) GROUP BY state");
    for (text, all) in rows(connection, &sql, [tenant.as_str()], counted)? {
        counts.states.insert(state("", &text)?, all);
    }
    let apart = |counts: &mut WorklistCounts, text: &str, tickets: u64| -> Result<()> {
        if let Some(all) = counts.states.get_mut(&state("", text)?) {
            *all = all.saturating_sub(tickets);
        }
        Ok(())
    };
    let sql = "SELECT state, count(*) FROM tickets INDEXED BY tickets_lanes WHERE tenant = ? AND lane = 'hold' GROUP BY state";
    for (text, held) in rows(connection, sql, [tenant.as_str()], counted)? {
        apart(&mut counts, &text, held)?;
        counts.held += held;
    }
    let sql = format!(
        "SELECT state, count(*), assignee, {ASLEEP} AS asleep FROM tickets INDEXED BY tickets_handled
         WHERE tenant = ? AND lane IS NOT NULL AND (assignee IS NOT NULL OR snoozed_until IS NOT NULL) GROUP BY state, assignee, asleep"
    );
    let handled = |row: &Row<'_>| Ok((counted(row)?, row.get::<_, Option<String>>(2)?, row.get::<_, bool>(3)?));
    for ((text, tickets), assignee, asleep) in rows(connection, &sql, (now.as_millis(), tenant.as_str()), handled)? {
        if asleep {
            apart(&mut counts, &text, tickets)?;
            counts.snoozed += tickets;
        } else if let Some(person) = assignee {
            *counts.by_person.entry(read::id("person", &person)?).or_default() += tickets;
        }
    }
    counts.states.retain(|_, tickets| *tickets > 0);
    Ok(counts)
}

pub(super) fn categories(connection: &Connection, tenant: &TenantId) -> Result<Vec<String>> {
    // Jumps from one category to the next in place of reading all tickets.
    let sql = "WITH RECURSIVE found (category) AS (
             SELECT min(category) FROM tickets WHERE tenant = ?1
             UNION ALL SELECT (SELECT min(category) FROM tickets WHERE tenant = ?1 AND category > found.category) FROM found
                 WHERE found.category IS NOT NULL)
         SELECT category FROM found WHERE category IS NOT NULL LIMIT 500";
    rows(connection, sql, [tenant.as_str()], |row| row.get(0))
}

/// Puts every stored ticket into the index of a search that has none of them.
pub(super) fn index_all(connection: &Connection) -> rusqlite::Result<()> {
    with_words(connection, "INSERT INTO ticket_words (rowid, words) VALUES (?1, ?2)")
}

/// Gives every stored ticket the words that a search finds it by.
pub(super) fn word_all(connection: &Connection) -> rusqlite::Result<()> {
    with_words(connection, "UPDATE tickets SET words = ?2 WHERE seq = ?1")
}

/// One that this program cannot read is left out: it stands in nobody's way here either.
fn with_words(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let last: i64 = connection.query_row("SELECT coalesce(max(seq), 0) FROM tickets", [], |row| row.get(0))?;
    let (mut next, mut write) =
        (connection.prepare("SELECT seq, id, doc FROM tickets WHERE seq > ?1 ORDER BY seq LIMIT 500")?, connection.prepare(sql)?);
    let mut seen = 0;
    while seen < last {
        let some: Vec<(i64, String, String)> =
            next.query_map([seen], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<rusqlite::Result<_>>()?;
        seen = some.last().map_or(last, |(seq, ..)| *seq);
        for (seq, id, doc) in some {
            if let Ok(ticket) = parse::<Ticket>(id, doc.as_bytes()) {
                write.execute((seq, found_by(&ticket)))?;
            }
        }
    }
    Ok(())
}

pub(super) fn handling(connection: &Connection, tenant: &TenantId, ticket: TicketId) -> Result<Option<Handling>> {
    let sql = "SELECT assignee, snoozed_until, handling FROM tickets WHERE tenant = ?1 AND id = ?2";
    let found = rows(connection, sql, (tenant.as_str(), ticket.to_string()), |row| {
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<i64>>(1)?, uint(row.get(2)?)))
    })?;
    let read = |(assignee, snoozed, revision): (Option<String>, Option<i64>, u64)| {
        let assignee = assignee.map(|person| read::id("person", &person)).transpose()?;
        Ok(Handling { tenant: tenant.clone(), ticket, assignee, snoozed_until: snoozed.map(Timestamp::from_millis), revision })
    };
    found.into_iter().next().map(read).transpose()
}

/// Times read for the distributions of an overview.
const TIMES: usize = 10_000;

pub(super) fn tally(connection: &Connection, tenant: &TenantId, since: Timestamp) -> Result<Tally> {
    let since = since.as_millis();
    let sql = format!(
        "SELECT received_at / {DAY}, state, category, automatic, count(*) FROM tickets WHERE tenant = ?1 AND received_at >= ?2
         GROUP BY 1, 2, 3, 4 ORDER BY 1"
    );
    let days = rows(connection, &sql, (tenant.as_str(), since), |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, uint(row.get(4)?)))
    })?;
    let days = days
        .into_iter()
        .map(|(day, text, category, automatic, tickets)| Ok(DayCount { day, state: state("", &text)?, category, automatic, tickets }))
        .collect::<Result<Vec<_>>>()?;
    let sql = "SELECT runbook, automatic, sum(state = 'succeeded' AND undone = 0), sum(state <> 'succeeded' OR undone = 1), max(created_at)
         FROM executions WHERE tenant = ?1 AND id >= ?2 AND final = 1 AND undo = 0 GROUP BY 1, 2 ORDER BY 1, 2";
    let from = crate::domain::id::ExecutionId::new(Timestamp::from_millis(since), 0).to_string();
    let runs = rows(connection, sql, (tenant.as_str(), from), |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, uint(row.get(2)?), uint(row.get(3)?), row.get(4)?))
    })?;
    let runs = runs
        .into_iter()
        .map(|(runbook, automatic, succeeded, other, last): (_, _, _, _, i64)| {
            let (runbook, last_at) = (read::id("runbook", &runbook)?, Timestamp::from_millis(last));
            Ok(RunCount { runbook, automatic, succeeded, other, last_at })
        })
        .collect::<Result<Vec<_>>>()?;
    let times = |column: &str| -> Result<Vec<u64>> {
        let sql = format!(
            "SELECT {column} - received_at FROM tickets WHERE tenant = ?1 AND received_at >= ?2 AND {column} >= received_at
             ORDER BY received_at DESC LIMIT {TIMES}"
        );
        let mut times: Vec<u64> = rows(connection, &sql, (tenant.as_str(), since), |row| row.get(0).map(uint))?;
        times.sort_unstable();
        Ok(times)
    };
    Ok(Tally { days, runs, to_triage: times("triaged_at")?, to_resolve: times("resolved_at")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_typed_into_a_search_is_an_operator() {
        assert_eq!(asked_words("prn-0042 NOT \"x\" (y*"), ["prn", "0042", "not", "x", "y"]);
        assert_eq!(asked_words(" -- ' "), Vec::<String>::new());
    }
}
