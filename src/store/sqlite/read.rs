//! The queries behind the store's reads, each a plain function of a connection.
//!
//! Every one that a caller can reach with its own identity takes the tenant and has it in its condition.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use rusqlite::{Connection, OptionalExtension as _, Params, Row, ToSql, params_from_iter};

use super::rows::{Document, id_and_doc, int, parse, uint, unavailable};
use crate::{
    domain::{
        account::Account,
        delivery::{DeadLetter, Delivery},
        digest::Digest,
        endpoint::{Endpoint, EndpointState},
        entry::Entry,
        id::{RecommendationId, TicketId},
        invitation::Invitation,
        model::ShadowPair,
        name::{PersonId, RunbookId, SourceId, TenantId},
        principal::Token,
        session::Session,
        state::TicketState,
        time::Timestamp,
    },
    store::{
        change::CAP_WINDOW,
        interface::{AutomaticOutcome, CapUse, EntryFilter, LoggedEntry, OutcomeRecord, Page, Result, StoreError, WouldAct},
    },
};

/// The most rows one page gives.
pub(super) const PAGE: usize = 500;

/// Conditions of a list with their values, joined by AND.
pub(super) struct Where {
    pub sql: String,
    pub values: Vec<Box<dyn ToSql>>,
}

impl Where {
    pub fn tenant(tenant: &TenantId) -> Self {
        Self { sql: "tenant = ?".to_owned(), values: vec![Box::new(tenant.as_str().to_owned())] }
    }

    /// `condition` has one `?`.
    pub fn and(mut self, condition: &str, value: impl ToSql + 'static) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(Box::new(value));
        self
    }

    pub fn and_some<T: ToSql + 'static>(self, condition: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.and(condition, value),
            None => self,
        }
    }

    pub fn and_one_of<T: ToSql + 'static>(mut self, column: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<Box<dyn ToSql>> = values.into_iter().map(|value| Box::new(value) as Box<dyn ToSql>).collect();
        if !values.is_empty() {
            self.sql.push_str(&format!(" AND {column} IN ({})", vec!["?"; values.len()].join(", ")));
            self.values.extend(values);
        }
        self
    }
}

fn cut<Cursor>(page: &Page<Cursor>) -> i64 {
    int(page.limit.min(PAGE) as u64)
}

pub(super) fn id<T: FromStr<Err: Display>>(what: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|why: T::Err| StoreError::Unreadable { what, id: text.to_owned(), why: why.to_string() })
}

/// The one document the query gives.
pub(super) fn one<T: Document>(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Option<T>> {
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, id_and_doc).optional())
        .map_err(unavailable)?;
    found.map(|(id, doc)| parse(id, doc.as_bytes())).transpose()
}

/// All documents the query gives.
pub(super) fn many<T: Document>(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<T>> {
    rows(connection, sql, parameters, id_and_doc)?.into_iter().map(|(id, doc)| parse(id, doc.as_bytes())).collect()
}

/// One page of a table's documents, newest first.
pub(super) fn page<T: Document, Cursor: Display>(
    connection: &Connection,
    table: &str,
    wanted: Where,
    page: &Page<Cursor>,
) -> Result<Vec<T>> {
    let (sql, values) = page_of(&format!("id, doc FROM {table}"), wanted, page);
    many(connection, &sql, params_from_iter(values))
}

fn page_of<Cursor: Display>(what: &str, wanted: Where, page: &Page<Cursor>) -> (String, Vec<Box<dyn ToSql>>) {
    let Where { sql, values } = wanted.and_some("id < ?", page.before.as_ref().map(ToString::to_string));
    (format!("SELECT {what} WHERE {sql} ORDER BY id DESC LIMIT {}", cut(page)), values)
}

pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.query_map(parameters, map)?.collect()).map_err(unavailable)
}

fn count(connection: &Connection, sql: &str, parameters: impl Params) -> Result<u64> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)))
        .map(uint)
        .map_err(unavailable)
}

/// The tickets a delivery brought or changed, in the order of its first commit.
pub(super) fn tickets_of_delivery(connection: &Connection, delivery: &str) -> Result<Vec<TicketId>> {
    rows(connection, "SELECT ticket FROM delivery_tickets WHERE delivery = ?1 ORDER BY place, ticket", [delivery], |row| {
        row.get::<_, String>(0)
    })?
    .iter()
    .map(|ticket| id("ticket", ticket))
    .collect()
}

