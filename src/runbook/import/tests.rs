//! Samples written after the public specifications, and any mutation of them.

use proptest::prelude::*;

use super::{Format, Imported, Refusal, import};
use crate::{domain::priority::Risk, runbook::parse};

const RUNDECK: &str = include_str!("../../../tests/import/rundeck.yaml");
const CACAO: &str = include_str!("../../../tests/import/cacao.json");

fn all(text: &str) -> Result<Vec<Result<Imported, Refusal>>, Refusal> {
    import(text.as_bytes(), None, "service-desk").map(|(_, made)| made)
}

fn one(text: &str) -> Imported {
    all(text).unwrap_or_else(|why| panic!("{why:?}")).remove(0).unwrap_or_else(|why| panic!("{why:?}"))
}

fn refused(text: &str) -> String {
    match all(text) {
        Err(refusal) => refusal.why,
        Ok(mut made) => made.remove(0).unwrap_err().why,
    }
}

fn sound(imported: &Imported) -> crate::domain::runbook::Runbook {
    let sheet = parse("x.md", imported.text.as_bytes(), &|_| Err(String::new())).unwrap_or_else(|why| panic!("{why:?}\n{}", imported.text));
    assert!(sheet.runbook.steps.is_empty() && sheet.runbook.risk == Risk::High && sheet.runbook.id == imported.id);
    let errors: Vec<_> = crate::runbook::lint::one(&sheet, &crate::runbook::Known::default());
    assert!(errors.is_empty(), "{errors:?}\n{}", imported.text);
    sheet.runbook
}

fn noted(imported: &Imported, pointer: &str) -> bool {
    imported.notes.iter().any(|note| note.pointer == pointer)
}

#[test]
fn a_rundeck_job_becomes_a_runbook_for_people_and_everything_left_is_named() {
    let imported = one(RUNDECK);
    let runbook = sound(&imported);
    assert_eq!(runbook.id.as_str(), "ops-web-restart-web-service");
    let kinds: Vec<_> =
        runbook.parameters.iter().map(|(name, p)| (name.as_str(), p.kind.as_str(), p.pattern.as_deref(), p.required)).collect();
    assert_eq!(
        kinds,
        [("lookahead", "string", None, false), ("service", "enum", None, true), ("ticket_no", "string", Some("^(?:INC[0-9]{6})$"), false)]
    );
    assert!(runbook.body.contains("systemctl restart") && runbook.body.contains("jenkins-build") && runbook.body.contains("\n> ## Steps"));
    for pointer in [
        "/0/sequence/commands/0/exec",
        "/0/sequence/commands/1/script",
        "/0/sequence/commands/2/jobref",
        "/0/sequence/commands/3/configuration",
        "/0/schedule",
        "/0/notification",
        "/0/nodefilters/dispatch",
        "/0/loglevel",
        "/0/options/2",
        "/0/options/3",
        "/0/sequence/commands/1/errorhandler/keepgoingOnSuccess",
    ] {
        assert!(noted(&imported, pointer), "{pointer}: {:#?}", imported.notes);
    }
    assert!(imported.notes.iter().all(|note| note.line.is_some_and(|line| line > 0)));
}

#[test]
fn a_cacao_playbook_becomes_numbered_instructions() {
    let imported = one(CACAO);
    let runbook = sound(&imported);
    assert_eq!(runbook.parameters.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["address"]);
    assert!(runbook.body.contains("__address__:value\"}") && runbook.body.contains("\n> ## Not a heading"), "{}", runbook.body);
    for pointer in [
        "/authentication_info_definitions",
        "/severity",
        "/workflow/action--2/commands/0/headers",
        "/agent_definitions/http-api--1/address",
    ] {
        assert!(noted(&imported, pointer), "{pointer}: {:#?}", imported.notes);
    }
}

#[test]
fn no_secret_of_a_source_is_in_the_runbook_or_its_report() {
    for text in [RUNDECK, CACAO] {
        let imported = one(text);
        let said = format!("{}{:?}", imported.text, imported.notes);
        assert!(!said.contains("planted-secret"), "{said}");
    }
}

#[test]
fn circles_unknown_steps_other_versions_and_revoked_playbooks_are_refused_with_the_reason() {
    let circle = CACAO.replace("\"on_completion\": \"end--1\"", "\"on_completion\": \"if-condition--1\"");
    assert!(refused(&circle).contains("circle: "), "{}", refused(&circle));
    let unknown = CACAO.replace("\"on_success\": \"end--1\"", "\"on_success\": \"end--9\"");
    assert!(refused(&unknown).contains("`end--9` at /workflow/action--2/on_success"), "{}", refused(&unknown));
    assert!(refused(&CACAO.replace("cacao-2.0", "1.1")).contains("`1.1`"));
    assert!(refused(&CACAO.replace("\"severity\": 70", "\"revoked\": true")).contains("revoked"));
}

