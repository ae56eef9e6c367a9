//! Everything the gate looks at, and nothing else: the one input of a verdict beside the policy set.
//!
//! Facts are stored in receipts and evaluated again by `replay` and `policy backtest`, so they hold no
//! ticket text, no map without an order, and no floating point number: probabilities are [`PerMillion`].
// INVARIANT: facts read back from their JSON equal the facts written (`facts_read_back_exactly`).
// INVARIANT: a field that a verdict depends on and an older program would not know gets a new `form`;
// an older program refuses the form instead of deciding without the field.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::GateError;
use crate::domain::{
    approval::{Mode, PreApproval},
    digest::Digest,
    id::{DualAuthorizationId, TicketId},
    name::{ConnectorName, ParameterName, PersonId, RunbookId, SourceId, TenantId},
    principal::Role,
    priority::{Priority, Risk},
    ticket::TicketKind,
    time::Timestamp,
};

/// A probability, rate or confidence in millionths, `0..=1_000_000`.
///
/// Integers, because a JSON reader may move a floating point number by its last bit and a threshold
/// would then decide differently in a replay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct PerMillion(u32);

/// A number that is no probability.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{0}` is not a probability: write a number from 0 to 1")]
pub struct NotAProbability(pub f64);

impl PerMillion {
    pub const ZERO: Self = Self(0);
    pub const ONE: Self = Self(1_000_000);

    /// Millionths; more than a million is 1.
    pub const fn new(millionths: u32) -> Self {
        if millionths > Self::ONE.0 { Self::ONE } else { Self(millionths) }
    }

    /// `value` rounded down: for evidence that speaks for automation. What is no number is 0.
    pub fn at_most(value: f64) -> Self {
        // INVARIANT: clamped to 0..=1 first, and NaN becomes 0, so the cast neither wraps nor truncates.
        Self((value.clamp(0.0, 1.0) * 1e6).floor() as u32)
    }

    /// `value` rounded up: for evidence that speaks against automation. What is no number is 1.
    pub fn at_least(value: f64) -> Self {
        if value.is_nan() { Self::ONE } else { Self((value.clamp(0.0, 1.0) * 1e6).ceil() as u32) }
    }

    /// A limit as an operator writes it, to the nearest millionth.
    ///
    /// # Errors
    /// A number outside `0..=1`.
    pub fn configured(value: f64) -> Result<Self, NotAProbability> {
        if (0.0..=1.0).contains(&value) { Ok(Self((value * 1e6).round() as u32)) } else { Err(NotAProbability(value)) }
    }

    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// In `0..=1`.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for PerMillion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        if part == 0 { write!(f, "{whole} %") } else { write!(f, "{} %", format!("{whole}.{part:04}").trim_end_matches('0')) }
    }
}

impl fmt::Debug for PerMillion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<'de> Deserialize<'de> for PerMillion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millionths = u32::deserialize(deserializer)?;
        if millionths <= Self::ONE.0 {
            Ok(Self(millionths))
        } else {
            Err(serde::de::Error::custom(format!("`{millionths}` is not a probability in millionths: expected 0 to 1000000")))
        }
    }
}

/// When the gate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A recommendation is made.
    Proposal,
    /// Right before a step of a run.
    Execution,
}

/// The gate's whole input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Version of this stored form.
    pub form: u32,
    pub phase: Phase,
    pub tenant: TenantId,
    pub now: Timestamp,
    pub ticket: TicketFacts,
    /// `None` when nobody asked, as with an alert.
    pub requester: Option<RequesterFacts>,
    /// `None` when no runbook fits.
    pub proposal: Option<ProposalFacts>,
    pub modes: Modes,
    pub kill_switch: KillSwitch,
    /// Calendar windows in force for this ticket's environment and service; see [`super::freeze::in_force`].
    pub windows: Vec<WindowInForce>,
    pub storm: StormFacts,
    pub usage: Usage,
    pub record: ErrorRecord,
    /// The connectors that the runbook's steps use.
    pub connectors: BTreeMap<ConnectorName, ConnectorHealth>,
    pub approvals: Vec<ApprovalFacts>,
}

