//! Every sentence of the issue on what lint refuses, as files and the findings that they must give.
//!
//! A test is named after its sentence; each case says which rule, where, and a part of what a person is told to do.

use std::path::Path;

use super::{Known, Rule, Severity, lint, parse};
use crate::domain::name::{ConnectorName, DirectoryName};

const VERIFY: &str = "  - {id: v, kind: verify, use: automation.get, with: {path: /x}}";

/// A sound front matter with lines of its own from line 6 on.
fn file(id: &str, rest: &str) -> String {
    format!("---\nid: {id}\ntitle: Title of {id}\nowner: team\nrisk: low\n{rest}\n---\n\nWhat to do.\n")
}

fn known() -> Known {
    Known {
        categories: Some(["hardware/printer".to_owned()].into()),
        connectors: Some([ConnectorName::new("automation").unwrap()].into()),
        owners: Some(["team".to_owned()].into()),
        directories: Some([DirectoryName::new("users").unwrap()].into()),
        today: Some(jiff::civil::date(2027, 6, 1)),
        ..Known::default()
    }
}

fn linted(files: &[(&str, &str)]) -> super::LintReport {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    lint(folder.path(), &known())
}

/// `rest` in one file: exactly one error, of this rule, at this place, and its words with the hint have `told`.
fn refuses(rest: &str, rule: Rule, place: (u64, u64), told: &str) {
    whole(&[("a.md", &file("a", rest))], rule, place, told);
}

fn whole(files: &[(&str, &str)], rule: Rule, (line, column): (u64, u64), told: &str) {
    let report = linted(files);
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let shown = files.last().map(|(_, text)| text.chars().take(400).collect::<String>()).unwrap_or_default();
    assert_eq!(errors.len(), 1, "{shown}\n{errors:#?}");
    let error = errors[0];
    assert_eq!((error.rule, error.line, error.column), (rule, line, column), "{shown}\n{error}");
    assert_eq!(Some(error.file.as_str()), files.last().map(|(name, _)| *name), "{error}");
    assert!(error.to_string().contains(told), "{shown}\n`{told}` is not in `{error}`");
    assert!(report.has_errors());
}

fn accepts(rest: &str) {
    let report = linted(&[("a.md", &file("a", rest))]);
    assert!(!report.has_errors(), "{rest}\n{:#?}", report.findings);
}

#[test]
fn lint_refuses_a_change_without_verify() {
    let change = "  - {id: c, kind: change, use: automation.post, with: {path: /x}}";
    let told = "add a step of kind `verify` after it";
    refuses(&format!("irreversible: true\nsteps:\n{change}"), Rule::ChangeWithoutVerify, (8, 5), told);
    // A look before the change proves nothing of it.
    refuses(&format!("irreversible: true\nsteps:\n{VERIFY}\n{change}"), Rule::ChangeWithoutVerify, (9, 5), told);
    accepts(&format!("irreversible: true\nsteps:\n{change}\n{VERIFY}"));
}

#[test]
fn lint_refuses_a_change_without_rollback_unless_irreversible_true() {
    let steps = |named: &str| format!("steps:\n  - {{id: c, kind: change, use: automation.post, with: {{path: /x}}{named}}}\n{VERIFY}");
    refuses(&steps(""), Rule::ChangeWithoutRollback, (7, 5), "name a `rollback` step, or write `irreversible: true`");
    refuses(&format!("irreversible: false\n{}", steps("")), Rule::ChangeWithoutRollback, (8, 5), "name a `rollback` step");
    refuses(&format!("reversible: true\n{}", steps("")), Rule::ChangeWithoutRollback, (8, 5), "name a `rollback` step");
    refuses(&steps(", rollback: undo"), Rule::BadRollback, (7, 5), "add a step `undo` of kind `rollback`");
    refuses(&steps(", rollback: v"), Rule::BadRollback, (7, 5), "add a step `v` of kind `rollback`");
    let undo = "\n  - {id: undo, kind: rollback, use: automation.post, with: {path: /x}}";
    refuses(&format!("irreversible: true\n{}{undo}", steps("")), Rule::BadRollback, (10, 5), "name it in the change that it undoes");
    accepts(&format!("irreversible: true\n{}", steps("")));
    accepts(&(steps(", rollback: undo") + undo));
}

