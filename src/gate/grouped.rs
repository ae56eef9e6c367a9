//! Forbids asked several at a time: most apply to few tickets, so most groups are done with one answer.
//!
//! What Cedar does around each policy costs more than a short condition. A group is one policy that applies whenever
//! one of its members does; only the members of a group that applies, or fails, are asked one by one. So an answer
//! names the same policies and errors as without groups (`a_grouped_set_answers_as_its_policies_one_by_one`).
// INVARIANT: a group's condition is the disjunction of its members' whole conditions. It is false without an error
// only if each of them is, because `||` looks at one side after the other until one is true.

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use serde_json::{Value as Json, json};

/// Members of a group: few enough that asking them after all is cheap.
const SIZE: usize = 8;

/// The policies that cover one action.
pub(super) struct Grouped {
    /// What is asked always: the groups, and every policy that is in none.
    pub first: PolicySet,
    groups: Vec<(PolicyId, PolicySet)>,
}

impl Grouped {
    /// From policies that all cover the action, their action constraint and annotations taken away.
    pub(super) fn new(policies: Vec<Policy>) -> Result<Self, Box<dyn std::error::Error>> {
        let (mut first, mut groups, mut joined) = (Vec::new(), Vec::new(), Vec::new());
        for policy in policies {
            match condition(&policy) {
                Some(condition) => joined.push((policy, condition)),
                None => first.push(policy),
            }
        }
        for members in joined.chunks(SIZE) {
            // No `@id` has a space, so a group's name is no policy's.
            let id = PolicyId::new(format!("group {}", groups.len()));
            let conditions = members.iter().map(|(_, condition)| condition.clone());
            let any = conditions.reduce(|left, right| json!({"||": {"left": left, "right": right}}));
            let rule = json!({
                "effect": "forbid", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"},
                "conditions": [{"kind": "when", "body": any}],
            });
            first.push(Policy::from_json(Some(id.clone()), rule)?);
            groups.push((id, PolicySet::from_policies(members.iter().map(|(policy, _)| policy.clone()))?));
        }
        Ok(Self { first: PolicySet::from_policies(first)?, groups })
    }

    /// The members of the group with this id; `None` when it is a policy's.
    pub(super) fn members(&self, id: &PolicyId) -> Option<&PolicySet> {
        self.groups.iter().find(|(group, _)| group == id).map(|(_, members)| members)
    }
}

/// The whole condition of a forbid that looks at the context only; `None` for all others, which stay by themselves.
fn condition(policy: &Policy) -> Option<Json> {
    let rule = policy.to_json().ok()?;
    let open = |part: &str| rule[part]["op"] == "All";
    if policy.effect() != Effect::Forbid || !open("principal") || !open("action") || !open("resource") {
        return None;
    }
    let clause = |clause: &Json| match clause["kind"].as_str()? {
        "when" => Some(clause["body"].clone()),
        "unless" => Some(json!({"!": {"arg": clause["body"]}})),
        _ => None,
    };
    let clauses: Vec<Json> = rule["conditions"].as_array()?.iter().map(clause).collect::<Option<_>>()?;
    clauses.into_iter().reduce(|left, right| json!({"&&": {"left": left, "right": right}}))
}