/// What triage says of the ticket; none of the ticket's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketFacts {
    pub id: TicketId,
    pub version: u64,
    pub source: SourceId,
    pub kind: TicketKind,
    /// `None` when the classifier abstains.
    pub category: Option<CategoryFacts>,
    pub priority: Priority,
    /// Highest of signals, classifier and requester; the runbook's own class joins in [`Facts::risk`].
    pub risk: Risk,
    pub language: String,
    pub flags: BTreeSet<String>,
    /// As [`super::freeze::label`] reads it; `None` when the ticket does not say.
    pub environment: Option<String>,
    pub service: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryFacts {
    pub label: String,
    pub probability: PerMillion,
}

/// The requester's standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequesterFacts {
    /// Every identity under which the requester, or whoever benefits, could sign in here: none of them may
    /// approve. See [`super::approval::identities`].
    pub identities: BTreeSet<PersonId>,
    /// A directory knows the requester.
    pub known: bool,
    pub vip: bool,
    /// A person or rule marked the requester: nothing runs for them without a person's yes.
    pub flagged: bool,
    /// `None` when no directory says whether the requester may ask for this.
    pub entitled: Option<bool>,
    /// The requester's groups, as the directory names them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// `None` when no rate is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RequestRate>,
    /// Whether all of this could be learned; `None` when there is no list and no directory to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingFacts>,
}

/// Where the requester's standing comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum StandingFacts {
    /// The list in force.
    Listed,
    /// The directory service; the oldest of its answers is from then.
    Answered { at: Timestamp },
    /// It could not be learned in whole: what is not said may still be so.
    Unknown { reason: String },
}

/// Tickets of one requester in the last hour, this one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestRate {
    pub tickets_hour: u32,
    /// More than this, and a person decides.
    pub limit: u32,
}

/// The runbook proposed, and how well it fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalFacts {
    pub runbook: RunbookId,
    /// The version proposed.
    pub digest: Digest,
    /// The version in force now; `None` when the runbook was withdrawn.
    pub in_force: Option<Digest>,
    pub risk: Risk,
    pub reversible: bool,
    /// Every `change` step is safe to send twice.
    pub idempotent: bool,
    /// It has a `change` step.
    pub executable: bool,
    /// Its review is overdue.
    pub stale: bool,
    /// Who wrote and edited this version.
    pub authors: BTreeSet<PersonId>,
    /// Whom the run is for, by its parameters of type `username` and `email`: they benefit, whoever asked.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub beneficiaries: BTreeSet<PersonId>,
    /// Probability that the runbook fits the ticket; make it with [`PerMillion::at_most`].
    pub fit: PerMillion,
    /// Automation needs at least this fit.
    pub fit_limit: PerMillion,
    /// Parameters with no validated value; empty when all have one.
    pub missing: BTreeSet<ParameterName>,
    /// The recommendation's binding when it was made.
    pub binding: Digest,
    /// The binding of the same proposal computed from the state of now.
    pub binding_now: Digest,
    /// After this nobody may approve or run it.
    pub expires_at: Timestamp,
    /// All pre-approval records of this runbook, in force or not.
    pub pre_approvals: Vec<PreApproval>,
    /// Two persons' word that people may approve this proposal in spite of a freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_override: Option<FreezeOverride>,
    /// Who changed the proposal, when somebody did. No new form: a program that does not know it refuses the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_by: Option<PersonId>,
}

/// A confirmed freeze override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeOverride {
    pub authorization: DualAuthorizationId,
    /// The binding of the proposal that both persons saw.
    pub binding: Digest,
    /// The freezes that both persons saw.
    pub windows: BTreeSet<String>,
    pub requested_by: PersonId,
    pub confirmed_by: PersonId,
    pub reason: String,
    pub expires_at: Timestamp,
    /// Of the stored authorization; a withdrawn one has another.
    pub revision: u64,
}

/// The lowest applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Modes {
    pub global: Mode,
    pub source: Mode,
    pub runbook: Mode,
}

