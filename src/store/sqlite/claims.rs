//! Leases on work, and the queries that hand work out.
//!
//! Leases live in the writer thread's memory: one process holds the database, a claim grants nothing, and
//! after a crash the work is free at once instead of hidden until leases of the dead end.
// INVARIANT: called on the writer thread between transactions, so two claims never see the same free work.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Connection, OptionalExtension as _, Params};

use super::rows::{id_and_doc, unavailable};
use crate::{domain::time::Timestamp, store::interface::Result};

/// What is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Tickets,
    Executions,
    Messages,
}

/// Id and document of one piece of work.
pub(super) type Claimed = (String, String);

/// Tenant and destination.
type Receiver = (String, String);

/// Until when each piece is hidden.
#[derive(Default)]
pub(super) struct Leases {
    tickets: BTreeMap<String, Timestamp>,
    executions: BTreeMap<String, Timestamp>,
    messages: BTreeMap<String, (Timestamp, Receiver)>,
}

const DUE_TICKETS: &str = "SELECT id, doc FROM tickets WHERE state = 'received' ORDER BY id";
const DUE_EXECUTIONS: &str = "SELECT id, doc FROM executions WHERE final = 0 AND not_before <= ?1 ORDER BY not_before, seq";
/// The next receiver in order for which something waits: one step of the index each, however much waits for it.
const NEXT_RECEIVER: &str = "SELECT tenant, destination FROM messages
    WHERE state = 'waiting' AND blocked = 0 AND (tenant, destination) > (?1, ?2) ORDER BY tenant, destination LIMIT 1";
const DUE_MESSAGES: &str = "SELECT next_attempt_at, seq, id FROM messages AS m
    WHERE state = 'waiting' AND blocked = 0 AND tenant = ?1 AND destination = ?2 AND next_attempt_at <= ?3
    AND NOT EXISTS (SELECT 1 FROM messages AS older WHERE older.state = 'waiting' AND older.ticket = m.ticket
        AND older.destination = m.destination AND older.seq < m.seq)
    ORDER BY next_attempt_at, seq";
const MESSAGE: &str = "SELECT id, doc FROM messages WHERE seq = ?1";

impl Leases {
    /// At most `limit` pieces that no live lease hides, hidden until `now + lease` from here on. Of the messages of one
    /// receiver at most `each` are hidden at a time.
    pub fn claim(
        &mut self,
        connection: &Connection,
        work: Work,
        now: Timestamp,
        lease: Duration,
        limit: usize,
        each: usize,
    ) -> Result<Vec<Claimed>> {
        let until = now.plus(lease);
        match work {
            Work::Tickets => plain(connection, DUE_TICKETS, [], &mut self.tickets, now, until, limit),
            Work::Executions => plain(connection, DUE_EXECUTIONS, [now.as_millis()], &mut self.executions, now, until, limit),
            Work::Messages => self.messages(connection, now, until, limit, each),
        }
        .map_err(unavailable)
    }

    fn messages(
        &mut self,
        connection: &Connection,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
        each: usize,
    ) -> rusqlite::Result<Vec<Claimed>> {
        self.messages.retain(|_, (until, _)| now < *until);
        let mut hidden: BTreeMap<&Receiver, usize> = BTreeMap::new();
        for (_, receiver) in self.messages.values() {
            *hidden.entry(receiver).or_default() += 1;
        }
        let mut due: Vec<(i64, i64, Receiver)> = Vec::new();
        let mut receiver: Receiver = Default::default();
        while let Some(next) = after(connection, &receiver)? {
            let room = each.saturating_sub(hidden.get(&next).copied().unwrap_or(0)).min(limit);
            if room > 0 {
                let mut statement = connection.prepare_cached(DUE_MESSAGES)?;
                let rows = statement
                    .query_map((&next.0, &next.1, now.as_millis()), |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
                // Rows come one by one, so what lies behind the room is never read.
                let free = rows.filter(|row| row.as_ref().map_or(true, |(_, _, id)| !self.messages.contains_key(id))).take(room);
                for row in free {
                    let (at, seq, _) = row?;
                    due.push((at, seq, next.clone()));
                }
            }
            receiver = next;
        }
        due.sort_unstable_by_key(|(at, seq, _)| (*at, *seq));
        due.truncate(limit);
        let mut claimed = Vec::with_capacity(due.len());
        for (_, seq, receiver) in due {
            let piece = connection.prepare_cached(MESSAGE)?.query_row([seq], id_and_doc)?;
            self.messages.insert(piece.0.clone(), (until, receiver));
            claimed.push(piece);
        }
        Ok(claimed)
    }

    /// Ends a lease.
    pub fn release(&mut self, work: Work, id: &str) {
        match work {
            Work::Tickets => drop(self.tickets.remove(id)),
            Work::Executions => drop(self.executions.remove(id)),
            Work::Messages => drop(self.messages.remove(id)),
        }
    }
}

fn after(connection: &Connection, receiver: &Receiver) -> rusqlite::Result<Option<Receiver>> {
    let mut statement = connection.prepare_cached(NEXT_RECEIVER)?;
    statement.query_row((&receiver.0, &receiver.1), |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn plain(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    held: &mut BTreeMap<String, Timestamp>,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<Claimed>> {
    held.retain(|_, until| now < *until);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, id_and_doc)?;
    // As above.
    let free = rows.filter(|row| row.as_ref().map_or(true, |(id, _)| !held.contains_key(id))).take(limit);
    let due = free.collect::<rusqlite::Result<Vec<_>>>()?;
    held.extend(due.iter().map(|(id, _)| (id.clone(), until)));
    Ok(due)
}
