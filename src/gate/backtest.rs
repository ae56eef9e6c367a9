//! Which past verdicts another policy set would change (`policy backtest`, `policy diff`).
//!
//! Pure: takes the facts that receipts hold, never reads the store. Spreads over threads, and reports the same
//! whatever their number: outcomes are counted in the order of the decisions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{GateError, PolicySet, evaluate, facts::Facts};
use crate::domain::{
    digest::Digest,
    id::{RecommendationId, TicketId},
    name::RunbookId,
    recommendation::Recommendation,
    time::Timestamp,
    verdict::{Decision, Verdict},
};

/// One decision as far as a backtest needs it: what `GET /v1/receipts` lists and `policy backtest --save` keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PastDecision {
    /// Version of this form.
    pub form: u32,
    pub recommendation: RecommendationId,
    pub ticket: TicketId,
    pub runbook: Option<RunbookId>,
    pub decided_at: Timestamp,
    pub decision: Decision,
    /// Ids of the checks and policies that refused.
    pub refused_by: BTreeSet<String>,
    /// The policy set that was asked.
    pub policies: Digest,
    /// The gate's facts as it saw them.
    pub facts: serde_json::Value,
}

impl PastDecision {
    pub const FORM: u32 = 1;

    pub fn of(recommendation: Recommendation) -> Self {
        Self {
            form: Self::FORM,
            recommendation: recommendation.id,
            ticket: recommendation.ticket,
            runbook: recommendation.runbook,
            decided_at: recommendation.receipt.decided_at,
            decision: recommendation.verdict.decision,
            refused_by: refusing(&recommendation.verdict),
            policies: recommendation.verdict.policies,
            facts: recommendation.receipt.facts,
        }
    }

    /// One line of a file of receipts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(line: &str) -> Result<Self, GateError> {
        let value: serde_json::Value = serde_json::from_str(line).map_err(|why| GateError::Facts(why.to_string()))?;
        // The form is read first, so that a newer program's line is refused by name, not by an odd field.
        match value.get("form").and_then(serde_json::Value::as_u64) {
            Some(form) if form == u64::from(Self::FORM) => serde_json::from_value(value).map_err(|why| GateError::Facts(why.to_string())),
            Some(form) => Err(GateError::FactsForm { found: form, known: Self::FORM }),
            None => Err(GateError::Facts("no `form`: each line is one item of `GET /v1/receipts`".to_owned())),
        }
    }
}

/// A decision to make again.
#[derive(Debug, Clone)]
pub struct Again<'a> {
    /// What a report calls it.
    pub name: String,
    pub runbook: Option<&'a RunbookId>,
    pub facts: &'a serde_json::Value,
    /// Not asked for between two policy sets.
    pub past: Option<(Decision, &'a BTreeSet<String>)>,
}

impl<'a> From<&'a PastDecision> for Again<'a> {
    fn from(past: &'a PastDecision) -> Self {
        Self {
            name: past.recommendation.to_string(),
            runbook: past.runbook.as_ref(),
            facts: &past.facts,
            past: Some((past.decision, &past.refused_by)),
        }
    }
}

/// Changes that look alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub before: Decision,
    pub after: Decision,
    /// Less is allowed: ids that now leave less than was decided. More: ids that refused and no longer do.
    pub because: BTreeSet<String>,
    pub count: u64,
    /// How many of them propose which runbook.
    pub runbooks: BTreeMap<RunbookId, u64>,
    /// The first few.
    pub examples: Vec<String>,
}

impl Group {
    pub fn allows_more(&self) -> bool {
        self.after > self.before
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    pub evaluated: u64,
    pub unchanged: u64,
    /// Receipts that hold no facts.
    pub without_facts: u64,
    /// Facts of another form.
    pub unreadable: u64,
    /// By what changed; the groups that allow more come first, larger ones before smaller ones.
    pub groups: Vec<Group>,
}

impl Report {
    pub fn changed(&self) -> u64 {
        self.evaluated - self.unchanged
    }
}

/// How many examples a group names.
const EXAMPLES: usize = 5;

type Kind = (Decision, Decision, BTreeSet<String>);

/// Decisions made again, some at a time.
pub struct Backtest<'p> {
    /// Compared with; without it, with what was decided then.
    before: Option<&'p PolicySet>,
    policies: &'p PolicySet,
    threads: usize,
    report: Report,
    groups: BTreeMap<Kind, Group>,
}