#[test]
fn lint_refuses_a_parameter_that_is_used_but_not_declared() {
    let verify = |with: &str| format!("steps:\n  - {{id: v, kind: verify, use: automation.get, with: {with}}}");
    refuses(&verify("{path: '/x/{{host}}'}"), Rule::UndeclaredParameter, (7, 5), "declare `host` under `parameters`");
    refuses(
        &verify("{path: /x, body: {deep: [{a: '{{host}}'}]}}"),
        Rule::UndeclaredParameter,
        (7, 5),
        "step `v` uses the parameter `host`",
    );
    let host = "parameters:\n  host: {type: ip, from: [text]}\n";
    refuses(&(host.to_owned() + &verify("{path: '/x/{{host}}/{{hots}}'}")), Rule::UndeclaredParameter, (9, 5), "did you mean `host`?");
}

#[test]
fn lint_refuses_a_parameter_that_is_declared_but_unused() {
    let declared = format!("parameters:\n  host: {{type: ip, from: [text]}}\nsteps:\n{VERIFY}");
    refuses(&declared, Rule::UnusedParameter, (7, 9), "use it or remove it");
    // Without steps it says what a person will need.
    accepts("parameters:\n  host: {type: ip, from: [text]}");
}

#[test]
fn lint_refuses_a_pattern_that_is_not_anchored() {
    let host = |pattern: &str| {
        format!(
            "parameters:\n  h: {{type: hostname, from: [text], pattern: '{pattern}'}}\nsteps:\n  - {{id: v, kind: verify, use: automation.get, with: {{path: '/x/{{{{h}}}}'}}}}"
        )
    };
    for (loose, told) in [
        ("prn-[0-9]+", "write `^(?:prn-[0-9]+)$`"),
        ("^prn-[0-9]+", "write `^(?:prn-[0-9]+)$`"),
        ("prn-[0-9]+$", "write `^(?:prn-[0-9]+)$`"),
        ("^a$|^b$", "does not cover the whole value"),
        (r"^a\$", "does not cover the whole value"),
    ] {
        refuses(&host(loose), Rule::UnanchoredPattern, (7, 46), told);
    }
    accepts(&host("^prn-[0-9]+$"));
    accepts(&host("^(?:a|b)$"));
}

#[test]
fn lint_refuses_two_active_runbooks_with_the_same_exact_trigger() {
    for (trigger, place, told) in [
        ("triggers: {alertnames: [Other, DiskFull]}", (6, 32), "the alert name `DiskFull` is also in `a.md`"),
        ("triggers: {labels: {team: x}}", (6, 27), "the set of labels `team=x` is also in `a.md`"),
        ("triggers: {patterns: ['disk full']}", (6, 23), "the pattern `disk full` is also in `a.md`"),
    ] {
        let first = file("a", &trigger.replace("Other, ", ""));
        whole(&[("a.md", &first), ("b.md", &file("b", trigger))], Rule::DuplicateTrigger, place, told);
    }
    let plain = "# DiskFull\n\nLook.\n";
    let named = file("a", "triggers: {alertnames: [DiskFull]}");
    whole(&[("a.md", &named), ("b.md", plain)], Rule::DuplicateTrigger, (1, 1), "keep it in one of them");
}

#[test]
fn lint_refuses_an_example_in_match_that_the_matcher_does_not_rank_first() {
    let a = file("a", "symptoms: [printer jam]\nexamples: {match: [printer jam, coffee machine broken]}");
    let b = file("b", "symptoms: [coffee machine broken down]");
    let told = "the example `coffee machine broken` finds `b` first; add its words to `symptoms`";
    whole(&[("b.md", &b), ("a.md", &a)], Rule::MatchNotFirst, (7, 33), told);
}

#[test]
fn lint_refuses_an_example_in_no_match_that_the_matcher_ranks_first() {
    refuses(
        "symptoms: [printer jam]\nexamples:\n  no_match:\n    - printer jam",
        Rule::NoMatchFirst,
        (9, 7),
        "add a `not_patterns` entry that tells it apart",
    );
    accepts("symptoms: [printer jam]\ntriggers: {not_patterns: [toner]}\nexamples: {no_match: [printer jam toner]}");
}

#[test]
fn lint_refuses_an_unknown_connector_category_or_directory() {
    let step = |name: &str| format!("steps:\n  - {{id: v, kind: verify, use: {name}.get, with: {{path: /x}}}}");
    refuses(&step("automaton"), Rule::UnknownConnector, (7, 5), "did you mean `automation`?");
    refuses(&step("zzz"), Rule::UnknownConnector, (7, 5), "configure it under `[[connectors]]`");
    refuses("applies_to: {categories: [hardware/pinter]}", Rule::UnknownCategory, (6, 27), "did you mean `hardware/printer`?");
    refuses("applies_to:\n  categories:\n    - zzz", Rule::UnknownCategory, (8, 7), "name a category of the catalogue");
    let user = |list: &str| format!("parameters:\n  u: {{type: username, from: [requester], one_of: '{list}'}}");
    refuses(
        &user("directory:nobody"),
        Rule::BadDirectory,
        (7, 50),
        "no directory `nobody`; it has `users`; add it under `[[directories]]`",
    );
    accepts(&user("directory:users"));
}

