//! Lists of tickets from the columns beside their documents, and the counts of an overview.

use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::{
    read::{self, PAGE, Where, rows},
    rows::{found_by, int, parse, uint},
};
use crate::{
    domain::{
        handling::Handling,
        id::TicketId,
        name::{PersonId, TenantId},
        priority::{Priority, Risk},
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
        untrusted::Untrusted,
        verdict::Decision,
    },
    store::{
        interface::{Result, StoreError},
        worklist::{DayCount, Due, Held, Order, ResponseTargets, RunCount, Tally, TicketRow, WAITING, Wanted, Whose, WorklistCounts},
    },
    text::search_words,
};

const DAY: i64 = 86_400_000;

/// What falls due first of what can fall due. The values of the response targets come first among the parameters.
const DUE: &str = "coalesce(hold_until, CASE WHEN state = 'awaiting_approval' THEN deadline END,
    received_at + CASE priority WHEN 1 THEN ? WHEN 2 THEN ? WHEN 3 THEN ? ELSE ? END)";

/// Snoozed, and nothing about it is urgent: nobody sleeps through a proposal's last hour or a run's hold.
const ASLEEP: &str = "(snoozed_until IS NOT NULL AND hold_until IS NULL
    AND min(snoozed_until, coalesce(CASE WHEN state = 'awaiting_approval' THEN deadline - 3600000 END, snoozed_until)) > ?)";

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
    let Some(conditions) = conditions(tenant, wanted, now) else { return Ok(Vec::new()) };
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    for target in [targets.p1, targets.p2, targets.p3, targets.p4] {
        values.push(Box::new(i64::try_from(target.as_millis()).unwrap_or(i64::MAX / 4)));
    }
    values.extend(conditions.values);
    let (after, sorted) = match order {
        Order::Due(after) => {
            let condition = after.map_or("", |(due, ticket)| {
                values.push(Box::new(due.as_millis()));
                values.push(Box::new(ticket.to_string()));
                "WHERE (due, id) > (?, ?)"
            });
            (condition, "due, id")
        }
        Order::Newest(before) => {
            let condition = before.map_or("", |ticket| {
                values.push(Box::new(ticket.to_string()));
                "WHERE id < ?"
            });
            (condition, "id DESC")
        }
    };
    // Which rows comes from the index alone; only those shown are then looked up.
    let sql = format!(
        "WITH shown AS MATERIALIZED (
             SELECT id, due FROM (SELECT id, {DUE} AS due FROM tickets WHERE {}) {after} ORDER BY {sorted} LIMIT {})
         SELECT t.id, t.source, t.external_id, json_extract(t.doc, '$.report.external_key'), json_extract(t.doc, '$.report.title'), t.state,
             t.priority, t.risk, t.category, t.runbook, t.decision, t.received_at, shown.due, t.hold_until, t.assignee, t.snoozed_until
         FROM shown JOIN tickets t ON t.id = shown.id ORDER BY {}",
        conditions.sql,
        int(limit.min(PAGE) as u64),
        if matches!(order, Order::Due(_)) { "shown.due, t.id" } else { "t.id DESC" },
    );
    rows(connection, &sql, params_from_iter(values), raw)?.into_iter().map(Raw::read).collect()
}

/// `None` when nothing can fit.
fn conditions(tenant: &TenantId, wanted: &Wanted, now: Timestamp) -> Option<Where> {
    let mut all = Where::tenant(tenant);
    if !wanted.states.is_empty() {
        let marks = vec!["?"; wanted.states.len()].join(", ");
        let held = if wanted.held == Held::Too { " OR hold_until IS NOT NULL" } else { "" };
        all.sql.push_str(&format!(" AND (state IN ({marks}){held})"));
        for state in &wanted.states {
            all.values.push(Box::new(state.as_str()));
        }
    }
    if wanted.held == Held::Only {
        all.sql.push_str(" AND hold_until IS NOT NULL");
    }
    all = all
        .and_some("source = ?", wanted.source.as_ref().map(|source| source.as_str().to_owned()))
        .and_some("category = ?", wanted.category.clone())
        .and_some("priority = ?", wanted.priority.map(|priority| 1 + priority as i64))
        .and_some("runbook = ?", wanted.runbook.as_ref().map(|runbook| runbook.as_str().to_owned()))
        .and_some("received_at >= ?", wanted.from.map(Timestamp::as_millis))
        .and_some("received_at < ?", wanted.until.map(Timestamp::as_millis))
        .and_some("automatic = ?", wanted.automatic);
    match &wanted.whose {
        Whose::Anybodys => {}
        Whose::Nobodys => all.sql.push_str(" AND assignee IS NULL"),
        Whose::Of(person) => all = all.and("assignee = ?", person.as_str().to_owned()),
    }
    match wanted.awake {
        Some(true) => all = all.and(&format!("NOT {ASLEEP}"), now.as_millis()),
        Some(false) => all = all.and(ASLEEP, now.as_millis()),
        None => {}
    }
    if let Some(text) = &wanted.text {
        let words = matching(text)?;
        all = all.and("seq IN (SELECT rowid FROM ticket_words WHERE ticket_words MATCH ?)", words);
    }
    Some(all)
}

