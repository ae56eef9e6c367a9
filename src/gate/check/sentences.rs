//! What `policy check` says: one policy set a finding, the near misses that it leaves alone, and the claims of its
//! header against Cedar itself over every situation of a small world.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Context, Decision, Entities, PolicyId, Request, RestrictedExpression as Value, SchemaFragment};

use super::{
    Finding, Kind, check,
    situation::{ROLES, Range, SITUATION},
};
use crate::{
    domain::principal::Role,
    gate::{
        PolicySet, context,
        invariants::Seen,
        policy::{Action, SCHEMA},
        tests::specimen::{Dice, policies, shipped},
    },
};

const PERMIT_ALL: &str = "@id(\"all\") @reason(\"x\") permit (principal, action, resource);\n";

/// A policy `id` on `action`, given as effect, action and what follows the scope.
fn rule(id: &str, effect: &str, action: &str, rest: &str) -> String {
    format!("@id(\"{id}\") @reason(\"x\") {effect} (principal, action == Action::\"{action}\", resource) {rest};\n")
}

fn auto(id: &str, effect: &str, rest: &str) -> String {
    rule(id, effect, "execute_automatically", rest)
}

fn found(text: &str) -> Vec<Finding> {
    check(&policies(text))
}

/// The findings as policy and kind.
fn kinds(text: &str) -> Vec<(String, Kind)> {
    found(text).into_iter().map(|finding| (finding.policy, finding.kind)).collect()
}

#[test]
fn the_table_of_ranges_is_the_schemas_situation() {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA).unwrap();
    let schema = fragment.to_json_value().unwrap();
    let attributes = &schema[""]["commonTypes"]["Situation"]["attributes"];
    let kind = |attribute: &serde_json::Value| match (attribute["type"].as_str(), attribute["name"].as_str()) {
        (Some("Set"), _) => "Set".to_owned(),
        (Some("EntityOrCommon"), Some(name)) => name.to_owned(),
        (Some(primitive), _) => primitive.to_owned(),
        _ => panic!("{attribute}"),
    };
    let of_schema: BTreeMap<String, String> =
        attributes.as_object().unwrap().iter().map(|(name, attribute)| (name.clone(), kind(attribute))).collect();
    let of_table = SITUATION.map(|(name, range)| {
        let kind = match range {
            Range::Truth => "Bool",
            Range::OneOf(_) | Range::AnyText => "String",
            Range::Whole(..) => "Long",
            Range::Texts | Range::SetOf(_) => "Set",
        };
        (name.to_owned(), kind.to_owned())
    });
    assert_eq!(of_schema, BTreeMap::from(of_table));
    let Range::SetOf(roles) = ROLES.1 else { panic!("{ROLES:?}") };
    assert_eq!(roles, Role::ALL.map(Role::as_str));
}

#[test]
fn the_reference_has_every_attribute_with_its_range() {
    let reference = include_str!("../../../docs/policies.md");
    for (name, range) in SITUATION {
        let row = reference.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/policies.md has no row for `{name}`"));
        match range {
            Range::OneOf(known) => assert!(known.iter().all(|value| row.contains(&format!("`{value}`"))), "{row}"),
            Range::Whole(low, high) => assert!(row.contains(&format!("| number | {low} to {high}")), "{row}"),
            Range::Truth => assert!(row.contains("| truth |"), "{row}"),
            Range::AnyText => assert!(row.contains("| text |"), "{row}"),
            Range::Texts | Range::SetOf(_) => assert!(row.contains("| set of texts |"), "{row}"),
        }
    }
}

#[test]
fn every_situation_is_inside_the_ranges() {
    let mut dice = Dice::new(71);
    for _ in 0..300 {
        let facts = dice.facts();
        let Some(seen) = Seen::new(&facts) else { continue };
        let context = context::situation(&seen).unwrap();
        let text = |name: &str| match context.get(name) {
            Some(cedar_policy::EvalResult::String(text)) => text,
            other => panic!("{name}: {other:?}"),
        };
        for (name, range) in SITUATION {
            match (range, context.get(name).unwrap()) {
                (Range::OneOf(known), cedar_policy::EvalResult::String(text)) => assert!(known.contains(&text.as_str()), "{name}: {text}"),
                (Range::Whole(low, high), cedar_policy::EvalResult::Long(number)) => {
                    assert!((low..=high).contains(&number), "{name}: {number}");
                }
                _ => {}
            }
        }
        let truth = |name: &str| context.get(name) == Some(cedar_policy::EvalResult::Bool(true));
        for name in ["requester_known", "requester_vip", "requester_flagged"] {
            assert!(!truth(name) || truth("has_requester"), "{name}");
        }
        assert!(text("requester_entitled") == "unknown" || truth("has_requester"));
        assert!(!truth("peak") || !facts.windows.is_empty());
    }
}