impl Modes {
    pub fn lowest(self) -> Mode {
        self.global.min(self.source).min(self.runbook)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum KillSwitch {
    Off,
    On { reason: String },
}

/// What a calendar window does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// Nothing runs, approved or not.
    Freeze,
    /// Policies see it and decide.
    Peak,
    /// Hours in which a pre-approval may say that it holds, like `office-hours`.
    Hours,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowInForce {
    pub name: String,
    pub kind: WindowKind,
    pub until: Timestamp,
}

/// The near-duplicates of this ticket inside the storm window, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StormFacts {
    pub size: u32,
    /// More than this is a storm.
    pub limit: u32,
}

/// Runs counted against the caps, this one not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub runbook_hour: u32,
    pub target_hour: u32,
    pub requester_hour: u32,
    pub running: u32,
}

/// Would-be automatic decisions of this runbook whose outcome a person has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRecord {
    pub decisions: u64,
    pub wrong: u64,
    /// Confidence of the one-sided upper bound, like 0.95.
    pub confidence: PerMillion,
    /// The largest error rate the operator accepts. 1 accepts any, so a bound is not asked for.
    pub limit: PerMillion,
    /// The sequential test over the outcomes since automation was switched on crossed its threshold.
    pub demoted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConnectorHealth {
    Healthy,
    /// Its circuit is open, it is not configured, or it does not answer.
    Unhealthy {
        reason: String,
    },
}

/// One person's yes, with the roles that person has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalFacts {
    pub by: PersonId,
    pub at: Timestamp,
    pub binding: Digest,
    pub roles: BTreeSet<Role>,
}

impl Facts {
    /// 2 added the requester's groups, rate and standing, beneficiaries, freeze overrides, and pre-approvals of form 2.
    pub const FORM: u32 = 2;

    /// The facts in a receipt, of this form or an older one; what that did not know is as if nobody had said it.
    ///
    /// # Errors
    /// A form of another program version, a field that is not there or not known.
    pub fn read(value: &serde_json::Value) -> Result<Self, GateError> {
        // The form is read first, so that facts of a newer program are refused by name, not by an odd field.
        match value.get("form").and_then(serde_json::Value::as_u64) {
            Some(form) if (1..=u64::from(Self::FORM)).contains(&form) => {
                Self::deserialize(value).map_err(|why| GateError::Facts(why.to_string()))
            }
            Some(form) => Err(GateError::FactsForm { found: form, known: Self::FORM }),
            None => Err(GateError::Facts("no `form`".to_owned())),
        }
    }

    /// The risk that counts: the highest of the ticket's and the runbook's.
    // INVARIANT: only ever a maximum, so neither triage nor a runbook can lower what the other says.
    pub fn risk(&self) -> Risk {
        self.proposal.as_ref().map_or(self.ticket.risk, |proposal| proposal.risk.max(self.ticket.risk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_for_automation_rounds_down_and_against_it_up() {
        assert_eq!(PerMillion::at_most(0.949_999_99).millionths(), 949_999);
        assert_eq!(PerMillion::at_least(0.050_000_01).millionths(), 50_001);
        assert_eq!((PerMillion::at_most(f64::NAN), PerMillion::at_least(f64::NAN)), (PerMillion::ZERO, PerMillion::ONE));
        assert_eq!((PerMillion::at_most(-1.0), PerMillion::at_least(7.0)), (PerMillion::ZERO, PerMillion::ONE));
        assert_eq!(PerMillion::configured(0.1 + 0.2).unwrap().millionths(), 300_000);
        assert!(PerMillion::configured(1.5).is_err() && PerMillion::configured(f64::NAN).is_err());
    }

    #[test]
    fn a_probability_is_shown_as_per_cent_without_trailing_zeros() {
        let shown = [1_000_000, 50_000, 49_500, 1, 0].map(|n| PerMillion::new(n).to_string());
        assert_eq!(shown, ["100 %", "5 %", "4.95 %", "0.0001 %", "0 %"]);
    }

    #[test]
    fn more_than_certain_is_refused_when_read() {
        assert!(serde_json::from_str::<PerMillion>("1000001").is_err());
        assert!(serde_json::from_str::<PerMillion>("0.5").is_err());
    }
}