pub(super) fn delivery(connection: &Connection, tenant: &TenantId, wanted: &str) -> Result<Option<Delivery>> {
    let sql = "SELECT id, source, dedup_key, headers, body, body_digest, received_at FROM deliveries WHERE tenant = ?1 AND id = ?2";
    let columns = |row: &Row<'_>| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get(2)?,
            row.get::<_, String>(3)?,
            row.get(4)?,
            row.get(5)?,
            row.get(6)?,
        ))
    };
    let Some((key, source, dedup_key, headers, body, digest, at)) =
        rows(connection, sql, (tenant.as_str(), wanted), columns)?.into_iter().next()
    else {
        return Ok(None);
    };
    let headers = serde_json::from_str(&headers).map_err(|why| StoreError::Unreadable {
        what: "headers of delivery",
        id: key.clone(),
        why: why.to_string(),
    })?;
    Ok(Some(Delivery {
        id: id("delivery", &key)?,
        tenant: tenant.clone(),
        source: id::<SourceId>("source", &source)?,
        dedup_key,
        headers,
        body,
        body_digest: Digest::from_bytes(digest),
        received_at: Timestamp::from_millis(at),
    }))
}

const DEAD_LETTER: &str = "id, source, delivery, body_digest, reason, received_at FROM dead_letters";
type DeadLetterColumns = (String, String, String, [u8; 32], String, i64);

fn dead_letter_columns(row: &Row<'_>) -> rusqlite::Result<DeadLetterColumns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn to_dead_letter(tenant: &TenantId, (key, source, delivery, digest, reason, at): DeadLetterColumns) -> Result<DeadLetter> {
    Ok(DeadLetter {
        id: id("dead letter", &key)?,
        tenant: tenant.clone(),
        source: id::<SourceId>("source", &source)?,
        delivery: id("delivery", &delivery)?,
        body_digest: Digest::from_bytes(digest),
        reason,
        received_at: Timestamp::from_millis(at),
    })
}

pub(super) fn dead_letter(connection: &Connection, tenant: &TenantId, wanted: &str) -> Result<Option<DeadLetter>> {
    let sql = format!("SELECT {DEAD_LETTER} WHERE tenant = ?1 AND id = ?2");
    let found = rows(connection, &sql, (tenant.as_str(), wanted), dead_letter_columns)?;
    found.into_iter().next().map(|columns| to_dead_letter(tenant, columns)).transpose()
}

pub(super) fn dead_letters<Cursor: Display>(connection: &Connection, tenant: &TenantId, page: &Page<Cursor>) -> Result<Vec<DeadLetter>> {
    let (sql, values) = page_of(DEAD_LETTER, Where::tenant(tenant), page);
    let found = rows(connection, &sql, params_from_iter(values), dead_letter_columns)?;
    found.into_iter().map(|columns| to_dead_letter(tenant, columns)).collect()
}

/// Endpoints of the tenant by destination; only `destination` when one is named.
pub(super) fn endpoints(connection: &Connection, tenant: &TenantId, destination: Option<&str>) -> Result<Vec<Endpoint>> {
    let sql = "SELECT destination, state, since, at, why, revision FROM endpoints
         WHERE tenant = ?1 AND destination = coalesce(?2, destination) ORDER BY destination";
    rows(connection, sql, (tenant.as_str(), destination), |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, Option<i64>>(2)?,
            row.get::<_, Option<i64>>(3)?,
            row.get::<_, Option<String>>(4)?,
            row.get(5)?,
        ))
    })?
    .into_iter()
    .map(|(destination, state, since, at, why, revision)| {
        let state = match (state.as_str(), since.map(Timestamp::from_millis), at.map(Timestamp::from_millis), why) {
            ("working", ..) => EndpointState::Working,
            ("failing", Some(since), _, Some(why)) => EndpointState::Failing { since, why },
            ("disabled", Some(since), Some(at), Some(why)) => EndpointState::Disabled { since, at, why },
            _ => {
                let why = format!("`{state}` and its times do not fit together");
                return Err(StoreError::Unreadable { what: "endpoint", id: destination, why });
            }
        };
        Ok(Endpoint { tenant: tenant.clone(), destination, state, revision: uint(revision) })
    })
    .collect()
}

pub(super) fn ticket_counts(connection: &Connection, tenant: &TenantId) -> Result<BTreeMap<TicketState, u64>> {
    let counted = rows(connection, "SELECT state, count(*) FROM tickets WHERE tenant = ?1 GROUP BY state", [tenant.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })?;
    counted
        .into_iter()
        .map(|(state, count)| {
            let known = TicketState::ALL.into_iter().find(|known| known.as_str() == state);
            known.map(|known| (known, uint(count))).ok_or_else(|| StoreError::Unreadable {
                what: "ticket state",
                id: state,
                why: "this program does not know it".to_owned(),
            })
        })
        .collect()
}

pub(super) fn shape_count(connection: &Connection, tenant: &TenantId, shape: &Digest, since: Timestamp) -> Result<u64> {
    count(
        connection,
        "SELECT count(*) FROM tickets WHERE tenant = ?1 AND shape = ?2 AND received_at >= ?3",
        (tenant.as_str(), shape.as_bytes(), since.as_millis()),
    )
}