enum Outcome {
    WithoutFacts,
    Unreadable,
    Same,
    Changed(Kind),
}

impl<'p> Backtest<'p> {
    /// What was decided then against `policies`, on so many threads.
    pub fn new(policies: &'p PolicySet, threads: usize) -> Self {
        Self { before: None, policies, threads: threads.max(1), report: Report::default(), groups: BTreeMap::new() }
    }

    /// One policy set against another.
    pub fn between(before: &'p PolicySet, after: &'p PolicySet, threads: usize) -> Self {
        Self { before: Some(before), ..Self::new(after, threads) }
    }

    /// Makes these decisions again.
    pub fn take(&mut self, decisions: &[Again<'_>]) {
        let (this, share) = (&*self, decisions.len().div_ceil(self.threads).max(1));
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let mut parts = decisions.chunks(share);
            let own = parts.next();
            let spawned: Vec<_> =
                parts.map(|part| (part, scope.spawn(move || part.iter().map(|again| this.outcome(again)).collect::<Vec<_>>()))).collect();
            let mut outcomes: Vec<Outcome> = own.into_iter().flatten().map(|again| this.outcome(again)).collect();
            for (part, thread) in spawned {
                // A thread that died takes nothing with it: its part is worked off here, where the failure is seen.
                outcomes.extend(thread.join().unwrap_or_else(|_| part.iter().map(|again| this.outcome(again)).collect()));
            }
            outcomes
        });
        for (again, outcome) in decisions.iter().zip(outcomes) {
            self.count(again, outcome);
        }
    }

    pub fn report(self) -> Report {
        let mut report = self.report;
        report.groups = self.groups.into_values().collect();
        report.groups.sort_by_key(|group| std::cmp::Reverse((group.allows_more(), group.count)));
        report
    }

    fn outcome(&self, again: &Again<'_>) -> Outcome {
        if again.facts.is_null() {
            return Outcome::WithoutFacts;
        }
        let Ok(facts) = Facts::read(again.facts) else { return Outcome::Unreadable };
        let after = evaluate(self.policies, &facts);
        let computed = self.before.map(|policies| evaluate(policies, &facts)).map(|verdict| (verdict.decision, refusing(&verdict)));
        let Some((before, then)) = computed.or_else(|| again.past.map(|(decision, ids)| (decision, ids.clone()))) else {
            return Outcome::Unreadable;
        };
        if after.decision == before {
            return Outcome::Same;
        }
        let because = if after.decision < before {
            after.refusals().filter(|reason| reason.allows < before).map(|reason| reason.id.clone()).collect()
        } else {
            &then - &refusing(&after)
        };
        Outcome::Changed((before, after.decision, because))
    }

    fn count(&mut self, again: &Again<'_>, outcome: Outcome) {
        let report = &mut self.report;
        let kind = match outcome {
            Outcome::WithoutFacts => return report.without_facts += 1,
            Outcome::Unreadable => return report.unreadable += 1,
            Outcome::Same => {
                report.evaluated += 1;
                return report.unchanged += 1;
            }
            Outcome::Changed(kind) => kind,
        };
        report.evaluated += 1;
        let (before, after, because) = kind.clone();
        let group = self.groups.entry(kind).or_insert_with(|| Group {
            before,
            after,
            because,
            count: 0,
            runbooks: BTreeMap::new(),
            examples: Vec::new(),
        });
        group.count += 1;
        if let Some(runbook) = again.runbook {
            *group.runbooks.entry(runbook.clone()).or_default() += 1;
        }
        if group.examples.len() < EXAMPLES {
            group.examples.push(again.name.clone());
        }
    }
}

fn refusing(verdict: &Verdict) -> BTreeSet<String> {
    verdict.refusals().map(|reason| reason.id.clone()).collect()
}
