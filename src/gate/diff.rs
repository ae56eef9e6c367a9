//! What differs between two policy sets, rule by rule (`policy diff`).
//!
//! Says what was written otherwise; which verdicts change because of it, [`super::backtest`] says.

use serde::Serialize;

use super::{PolicySet, policy::PolicyInfo};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Added,
    Removed,
    /// Effect, scope or conditions.
    Rule,
    /// Only what people are told.
    Reason,
}

/// One policy that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The `@id`, by which policies of both sides are matched.
    pub id: String,
    pub what: What,
    pub before: Option<PolicyInfo>,
    pub after: Option<PolicyInfo>,
}

/// Every policy that differs, by id. Layout, comments, files and places do not count.
pub fn differences(before: &PolicySet, after: &PolicySet) -> Vec<Difference> {
    let mut ids: Vec<&str> = before.policies().chain(after.policies()).map(|info| info.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let difference = |id: &str| {
        let (old, new) = (before.policy(id), after.policy(id));
        let what = match (old, new) {
            (None, _) => What::Added,
            (_, None) => What::Removed,
            _ if before.rule(id) != after.rule(id) => What::Rule,
            (Some(old), Some(new)) if old.reason != new.reason => What::Reason,
            _ => return None,
        };
        Some(Difference { id: id.to_owned(), what, before: old.cloned(), after: new.cloned() })
    };
    ids.into_iter().filter_map(difference).collect()
}