#[test]
fn an_id_stands_once_and_a_parameter_of_no_shape_is_not_taken_from_text() {
    let twins = [("a.md", file("a", "")), ("b.md", file("a", ""))];
    whole(&[("a.md", &twins[0].1), ("b.md", &twins[1].1)], Rule::DuplicateId, (2, 5), "is also in `a.md`; give one of them another `id`");
    let plain = "# A\n\nLook.\n";
    whole(&[("a.md", &twins[0].1), ("b.md", plain)], Rule::DuplicateId, (1, 1), "give one of them another title");
    let host = "parameters:\n  h: {type: hostname, from: [text]}";
    refuses(host, Rule::UnfindableParameter, (7, 6), "give it a `pattern` or a `one_of` list");
    accepts(&host.replace("text", "requester"));
}

#[test]
fn lint_refuses_an_owner_nobody_knows() {
    let text = |owner: &str| file("a", "").replace("owner: team", &format!("owner: {owner}"));
    whole(&[("a.md", &text("taem"))], Rule::UnknownOwner, (4, 8), "did you mean `team`?");
    whole(&[("a.md", &text("somebody"))], Rule::UnknownOwner, (4, 8), "add the team to `runbooks.owners`");
}

#[test]
fn lint_refuses_an_over_long_within() {
    let verify = |within: &str| format!("steps:\n  - {{id: v, kind: verify, use: automation.get, with: {{path: /x}}, within: {within}}}");
    refuses(&verify("901s"), Rule::OverLongWithin, (7, 74), "write at most `15m`");
    refuses(&verify("1d"), Rule::OverLongWithin, (7, 74), "may poll for 1440 minutes");
    accepts(&verify("15m"));
    refuses(&verify("15m").replace("verify", "precheck"), Rule::BadValue, (7, 76), "remove it: a precheck looks once");
    let job = |within: &str| {
        format!(
            "steps:\n  - {{id: c, kind: change, use: automation.post, with: {{path: /x}}, rollback: u, within: {within}}}\n{VERIFY}\n  - {{id: u, kind: rollback, use: automation.post, with: {{path: /x}}}}"
        )
    };
    accepts(&job("60m"));
    refuses(&job("61m"), Rule::OverLongWithin, (7, 88), "write at most `60m`");
}

#[test]
fn lint_refuses_an_output_that_no_earlier_step_gives() {
    let steps = |gives: &str, uses: &str| {
        format!(
            "irreversible: true\nsteps:\n  - {{id: look, kind: precheck, use: automation.get, with: {{path: /x}}{gives}}}\n  - {{id: act, kind: change, use: automation.post, with: {{path: '/x/{uses}'}}}}\n{VERIFY}"
        )
    };
    let gives = ", outputs: {node: {value: body.node, type: 'string(20)'}}";
    accepts(&steps(gives, "{{look.node}}"));
    refuses(&steps("", "{{look.node}}"), Rule::UndeclaredOutput, (9, 5), "add `outputs: {node:");
    refuses(&steps(gives, "{{look.nodes}}"), Rule::UndeclaredOutput, (9, 5), "which no step gives");
    refuses(&steps(gives, "{{act.node}}"), Rule::UndeclaredOutput, (9, 5), "which no step gives");
    let before = "irreversible: true\nsteps:\n  - {id: act, kind: change, use: automation.post, with: {path: '/x/{{v.n}}'}}\n  - {id: v, kind: verify, use: automation.get, with: {path: /x}, outputs: {n: {value: body.n, type: uuid}}}";
    refuses(before, Rule::UndeclaredOutput, (8, 5), "prechecks run first");
    // Two changes; the rollback of the first may not build on what the second gives, nor on a verify step.
    let undo = |uses: &str| {
        format!(
            "steps:\n  - {{id: a, kind: change, use: automation.post, with: {{path: /a}}, rollback: ua, outputs: {{n: {{value: body.n, type: uuid}}}}}}\n  - {{id: b, kind: change, use: automation.post, with: {{path: /b}}, rollback: ub, outputs: {{n: {{value: body.n, type: uuid}}}}}}\n  - {{id: v, kind: verify, use: automation.get, with: {{path: /x}}, expect: 'status == 200', outputs: {{n: {{value: body.n, type: uuid}}}}}}\n  - {{id: ua, kind: rollback, use: automation.post, with: {{path: '/u/{uses}'}}}}\n  - {{id: ub, kind: rollback, use: automation.post, with: {{path: '/u/{{{{a.n}}}}/{{{{b.n}}}}'}}}}\n"
        )
    };
    accepts(&undo("{{a.n}}"));
    refuses(&undo("{{b.n}}"), Rule::UndeclaredOutput, (10, 5), "a rollback may use what");
    refuses(&undo("{{v.n}}"), Rule::UndeclaredOutput, (10, 5), "a rollback may use what");
    for (odd, rule) in [
        (", outputs: {node: {value: 'bdy.node', type: uuid}}", Rule::BadExpectation),
        (", outputs: {node: {value: body.node, type: integer}}", Rule::BadValue),
        (", outputs: {node: {value: body.node, type: text}}", Rule::BadValue),
        (", outputs: {node: {value: body.node, type: uuid, pattern: '('}}", Rule::BadPattern),
        (", outputs: {'no de': {value: body.node, type: uuid}}", Rule::BadValue),
    ] {
        let found = parse("x.md", file("x", &steps(odd, "x")).as_bytes(), &|_| Err("no lists".to_owned())).unwrap_err();
        assert_eq!(found[0].rule, rule, "{odd}: {found:?}");
    }
}