#[test]
fn no_shipped_policy_is_odd() {
    assert_eq!(check(&shipped()), []);
}

#[test]
fn a_rule_that_can_never_apply_is_named_with_the_smallest_contradiction() {
    for (condition, why) in [
        ("when { context.peak && context.hour < 6 && context.hour > 20 }", "`hour < 6` and `hour > 20` are never true together"),
        (
            "when { context.risk == \"low\" && context.requester_vip && context.risk == \"high\" }",
            "`risk == \"low\"` and `risk == \"high\"`",
        ),
        ("when { context.risk == \"hgih\" }", "`risk == \"hgih\"` is never true (`risk` is one of `low`, `medium`, `high`)"),
        ("when { context.priority == 0 }", "`priority == 0` is never true (`priority` is 1 to 4)"),
        ("when { context.fit > 950000 && context.fit < 950001 }", "`fit > 950000` and `fit < 950001`"),
        ("when { context.peak } unless { context.peak || context.hour > 3 }", "`peak` and `!(peak || hour > 3)`"),
        ("when { context.flags == [\"a\"] && !context.flags.contains(\"a\") }", "never true together"),
        ("when { context.requester_vip && !context.has_requester }", "`requester_vip` and `!has_requester`"),
        ("when { context.peak && context.windows.isEmpty() }", "`peak` and `windows == []`"),
        ("when { [\"test\", \"staging\"].contains(context.environment) && context.environment == \"production\" }", "never true together"),
        ("when { context.peak && (context.source like \"a*\") && !context.peak }", "`peak` and `!peak`"),
        ("when { if context.peak then context.hour > 23 else context.hour < 0 }", "is never true"),
    ] {
        let findings = found(&format!("{PERMIT_ALL}{}", auto("odd", "forbid", condition)));
        assert_eq!(
            findings.iter().map(|finding| (finding.policy.as_str(), finding.kind)).collect::<Vec<_>>(),
            [("odd", Kind::NeverApplies)],
            "{condition}"
        );
        assert!(findings[0].message.contains(why), "{condition}: {}", findings[0].message);
        assert_eq!(findings[0].place.to_string(), "p.cedar:2");
    }
}

#[test]
fn a_rule_that_applies_to_one_situation_in_a_million_is_left_alone() {
    for condition in [
        "when { context.fit > 950000 && context.fit < 950002 }",
        "when { context.hour < 6 || context.hour > 20 }",
        "when { context.flags == [\"a\"] && context.flags.contains(\"a\") }",
        "when { context.has_requester && !context.requester_vip }",
        "when { context.windows.isEmpty() && !context.peak }",
        "when { context.source like \"a*\" && context.source like \"*b\" }",
        "when { context.source == context.service && context.source != \"x\" }",
        "when { context.fit + 1 > 1000000 }",
        "when { context.similar_tickets * 2 > context.hour }",
        "when { resource == Runbook::\"restart-print-spooler\" }",
        "when { [1, 7].contains(context.weekday) && [0, 23].contains(context.hour) }",
        "when { context.flags.containsAny([\"a\", \"b\"]) && !context.flags.containsAll([\"a\", \"b\"]) }",
    ] {
        assert_eq!(found(&format!("{PERMIT_ALL}{}", auto("fine", "forbid", condition))), [], "{condition}");
    }
}

#[test]
fn the_same_rule_under_two_ids_is_reported_at_the_later_one() {
    let one = auto("one", "permit", "when { context.peak }");
    let findings = found(&format!("{one}{}", auto("two", "permit", "\nwhen\n{ context.peak }")));
    assert_eq!((findings.len(), findings[0].policy.as_str(), findings[0].kind), (1, "two", Kind::SameRule));
    assert_eq!(findings[0].message, "it is the same rule as `one`: remove one");
    assert_eq!(kinds(&format!("{one}{}", auto("two", "permit", "when { !context.peak }"))), []);
}

