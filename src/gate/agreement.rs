//! The shadow agreement report: what would have run by itself, and what people then did.
//!
//! Agreement is the share of judged proposals that were right, with the two-sided Clopper-Pearson interval (source in
//! [`error_bound`], whose arithmetic it uses). Beside it stands the bound that the gate holds
//! the runbook to, over all outcomes of the version and not only over those of the report's time.
//! Never reads a clock or a store: outcomes come in one by one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    error_bound,
    facts::{ErrorRecord, PerMillion},
};
use crate::domain::{
    digest::Digest,
    id::{RecommendationId, TicketId},
    name::RunbookId,
    outcome::{Outcome, OutcomeKind},
    principal::Actor,
    time::Timestamp,
};

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowReport {
    /// Proposals made at or after this.
    pub since: Timestamp,
    pub until: Timestamp,
    /// By runbook, then version.
    pub versions: Vec<VersionAgreement>,
}

/// One version of one runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VersionAgreement {
    pub runbook: RunbookId,
    pub digest: Digest,
    /// This version decides now.
    pub in_force: bool,
    /// Proposals that the gate would have let run by itself, had the runbook been trusted.
    pub would_have_acted: u64,
    /// Those of them whose outcome is known.
    pub judged: u64,
    /// Those of the judged that did run by themselves.
    pub ran_by_itself: u64,
    /// The judged by what was found.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// `null` while nothing is judged.
    pub agreement: Option<Agreement>,
    pub bound: Bound,
    /// Newest first.
    pub disagreements: Vec<Disagreement>,
}

/// A share in `0..=1` with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Agreement {
    pub rate: f64,
    pub lower: f64,
    pub upper: f64,
    /// Of the two-sided interval.
    pub confidence: f64,
}

/// What the gate asks of the version before it may run by itself. Rates in `0..=1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Bound {
    /// All outcomes of this version, whenever they were decided.
    pub decisions: u64,
    pub wrong: u64,
    /// One-sided upper bound of the error rate.
    pub upper: f64,
    pub confidence: f64,
    pub limit: f64,
    /// The bound is inside the limit.
    pub holds: bool,
    /// Right outcomes still needed, with no wrong one among them; `null` when no number is enough.
    pub right_needed: Option<u64>,
}

/// A proposal that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Disagreement {
    pub recommendation: RecommendationId,
    pub ticket: TicketId,
    /// The ticket with the proposal, its evidence and its runs.
    pub link: String,
    pub outcome: OutcomeKind,
    /// What was used instead, when a person said so.
    pub another_runbook: Option<RunbookId>,
    /// The right category, when a person said so.
    pub category: Option<String>,
    pub comment: Option<String>,
    pub by: Actor,
    /// It had run by itself.
    pub automatic: bool,
    pub decided_at: Timestamp,
    pub known_at: Timestamp,
}

impl VersionAgreement {
    /// A version with nothing judged yet. `record` is what the gate counts.
    pub fn new(runbook: RunbookId, digest: Digest, in_force: bool, would_have_acted: u64, record: &ErrorRecord) -> Self {
        Self {
            runbook,
            digest,
            in_force,
            would_have_acted,
            judged: 0,
            ran_by_itself: 0,
            outcomes: BTreeMap::new(),
            agreement: None,
            bound: Bound::of(record),
            disagreements: Vec::new(),
        }
    }

    /// Takes one outcome of this version. `public_url` is what links begin with.
    pub fn judged(&mut self, outcome: Outcome, public_url: &str) {
        self.judged += 1;
        self.ran_by_itself += u64::from(outcome.automatic);
        *self.outcomes.entry(outcome.kind).or_default() += 1;
        if outcome.kind.is_wrong() {
            self.disagreements.push(Disagreement {
                recommendation: outcome.recommendation,
                ticket: outcome.ticket,
                link: format!("{}/v1/tickets/{}", public_url.trim_end_matches('/'), outcome.ticket),
                outcome: outcome.kind,
                another_runbook: outcome.another_runbook,
                category: outcome.category,
                comment: outcome.comment,
                by: outcome.by,
                automatic: outcome.automatic,
                decided_at: outcome.decided_at,
                known_at: outcome.known_at,
            });
        }
    }

    /// The same with its agreement worked out, once all outcomes are in.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.agreement = (self.judged > 0).then(|| Agreement::of(self.judged, self.wrong(), self.bound.confidence));
        self
    }

    pub fn wrong(&self) -> u64 {
        self.outcomes.iter().filter(|(kind, _)| kind.is_wrong()).map(|(_, count)| count).sum()
    }
}

