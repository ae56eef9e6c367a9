//! What lists of tickets show: a row a ticket, without the documents behind it.
//!
//! Rows are kept in the transaction of the ticket, proposal or run that they tell of, so a list is never behind.

use std::{collections::BTreeMap, time::Duration};

use crate::domain::{
    id::TicketId,
    name::{PersonId, RunbookId, SourceId},
    priority::{Priority, Risk},
    state::TicketState,
    time::Timestamp,
    untrusted::Untrusted,
    verdict::Decision,
};

/// The states in which a ticket waits for a person.
pub const WAITING: [TicketState; 6] = [
    TicketState::AwaitingApproval,
    TicketState::Recommended,
    TicketState::NoRunbook,
    TicketState::Failed,
    TicketState::InDoubt,
    TicketState::Expired,
];

/// One ticket as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct TicketRow {
    pub ticket: TicketId,
    pub source: SourceId,
    pub external_id: String,
    /// The key people use, like `INC0012345`.
    pub external_key: Option<String>,
    /// Not masked.
    pub title: Untrusted,
    pub state: TicketState,
    /// What triage said last; `None` before it looked.
    pub priority: Option<Priority>,
    pub risk: Option<Risk>,
    pub category: Option<String>,
    /// Of the category that triage named first, calibrated; in `0..=1`.
    pub probability: Option<f64>,
    pub runbook: Option<RunbookId>,
    pub decision: Option<Decision>,
    /// Given to the proposal, and what it needs before it may run.
    pub approvals: u64,
    pub approvals_needed: u64,
    pub received_at: Timestamp,
    /// When the proposal expires, or the automatic run begins, or somebody should have answered.
    pub due: Timestamp,
    pub due_is: Due,
    pub assignee: Option<PersonId>,
    pub snoozed_until: Option<Timestamp>,
}

/// What falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Until then somebody may approve.
    Approval,
    /// Then the automatic run begins; until then somebody may cancel.
    Hold,
    /// Until then somebody should look: the response target of its priority.
    Response,
}

/// Whose tickets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Whose {
    #[default]
    Anybodys,
    Nobodys,
    Of(PersonId),
}

/// What a list is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Empty means any.
    pub states: Vec<TicketState>,
    pub source: Option<SourceId>,
    pub category: Option<String>,
    pub priority: Option<Priority>,
    pub runbook: Option<RunbookId>,
    pub whose: Whose,
    /// Received at or after, and before.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// True leaves out what is snoozed at `now`, false has only that, `None` has both.
    pub awake: Option<bool>,
    /// Words of the title or the key, each by its beginning.
    pub text: Option<String>,
    /// Ran by itself to its end.
    pub automatic: Option<bool>,
}

/// How soon somebody should look, by priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseTargets {
    pub p1: Duration,
    pub p2: Duration,
    pub p3: Duration,
    pub p4: Duration,
}

/// In which order, and where a page begins.
#[derive(Debug, Clone)]
pub enum Order {
    /// Only what waits for a person or runs soon by itself; what falls due first is first; after this one.
    Due(Option<(Timestamp, TicketId)>),
    /// The newest is first, of those found by words what was stored last; before this one.
    Newest(Option<TicketId>),
}

/// How much waits, in one look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorklistCounts {
    /// Awake ones that wait for a person, by state.
    pub states: BTreeMap<TicketState, u64>,
    /// Runs by itself soon, and can be cancelled until then.
    pub held: u64,
    /// Awake ones that somebody took.
    pub by_person: BTreeMap<PersonId, u64>,
    pub snoozed: u64,
}

/// One line of the overview: tickets of one day, state and category.
#[derive(Debug, Clone, PartialEq)]
pub struct DayCount {
    /// Days since 1970 in UTC.
    pub day: i64,
    pub state: TicketState,
    pub category: Option<String>,
    /// A run that no person allowed came to its end, and was not taken back.
    pub automatic: bool,
    pub tickets: u64,
}

/// Runs of one runbook that ended. A run that takes another back is not one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCount {
    pub runbook: RunbookId,
    pub automatic: bool,
    /// And were not taken back.
    pub succeeded: u64,
    pub other: u64,
    /// When the newest of them was created.
    pub last_at: Timestamp,
}

/// What an overview is made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    pub days: Vec<DayCount>,
    pub runs: Vec<RunCount>,
    /// From receipt to triage, in milliseconds, ascending; at most 10,000 of the newest.
    pub to_triage: Vec<u64>,
    /// From receipt to resolution, the same.
    pub to_resolve: Vec<u64>,
}