#[test]
fn stale_reviews_are_warnings() {
    for (rest, line, told) in [
        ("reviewed: 2026-11-01\nreview_every: 180d", 6, "overdue on 2027-06-01: it will not run on its own"),
        ("reviewed: 2027-05-31", 6, "nothing says for how long"),
        ("authors: [a]", 2, "never reviewed"),
    ] {
        let steps =
            format!("{rest}\nirreversible: true\nsteps:\n  - {{id: c, kind: change, use: automation.post, with: {{path: /x}}}}\n{VERIFY}");
        let report = linted(&[("a.md", &file("a", &steps))]);
        assert!(!report.has_errors() && report.runbooks == 1, "{report:#?}");
        let found = report.findings.iter().find(|finding| finding.rule == Rule::StaleReview).unwrap();
        assert_eq!((found.severity, found.line), (Severity::Warning, line), "{found}");
        assert!(found.to_string().contains(told) && found.to_string().contains("set `reviewed` and `review_every`"), "{found}");
    }
    let report = linted(&[("a.md", &file("a", "reviewed: 2027-05-31\nreview_every: 180d"))]);
    assert_eq!(report.findings, []);
}

#[test]
fn lint_refuses_duplicate_front_matter_keys() {
    refuses("risk: high", Rule::DuplicateKey, (6, 1), "`risk` is written twice; keep one of them");
    refuses("triggers: {labels: {a: b, a: c}}", Rule::DuplicateKey, (6, 27), "`a` is written twice");
    refuses(
        "parameters:\n  h: {type: ip, from: [text]}\n  h: {type: ip, from: [text]}",
        Rule::DuplicateKey,
        (8, 3),
        "`h` is written twice",
    );
}

#[test]
fn lint_refuses_a_file_of_5_mb() {
    let large = file("a", "") + &"x".repeat(5_000_000);
    whole(&[("a.md", &large)], Rule::TooLarge, (1, 1), "more than the 262144 bytes a runbook may have; move long material");
}

#[test]
fn lint_refuses_a_cycle_of_includes_because_nothing_is_included() {
    for key in ["include", "includes", "import", "extends"] {
        refuses(&format!("{key}: a.md"), Rule::UnknownKey, (6, 1), "a runbook is one file");
    }
}

#[test]
fn lint_refuses_a_template_that_refers_to_itself() {
    let told = "is filled in a step's `with` and nowhere else";
    refuses("parameters:\n  h: {type: string, from: [text], pattern: '^{{h}}$'}", Rule::BadValue, (7, 44), told);
    refuses("parameters:\n  h: {type: string, from: ['label:{{h}}']}", Rule::BadValue, (7, 28), told);
    refuses("triggers: {patterns: ['disk {{h}} full']}", Rule::BadPattern, (6, 23), told);
}

