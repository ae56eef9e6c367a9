//! Rules that cannot mean what their author meant: found in policies that are valid (`policy check`).
//!
//! What is not valid never becomes a [`PolicySet`]; see [`GateError`](super::GateError) for that.

use std::{collections::BTreeMap, path::Path};

use cedar_policy::{ValidationMode, ValidationWarning, Validator};

use super::{
    Place, PolicySet,
    policy::{Action, SCHEMA, SCHEMA_FILE},
};

/// Something to look at; the policies still load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: Place,
    /// Empty when it is about the folder.
    pub policy: String,
    pub message: String,
}

/// Every finding, by place.
pub fn check(policies: &PolicySet) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |policy: &str, message: String| {
        if let Some(info) = policies.policy(policy) {
            findings.push(Finding { place: info.place.clone(), policy: policy.to_owned(), message });
        }
    };
    never_true(policies, &mut find);
    written_twice(policies, &mut find);
    shadowed(policies, &mut find);
    findings.sort();
    findings
}

/// As [`check`], and whether the copy of the schema in `dir`, which editors read, is the program's.
///
/// The copy is never used to decide, so an old one is no error: it only makes an editor complain wrongly.
pub fn check_folder(policies: &PolicySet, dir: &Path) -> Vec<Finding> {
    let mut findings = check(policies);
    if std::fs::read_to_string(dir.join(SCHEMA_FILE)).is_ok_and(|copy| copy != SCHEMA) {
        let message = "it is not the schema of this program version: replace it with the one that comes with the program".to_owned();
        findings.push(Finding { place: Place { file: SCHEMA_FILE.to_owned(), line: 0 }, policy: String::new(), message });
    }
    findings
}

/// Conditions that no situation of the schema meets, and texts that look like others.
fn never_true(policies: &PolicySet, find: &mut impl FnMut(&str, String)) {
    let result = Validator::new(policies.schema().clone()).validate(policies.cedar(), ValidationMode::Strict);
    for warning in result.validation_warnings() {
        let message = match warning {
            ValidationWarning::ImpossiblePolicy(_) => "it can never apply: no ticket meets its conditions".to_owned(),
            other => other.to_string(),
        };
        find(warning.policy_id().as_ref(), message);
    }
}

/// The same rule under two ids: changing one of them changes nothing.
fn written_twice(policies: &PolicySet, find: &mut impl FnMut(&str, String)) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for info in policies.policies() {
        let Some(policy) = policies.cedar().policy(&cedar_policy::PolicyId::new(&info.id)) else { continue };
        // The JSON form has no layout and no comments; without annotations it is the rule alone.
        let Ok(mut rule) = policy.to_json() else { continue };
        if let Some(members) = rule.as_object_mut() {
            members.remove("annotations");
        }
        match seen.get(&rule.to_string()) {
            Some(first) => find(&info.id, format!("it is the same rule as `{first}`: remove one")),
            None => drop(seen.insert(rule.to_string(), info.id.clone())),
        }
    }
}

/// A `forbid` without a condition leaves nothing for the other rules of its action to decide.
fn shadowed(policies: &PolicySet, find: &mut impl FnMut(&str, String)) {
    for action in Action::ALL.map(Action::as_str) {
        let of_action = |info: &&super::policy::PolicyInfo| info.actions.contains(&action);
        let always = policies.policies().filter(of_action).find(|info| {
            let policy = policies.cedar().policy(&cedar_policy::PolicyId::new(&info.id));
            info.forbids && policy.is_some_and(|policy| !policy.has_non_scope_constraint() && unscoped(policy))
        });
        if let Some(always) = always {
            for other in policies.policies().filter(of_action).filter(|other| other.id != always.id) {
                find(&other.id, format!("`{}` forbids `{action}` always, so this rule decides nothing there", always.id));
            }
        } else if !policies.policies().filter(of_action).any(|info| !info.forbids) {
            for forbid in policies.policies().filter(of_action) {
                find(&forbid.id, format!("nothing permits `{action}`, so this rule forbids what is refused anyway"));
            }
        }
    }
}

fn unscoped(policy: &cedar_policy::Policy) -> bool {
    matches!(policy.principal_constraint(), cedar_policy::PrincipalConstraint::Any)
        && matches!(policy.resource_constraint(), cedar_policy::ResourceConstraint::Any)
}