/// Automatic executions created at `now - CAP_WINDOW` or later, and all unfinished ones of the runbook.
///
/// The window's old edge is inside. It has no new edge: what a clock that was set back left in the future
/// still counts. Runs that people started use up `running` too, because two at once harm alike.
/// A requester's runs count over all runbooks.
pub(super) fn cap_use(
    connection: &Connection,
    tenant: &TenantId,
    runbook: &RunbookId,
    target: &Digest,
    requester: Option<&Digest>,
    now: Timestamp,
) -> Result<CapUse> {
    let since = now.minus(CAP_WINDOW).as_millis();
    let automatic = "SELECT count(*) FROM executions WHERE automatic = 1 AND tenant = ?1 AND created_at >= ?2 AND";
    Ok(CapUse {
        runbook_hour: count(connection, &format!("{automatic} runbook = ?3"), (tenant.as_str(), since, runbook.as_str()))?,
        target_hour: count(connection, &format!("{automatic} target = ?3"), (tenant.as_str(), since, target.as_bytes()))?,
        requester_hour: match requester {
            Some(requester) => count(connection, &format!("{automatic} requester = ?3"), (tenant.as_str(), since, requester.as_bytes()))?,
            None => 0,
        },
        running: count(
            connection,
            "SELECT count(*) FROM executions WHERE final = 0 AND tenant = ?1 AND runbook = ?2",
            (tenant.as_str(), runbook.as_str()),
        )?,
    })
}

/// What the shadow said beside the model in force, counted.
pub(super) fn shadow_pairs(connection: &Connection, shadow: &Digest) -> Result<Vec<ShadowPair>> {
    let sql = "SELECT said, shadow_said, count(*) FROM shadow_answers WHERE shadow = ?1 GROUP BY said, shadow_said
        ORDER BY count(*) DESC, said, shadow_said LIMIT 500";
    let row = |row: &rusqlite::Row<'_>| Ok(ShadowPair { said: row.get(0)?, shadow_said: row.get(1)?, tickets: uint(row.get(2)?) });
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let found = statement.query_map([shadow.as_bytes()], row).map_err(unavailable)?;
    found.collect::<rusqlite::Result<_>>().map_err(unavailable)
}

/// Each ticket once, wrong when any of its outcomes is: a ticket that is triaged again and again is no new evidence.
pub(super) fn outcome_record(connection: &Connection, tenant: &TenantId, runbook: &RunbookId, digest: &Digest) -> Result<OutcomeRecord> {
    let sql = "SELECT count(DISTINCT ticket) FROM outcomes
         WHERE would_act = 1 AND tenant = ?1 AND runbook = ?2 AND runbook_digest = ?3 AND wrong >= ?4";
    let of = |least: i64| count(connection, sql, (tenant.as_str(), runbook.as_str(), digest.as_bytes(), least));
    Ok(OutcomeRecord { known: of(0)?, wrong: of(1)? })
}

pub(super) fn automatic_outcomes(
    connection: &Connection,
    tenant: &TenantId,
    runbook: &RunbookId,
    digest: &Digest,
    since: Timestamp,
) -> Result<Vec<AutomaticOutcome>> {
    let sql =
        "SELECT id, wrong FROM outcomes WHERE automatic = 1 AND tenant = ?1 AND runbook = ?2 AND runbook_digest = ?3 AND decided_at >= ?4
         ORDER BY decided_at, id";
    rows(connection, sql, (tenant.as_str(), runbook.as_str(), digest.as_bytes(), since.as_millis()), |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })?
    .into_iter()
    .map(|(key, wrong)| Ok(AutomaticOutcome { recommendation: id("recommendation", &key)?, wrong }))
    .collect()
}