#[test]
fn hostile_files_are_refused_with_the_reason() {
    assert!(refused(&"x".repeat(3 << 20)).contains("more than"));
    assert!(refused(&format!("{}{}", "[".repeat(60), "]".repeat(60))).contains("deeper"));
    assert!(refused("[{\"name\": 1, \"name\": 2}]").contains("written twice"));
    assert!(refused("<joblist/>").contains("XML"));
    let bomb = format!("a: &a [x]\n{}", (0..20).map(|n| format!("k{n}: &k{n} [{}]\n", "*a, ".repeat(20))).collect::<String>());
    assert!(all(&bomb).is_err());
    assert!(refused("- {name: x}").contains("neither"));
    assert!(import(b"- {name: x}", Some(Format::Rundeck), "t").unwrap().1[0].is_err());
}

#[test]
fn two_jobs_of_one_name_in_different_groups_are_both_imported_and_twins_are_not() {
    let job = |group: &str| format!("- {{name: Restart, group: {group}, sequence: {{commands: [{{exec: 'true'}}]}}}}\n");
    let ids = |text: &str| -> Vec<Result<String, String>> {
        all(text).unwrap().into_iter().map(|made| made.map(|i| i.id.to_string()).map_err(|refusal| refusal.why)).collect()
    };
    let ok = |id: &str| Ok(id.to_owned());
    assert_eq!(ids(&(job("ops/web") + &job("ops/db") + &job("''"))), [ok("ops-web-restart"), ok("ops-db-restart"), ok("restart")]);
    let twins = ids(&(job("ops") + &job("ops")));
    assert!(twins[1].as_ref().is_err_and(|why| why.contains("another name or group")), "{twins:?}");
    // No room for the name: the group is left out, not the name.
    assert_eq!(ids(&job(&"very-long-group-name/".repeat(8))), [ok("restart")]);
}

#[test]
fn a_number_without_quotes_keeps_its_spelling_and_is_named_in_the_report() {
    let text = "- name: Roll back\n  sequence: {commands: [{exec: 'true'}]}\n  options:\n  - {name: version, enforced: true, required: true, values: [1.10, 007, 12, '1.20']}\n  - {name: pin, secure: true, value: 0420}\n";
    let imported = one(text);
    let kind = sound(&imported).parameters.into_values().next().unwrap().kind;
    let values = ["1.10", "007", "12", "1.20"].map(str::to_owned).to_vec();
    assert_eq!(kind, crate::domain::runbook::ParameterType::Enum { values });
    let named: Vec<_> =
        imported.notes.iter().filter(|note| note.why.contains("unquoted number")).map(|note| note.pointer.as_str()).collect();
    assert!(named.contains(&"/0/options/0/values/0"), "{:#?}", imported.notes);
    assert!(!named.contains(&"/0/options/0/values/2") && !named.contains(&"/0/options/0/values/3"), "{named:?}");
    assert!(!format!("{imported:?}").contains("0420") && !format!("{imported:?}").contains("420"), "{imported:?}");
}

proptest! {
    #[test]
    fn any_mutation_is_refused_or_makes_a_runbook_that_lints(
        which in any::<bool>(), cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0..40usize, "\\PC{0,12}"), 1..4)
    ) {
        let mut text: Vec<char> = if which { RUNDECK } else { CACAO }.chars().collect();
        for (at, length, put) in cuts {
            let start = at.index(text.len().max(1)).min(text.len());
            text.splice(start..(start + length).min(text.len()), put.chars());
        }
        let text: String = text.into_iter().collect();
        for imported in all(&text).into_iter().flatten().flatten() {
            sound(&imported);
        }
    }

    #[test]
    fn a_key_that_nobody_knows_is_named(key in "[a-z]{12}", at in any::<prop::sample::Index>()) {
        // Credentials are left out, and named, as a whole.
        let open = CACAO.split("\"authentication_info_definitions\"").next().unwrap_or_default();
        let places: Vec<usize> = open.match_indices("{\"type\"").map(|(at, _)| at + 1).collect();
        let mut text = CACAO.to_owned();
        text.insert_str(places[at.index(places.len())], &format!("\"{key}\": {{\"deep\": [1]}}, "));
        let imported = one(&text);
        let named = imported.notes.iter().any(|note| note.pointer.contains(&key));
        prop_assert!(named, "{key} {:?}", imported.notes);
    }
}
