//! One prepared row into its table, made or replaced.
//!
//! Runs on the writer's connection, inside the savepoint of its change. A row never changes its tenant.

use rusqlite::{Connection, Params};

use super::rows::{Prow, actor_key, endpoint_state, int, outbox_state, recommendation_state};
use super::{rows::PreparedEntry, vectors};
use crate::domain::{
    endpoint::{Endpoint, EndpointState},
    execution::{Execution, ExecutionState},
    principal::Actor,
    recommendation::{Recommendation, RecommendationState},
    state::TicketState,
    time::Timestamp,
    verdict::Decision,
};

/// # Errors
/// SQLite's, or `StatementChangedRows` when the id is another tenant's.
pub(super) fn row(connection: &Connection, place: usize, row: &Prow) -> rusqlite::Result<()> {
    match row {
        Prow::Delivery { delivery, headers } => one(
            connection,
            "INSERT INTO deliveries (id, tenant, source, dedup_key, headers, body, body_digest, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                delivery.id.to_string(),
                delivery.tenant.as_str(),
                delivery.source.as_str(),
                &delivery.dedup_key,
                headers,
                &delivery.body,
                delivery.body_digest.as_bytes(),
                delivery.received_at.as_millis(),
            ),
        ),
        Prow::DeadLetter(letter) => one(
            connection,
            "INSERT INTO dead_letters (id, tenant, source, delivery, body_digest, reason, received_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                letter.id.to_string(),
                letter.tenant.as_str(),
                letter.source.as_str(),
                letter.delivery.to_string(),
                letter.body_digest.as_bytes(),
                &letter.reason,
                letter.received_at.as_millis(),
            ),
        ),
        // Gone already is no error: whoever minds expects `DeadLetterWaits`.
        Prow::DeadLetterReplayed(id) => any(connection, "DELETE FROM dead_letters WHERE id = ?1", [id.to_string()]),
        Prow::Ticket { ticket, shape, doc, words } => {
            let id = ticket.id.to_string();
            one(
                connection,
                "INSERT INTO tickets (id, tenant, source, external_id, state, version, shape, requester, received_at, resolved_at, words, doc)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, version = excluded.version, shape = excluded.shape,
                     requester = excluded.requester, received_at = excluded.received_at,
                     resolved_at = iif(excluded.resolved_at IS NULL, NULL, coalesce(resolved_at, excluded.resolved_at)),
                     words = excluded.words, doc = excluded.doc
                 WHERE tenant = excluded.tenant AND source = excluded.source AND external_id = excluded.external_id",
                (
                    &id,
                    ticket.tenant.as_str(),
                    ticket.source.as_str(),
                    &ticket.report.external_id,
                    ticket.state.as_str(),
                    int(ticket.version),
                    shape.as_bytes(),
                    ticket.requester_digest().as_ref().map(|requester| requester.as_bytes()),
                    ticket.received_at.as_millis(),
                    (ticket.state == TicketState::Resolved).then(|| ticket.updated_at.as_millis()),
                    words,
                    doc,
                ),
            )?;
            let sql = "INSERT OR IGNORE INTO delivery_tickets (delivery, ticket, place) VALUES (?1, ?2, ?3)";
            let new = connection.prepare_cached(sql)?.execute((ticket.delivery.to_string(), &id, int(place as u64)))?;
            // What it is found by comes with a delivery, and not with every move between states.
            if new > 0 { find_by(connection, &id, words) } else { Ok(()) }
        }
        Prow::Recommendation { recommendation: r, doc } => {
            one(
            connection,
            "INSERT INTO recommendations (id, tenant, ticket, runbook, runbook_digest, state, awaits_approval, would_act, revision,
                 expires_at, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET runbook = excluded.runbook, runbook_digest = excluded.runbook_digest, state = excluded.state,
                 awaits_approval = excluded.awaits_approval, would_act = excluded.would_act, revision = excluded.revision, expires_at = excluded.expires_at, doc = excluded.doc
             WHERE tenant = excluded.tenant AND ticket = excluded.ticket",
            (
                r.id.to_string(),
                r.tenant.as_str(),
                r.ticket.to_string(),
                r.runbook.as_ref().map(|runbook| runbook.as_str()),
                r.runbook_digest.as_ref().map(|digest| digest.as_bytes()),
                recommendation_state(r.state),
                r.verdict.decision == Decision::NeedsApproval || r.freeze_override.is_some(),
                r.would_act,
                int(r.revision),
                r.expires_at.as_millis(),
                doc,
            ),
        )?;
            proposed(connection, r)
        }
        Prow::Execution { execution: e, doc } => {
            one(
                connection,
                "INSERT INTO executions (id, tenant, ticket, runbook, runbook_digest, target, requester, automatic, state, final, revision,
                 created_at, not_before, doc, undo, undone)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, final = excluded.final, revision = excluded.revision,
                 not_before = excluded.not_before, doc = excluded.doc, undone = excluded.undone
             WHERE tenant = excluded.tenant AND ticket = excluded.ticket AND runbook = excluded.runbook
                 AND runbook_digest = excluded.runbook_digest AND target = excluded.target AND requester IS excluded.requester
                 AND automatic = excluded.automatic AND created_at = excluded.created_at",
                (
                    e.id.to_string(),
                    e.tenant.as_str(),
                    e.ticket.to_string(),
                    e.runbook.as_str(),
                    e.runbook_digest.as_bytes(),
                    e.target.as_bytes(),
                    e.requester.as_ref().map(|requester| requester.as_bytes()),
                    e.started_by == Actor::Engine,
                    e.state.as_str(),
                    e.state.is_final(),
                    int(e.revision),
                    e.created_at.as_millis(),
                    e.not_before.as_millis(),
                    doc,
                    e.undoes.is_some(),
                    e.undone_by.is_some(),
                ),
            )?;
            runs(connection, e)
        }
        Prow::Message { message: m, doc } => one(
            connection,
            "INSERT INTO messages (id, tenant, ticket, destination, state, attempts, next_attempt_at, doc, blocked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
                 EXISTS (SELECT 1 FROM endpoints WHERE tenant = ?2 AND destination = ?4 AND state = 'disabled'))
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
                 next_attempt_at = excluded.next_attempt_at, doc = excluded.doc, blocked = excluded.blocked
             WHERE tenant = excluded.tenant AND ticket IS excluded.ticket AND destination = excluded.destination",
            (
                m.id.to_string(),
                m.tenant.as_str(),
                m.ticket.map(|ticket| ticket.to_string()),
                m.destination.key(),
                outbox_state(m.state),
                m.attempts,
                m.next_attempt_at.as_millis(),
                doc,
            ),
        ),
        Prow::Endpoint(endpoint) => self::endpoint(connection, endpoint),
        Prow::EndpointWorks { tenant, destination } => any(
            connection,
            "UPDATE endpoints SET state = 'working', since = NULL, why = NULL, revision = revision + 1
             WHERE tenant = ?1 AND destination = ?2 AND state = 'failing'",
            (tenant.as_str(), destination),
        ),
        Prow::PreApproval { pre_approval, doc } => one(
            connection,
            "INSERT INTO pre_approvals (id, tenant, runbook, stands, doc) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET stands = excluded.stands, doc = excluded.doc
             WHERE tenant = excluded.tenant AND runbook = excluded.runbook",
            (pre_approval.id.to_string(), pre_approval.tenant.as_str(), pre_approval.runbook.as_str(), pre_approval.stands(), doc),
        ),
        Prow::Modes { tenant, revision, doc } => one(
            connection,
            "INSERT INTO modes (tenant, revision, doc) VALUES (?1, ?2, ?3)
             ON CONFLICT (tenant) DO UPDATE SET revision = excluded.revision, doc = excluded.doc",
            (tenant.as_str(), int(*revision), doc),
        ),
        Prow::Models { revision, doc } => one(
            connection,
            "INSERT INTO models (id, revision, doc) VALUES (1, ?1, ?2)
             ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, doc = excluded.doc",
            (int(*revision), doc),
        ),
        Prow::Feedback { feedback: f, doc } => one(
            connection,
            "INSERT INTO feedback (id, tenant, ticket, ruled, revision, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET ruled = excluded.ruled, revision = excluded.revision, doc = excluded.doc
             WHERE tenant = excluded.tenant AND ticket = excluded.ticket",
            (f.id.to_string(), f.tenant.as_str(), f.ticket.to_string(), f.ruling.is_some(), int(f.revision), doc),
        ),
        Prow::TicketVector(new) => vectors::put(connection, new),
        Prow::VectorSpace(embedding) => vectors::begin(connection, embedding),
        Prow::Storm { storm, doc } => one(
            connection,
            "INSERT INTO storms (id, tenant, first_ticket, doc) VALUES (?1, ?2, ?3, ?4)",
            (storm.id.to_string(), storm.tenant.as_str(), storm.first.to_string(), doc),
        ),
        Prow::ShadowAnswer(a) => any(
            connection,
            "INSERT OR REPLACE INTO shadow_answers (shadow, tenant, ticket, version, said, shadow_said, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                a.shadow.as_bytes(),
                a.tenant.as_str(),
                a.ticket.to_string(),
                int(a.ticket_version),
                a.said.as_deref(),
                a.shadow_said.as_deref(),
                a.at.as_millis(),
            ),
        ),
        Prow::Token { token, doc } => one(
            connection,
            "INSERT INTO tokens (id, tenant, secret, doc) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET secret = excluded.secret, doc = excluded.doc WHERE tenant = excluded.tenant",
            (token.id.to_string(), token.tenant.as_str(), token.secret.as_bytes(), doc),
        ),
        Prow::Outcome { outcome: o, doc } => one(
            connection,
            "INSERT INTO outcomes (id, tenant, ticket, runbook, runbook_digest, would_act, automatic, wrong, decided_at, known_at,
                 revision, doc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO UPDATE SET wrong = excluded.wrong, known_at = excluded.known_at, revision = excluded.revision,
                 doc = excluded.doc
             WHERE tenant = excluded.tenant AND ticket = excluded.ticket AND runbook = excluded.runbook
                 AND runbook_digest = excluded.runbook_digest AND decided_at = excluded.decided_at AND wrong <= excluded.wrong",
            (
                o.recommendation.to_string(),
                o.tenant.as_str(),
                o.ticket.to_string(),
                o.runbook.as_str(),
                o.runbook_digest.as_bytes(),
                o.would_act,
                o.automatic,
                o.kind.is_wrong(),
                o.decided_at.as_millis(),
                o.known_at.as_millis(),
                int(o.revision),
                doc,
            ),
        ),
        Prow::DualAuthorization { authorization: a, doc } => one(
            connection,
            "INSERT INTO dual_authorizations (id, tenant, revision, doc) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, doc = excluded.doc WHERE tenant = excluded.tenant",
            (a.id.to_string(), a.tenant.as_str(), int(a.revision), doc),
        ),
        Prow::Account { account, doc } => one(
            connection,
            "INSERT INTO accounts (tenant, person, password, changed_at, doc) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, person) DO UPDATE SET password = excluded.password, changed_at = excluded.changed_at, doc = excluded.doc",
            (
                account.tenant.as_str(),
                account.person.as_str(),
                account.password.as_deref().unwrap_or_default(),
                account.changed_at.as_millis(),
                doc,
            ),
        ),
        Prow::Handling(h) => one(
            connection,
            "UPDATE tickets SET assignee = ?3, snoozed_until = ?4, handling = ?5 WHERE id = ?1 AND tenant = ?2",
            (
                h.ticket.to_string(),
                h.tenant.as_str(),
                h.assignee.as_ref().map(|person| person.as_str()),
                h.snoozed_until.map(Timestamp::as_millis),
                int(h.revision),
            ),
        ),
        Prow::Session { session: s, doc } => one(
            connection,
            "INSERT INTO sessions (id, tenant, person, secret, seen_at, ends_at, ended_at, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, ended_at = excluded.ended_at, doc = excluded.doc
             WHERE tenant = excluded.tenant",
            (
                s.id.to_string(),
                s.tenant.as_str(),
                s.person.as_str(),
                s.secret.as_bytes(),
                s.seen_at.as_millis(),
                s.ends_at.as_millis(),
                s.ended_at.map(Timestamp::as_millis),
                doc,
            ),
        ),
        Prow::SessionSeen { session, at } => {
            let sql = "UPDATE sessions SET seen_at = max(seen_at, ?2) WHERE id = ?1";
            connection.prepare_cached(sql)?.execute((session.to_string(), at.as_millis())).map(drop)
        }
        Prow::SessionsEnded { tenant, person, except, at } => {
            let sql = "UPDATE sessions SET ended_at = ?4 WHERE tenant = ?1 AND person = ?2 AND ended_at IS NULL AND id <> ?3";
            let kept = except.map_or_else(String::new, |session| session.to_string());
            connection.prepare_cached(sql)?.execute((tenant.as_str(), person.as_str(), kept, at.as_millis())).map(drop)
        }
        Prow::Invitation { invitation: i, doc } => one(
            connection,
            "INSERT INTO invitations (id, tenant, secret, open, doc) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET open = excluded.open, doc = excluded.doc WHERE tenant = excluded.tenant",
            (i.id.to_string(), i.tenant.as_str(), i.secret.as_bytes(), i.used_at.is_none() && i.withdrawn_at.is_none(), doc),
        ),
        Prow::IdempotencyKey { tenant, key, request, answer, at } => one(
            connection,
            "INSERT INTO idempotency_keys (tenant, key, request, answer, at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, key) DO UPDATE SET request = excluded.request, answer = excluded.answer, at = excluded.at",
            (tenant.as_str(), key, request.as_bytes(), answer, at.as_millis()),
        ),
    }
}