/// Each word by its beginning, all of them; `None` when the text has none. Quoted, so that nothing in it is an operator.
fn matching(text: &str) -> Option<String> {
    let words: Vec<String> = search_words(text).into_iter().take(12).map(|word| format!("\"{word}\"*")).collect();
    (!words.is_empty()).then(|| words.join(" "))
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
    runbook: Option<String>,
    decision: Option<String>,
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
        runbook: row.get(9)?,
        decision: row.get(10)?,
        received_at: row.get(11)?,
        due: row.get(12)?,
        hold_until: row.get(13)?,
        assignee: row.get(14)?,
        snoozed_until: row.get(15)?,
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
            runbook: self.runbook.map(|runbook| read::id("runbook", &runbook)).transpose()?,
            decision,
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

pub(super) fn counts(connection: &Connection, tenant: &TenantId, person: &PersonId, now: Timestamp) -> Result<WorklistCounts> {
    let marks = WAITING.map(|state| format!("'{}'", state.as_str())).join(", ");
    let sums = format!("sum({ASLEEP}), sum(hold_until IS NOT NULL), count(*), sum(assignee = ? AND NOT {ASLEEP})");
    // By state, so that the index has the groups together and nothing is sorted; then the few held in other states.
    let waiting = format!("SELECT state, {sums} FROM tickets WHERE tenant = ? AND state IN ({marks}) GROUP BY state");
    let held =
        format!("SELECT state, {sums} FROM tickets WHERE tenant = ? AND hold_until IS NOT NULL AND state NOT IN ({marks}) GROUP BY state");
    let mut counts = WorklistCounts::default();
    for sql in [waiting, held] {
        let values = (now.as_millis(), person.as_str(), now.as_millis(), tenant.as_str());
        let found = rows(connection, &sql, values, |row| {
            let sum = |place: usize| Ok::<_, rusqlite::Error>(uint(row.get::<_, Option<i64>>(place)?.unwrap_or(0)));
            Ok((row.get::<_, String>(0)?, sum(1)?, sum(2)?, sum(3)?, sum(4)?))
        })?;
        for (text, snoozed, held, all, mine) in found {
            counts.snoozed += snoozed;
            counts.held += held;
            counts.mine += mine;
            // What is held is never asleep.
            let others = all.saturating_sub(snoozed + held);
            if others > 0 {
                *counts.states.entry(state("", &text)?).or_default() += others;
            }
        }
    }
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

/// Puts every stored ticket into the index of a search that has none of them. One that this program cannot read is left
/// out: it stands in nobody's way here either.
pub(super) fn index_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut tickets = connection.prepare("SELECT seq, id, doc FROM tickets")?;
    let mut insert = connection.prepare("INSERT INTO ticket_words (rowid, words) VALUES (?1, ?2)")?;
    let mut found = tickets.query([])?;
    while let Some(row) = found.next()? {
        let (seq, id, doc): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if let Ok(ticket) = parse::<Ticket>(id, doc.as_bytes()) {
            insert.execute((seq, found_by(&ticket)))?;
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
        assert_eq!(matching("prn-0042 NOT \"x\" (y*"), Some("\"prn\"* \"0042\"* \"not\"* \"x\"* \"y\"*".to_owned()));
        assert_eq!(matching(" -- ' "), None);
    }
}