/// Would-be automatic decisions at or after `since`, by runbook version. Ids sort by the time of the decision.
pub(super) fn would_act(connection: &Connection, tenant: &TenantId, since: Timestamp) -> Result<Vec<WouldAct>> {
    let sql = "SELECT runbook, runbook_digest, count(*) FROM recommendations
         WHERE would_act = 1 AND tenant = ?1 AND id >= ?2 AND runbook IS NOT NULL AND runbook_digest IS NOT NULL
         GROUP BY runbook, runbook_digest ORDER BY runbook, min(id)";
    let from = RecommendationId::new(since, 0).to_string();
    rows(connection, sql, (tenant.as_str(), from), |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?
        .into_iter()
        .map(|(runbook, digest, decisions)| {
            Ok(WouldAct { runbook: id("runbook", &runbook)?, digest: Digest::from_bytes(digest), decisions: uint(decisions) })
        })
        .collect()
}

pub(super) fn requester_count(connection: &Connection, tenant: &TenantId, requester: &Digest, since: Timestamp) -> Result<u64> {
    count(
        connection,
        "SELECT count(*) FROM tickets WHERE tenant = ?1 AND requester = ?2 AND received_at >= ?3",
        (tenant.as_str(), requester.as_bytes(), since.as_millis()),
    )
}

/// The account with its password's hash put back.
pub(super) fn account(connection: &Connection, tenant: &TenantId, person: &PersonId) -> Result<Option<Account>> {
    let sql = "SELECT doc, password FROM accounts WHERE tenant = ?1 AND person = ?2";
    let found =
        rows(connection, sql, (tenant.as_str(), person.as_str()), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?.into_iter().next();
    found.map(|(doc, password)| with_password(person, &doc, password)).transpose()
}

pub(super) fn accounts(connection: &Connection, tenant: &TenantId) -> Result<Vec<Account>> {
    let sql = "SELECT person, doc, password FROM accounts WHERE tenant = ?1 ORDER BY person";
    rows(connection, sql, [tenant.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?)))?
        .into_iter()
        .map(|(person, doc, password)| with_password(person, &doc, password))
        .collect()
}

fn with_password(person: impl Display, doc: &str, password: String) -> Result<Account> {
    Ok(Account { password: Some(password).filter(|hash| !hash.is_empty()), ..parse(person, doc.as_bytes())? })
}

/// Sessions with what stands beside the document; `condition` is on the columns of the table.
pub(super) fn sessions(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Vec<Session>> {
    let sql = format!("SELECT id, doc, secret, seen_at, ended_at FROM sessions WHERE {condition} ORDER BY seq DESC LIMIT {PAGE}");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    rows(connection, &sql, parameters, row)?
        .into_iter()
        .map(|(id, doc, secret, seen_at, ended_at): (_, _, _, _, Option<i64>)| {
            let (secret, seen_at) = (Digest::from_bytes(secret), Timestamp::from_millis(seen_at));
            Ok(Session { secret, seen_at, ended_at: ended_at.map(Timestamp::from_millis), ..parse(id, doc.as_bytes())? })
        })
        .collect()
}

/// Invitations with their secrets' digests put back; `condition` is on the columns of the table.
pub(super) fn invitations(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Vec<Invitation>> {
    let sql = format!("SELECT id, doc, secret FROM invitations WHERE {condition} ORDER BY seq DESC LIMIT {PAGE}");
    rows(connection, &sql, parameters, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?)))?
        .into_iter()
        .map(|(id, doc, secret)| Ok(Invitation { secret: Digest::from_bytes(secret), ..parse(id, doc.as_bytes())? }))
        .collect()
}

/// Tokens with their secrets' digests put back; `condition` is on the columns of the table.
pub(super) fn tokens(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Vec<Token>> {
    let sql = format!("SELECT id, doc, secret FROM tokens WHERE {condition} ORDER BY seq DESC");
    rows(connection, &sql, parameters, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?)))?
        .into_iter()
        .map(|(id, doc, secret)| Ok(Token { secret: Digest::from_bytes(secret), ..parse(id, doc.as_bytes())? }))
        .collect()
}

pub(super) fn log_size(connection: &Connection) -> Result<u64> {
    count(connection, "SELECT coalesce((SELECT size FROM log_head), 0)", [])
}

fn logged((index, bytes): (i64, Vec<u8>)) -> Result<LoggedEntry> {
    Ok(LoggedEntry { index: uint(index), entry: parse::<Entry>(index, &bytes)?, bytes })
}

pub(super) fn entries(connection: &Connection, tenant: &TenantId, filter: &EntryFilter, page: &Page<u64>) -> Result<Vec<LoggedEntry>> {
    let Where { sql, values } = Where::tenant(tenant)
        .and_some("ticket = ?", filter.ticket.map(|ticket| ticket.to_string()))
        .and_some("runbook = ?", filter.runbook.as_ref().map(|runbook| runbook.as_str().to_owned()))
        .and_some("event = ?", filter.event.clone())
        .and_some("actor = ?", filter.actor.clone())
        .and_some("at >= ?", filter.from.map(Timestamp::as_millis))
        .and_some("at < ?", filter.until.map(Timestamp::as_millis))
        .and_some("idx < ?", page.before.map(int));
    let sql = format!("SELECT idx, bytes FROM log_entries WHERE {sql} ORDER BY idx DESC LIMIT {}", cut(page));
    rows(connection, &sql, params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().map(logged).collect()
}

pub(super) fn entry_range(connection: &Connection, start: u64, count: usize) -> Result<Vec<LoggedEntry>> {
    rows(connection, "SELECT idx, bytes FROM log_entries WHERE idx >= ?1 ORDER BY idx LIMIT ?2", (int(start), int(count as u64)), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?
    .into_iter()
    .map(logged)
    .collect()
}