/// What a search finds the ticket by; that its sender said more wakes it.
fn find_by(connection: &Connection, ticket: &str, words: &str) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO ticket_words (rowid, words) SELECT seq, ?2 FROM tickets WHERE id = ?1";
    any(connection, sql, (ticket, words))?;
    // Said anew, it is another text.
    any(connection, "UPDATE tickets SET vectored = 0 WHERE id = ?1 AND vectored = 1", [ticket])?;
    // With the revision, so that who puts it off without having seen the news is told to look again.
    let sql = "UPDATE tickets SET snoozed_until = NULL, handling = handling + 1 WHERE id = ?1 AND snoozed_until IS NOT NULL";
    any(connection, sql, [ticket])
}

/// The ticket's row says what was proposed last.
fn proposed(connection: &Connection, r: &Recommendation) -> rusqlite::Result<()> {
    // One that was superseded has given its place to a newer one, or its ticket waits for triage.
    if r.state == RecommendationState::Superseded {
        return Ok(());
    }
    let awaits = r.state == RecommendationState::Open && (r.verdict.decision == Decision::NeedsApproval || r.freeze_override.is_some());
    let classification = &r.classification;
    any(
        connection,
        "UPDATE tickets SET priority = ?2, risk = ?3, category = ?4, probability = ?5, runbook = ?6, decision = ?7, approvals = ?8,
             approvals_needed = ?9, deadline = ?10, triaged_at = coalesce(triaged_at, ?11)
         WHERE id = ?1",
        (
            r.ticket.to_string(),
            1 + classification.priority as i64,
            classification.risk.as_str(),
            classification.category.label.as_deref(),
            classification.category.ranked.first().map(|(_, probability)| probability),
            r.runbook.as_ref().map(|runbook| runbook.as_str()),
            r.verdict.decision.as_str(),
            int(r.approvals.len() as u64),
            r.verdict.approvals_needed,
            awaits.then(|| r.expires_at.as_millis()),
            r.created_at.as_millis(),
        ),
    )
}

