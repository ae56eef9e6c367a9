//! Whether what a change expects holds in the transaction it would be written in.
//!
//! Runs on the writer's connection only, so nothing can come between a check and the writes that follow.

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    read,
    rows::{int, uint},
};
use crate::{
    domain::{approval::Caps, digest::Digest, name::RunbookId},
    store::{
        change::{Conflict, Expectation},
        interface::{CapUse, Result, StoreError},
    },
};

use super::rows::unavailable;

/// # Errors
/// The conflict, when it does not hold.
pub(super) fn check(connection: &Connection, expectation: &Expectation) -> Result<()> {
    match expectation {
        Expectation::NewDelivery { tenant, source, dedup_key } => {
            let found: Option<String> = optional(
                connection,
                "SELECT id FROM deliveries WHERE tenant = ?1 AND source = ?2 AND dedup_key = ?3",
                (tenant.as_str(), source.as_str(), dedup_key),
            )?;
            let Some(first) = found else { return Ok(()) };
            let tickets = read::tickets_of_delivery(connection, &first)?;
            conflict(Conflict::DuplicateDelivery { first: read::id("delivery", &first)?, tickets })
        }
        Expectation::NewTicket { tenant, source, external_id } => {
            let found: Option<String> = optional(
                connection,
                "SELECT id FROM tickets WHERE tenant = ?1 AND source = ?2 AND external_id = ?3",
                (tenant.as_str(), source.as_str(), external_id),
            )?;
            found.map_or(Ok(()), |ticket| conflict(Conflict::TicketExists { ticket: read::id("ticket", &ticket)? }))
        }
        Expectation::TicketVersion { ticket, version } => {
            let found = optional(connection, "SELECT version FROM tickets WHERE id = ?1", [ticket.to_string()])?;
            unchanged("ticket", ticket.to_string(), *version, found)
        }
        Expectation::RecommendationRevision { recommendation, revision } => {
            let found = optional(connection, "SELECT revision FROM recommendations WHERE id = ?1", [recommendation.to_string()])?;
            unchanged("recommendation", recommendation.to_string(), *revision, found)
        }
        Expectation::ExecutionRevision { execution, revision } => {
            let found = optional(connection, "SELECT revision FROM executions WHERE id = ?1", [execution.to_string()])?;
            unchanged("execution", execution.to_string(), *revision, found)
        }
        Expectation::MessageAttempts { message, attempts } => {
            // One that no longer waits counts as not found, so equal attempts cannot hide that it is done.
            let found = optional(connection, "SELECT attempts FROM messages WHERE id = ?1 AND state = 'waiting'", [message.to_string()])?;
            unchanged("waiting message", message.to_string(), u64::from(*attempts), found)
        }
        Expectation::MessageSettled { message, attempts } => {
            let found = optional(connection, "SELECT attempts FROM messages WHERE id = ?1 AND state <> 'waiting'", [message.to_string()])?;
            unchanged("settled message", message.to_string(), u64::from(*attempts), found)
        }
        Expectation::EndpointRevision { tenant, destination, revision } => {
            let sql = "SELECT revision FROM endpoints WHERE tenant = ?1 AND destination = ?2";
            let found: Option<i64> = optional(connection, sql, (tenant.as_str(), destination))?;
            unchanged("endpoint", destination.clone(), *revision, Some(found.unwrap_or(0)))
        }
        Expectation::ModesRevision { tenant, revision } => {
            let found: Option<i64> = optional(connection, "SELECT revision FROM modes WHERE tenant = ?1", [tenant.as_str()])?;
            // A tenant whose modes nobody set yet has the default ones, of revision 0.
            unchanged("modes", tenant.to_string(), *revision, Some(found.unwrap_or(0)))
        }
        Expectation::ModelsRevision { revision } => {
            let found: Option<i64> = optional(connection, "SELECT revision FROM models WHERE id = 1", [])?;
            unchanged("models", "in force".to_owned(), *revision, Some(found.unwrap_or(0)))
        }
        Expectation::NewStorm { first } => {
            let found: Option<i64> = optional(connection, "SELECT 1 FROM storms WHERE first_ticket = ?1", [first.to_string()])?;
            unchanged("storm of ticket", first.to_string(), 0, Some(found.unwrap_or(0)))
        }
        Expectation::FeedbackRevision { feedback, revision } => {
            let found = optional(connection, "SELECT revision FROM feedback WHERE id = ?1", [feedback.to_string()])?;
            unchanged("feedback", feedback.to_string(), *revision, found)
        }
        Expectation::NewIdempotencyKey { tenant, key } => {
            let found: Option<([u8; 32], String)> = connection
                .prepare_cached("SELECT request, answer FROM idempotency_keys WHERE tenant = ?1 AND key = ?2")
                .and_then(|mut statement| statement.query_row((tenant.as_str(), key), |row| Ok((row.get(0)?, row.get(1)?))).optional())
                .map_err(unavailable)?;
            let Some((request, answer)) = found else { return Ok(()) };
            let answer = serde_json::from_str(&answer).map_err(|why| StoreError::Unreadable {
                what: "answer of idempotency key",
                id: key.clone(),
                why: why.to_string(),
            })?;
            conflict(Conflict::IdempotencyKeyUsed { request: Digest::from_bytes(request), answer })
        }
        Expectation::WithinCaps { tenant, runbook, target, requester, caps, now } => {
            let used = read::cap_use(connection, tenant, runbook, target, requester.as_ref(), *now)?;
            within(runbook, requester.is_some(), caps, used)
        }
        Expectation::OutcomeRevision { recommendation, revision } => {
            let found: Option<i64> = optional(connection, "SELECT revision FROM outcomes WHERE id = ?1", [recommendation.to_string()])?;
            unchanged("outcome", recommendation.to_string(), *revision, Some(found.unwrap_or(0)))
        }
        Expectation::DualAuthorizationRevision { authorization, revision } => {
            let found = optional(connection, "SELECT revision FROM dual_authorizations WHERE id = ?1", [authorization.to_string()])?;
            unchanged("dual authorization", authorization.to_string(), *revision, found)
        }
        Expectation::AccountChangedAt { tenant, person, changed_at } => {
            let sql = "SELECT changed_at FROM accounts WHERE tenant = ?1 AND person = ?2";
            let found: Option<i64> = optional(connection, sql, (tenant.as_str(), person.as_str()))?;
            let millis = |time: i64| uint(time.max(0));
            unchanged("account of", person.to_string(), millis(changed_at.as_millis()), found)
        }
        Expectation::PreApprovalStands { pre_approval } => {
            let found = optional(connection, "SELECT stands FROM pre_approvals WHERE id = ?1", [pre_approval.to_string()])?;
            unchanged("pre-approval", pre_approval.to_string(), 1, found)
        }
        Expectation::HandlingRevision { ticket, revision } => {
            let found = optional(connection, "SELECT handling FROM tickets WHERE id = ?1", [ticket.to_string()])?;
            unchanged("handling of", ticket.to_string(), *revision, found)
        }
        Expectation::SessionStands { session } => {
            let found = optional(connection, "SELECT ended_at IS NULL FROM sessions WHERE id = ?1", [session.to_string()])?;
            unchanged("session", session.to_string(), 1, found)
        }
        Expectation::InvitationOpen { invitation } => {
            let found = optional(connection, "SELECT open FROM invitations WHERE id = ?1", [invitation.to_string()])?;
            unchanged("invitation", invitation.to_string(), 1, found)
        }
        Expectation::DeadLetterWaits { dead_letter } => {
            let found: Option<i64> = optional(connection, "SELECT 1 FROM dead_letters WHERE id = ?1", [dead_letter.to_string()])?;
            if found.is_some() { Ok(()) } else { conflict(Conflict::DeadLetterGone { dead_letter: *dead_letter }) }
        }
    }
}

fn conflict(conflict: Conflict) -> Result<()> {
    Err(conflict.into())
}

fn optional<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<Option<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)).optional())
        .map_err(unavailable)
}

fn unchanged(what: &'static str, id: String, expected: u64, found: Option<i64>) -> Result<()> {
    if found == Some(int(expected)) { Ok(()) } else { conflict(Conflict::Changed { what, id, expected, found: found.map(uint) }) }
}

/// The first cap that one more run would exceed.
fn within(runbook: &RunbookId, has_requester: bool, caps: &Caps, used: CapUse) -> Result<()> {
    let counts = [
        ("runbook_hour", used.runbook_hour, caps.per_hour, true),
        ("target_hour", used.target_hour, caps.per_target_hour, true),
        ("requester_hour", used.requester_hour, caps.per_requester_hour, has_requester),
        ("concurrent", used.running, caps.concurrent, true),
    ];
    match counts.into_iter().find(|(_, used, limit, applies)| *applies && *used >= u64::from(*limit)) {
        Some((cap, used, limit, _)) => conflict(Conflict::CapReached { runbook: runbook.clone(), cap, used, limit: u64::from(limit) }),
        None => Ok(()),
    }
}
