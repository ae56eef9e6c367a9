//! The action log's edge as the writer holds it: the frontier in memory, its tiles and head on disk.
//!
//! Loaded from the partial tiles only, so that opening a log of millions reads a few rows.
// INVARIANT: inside a transaction the frontier may be ahead of the disk; after a failed one it is dropped
// and loaded again, never patched.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{int, uint, unavailable};
use crate::{
    log::{
        hash::Hash,
        tree::{Frontier, LoadError, Tile, TileId},
    },
    store::interface::{Result, StoreError},
};

/// # Errors
/// Tiles, head and entries that do not agree: somebody else wrote to the file, or it is damaged.
pub(super) fn load(connection: &Connection) -> Result<Frontier> {
    let unreadable = |why: String| StoreError::Unreadable { what: "action log", id: "head".to_owned(), why };
    let head: Option<(i64, Hash)> = connection
        .query_row("SELECT size, root FROM log_head", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(unavailable)?;
    let entries: i64 =
        connection.query_row("SELECT coalesce(max(idx), -1) + 1 FROM log_entries", [], |row| row.get(0)).map_err(unavailable)?;
    let size = head.as_ref().map_or(0, |(size, _)| uint(*size));
    if uint(entries) != size {
        return Err(unreadable(format!("the head says {size} entries and the table has {entries}; restore a backup")));
    }
    let frontier = Frontier::load(size, |id| tile(connection, id)).map_err(|error| match error {
        LoadError::Fetch(error) => error,
        short @ LoadError::Short { .. } => unreadable(short.to_string()),
    })?;
    if head.is_some_and(|(_, root)| root != frontier.root()) {
        return Err(unreadable("the tiles do not give the root that was written with them; restore a backup".to_owned()));
    }
    Ok(frontier)
}

/// The hashes of one tile; empty when there is none.
pub(super) fn tile(connection: &Connection, id: TileId) -> Result<Vec<Hash>> {
    let unreadable = |why: &str| StoreError::Unreadable { what: "tile", id: format!("{}/{}", id.level, id.index), why: why.to_owned() };
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hashes FROM log_tiles WHERE level = ?1 AND idx = ?2")
        .and_then(|mut statement| statement.query_row((id.level, int(id.index)), |row| row.get(0)).optional())
        .map_err(unavailable)?;
    let bytes = bytes.unwrap_or_default();
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() { Ok(hashes.to_vec()) } else { Err(unreadable("its length is not a multiple of 32")) }
}

/// Writes what the frontier gained since it had `before` entries.
pub(super) fn save(connection: &Connection, frontier: &Frontier, before: u64, full: &[Tile]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO log_tiles (level, idx, hashes) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET hashes = excluded.hashes",
    )?;
    for Tile { id, hashes } in full.iter().chain(&frontier.partial_tiles_since(before)) {
        put.execute((id.level, int(id.index), hashes.as_flattened()))?;
    }
    connection
        .prepare_cached("INSERT INTO log_head (id, size, root) VALUES (1, ?1, ?2) ON CONFLICT (id) DO UPDATE SET size = excluded.size, root = excluded.root")?
        .execute(params![int(frontier.size()), frontier.root()])
        .map(drop)
}