/// The ticket's row says until when its automatic run can be cancelled, and that one ran to its end and was not taken back.
fn runs(connection: &Connection, e: &Execution) -> rusqlite::Result<()> {
    let held = e.state == ExecutionState::Pending && e.not_before > e.created_at && e.cancel.is_none();
    let ended_by_itself = e.started_by == Actor::Engine && e.state == ExecutionState::Succeeded && e.undoes.is_none();
    any(
        connection,
        "UPDATE tickets SET hold_until = ?2, automatic = coalesce(?3, automatic) WHERE id = ?1",
        (e.ticket.to_string(), held.then(|| e.not_before.as_millis()), ended_by_itself.then_some(e.undone_by.is_none())),
    )
}

fn endpoint(connection: &Connection, endpoint: &Endpoint) -> rusqlite::Result<()> {
    let Endpoint { tenant, destination, state, revision } = endpoint;
    let (since, at, why) = match state {
        EndpointState::Working => (None, None, None),
        EndpointState::Failing { since, why } => (Some(since), None, Some(why)),
        EndpointState::Disabled { since, at, why } => (Some(since), Some(at), Some(why)),
    };
    one(
        connection,
        "INSERT INTO endpoints (tenant, destination, state, since, at, why, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (tenant, destination) DO UPDATE SET state = excluded.state, since = excluded.since, at = excluded.at,
             why = excluded.why, revision = excluded.revision",
        (
            tenant.as_str(),
            destination,
            endpoint_state(state),
            since.map(|time| time.as_millis()),
            at.map(|time| time.as_millis()),
            why,
            int(*revision),
        ),
    )?;
    // Messages written later look for themselves.
    any(
        connection,
        if state.is_disabled() {
            "UPDATE messages SET blocked = 1 WHERE tenant = ?1 AND destination = ?2 AND state = 'waiting' AND blocked = 0"
        } else {
            "UPDATE messages SET blocked = 0 WHERE tenant = ?1 AND destination = ?2 AND state = 'waiting' AND blocked = 1"
        },
        (tenant.as_str(), destination),
    )
}

/// The entry at its place in the log.
pub(super) fn entry(connection: &Connection, index: u64, prepared: &PreparedEntry) -> rusqlite::Result<()> {
    let PreparedEntry { entry, bytes, .. } = prepared;
    one(
        connection,
        "INSERT INTO log_entries (idx, tenant, at, event, actor, ticket, runbook, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            int(index),
            entry.tenant.as_str(),
            entry.at.as_millis(),
            entry.event.tag(),
            actor_key(&entry.actor),
            entry.event.ticket().map(|ticket| ticket.to_string()),
            entry.event.runbook().map(|runbook| runbook.as_str()),
            bytes,
        ),
    )
}

fn any(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(parameters).map(drop)
}

fn one(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<()> {
    match connection.prepare_cached(sql)?.execute(parameters)? {
        1 => Ok(()),
        rows => Err(rusqlite::Error::StatementChangedRows(rows)),
    }
}