#[test]
fn a_rule_that_another_covers_is_shadowed_by_name() {
    let findings = found(&format!(
        "{PERMIT_ALL}{}{}",
        auto("vip", "forbid", "when { context.requester_vip }"),
        auto("asked", "forbid", "when { context.has_requester }")
    ));
    assert_eq!((findings.len(), findings[0].policy.as_str(), findings[0].kind), (1, "vip", Kind::Shadowed));
    assert_eq!(findings[0].message, "wherever it applies, as with `requester_vip`, `asked` forbids too: remove it, or narrow `asked`");
    let permits = format!(
        "{}{}",
        auto("low", "permit", "when { context.risk == \"low\" }"),
        auto("mild", "permit", "unless { context.risk == \"high\" }")
    );
    assert_eq!(kinds(&permits), [("low".to_owned(), Kind::Shadowed)]);
    // Each of these speaks somewhere where the other does not.
    assert_eq!(
        kinds(&format!(
            "{PERMIT_ALL}{}{}",
            auto("night", "forbid", "when { context.hour < 6 }"),
            auto("early", "forbid", "when { context.hour < 7 && context.peak }")
        )),
        []
    );
    // A wider rule of another action shadows nothing.
    assert_eq!(
        kinds(&format!(
            "{PERMIT_ALL}{}{}",
            auto("vip", "forbid", "when { context.requester_vip }"),
            rule("asked", "forbid", "execute_with_approval", "when { context.has_requester }")
        )),
        []
    );
}

#[test]
fn several_rules_together_can_shadow_one() {
    let three = |first: &str| {
        format!(
            "{PERMIT_ALL}{}{}{}",
            auto("p1", "forbid", first),
            auto("peak", "forbid", "when { context.peak }"),
            auto("calm", "forbid", "when { !context.peak && context.priority < 3 }")
        )
    };
    assert_eq!(kinds(&three("when { context.priority == 1 }")), [("p1".to_owned(), Kind::Shadowed)]);
    assert!(found(&three("when { context.priority == 1 }"))[0].message.contains("one of `peak`, `calm` forbids too"));
    assert_eq!(kinds(&three("when { context.priority == 3 }")), []);
}

#[test]
fn a_forbid_of_what_no_permit_allows_can_never_forbid_anything() {
    let low = auto("low", "permit", "when { context.risk == \"low\" }");
    let findings = found(&format!("{low}{}", auto("risky", "forbid", "when { context.risk == \"high\" }")));
    assert_eq!((findings.len(), findings[0].policy.as_str(), findings[0].kind), (1, "risky", Kind::ForbidsNothing));
    assert!(findings[0].message.contains("no permit of `execute_automatically` allows what it forbids"), "{findings:?}");
    let lone = found(&format!("{low}{}", rule("lone", "forbid", "approve", "when { context.peak }")));
    assert!(lone.len() == 1 && lone[0].message.contains("nothing permits `approve`"), "{lone:?}");
    assert_eq!(
        kinds(&format!("{low}{}", auto("mild", "forbid", "unless { context.risk == \"high\" }"))),
        [("low".to_owned(), Kind::PermitsNothing)]
    );
    assert_eq!(kinds(&format!("{low}{}", auto("peak", "forbid", "when { context.peak && context.risk != \"high\" }"))), []);
    // It matters for one of its actions.
    let both = "@id(\"new\") @reason(\"x\") forbid (principal, action in Action::\"execute\", resource) unless { context.pre_approved };\n";
    let permits =
        format!("{}{}", auto("auto", "permit", "when { context.pre_approved }"), rule("ask", "permit", "execute_with_approval", ""));
    assert_eq!(kinds(&format!("{permits}{both}")), []);
}

#[test]
fn a_permit_of_what_is_forbidden_anyway_permits_nothing() {
    let findings = found(&format!(
        "{}{}",
        auto("peak", "permit", "when { context.peak }"),
        auto("windows", "forbid", "unless { context.windows.isEmpty() }")
    ));
    assert_eq!((findings.len(), findings[0].policy.as_str(), findings[0].kind), (1, "peak", Kind::PermitsNothing));
    assert!(findings[0].message.contains("`windows` forbids everything that it permits"));
    let halves = |hour: u8| {
        format!(
            "{}{}{}",
            auto("all", "permit", ""),
            auto("night", "forbid", "when { context.hour < 12 }"),
            auto("day", "forbid", &format!("when {{ context.hour > {hour} }}"))
        )
    };
    assert_eq!(kinds(&halves(11)), [("all".to_owned(), Kind::PermitsNothing)]);
    assert_eq!(kinds(&halves(12)), []);
    let stop = "@id(\"stop\") @reason(\"x\")\nforbid (principal, action in Action::\"execute\", resource);\n";
    let findings = found(&format!("{PERMIT_ALL}{stop}"));
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.policy == "all" && finding.message.contains("because `stop` forbids all of it")));
}