#[test]
fn what_is_no_yaml_or_of_the_wrong_kind_is_refused_in_words_that_say_what_to_write() {
    refuses("symptoms: [a", Rule::Syntax, (6, 11), "close it");
    refuses("symptoms: 7", Rule::Syntax, (6, 11), "expected a list; write `[a, b]`");
    refuses("symptoms:\n  - a: b: c", Rule::Syntax, (7, 5), "with `: ` in it");
    refuses("reversible: maybe", Rule::Syntax, (6, 13), "write `true` or `false`");
    refuses("symptoms: [&a x, *a]", Rule::Syntax, (6, 15), "write the value out each time");
    refuses("triggers: [a]", Rule::Syntax, (6, 11), "expected keys with values");
    refuses("triggers: {patterns: ['(a']}", Rule::BadPattern, (6, 23), "unclosed group; 1 to 500 bytes in the syntax of Rust's `regex`");
    refuses("parameters:\n  h: {type: ip, from: []}", Rule::BadValue, (7, 6), "add `from: [text]` or a label");
    refuses(
        "parameters:\n  h: {type: ip, from: [txt]}",
        Rule::BadValue,
        (7, 24),
        "write `label:NAME`, `attribute:NAME`, `requester` or `text`",
    );
    refuses("parameters:\n  h: {type: hostnam, from: [text]}", Rule::BadValue, (7, 13), "did you mean `hostname`?");
    refuses(
        "parameters:\n  h: {type: ip, from: [text], one_of: ../x.csv}",
        Rule::BadDirectory,
        (7, 39),
        "a list is a CSV file beside the runbooks",
    );
    refuses("parameters:\n  h: {type: ip, from: [text], one_of: x.csv}", Rule::BadDirectory, (7, 39), "cannot read the list `x.csv`");
    whole(&[("a.md", &file("a", "").replace("risk: low\n", ""))], Rule::BadValue, (4, 1), "`risk` is missing; add a line `risk: low`");
    whole(&[("a.md", "---\nid: a\n")], Rule::Syntax, (1, 1), "add a line `---` below it");
    whole(&[("a.md", "just text\n")], Rule::NoTitle, (1, 1), "start with `# AlertName`");
}

/// A value is refused before any connector hears of it; each with the reason, and without the value in it.
#[test]
fn a_value_with_a_shell_sign_a_path_escape_wide_digits_a_line_end_or_outside_its_directory_is_refused_with_the_reason() {
    let text = file(
        "a",
        "parameters:\n  h: {type: hostname, from: [text], pattern: '^prn-.*$', one_of: p.csv}\n  p: {type: 'path(/var/tmp)', from: ['label:p']}",
    );
    let list = |path: &str| Ok(crate::domain::runbook::Directory::List { path: path.to_owned(), values: ["prn-07".to_owned()].into() });
    let sheet = parse("a.md", text.as_bytes(), &list).unwrap();
    for (slot, value, reason) in [
        ("h", "prn-07;reboot", "it has the character `;`, which no value may have"),
        ("h", "prn-$(id)", "it has the character `$`, which no value may have"),
        ("p", "/var/tmp/../../etc", "it has `..`"),
        ("p", "/etc/passwd", "it is not under /var/tmp"),
        ("h", "prn-０７", "it has the character U+FF10, which no value may have"),
        ("h", "prn-07\r\n", "it has the character U+000D, which no value may have"),
        ("h", "prn-08", "it is not in p.csv"),
    ] {
        let parameter = sheet.runbook.parameters.iter().find(|(name, _)| name.as_str() == slot).unwrap().1;
        assert_eq!(super::validate(parameter, value).unwrap_err(), reason, "{value:?}");
    }
}

#[test]
fn the_shipped_runbooks_have_no_error() {
    let report = lint(Path::new("runbooks"), &Known::default());
    assert!(!report.has_errors() && report.runbooks >= 24, "{:#?}", report.findings);
}

#[test]
fn a_review_counts_until_the_last_day_of_its_time_and_one_without_a_time_never_does() {
    let text = "---\nid: a\ntitle: A\nowner: t\nrisk: low\nreviewed: 2026-11-01\nreview_every: 180d\n---\nx\n";
    let stale = |text: &str, day| {
        let sheet = parse("a.md", text.as_bytes(), &|_| Err(String::new())).unwrap();
        sheet.runbook.is_stale(day)
    };
    assert!(!stale(text, jiff::civil::date(2027, 4, 30)) && stale(text, jiff::civil::date(2027, 5, 1)));
    assert!(stale(&text.replace("review_every: 180d\n", ""), jiff::civil::date(2026, 11, 1)));
    assert!(stale(&text.replace("reviewed: 2026-11-01\n", ""), jiff::civil::date(2026, 11, 1)));
}
