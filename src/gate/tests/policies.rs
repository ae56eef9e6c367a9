//! The shipped policies and their cases, and what is said of policies that are wrong.

use std::path::Path;

use super::specimen::{self, Dice, policies, shipped};
use crate::gate::{
    GateError, PolicySet, cases, check, context,
    invariants::Seen,
    policy::{Action, SCHEMA},
};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn refused(text: &str) -> String {
    PolicySet::from_files([("mine.cedar".to_owned(), text.to_owned())]).unwrap_err().to_string()
}

#[test]
fn every_shipped_case_passes() {
    let results = cases::run_cases(&shipped(), &folder().join("tests")).unwrap();
    let failed: Vec<_> = results.iter().filter(|result| !result.passed()).map(|result| (&result.name, &result.failures)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(results.len() >= 20);
}

/// Each shipped policy is the only refusal of some case, or permits in one: no case, no rule.
#[test]
fn every_shipped_automation_policy_has_a_case() {
    let results = cases::run_cases(&shipped(), &folder().join("tests")).unwrap();
    for policy in shipped().policies().filter(|policy| !policy.actions.contains(&"approve")) {
        let decided = results.iter().any(|result| result.verdict.reasons.iter().any(|reason| reason.id == policy.id));
        assert!(decided, "`{}` decides no case", policy.id);
    }
}

#[test]
fn a_case_that_expects_something_else_fails_and_says_what_came() {
    let text = "[[case]]\nname = \"wrong\"\ndecision = \"escalate\"\nrefused_by = [\"no_storm\"]\n";
    let results = cases::run_file(&shipped(), &serde_json::from_str(specimen::BASELINE).unwrap(), "x.toml", text).unwrap();
    assert_eq!(results[0].failures, ["expected `escalate`, got `auto_execute`", "expected refusals by [no_storm], got []"]);
    let typo = "[[case]]\nname = \"typo\"\ndecision = \"escalate\"\nfacts.ticket.rsik = \"high\"\n";
    let error = cases::run_file(&shipped(), &serde_json::from_str(specimen::BASELINE).unwrap(), "x.toml", typo).unwrap_err();
    assert!(error.to_string().contains("`x.toml`: case `typo`") && error.to_string().contains("rsik"), "{error}");
}

#[test]
fn an_unparsable_policy_is_refused_with_its_file_and_line() {
    let said = refused("@id(\"a\")\n@reason(\"x\")\npermit (principal, action, resource)\nwhen { context.risk = \"low\" };\n");
    assert!(said.starts_with("mine.cedar:4: "), "{said}");
}

#[test]
fn an_unknown_attribute_action_or_type_is_refused_with_its_file_and_line() {
    let head = "@id(\"a\")\n@reason(\"x\")\n";
    let said = refused(&format!("{head}permit (principal, action, resource)\nwhen {{ context.rsik == \"low\" }};\n"));
    assert!(said.starts_with("mine.cedar:4: ") && said.contains("rsik"), "{said}");
    let said = refused(&format!("{head}permit (principal, action == Action::\"run\", resource);\n"));
    assert!(said.starts_with("mine.cedar:3: ") || said.starts_with("mine.cedar:1: "), "{said}");
    assert!(said.contains("run"), "{said}");
    let said = refused(&format!("{head}permit (principal, action, resource) when {{ context.fit > \"high\" }};\n"));
    assert!(said.starts_with("mine.cedar:3: "), "{said}");
}

#[test]
fn every_policy_needs_an_id_of_its_own_and_a_reason() {
    let said = refused("\n\n@reason(\"x\")\npermit (principal, action, resource);\n");
    assert!(said.starts_with("mine.cedar:3: a policy has no `@id"), "{said}");
    let said =
        refused("@id(\"a\")\npermit (principal, action, resource);\n@id(\"B c\") @reason(\"x\")\npermit (principal, action, resource);");
    assert!(
        said.contains("mine.cedar:1: policy `a` has no `@reason") && said.contains("mine.cedar:3: `@id(\"B c\")` is not a policy id"),
        "{said}"
    );
    let twice = "@id(\"a\") @reason(\"x\")\npermit (principal, action, resource);\n@id(\"a\") @reason(\"y\")\nforbid (principal, action, resource);";
    assert_eq!(refused(twice), "mine.cedar:3: `@id(\"a\")` is taken by the policy at mine.cedar:1: choose another");
    let said = refused("@id(\"risk_low\") @reason(\"x\") permit (principal, action, resource);");
    assert!(said.contains("is the name of a check of the program"), "{said}");
}

#[test]
fn a_template_and_an_empty_folder_are_refused() {
    let said = refused("@id(\"a\") @reason(\"x\") permit (principal == ?principal, action, resource);");
    assert!(said.contains("has a slot"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(PolicySet::load(empty.path()), Err(GateError::NoPolicies { .. })));
    assert!(matches!(PolicySet::load(&empty.path().join("none")), Err(GateError::Unreadable { .. })));
}

#[test]
fn the_digest_names_files_and_bytes() {
    let one = |file: &str, text: &str| PolicySet::from_files([(file.to_owned(), text.to_owned())]).unwrap().digest();
    let text = "@id(\"a\") @reason(\"x\") permit (principal, action, resource);";
    assert_eq!(one("a.cedar", text), one("a.cedar", text));
    assert_ne!(one("a.cedar", text), one("b.cedar", text));
    assert_ne!(one("a.cedar", text), one("a.cedar", &format!("{text} ")));
}

#[test]
fn another_copy_of_the_schema_is_found_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.cedar"), "@id(\"a\") @reason(\"x\") permit (principal, action, resource);").unwrap();
    let before = PolicySet::load(dir.path()).unwrap();
    std::fs::write(dir.path().join("sluicegate.cedarschema"), "entity Engine;").unwrap();
    let after = PolicySet::load(dir.path()).unwrap();
    assert_eq!(before.digest(), after.digest());
    assert_eq!(check::check_folder(&after, dir.path()).len(), 1);
    assert_eq!(check::check_folder(&shipped(), &folder()), []);
}

#[test]
fn every_situation_has_the_schemas_type() {
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(SCHEMA).unwrap();
    let action = format!("Action::\"{}\"", Action::ExecuteAutomatically.as_str()).parse().unwrap();
    let mut dice = Dice::new(9);
    let mut checked = 0;
    for _ in 0..500 {
        let facts = dice.facts();
        let Some(seen) = Seen::new(&facts) else { continue };
        context::situation(&seen).unwrap().validate(&schema, &action).unwrap();
        checked += 1;
    }
    assert!(checked > 400);
}

#[test]
fn what_is_asked_answers_as_the_policies_do_as_they_are_written() {
    // Many forbids, some of which overlap, fail now and then, or look at more than the context.
    let text = std::fs::read_to_string(folder().join("automation.cedar")).unwrap();
    let mut more = String::new();
    for n in 0..20 {
        let condition = match n % 5 {
            0 => "when { context.fit * (9223372036854775807 - context.similar_tickets) > 0 }",
            1 => "when { context.risk == \"high\" } unless { context.peak }",
            2 => "when { context.hour == 2 && context.similar_tickets > 9 && context.fit * 9223372036854775807 > 0 }",
            3 => "",
            _ => "unless { context.has_requester }",
        };
        let runbook = if n % 5 == 3 { format!("resource == Runbook::\"r{n}\"") } else { "resource".to_owned() };
        let action = ["action in Action::\"execute\"", "action == Action::\"execute_automatically\""][n % 2];
        // The failing ones are rare enough that many answers have none.
        let condition = if n % 5 == 0 { condition.replace("{ ", "{ context.similar_tickets == 300 && ") } else { condition.to_owned() };
        more.push_str(&format!("@id(\"more-{n}\") @reason(\"x\") forbid (principal, {action}, {runbook}) {condition};\n"));
    }
    let approval = "@id(\"after\") @reason(\"x\") permit (principal, action == Action::\"execute_with_approval\", resource);\n";
    let set = policies(&format!("{text}\n{more}{approval}"));
    let entities = set.schema().action_entities().unwrap();
    let authorizer = cedar_policy::Authorizer::new();
    let mut dice = Dice::new(4);
    let (mut failed, mut allowed, mut forbidden) = (0, 0, 0);
    for _ in 0..300 {
        let facts = dice.facts();
        let Some(seen) = Seen::new(&facts) else { continue };
        for action in [Action::ExecuteAutomatically, Action::ExecuteWithApproval] {
            let answer = set.ask_engine(action, &set.situation(&seen));
            let runbook = format!("Runbook::\"{}\"", seen.proposal.runbook).parse().unwrap();
            let uid = format!("Action::\"{}\"", action.as_str()).parse().unwrap();
            let context = context::situation(&seen).unwrap();
            let request = cedar_policy::Request::new("Engine::\"sluicegate\"".parse().unwrap(), uid, runbook, context, None).unwrap();
            let response = authorizer.is_authorized(&request, set.cedar(), &entities);
            let mut reasons: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
            reasons.sort();
            let mut errors: Vec<(String, String)> = response
                .diagnostics()
                .errors()
                .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                    (error.policy_id().to_string(), error.inner().to_string())
                })
                .collect();
            errors.sort();
            failed += errors.len();
            allowed += usize::from(answer.allowed);
            forbidden += usize::from(!answer.allowed && !answer.determining.is_empty());
            assert_eq!((&answer.determining, &answer.errors), (&reasons, &errors));
            assert_eq!(answer.allowed, response.decision() == cedar_policy::Decision::Allow && errors.is_empty());
        }
    }
    assert!(failed > 20 && allowed > 20 && forbidden > 20, "{failed} {allowed} {forbidden}");
}
