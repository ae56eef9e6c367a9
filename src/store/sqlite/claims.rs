//! Leases on work, and the queries that hand work out.
//!
//! Leases live in the writer thread's memory: one process holds the database, a claim grants nothing, and
//! after a crash the work is free at once instead of hidden until leases of the dead end.
// INVARIANT: called on the writer thread between transactions, so two claims never see the same free work.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Connection, Params};

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

/// Until when each piece is hidden.
#[derive(Default)]
pub(super) struct Leases {
    tickets: BTreeMap<String, Timestamp>,
    executions: BTreeMap<String, Timestamp>,
    messages: BTreeMap<String, Timestamp>,
}

const DUE_TICKETS: &str = "SELECT id, doc FROM tickets WHERE state = 'received' ORDER BY id";
const DUE_EXECUTIONS: &str = "SELECT id, doc FROM executions WHERE final = 0 AND not_before <= ?1 ORDER BY not_before, seq";
const DUE_MESSAGES: &str = "SELECT id, doc FROM messages AS m WHERE state = 'waiting' AND next_attempt_at <= ?1
    AND NOT EXISTS (SELECT 1 FROM messages AS older WHERE older.state = 'waiting' AND older.ticket = m.ticket
        AND older.destination = m.destination AND older.seq < m.seq)
    ORDER BY next_attempt_at, seq";

impl Leases {
    /// At most `limit` pieces that no live lease hides, hidden until `now + lease` from here on.
    pub fn claim(&mut self, connection: &Connection, work: Work, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Claimed>> {
        let held = self.of(work);
        held.retain(|_, until| now < *until);
        let due = match work {
            Work::Tickets => free(connection, DUE_TICKETS, [], held, limit),
            Work::Executions => free(connection, DUE_EXECUTIONS, [now.as_millis()], held, limit),
            Work::Messages => free(connection, DUE_MESSAGES, [now.as_millis()], held, limit),
        }
        .map_err(unavailable)?;
        let until = now.plus(lease);
        held.extend(due.iter().map(|(id, _)| (id.clone(), until)));
        Ok(due)
    }

    /// Ends a lease.
    pub fn release(&mut self, work: Work, id: &str) {
        self.of(work).remove(id);
    }

    fn of(&mut self, work: Work) -> &mut BTreeMap<String, Timestamp> {
        match work {
            Work::Tickets => &mut self.tickets,
            Work::Executions => &mut self.executions,
            Work::Messages => &mut self.messages,
        }
    }
}

fn free(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    held: &BTreeMap<String, Timestamp>,
    limit: usize,
) -> rusqlite::Result<Vec<Claimed>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, id_and_doc)?;
    // Rows come one by one, so what lies behind the limit is never read.
    rows.filter(|row| row.as_ref().map_or(true, |(id, _)| !held.contains_key(id))).take(limit).collect()
}