impl Agreement {
    /// Of `judged` proposals, of which `wrong` were wrong; at least one was judged.
    fn of(judged: u64, wrong: u64, confidence: f64) -> Self {
        // Half of what is left of the confidence on each side. In millionths, so that 1 - x is exact.
        let side = PerMillion::at_most(f64::midpoint(1.0, confidence));
        let right = judged - wrong;
        Self {
            rate: right as f64 / judged as f64,
            lower: PerMillion::new(PerMillion::ONE.millionths() - error_bound::upper(judged, wrong, side).millionths()).as_f64(),
            upper: error_bound::upper(judged, right, side).as_f64(),
            confidence,
        }
    }
}

impl Bound {
    fn of(record: &ErrorRecord) -> Self {
        Self {
            decisions: record.decisions,
            wrong: record.wrong,
            upper: error_bound::upper(record.decisions, record.wrong, record.confidence).as_f64(),
            confidence: record.confidence.as_f64(),
            limit: record.limit.as_f64(),
            holds: error_bound::within_limit(record),
            right_needed: error_bound::decisions_needed(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::name::{PersonId, TenantId};

    fn record(decisions: u64, wrong: u64) -> ErrorRecord {
        ErrorRecord { decisions, wrong, confidence: PerMillion::new(950_000), limit: PerMillion::new(50_000), demoted: false }
    }

    fn outcome(n: i64, kind: OutcomeKind) -> Outcome {
        let at = Timestamp::from_millis(n * 1000);
        Outcome {
            form: Outcome::FORM,
            recommendation: RecommendationId::new(at, 1),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, 1),
            runbook: RunbookId::new("r").unwrap(),
            runbook_digest: Digest::of(b"r"),
            would_act: true,
            automatic: n % 2 == 0,
            kind,
            another_runbook: None,
            category: None,
            comment: Some("no".to_owned()),
            by: Actor::Person(PersonId::new("rea").unwrap()),
            decided_at: at,
            known_at: at,
            revision: 1,
        }
    }

    #[test]
    fn every_kind_is_counted_once_and_every_wrong_one_is_listed_with_its_link() {
        let mut version = VersionAgreement::new(RunbookId::new("r").unwrap(), Digest::of(b"r"), true, 20, &record(8, 6));
        for (n, kind) in (1..).zip(OutcomeKind::ALL) {
            version.judged(outcome(n, kind), "https://gate.example.com/");
        }
        let version = version.settled();
        assert_eq!((version.judged, version.ran_by_itself, version.wrong()), (8, 4, 6));
        assert!(OutcomeKind::ALL.iter().all(|kind| version.outcomes[kind] == 1));
        assert_eq!(version.disagreements.len(), 6);
        let first = &version.disagreements[0];
        assert_eq!(first.link, format!("https://gate.example.com/v1/tickets/{}", first.ticket));
        let read: VersionAgreement = serde_json::from_value(serde_json::to_value(&version).unwrap()).unwrap();
        assert_eq!(read, version);
    }

    /// Worked out in rational arithmetic, without any rounding, by bisection of the binomial sum.
    #[test]
    fn the_interval_is_that_of_clopper_and_pearson() {
        for (judged, wrong, lower, upper) in
            [(10, 0, 0.691_503, 1.0), (10, 10, 0.0, 0.308_497), (10, 3, 0.347_547, 0.933_260), (100, 5, 0.887_165, 0.983_568)]
        {
            let agreement = Agreement::of(judged, wrong, 0.95);
            assert!((agreement.lower - lower).abs() < 2e-6 && (agreement.upper - upper).abs() < 2e-6, "{agreement:?}");
        }
    }

    #[test]
    fn what_is_still_needed_is_what_the_gate_needs() {
        let none = Bound::of(&record(0, 0));
        assert_eq!((none.holds, none.right_needed, none.upper), (false, Some(59), 1.0));
        assert!(Bound::of(&record(59, 0)).holds);
        let one_wrong = Bound::of(&record(60, 1));
        assert_eq!((one_wrong.holds, one_wrong.right_needed), (false, Some(33)));
    }

    proptest! {
        #[test]
        fn the_rate_lies_in_its_interval(judged in 1u64..2_000, part in 0.0f64..=1.0) {
            let agreement = Agreement::of(judged, (judged as f64 * part) as u64, 0.95);
            prop_assert!(agreement.lower <= agreement.rate && agreement.rate <= agreement.upper, "{agreement:?}");
            prop_assert!((0.0..=1.0).contains(&agreement.lower) && (0.0..=1.0).contains(&agreement.upper));
        }
    }
}
