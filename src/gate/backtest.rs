//! Which past verdicts another policy set would change (`policy backtest`, `policy diff`, `replay`).
//!
//! Pure: takes the facts that receipts hold, never reads the store.

use std::collections::BTreeMap;

use super::{GateError, PolicySet, evaluate, facts::Facts};
use crate::domain::verdict::{Decision, Verdict};

/// A verdict that would change.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Change {
    /// The caller's name of the decision, like a recommendation id.
    pub decision: String,
    pub before: Decision,
    pub after: Decision,
    /// Ids that refuse now and did not then, or the reverse when more is allowed; sorted.
    pub because: Vec<String>,
}

/// Changes that look alike.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Group {
    pub before: Decision,
    pub after: Decision,
    pub because: Vec<String>,
    pub count: u64,
    /// The first few.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Report {
    pub evaluated: u64,
    pub unchanged: u64,
    /// Receipts that hold no facts (nothing was proposed), or facts of another form.
    pub unreadable: u64,
    /// By what changed; the groups that allow more come first.
    pub groups: Vec<Group>,
}

/// How many examples a group names.
const EXAMPLES: usize = 5;

/// How one past decision comes out under `policies`, or `None` when it stays.
///
/// # Errors
/// Facts that this program cannot read.
pub fn change(policies: &PolicySet, decision: &str, facts: &serde_json::Value, past: &Verdict) -> Result<Option<Change>, GateError> {
    let verdict = evaluate(policies, &Facts::read(facts)?);
    if verdict.decision == past.decision {
        return Ok(None);
    }
    let (more, less) = if verdict.decision < past.decision { (&verdict, past) } else { (past, &verdict) };
    let mut because: Vec<String> =
        more.refusals().filter(|reason| less.refusals().all(|other| other.id != reason.id)).map(|reason| reason.id.clone()).collect();
    because.sort_unstable();
    Ok(Some(Change { decision: decision.to_owned(), before: past.decision, after: verdict.decision, because }))
}

/// Re-evaluates `decisions`: name, facts of the receipt, verdict of then.
pub fn backtest<'a>(policies: &PolicySet, decisions: impl IntoIterator<Item = (&'a str, &'a serde_json::Value, &'a Verdict)>) -> Report {
    let mut report = Report::default();
    let mut groups: BTreeMap<(Decision, Decision, Vec<String>), Group> = BTreeMap::new();
    for (decision, facts, past) in decisions {
        match change(policies, decision, facts, past) {
            Err(_) => report.unreadable += 1,
            Ok(None) => (report.evaluated, report.unchanged) = (report.evaluated + 1, report.unchanged + 1),
            Ok(Some(Change { decision, before, after, because })) => {
                report.evaluated += 1;
                let group = groups.entry((before, after, because.clone())).or_insert(Group {
                    before,
                    after,
                    because,
                    count: 0,
                    examples: Vec::new(),
                });
                group.count += 1;
                if group.examples.len() < EXAMPLES {
                    group.examples.push(decision);
                }
            }
        }
    }
    report.groups = groups.into_values().collect();
    report.groups.sort_by_key(|group| std::cmp::Reverse((group.after > group.before, group.count)));
    report
}
