//! Changes in the form the writer thread takes, and stored documents read back.
//!
//! Serialising and hashing happen here, in the task of whoever commits, so that the one writer thread
//! does nothing but write.

use std::fmt::Display;

use rusqlite::Row;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{
        account::Account,
        approval::{Modes, PreApproval},
        canonical,
        delivery::{DeadLetter, Delivery},
        digest::Digest,
        dual_authorization::DualAuthorization,
        endpoint::{Endpoint, EndpointState},
        entry::Entry,
        execution::Execution,
        feedback::Feedback,
        handling::Handling,
        id::{DeadLetterId, SessionId},
        invitation::Invitation,
        model::{Models, ShadowAnswer},
        name::{PersonId, TenantId},
        outbox::{OutboxMessage, OutboxState},
        outcome::Outcome,
        principal::{Actor, Token},
        recommendation::{Recommendation, RecommendationState},
        session::Session,
        storm::Storm,
        ticket::Ticket,
        time::Timestamp,
    },
    log::hash::{self, Hash},
    store::{
        change::{Change, Expectation, Write},
        interface::{Result, StoreError},
        vectors::NewVector,
    },
    text::{mask, search_words},
};

/// A change ready to be written.
pub(super) struct Prepared {
    pub expect: Vec<Expectation>,
    pub rows: Vec<Prow>,
    pub entries: Vec<PreparedEntry>,
    /// Bytes it holds in memory and will write, about.
    pub weight: usize,
}

/// One row with its document serialised.
pub(super) enum Prow {
    Delivery {
        delivery: Delivery,
        headers: String,
    },
    DeadLetter(DeadLetter),
    DeadLetterReplayed(DeadLetterId),
    /// `words` are what a search finds it by.
    Ticket {
        ticket: Box<Ticket>,
        shape: Digest,
        doc: String,
        words: String,
    },
    Recommendation {
        recommendation: Box<Recommendation>,
        doc: String,
    },
    Execution {
        execution: Box<Execution>,
        doc: String,
    },
    Message {
        message: Box<OutboxMessage>,
        doc: String,
    },
    Endpoint(Endpoint),
    EndpointWorks {
        tenant: TenantId,
        destination: String,
    },
    PreApproval {
        pre_approval: PreApproval,
        doc: String,
    },
    Modes {
        tenant: TenantId,
        revision: u64,
        doc: String,
    },
    Models {
        revision: u64,
        doc: String,
    },
    ShadowAnswer(ShadowAnswer),
    Storm {
        storm: Storm,
        doc: String,
    },
    TicketVector(NewVector),
    VectorSpace(Digest),
    Feedback {
        feedback: Box<Feedback>,
        doc: String,
    },
    Token {
        token: Token,
        doc: String,
    },
    Outcome {
        outcome: Box<Outcome>,
        doc: String,
    },
    DualAuthorization {
        authorization: Box<DualAuthorization>,
        doc: String,
    },
    Account {
        account: Account,
        doc: String,
    },
    Handling(Handling),
    Session {
        session: Box<Session>,
        doc: String,
    },
    SessionSeen {
        session: SessionId,
        at: Timestamp,
    },
    SessionsEnded {
        tenant: TenantId,
        person: PersonId,
        except: Option<SessionId>,
        at: Timestamp,
    },
    Invitation {
        invitation: Invitation,
        doc: String,
    },
    IdempotencyKey {
        tenant: TenantId,
        key: String,
        request: Digest,
        answer: String,
        at: Timestamp,
    },
}

pub(super) struct PreparedEntry {
    pub entry: Entry,
    pub bytes: Vec<u8>,
    pub leaf: Hash,
}