#[test]
fn a_value_that_an_attribute_never_has_is_found_in_a_rule_that_applies() {
    let findings = found(&format!(
        "{PERMIT_ALL}{}",
        auto("odd", "forbid", "when { [\"low\", \"medum\"].contains(context.risk) || context.hour == 24 }")
    ));
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.kind == Kind::ImpossibleValue));
    assert!(findings.iter().any(|finding| finding.message.contains("`hour == 24` is never true (`hour` is 0 to 23)")), "{findings:?}");
    let roles = rule("auditors", "forbid", "approve", "when { principal.roles.contains(\"auditr\") || principal.roles.isEmpty() }");
    assert!(found(&format!("{PERMIT_ALL}{roles}"))[0].message.contains("`principal.roles` holds only `responder`"));
    // Names that operators choose can be anything, and a range may be written with both of its ends.
    assert_eq!(kinds(&format!("{PERMIT_ALL}{}", auto("fine", "forbid", "when { context.environment == \"prodution\" }"))), []);
    assert_eq!(kinds(&format!("{PERMIT_ALL}{}", auto("fine", "forbid", "when { context.hour >= 0 && context.hour < 6 }"))), []);
}

#[test]
fn nothing_is_said_of_a_rule_whose_evaluation_may_fail() {
    let failing = "when { context.requester_vip && context.fit * 9223372036854 > 0 }";
    assert_eq!(
        kinds(&format!("{PERMIT_ALL}{}{}", auto("vip", "forbid", "when { context.requester_vip }"), auto("sum", "forbid", failing))),
        []
    );
    // Nor does it shadow another.
    let twice = "when { context.requester_vip || context.fit * 9223372036854 > 0 }";
    assert_eq!(
        kinds(&format!("{PERMIT_ALL}{}{}", auto("vip", "forbid", "when { context.requester_vip }"), auto("sum", "forbid", twice))),
        []
    );
}

/// Every situation of a world with few attributes, and Cedar's answer to each.
struct World {
    contexts: Vec<Context>,
    entities: Entities,
}

const SOURCES: [&str; 3] = ["a", "b", "zz"];

impl World {
    fn new(policies: &PolicySet) -> Self {
        let base = {
            let facts = crate::gate::tests::specimen::baseline();
            context::situation(&Seen::new(&facts).unwrap()).unwrap()
        };
        let mut contexts = Vec::new();
        for bits in 0..32u32 {
            let (vip, asked) = (bits & 1 != 0, bits & 2 != 0);
            if vip && !asked {
                continue;
            }
            for risk in ["low", "medium", "high"] {
                for hour in [4, 5, 6] {
                    for source in SOURCES {
                        let flags = [("x", bits & 4 != 0), ("other", bits & 8 != 0)].into_iter().filter(|flag| flag.1);
                        let varied = [
                            ("requester_vip", Value::new_bool(vip)),
                            ("has_requester", Value::new_bool(asked)),
                            ("pre_approved", Value::new_bool(bits & 16 != 0)),
                            ("risk", Value::new_string(risk.to_owned())),
                            ("hour", Value::new_long(hour)),
                            ("source", Value::new_string(source.to_owned())),
                            ("flags", Value::new_set(flags.map(|(flag, _)| Value::new_string(flag.to_owned())))),
                        ];
                        let kept = base.clone().into_iter().filter(|(name, _)| varied.iter().all(|(other, _)| other != name));
                        let all = kept.chain(varied.clone().map(|(name, value)| (name.to_owned(), value)));
                        contexts.push(Context::from_pairs(all).unwrap());
                    }
                }
            }
        }
        Self { contexts, entities: policies.schema().action_entities().unwrap() }
    }

    /// One answer a situation and action of the engine: decision, and the satisfied rules of the effect that decided.
    fn answers(&self, policies: &cedar_policy::PolicySet) -> Vec<(bool, BTreeSet<String>)> {
        let authorizer = Authorizer::new();
        let mut answers = Vec::new();
        for action in [Action::ExecuteAutomatically, Action::ExecuteWithApproval] {
            let action: cedar_policy::EntityUid = format!("Action::\"{}\"", action.as_str()).parse().unwrap();
            for context in &self.contexts {
                let (engine, runbook) = ("Engine::\"sluicegate\"".parse().unwrap(), "Runbook::\"r\"".parse().unwrap());
                let request = Request::new(engine, action.clone(), runbook, context.clone(), None).unwrap();
                let response = authorizer.is_authorized(&request, policies, &self.entities);
                assert_eq!(response.diagnostics().errors().count(), 0);
                let reasons = response.diagnostics().reason().map(ToString::to_string).collect();
                answers.push((response.decision() == Decision::Allow, reasons));
            }
        }
        answers
    }
}

