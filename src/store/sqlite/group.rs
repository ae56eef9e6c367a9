//! A group of changes in one transaction: each stands or falls alone, one commit makes all of them durable.
//!
//! Answers exist only after the commit, also the refusals: a conflict with a change of the same group is
//! true only once that change is on disk.

use rusqlite::{Connection, ErrorCode};

use super::{
    apply, expectations, journal,
    rows::{Prepared, unavailable},
};
use crate::{
    log::tree::{Frontier, Tile},
    store::{
        change::Committed,
        interface::{Result, StoreError},
    },
};

/// Why one change failed: for a reason of its own, or for one that fails the whole group.
enum Failure {
    Own(StoreError),
    Group(StoreError),
}

/// One answer for each change.
///
/// # Errors
/// Nothing of the group is stored, and `frontier` may be ahead of the disk: load it anew.
pub(super) fn commit(
    connection: &Connection,
    frontier: &mut Frontier,
    changes: &[&Prepared],
    beat: bool,
) -> Result<Vec<Result<Committed>>> {
    let done = in_transaction(connection, frontier, changes, beat);
    if done.is_err() && !connection.is_autocommit() {
        // Fails only where SQLite has rolled back already; the next BEGIN would tell.
        if let Err(error) = execute(connection, "ROLLBACK") {
            tracing::error!(%error, "a failed group could not be rolled back");
        }
    }
    done
}

fn in_transaction(connection: &Connection, frontier: &mut Frontier, changes: &[&Prepared], beat: bool) -> Result<Vec<Result<Committed>>> {
    let before = frontier.size();
    let mut full = Vec::new();
    execute(connection, "BEGIN IMMEDIATE").map_err(unavailable)?;
    let mut answers = Vec::with_capacity(changes.len());
    for change in changes {
        match one(connection, frontier, &mut full, change) {
            Ok(committed) => answers.push(Ok(committed)),
            Err(Failure::Own(error)) => answers.push(Err(error)),
            Err(Failure::Group(error)) => return Err(error),
        }
    }
    if frontier.size() > before {
        journal::save(connection, frontier, before, &full).map_err(unavailable)?;
    }
    if beat {
        execute(connection, "UPDATE heartbeat SET beats = beats + 1").map_err(unavailable)?;
    }
    execute(connection, "COMMIT").map_err(unavailable)?;
    Ok(answers)
}

fn one(
    connection: &Connection,
    frontier: &mut Frontier,
    full: &mut Vec<Tile>,
    change: &Prepared,
) -> std::result::Result<Committed, Failure> {
    for expectation in &change.expect {
        expectations::check(connection, expectation).map_err(|error| match error {
            StoreError::Unavailable(_) => Failure::Group(error),
            own => Failure::Own(own),
        })?;
    }
    let first_index = frontier.size();
    savepoint(connection, change, first_index)?;
    // Only now that the rows stand may the log grow: a change rolled back to its savepoint leaves no leaf.
    for entry in &change.entries {
        full.extend(frontier.append(entry.leaf));
    }
    Ok(Committed { first_index })
}

fn savepoint(connection: &Connection, change: &Prepared, first_index: u64) -> std::result::Result<(), Failure> {
    let group = |error| Failure::Group(unavailable(error));
    execute(connection, "SAVEPOINT change").map_err(group)?;
    let written = change
        .rows
        .iter()
        .enumerate()
        .try_for_each(|(place, row)| apply::row(connection, place, row))
        .and_then(|()| (first_index..).zip(&change.entries).try_for_each(|(index, entry)| apply::entry(connection, index, entry)));
    match written {
        Ok(()) => execute(connection, "RELEASE change").map_err(group),
        Err(error) if is_own(&error) && !connection.is_autocommit() => {
            execute(connection, "ROLLBACK TO change").and_then(|()| execute(connection, "RELEASE change")).map_err(group)?;
            Err(Failure::Own(StoreError::Unavailable(format!("the change does not fit what is stored: {error}"))))
        }
        Err(error) => Err(group(error)),
    }
}

/// True when the fault is the change's: it breaks a constraint or is too big. Anything else is the disk's.
fn is_own(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::StatementChangedRows(_) | rusqlite::Error::ToSqlConversionFailure(_))
        || matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch))
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