impl Prow {
    /// Rows are written in this order, so that a row that refers to another finds it whatever the caller's order.
    fn rank(&self) -> u8 {
        match self {
            Self::Delivery { .. } => 0,
            Self::Ticket { .. } => 1,
            Self::Recommendation { .. } => 2,
            _ => 3,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Delivery { delivery, headers } => delivery.body.len() + headers.len(),
            // The domain value stays in memory beside its document until the row is written.
            Self::Ticket { doc, .. } | Self::Recommendation { doc, .. } | Self::Execution { doc, .. } | Self::Message { doc, .. } => {
                2 * doc.len()
            }
            Self::Outcome { doc, .. } | Self::DualAuthorization { doc, .. } => 2 * doc.len(),
            Self::PreApproval { doc, .. }
            | Self::Modes { doc, .. }
            | Self::Models { doc, .. }
            | Self::Token { doc, .. }
            | Self::Account { doc, .. } => doc.len(),
            Self::Session { doc, .. } | Self::Invitation { doc, .. } | Self::Feedback { doc, .. } | Self::Storm { doc, .. } => doc.len(),
            Self::IdempotencyKey { answer, .. } => answer.len(),
            Self::TicketVector(new) => new.vector.len(),
            Self::DeadLetter(letter) => letter.reason.len(),
            Self::Endpoint(endpoint) => endpoint.destination.len(),
            Self::DeadLetterReplayed(_)
            | Self::EndpointWorks { .. }
            | Self::Handling(_)
            | Self::ShadowAnswer(_)
            | Self::VectorSpace(_)
            | Self::SessionSeen { .. }
            | Self::SessionsEnded { .. } => 0,
        }
    }
}

fn unwritable(what: &str, why: impl Display) -> StoreError {
    StoreError::Unavailable(format!("cannot serialise {what}: {why}"))
}

/// Canonical JSON as text.
fn document<T: Serialize>(what: &'static str, value: &T) -> Result<String> {
    let bytes = canonical::bytes(value).map_err(|why| unwritable(what, why))?;
    String::from_utf8(bytes).map_err(|why| unwritable(what, why))
}

impl Prepared {
    /// # Errors
    /// A value that JSON cannot hold, like a number that is not finite.
    pub fn of(change: Change) -> Result<Self> {
        let mut rows = change.writes.into_iter().map(prepare).collect::<Result<Vec<_>>>()?;
        rows.sort_by_key(Prow::rank);
        let entries = change
            .entries
            .into_iter()
            .map(|entry| {
                let bytes = entry.bytes().map_err(|why| unwritable("a log entry", why))?;
                Ok(PreparedEntry { leaf: hash::leaf(&bytes), bytes, entry })
            })
            .collect::<Result<Vec<_>>>()?;
        let weight =
            512 + rows.iter().map(|row| 256 + row.weight()).sum::<usize>() + entries.iter().map(|e| 256 + e.bytes.len()).sum::<usize>();
        Ok(Self { expect: change.expect, rows, entries, weight })
    }
}

/// What a search finds the ticket by: the words of its title and its keys. Masked as pages show them, so that a search is
/// no way to guess what they hide.
pub(super) fn found_by(ticket: &Ticket) -> String {
    let report = &ticket.report;
    let key = report.external_key.as_deref().unwrap_or_default();
    search_words(&format!("{} {} {key}", mask(report.title.as_untrusted()), report.external_id)).join(" ")
}

fn prepare(write: Write) -> Result<Prow> {
    Ok(match write {
        Write::Delivery(delivery) => Prow::Delivery { headers: document("headers", &delivery.headers)?, delivery },
        Write::DeadLetter(letter) => Prow::DeadLetter(letter),
        Write::DeadLetterReplayed(id) => Prow::DeadLetterReplayed(id),
        Write::Ticket { ticket, shape } => {
            let words = found_by(&ticket);
            Prow::Ticket { doc: document("a ticket", &ticket)?, ticket, shape, words }
        }
        Write::Recommendation(recommendation) => {
            Prow::Recommendation { doc: document("a recommendation", &recommendation)?, recommendation }
        }
        Write::Execution(execution) => Prow::Execution { doc: document("an execution", &execution)?, execution },
        Write::Message(message) => Prow::Message { doc: document("a message", &message)?, message },
        Write::Endpoint(endpoint) => Prow::Endpoint(endpoint),
        Write::EndpointWorks { tenant, destination } => Prow::EndpointWorks { tenant, destination },
        Write::PreApproval(pre_approval) => Prow::PreApproval { doc: document("a pre-approval", &pre_approval)?, pre_approval },
        Write::Modes { tenant, modes } => Prow::Modes { doc: document("modes", &modes)?, revision: modes.revision, tenant },
        Write::Models(models) => Prow::Models { doc: document("models", &models)?, revision: models.revision },
        Write::Feedback(feedback) => Prow::Feedback { doc: document("feedback", &feedback)?, feedback },
        Write::TicketVector(new) => Prow::TicketVector(new),
        Write::VectorSpace(embedding) => Prow::VectorSpace(embedding),
        Write::Storm(storm) => Prow::Storm { doc: document("a storm", &storm)?, storm },
        Write::ShadowAnswer(answer) => Prow::ShadowAnswer(answer),
        Write::Token(token) => Prow::Token { doc: document("a token", &token)?, token },
        Write::Outcome(outcome) => Prow::Outcome { doc: document("an outcome", &outcome)?, outcome },
        Write::DualAuthorization(authorization) => {
            Prow::DualAuthorization { doc: document("a dual authorization", &authorization)?, authorization }
        }
        Write::Account(account) => Prow::Account { doc: document("an account", &account)?, account },
        Write::Handling(handling) => Prow::Handling(handling),
        Write::Session(session) => Prow::Session { doc: document("a session", &session)?, session },
        Write::SessionSeen { session, at } => Prow::SessionSeen { session, at },
        Write::SessionsEnded { tenant, person, except, at } => Prow::SessionsEnded { tenant, person, except, at },
        Write::Invitation(invitation) => Prow::Invitation { doc: document("an invitation", &invitation)?, invitation },
        Write::IdempotencyKey { tenant, key, request, answer, at } => {
            Prow::IdempotencyKey { answer: document("an answer", &answer)?, tenant, key, request, at }
        }
    })
}