fn atom(dice: &mut Dice, about: &[u64]) -> String {
    match about[dice.below(about.len() as u64) as usize] {
        0 => "context.requester_vip".to_owned(),
        1 => "context.has_requester".to_owned(),
        2 => "context.pre_approved".to_owned(),
        3 => format!("context.risk == \"{}\"", ["low", "medium", "high"][dice.below(3) as usize]),
        4 => format!("context.hour {} 5", ["<", "<=", "==", "!=", ">", ">="][dice.below(6) as usize]),
        5 => format!("context.source == \"{}\"", SOURCES[dice.below(2) as usize]),
        6 => "[\"a\", \"b\"].contains(context.source)".to_owned(),
        _ => ["context.flags.contains(\"x\")", "context.flags.isEmpty()", "context.flags == [\"x\"]"][dice.below(3) as usize].to_owned(),
    }
}

fn condition(dice: &mut Dice, about: &[u64], depth: u32) -> String {
    match if depth == 0 { 0 } else { dice.below(6) } {
        0 => atom(dice, about),
        1 => format!("({} || {})", condition(dice, about, depth - 1), condition(dice, about, depth - 1)),
        2 => format!("!({})", condition(dice, about, depth - 1)),
        _ => format!("({} && {})", condition(dice, about, depth - 1), condition(dice, about, depth - 1)),
    }
}

#[test]
fn what_is_reported_can_be_removed_and_nothing_changes() {
    let world = World::new(&shipped());
    let mut dice = Dice::new(2_026);
    let mut seen: BTreeMap<Kind, u32> = BTreeMap::new();
    for _ in 0..40 {
        // Few attributes a set, so that rules meet each other.
        let about = [dice.below(8), dice.below(8)];
        let text: String = (0..3 + dice.below(2))
            .map(|n| {
                let effect = if n == 0 || dice.below(2) == 0 { "permit" } else { "forbid" };
                let action = ["in Action::\"execute\"", "== Action::\"execute_automatically\""][dice.below(2) as usize];
                let clause = format!("{} {{ {} }}", ["when", "unless"][dice.below(2) as usize], condition(&mut dice, &about, 2));
                format!("@id(\"r{n}\") @reason(\"x\") {effect} (principal, action {action}, resource) {clause};\n")
            })
            .collect();
        let set = policies(&text);
        let findings = check(&set);
        findings.iter().for_each(|finding| *seen.entry(finding.kind).or_default() += 1);
        let removed: BTreeSet<&str> = findings
            .iter()
            // What is dead for one action only is not said to be removable.
            .filter(|finding| finding.kind != Kind::ImpossibleValue && !finding.message.contains("` it permits nothing, because"))
            .map(|finding| finding.policy.as_str())
            .collect();
        let without = |ids: &BTreeSet<&str>| {
            let kept = set.cedar().policies().filter(|policy| !ids.contains(policy.id().to_string().as_str())).cloned();
            cedar_policy::PolicySet::from_policies(kept).unwrap()
        };
        let decisions = |policies: &cedar_policy::PolicySet| world.answers(policies).into_iter().map(|answer| answer.0).collect::<Vec<_>>();
        let as_it_is = decisions(set.cedar());
        assert_eq!(decisions(&without(&removed)), as_it_is, "{text}\n{findings:#?}");
        for info in set.policies() {
            let alone = cedar_policy::PolicySet::from_policies([set.cedar().policy(&PolicyId::new(&info.id)).unwrap().clone()]).unwrap();
            let applies = world.answers(&alone).iter().any(|(_, reasons)| !reasons.is_empty());
            let never = findings.iter().any(|finding| finding.policy == info.id && finding.kind == Kind::NeverApplies);
            assert_eq!(applies, !never, "`{}` of\n{text}\n{findings:#?}", info.id);
            // A permit that is not reported matters, once what is reported is gone.
            if !info.forbids && !removed.contains(info.id.as_str()) {
                let mut more = removed.clone();
                more.insert(&info.id);
                assert_ne!(decisions(&without(&more)), as_it_is, "`{}` of\n{text}\n{findings:#?}", info.id);
            }
        }
    }
    for kind in [Kind::NeverApplies, Kind::Shadowed, Kind::ForbidsNothing, Kind::PermitsNothing] {
        assert!(seen.get(&kind).is_some_and(|times| *times > 1), "{kind:?}: {seen:?}");
    }
}
