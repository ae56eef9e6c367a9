//! Opening the database file: one process at a time, the right file, the right schema version.
//!
//! Migrations only go forward and each runs in one transaction. A database of a newer program is refused
//! untouched, because an old program would drop what it does not know.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::worklist;
use crate::store::interface::{Result, StoreError};

/// What a migration does beyond its SQL, in the same transaction.
type Then = fn(&Connection) -> rusqlite::Result<()>;
const NOTHING: Then = |_| Ok(());

/// Every migration in order; the schema version is how many ran.
const MIGRATIONS: [(&str, &str, Then); 10] = [
    ("0001_initial", include_str!("../../../migrations/sqlite/0001_initial.sql"), NOTHING),
    ("0002_trust", include_str!("../../../migrations/sqlite/0002_trust.sql"), NOTHING),
    ("0003_delivery", include_str!("../../../migrations/sqlite/0003_delivery.sql"), NOTHING),
    ("0004_executions", include_str!("../../../migrations/sqlite/0004_executions.sql"), NOTHING),
    ("0005_people", include_str!("../../../migrations/sqlite/0005_people.sql"), NOTHING),
    ("0006_worklist", include_str!("../../../migrations/sqlite/0006_worklist.sql"), NOTHING),
    ("0007_worklist_past", include_str!("../../../migrations/sqlite/0007_worklist_past.sql"), worklist::index_all),
    ("0008_models", include_str!("../../../migrations/sqlite/0008_models.sql"), NOTHING),
    ("0009_similar", include_str!("../../../migrations/sqlite/0009_similar.sql"), NOTHING),
    ("0010_lanes", include_str!("../../../migrations/sqlite/0010_lanes.sql"), worklist::word_all),
];

/// Marks a file as ours: `SLGT`.
const APPLICATION_ID: i32 = 0x534c_4754;

fn refuse(why: String) -> StoreError {
    StoreError::Unavailable(why)
}

/// The lock that keeps a second process out. SQLite's own locks would let both write in turns, and each
/// would append to an action log whose edge it does not know. The operating system frees it at any death.
pub(super) fn lock(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            refuse(format!(
                "cannot make the data folder `{}`: {error}; create it and give this user the right to write there",
                folder.display()
            ))
        })?;
    }
    let lock_path = lock_path(path);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(|error| {
        refuse(format!(
            "cannot write `{}`: {error}; give this user the right to write in that folder or choose another",
            lock_path.display()
        ))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(refuse(format!("another process has `{}` open; stop it first, or give this one its own data folder", path.display())))
        }
        Err(TryLockError::Error(error)) => {
            Err(refuse(format!("cannot lock `{}`: {error}; the data folder must be on a file system with locks", lock_path.display())))
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// The one connection that writes, with the schema brought up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    let at = |error: rusqlite::Error| refuse(format!("cannot open the database `{}`: {error}", path.display()));
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(at)?;
    connection
        .execute_batch(
            // FULL syncs the write-ahead log at every commit: an acknowledged change survives a power cut.
            // What a savepoint would undo is kept in memory; in a temporary file it cost a quarter of the throughput.
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA cache_size = -32768;
             PRAGMA temp_store = MEMORY;
             PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(at)?;
    // The writer checkpoints itself after it has answered; this bound is for when that cannot keep up.
    connection.pragma_update(None, "wal_autocheckpoint", 16_384).map_err(at)?;
    connection.set_prepared_statement_cache_capacity(128);
    migrate(&connection, path)?;
    Ok(connection)
}

/// A connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let at = |error: rusqlite::Error| refuse(format!("cannot open the database `{}` for reading: {error}", path.display()));
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(at)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -8192;").map_err(at)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

fn migrate(connection: &Connection, path: &Path) -> Result<()> {
    let at = |error: rusqlite::Error| refuse(format!("cannot bring the database `{}` up to date: {error}", path.display()));
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(at);
    let version = number("user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(at)?;
    if tables > 0 && number("application_id")? != i64::from(APPLICATION_ID) {
        return Err(refuse(format!("`{}` is a database of another program; choose another path", path.display())));
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(refuse(format!(
            "the database `{}` has schema version {version} and this program knows up to {known}: \
             run the newer program, or restore a backup made by this one",
            path.display()
        )));
    }
    for (at_version, (name, sql, then)) in (1i64..).zip(MIGRATIONS).skip(usize::try_from(version).unwrap_or(0)) {
        let step = || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT",
            )?;
            connection.execute_batch(sql)?;
            then(connection)?;
            connection.execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                (at_version, name),
            )?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "user_version", at_version)?;
            connection.execute_batch("COMMIT")
        };
        step().map_err(|error| {
            refuse(format!("migration `{name}` of the database `{}` failed and nothing was changed: {error}", path.display()))
        })?;
    }
    Ok(())
}