/// A stored document.
pub(super) trait Document: DeserializeOwned {
    const WHAT: &'static str;
    /// The newest form this program reads; `None` where the schema version alone says it.
    const FORM: Option<u32>;
}

macro_rules! documents {
    ($($name:ty = $what:literal, $form:expr;)*) => {$(
        impl Document for $name {
            const WHAT: &'static str = $what;
            const FORM: Option<u32> = $form;
        }
    )*};
}

documents! {
    Ticket = "ticket", Some(Self::FORM);
    Recommendation = "recommendation", Some(Self::FORM);
    Execution = "execution", Some(Self::FORM);
    OutboxMessage = "message", Some(Self::FORM);
    PreApproval = "pre-approval", Some(Self::FORM);
    Outcome = "outcome", Some(Self::FORM);
    DualAuthorization = "dual authorization", Some(Self::FORM);
    Account = "account", Some(Self::FORM);
    Session = "session", Some(Self::FORM);
    Invitation = "invitation", Some(Self::FORM);
    Modes = "modes", None;
    Models = "models", Some(Self::FORM);
    Feedback = "feedback", Some(Self::FORM);
    Storm = "storm", Some(Self::FORM);
    Token = "token", None;
    Entry = "log entry", Some(Self::FORM);
}

#[derive(serde::Deserialize)]
struct FormOnly {
    form: u32,
}

/// Reads a document back; a newer form is refused before its fields are guessed at.
pub(super) fn parse<T: Document>(id: impl Display, doc: &[u8]) -> Result<T> {
    let unreadable = |why: String| StoreError::Unreadable { what: T::WHAT, id: id.to_string(), why };
    if let Some(known) = T::FORM {
        let found = serde_json::from_slice::<FormOnly>(doc).map_err(|why| unreadable(why.to_string()))?.form;
        if found == 0 || found > known {
            return Err(unreadable(format!("it has form {found} and this program reads up to {known}: run the newer program")));
        }
    }
    serde_json::from_slice(doc).map_err(|why| unreadable(why.to_string()))
}

/// A row of `id, doc`.
pub(super) fn id_and_doc(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

pub(super) fn recommendation_state(state: RecommendationState) -> &'static str {
    match state {
        RecommendationState::Open => "open",
        RecommendationState::Approved => "approved",
        RecommendationState::Rejected => "rejected",
        RecommendationState::Expired => "expired",
        RecommendationState::Superseded => "superseded",
    }
}

pub(super) fn outbox_state(state: OutboxState) -> &'static str {
    match state {
        OutboxState::Waiting => "waiting",
        OutboxState::Delivered => "delivered",
        OutboxState::Dead => "dead",
    }
}

pub(super) const fn endpoint_state(state: &EndpointState) -> &'static str {
    match state {
        EndpointState::Working => "working",
        EndpointState::Failing { .. } => "failing",
        EndpointState::Disabled { .. } => "disabled",
    }
}

/// The text that queries by actor compare.
pub(super) fn actor_key(actor: &Actor) -> &str {
    match actor {
        Actor::Engine => "engine",
        Actor::Source(source) => source.as_str(),
        Actor::Person(person) => person.as_str(),
    }
}

/// SQLite's integers are signed; sizes and revisions never come near the border.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
