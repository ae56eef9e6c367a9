//! Vectors of resolved tickets: stored, followed by place, and read a few at a time.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::rows::{int, uint, unavailable};
use crate::{
    domain::{digest::Digest, id::TicketId, name::TenantId},
    store::{
        interface::{Result, StoreError},
        vectors::{NewVector, StoredCode, StoredVector},
    },
};

/// # Errors
/// SQLite's.
pub(super) fn put(connection: &Connection, new: &NewVector) -> rusqlite::Result<()> {
    let ticket = new.ticket.to_string();
    let sql = "UPDATE tickets SET vectored = 1 WHERE id = ?1 AND tenant = ?2 AND version = ?3";
    if connection.prepare_cached(sql)?.execute((&ticket, new.tenant.as_str(), int(new.version)))? == 0 {
        return Ok(());
    }
    // Replacing gives it a new place, so that who follows hears of it.
    let sql = "INSERT OR REPLACE INTO ticket_vectors (tenant, ticket, code, vector) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute((new.tenant.as_str(), &ticket, &new.code, &new.vector)).map(drop)
}

/// Begins anew with another embedding.
///
/// # Errors
/// SQLite's.
pub(super) fn begin(connection: &Connection, embedding: &Digest) -> rusqlite::Result<()> {
    if space_of(connection)?.as_ref() == Some(embedding) {
        return Ok(());
    }
    connection.execute("DELETE FROM ticket_vectors", [])?;
    connection.execute("UPDATE tickets SET vectored = 0 WHERE vectored = 1", [])?;
    let sql = "INSERT INTO vector_space (id, embedding) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding";
    connection.execute(sql, [embedding.as_bytes()]).map(drop)
}

fn space_of(connection: &Connection) -> rusqlite::Result<Option<Digest>> {
    let bytes: Option<[u8; 32]> =
        connection.query_row("SELECT embedding FROM vector_space WHERE id = 1", [], |row| row.get(0)).optional()?;
    Ok(bytes.map(Digest::from_bytes))
}

pub(super) fn space(connection: &Connection) -> Result<Option<Digest>> {
    space_of(connection).map_err(unavailable)
}

pub(super) fn codes_after(connection: &Connection, place: u64, limit: usize) -> Result<Vec<StoredCode>> {
    let sql = "SELECT place, tenant, code FROM ticket_vectors INDEXED BY ticket_vectors_codes WHERE place > ?1 ORDER BY place LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let mut rows = statement.query((int(place), int(limit as u64))).map_err(unavailable)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(unavailable)? {
        let read = |row: &Row<'_>| Ok::<_, rusqlite::Error>((uint(row.get(0)?), row.get::<_, String>(1)?, row.get(2)?));
        let (place, tenant, code) = read(row).map_err(unavailable)?;
        let tenant = TenantId::new(tenant).map_err(|why| unreadable(place, &why))?;
        found.push(StoredCode { place, tenant, code });
    }
    Ok(found)
}

pub(super) fn at(connection: &Connection, tenant: &TenantId, places: &[u64]) -> Result<Vec<StoredVector>> {
    let sql = "SELECT ticket, vector FROM ticket_vectors WHERE place = ?1 AND tenant = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let mut found = Vec::with_capacity(places.len());
    for place in places {
        let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        // One that is gone: its ticket has a newer vector.
        let Some((ticket, vector)) = statement.query_row((int(*place), tenant.as_str()), row).optional().map_err(unavailable)? else {
            continue;
        };
        let ticket: TicketId = ticket.parse().map_err(|why| unreadable(*place, &why))?;
        found.push(StoredVector { place: *place, ticket, vector });
    }
    Ok(found)
}

fn unreadable(place: u64, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what: "vector", id: place.to_string(), why: why.to_string() }
}
