//! The policy commands as a person runs them: the real binary, folders, a running service, exit codes.

use std::{path::Path, process::Command, time::Duration};

use serde_json::Value;
use sluicegate::domain::principal::Role::Auditor;

use crate::app::{App, ticket};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SINCE: &str = "2023-11-14T00:00:00Z";

#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }
}

fn run(arguments: &[&str]) -> Said {
    command(arguments, &[])
}

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    for name in ["SLUICEGATE_CONFIG", "SLUICEGATE_URL", "SLUICEGATE_TOKEN"] {
        command.env_remove(name);
    }
    let output = command.current_dir(ROOT).args(arguments).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// As [`run`], with the address and a token of `app`. Off the async threads, because the service answers on them.
async fn ask(app: &App, token: &str, arguments: &[&str]) -> Said {
    let (url, token) = (format!("http://{}", app.address), token.to_owned());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let asked = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        command(&arguments, &[("SLUICEGATE_URL", &url), ("SLUICEGATE_TOKEN", &token)])
    };
    tokio::task::spawn_blocking(asked).await.unwrap()
}

/// The shipped policies with the cases, and `change` made to `automation.cedar`.
fn changed(folder: &Path, change: impl FnOnce(String) -> String) {
    std::fs::create_dir_all(folder.join("tests")).unwrap();
    let from = Path::new(ROOT).join("policies");
    for name in ["approval.cedar", "freeze.toml", "tests/baseline.json", "tests/automation.toml"] {
        std::fs::copy(from.join(name), folder.join(name)).unwrap();
    }
    let text = std::fs::read_to_string(from.join("automation.cedar")).unwrap();
    std::fs::write(folder.join("automation.cedar"), change(text)).unwrap();
}

fn without_vip(text: String) -> String {
    let (start, end) = (text.find("@id(\"vip").unwrap(), text.find("@id(\"unentitled").unwrap());
    format!("{}{}", &text[..start], &text[end..])
}

#[test]
fn check_passes_the_shipped_policies_and_points_at_a_misspelt_rule() {
    let shipped = run(&["policy", "check"]);
    assert_eq!(shipped.code, 0, "{shipped:?}");
    assert!(shipped.out.contains("9 policies, 0 finding(s)"), "{shipped:?}");
    let place = tempfile::tempdir().unwrap();
    changed(place.path(), |text| text.replace("context.priority == 1", "context.priority == 0"));
    let odd = run(&["policy", "check", place.path().to_str().unwrap()]);
    assert_eq!(odd.code, 1, "{odd:?}");
    let expected = "policy `major-incidents-to-people`: it can never apply: `priority == 0` is never true (`priority` is 1 to 4): correct its condition or remove it (never-applies)\n";
    assert!(odd.out.starts_with("automation.cedar:") && odd.out.contains(expected), "{odd:?}");
}

#[test]
fn diff_names_the_rules_and_the_cases_whose_verdict_changes() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().to_str().unwrap();
    changed(place.path(), |text| text);
    let same = run(&["policy", "diff", "policies", folder]);
    assert_eq!((same.code, same.out.contains("0 rule(s) differ")), (0, true), "{same:?}");
    changed(place.path(), without_vip);
    let less = run(&["policy", "diff", "policies", folder]);
    assert_eq!(less.code, 1, "{less:?}");
    for expected in [
        "- forbid `vip-tickets-to-people`: a person answers tickets of VIP requesters",
        "allowed more: 1",
        "needs_approval → auto_execute, no longer refused by vip-tickets-to-people",
        "`automation.toml: a VIP's ticket waits for a person`",
    ] {
        assert!(less.out.contains(expected), "{expected}: {}", less.out);
    }
    let json = run(&["policy", "diff", "policies", folder, "--json"]).json();
    assert_eq!((&json["rules"][0]["what"], &json["cases"]["groups"][0]["count"]), (&"removed".into(), &1.into()), "{json:#}");
}

#[tokio::test]
async fn a_decision_is_explained_from_the_service_and_from_its_answer() {
    let app = App::start().await;
    app.desk(ticket("T-1", "Printer prn-00007 does not print, documents just sit in the queue").to_string()).await;
    app.triage().await;
    let token = app.token(&[Auditor]).await;
    let tickets = app.get(&token, "/v1/tickets").await.json();
    let id = tickets["items"][0]["id"].as_str().unwrap();
    let answer = app.get(&token, &format!("/v1/tickets/{id}")).await.json();
    let verdict = &answer["recommendation"]["verdict"];

    let told = ask(&app, &token, &["policy", "explain", id]).await;
    assert_eq!(told.code, 0, "{told:?}");
    for reason in verdict["reasons"].as_array().unwrap() {
        assert!(
            told.out.contains(reason["id"].as_str().unwrap()) && told.out.contains(reason["message"].as_str().unwrap()),
            "{reason:#}\n{}",
            told.out
        );
    }
    for expected in [
        verdict["decision"].as_str().unwrap(),
        verdict["policies"].as_str().unwrap(),
        "does not apply here\n",
        "- forbid vip-tickets-to-people: a person answers tickets of VIP requesters",
        "asked when a person approves\n",
    ] {
        assert!(told.out.contains(expected), "{expected}: {}", told.out);
    }
    let first = told.out.lines().find(|line| line.contains('✗')).unwrap();
    assert!(first.contains(verdict["reasons"][0]["id"].as_str().unwrap()), "the first refusal is on top: {}", told.out);

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("ticket.json");
    std::fs::write(&file, answer.to_string()).unwrap();
    let (file, json) = (file.to_str().unwrap(), ask(&app, &token, &["policy", "explain", id, "--json"]).await.json());
    assert_eq!(run(&["policy", "explain", "--file", file, "--policies", "policies", "--json"]).json(), json);
    assert_eq!(run(&["policy", "explain", "--file", file, "--policies", "policies"]).out, told.out);
    let values = run(&["policy", "explain", "--file", file, "--values"]).out;
    assert!(values.contains("size = 1") && !told.out.contains("size = 1"), "{values}");
    let bare = run(&["policy", "explain", "--file", file]);
    assert!(bare.code == 0 && !bare.out.contains("does not apply here"), "{bare:?}");

    let others = place.path().join("others");
    changed(&others, without_vip);
    let other = run(&["policy", "explain", "--file", file, "--policies", others.to_str().unwrap()]);
    assert!(other.out.contains("another set is at hand"), "{other:?}");
    let nobody = ask(&app, &token, &["policy", "explain", "tkt_01kaqc4j0000000000000000ab"]).await;
    assert!(nobody.code == 1 && nobody.err.contains("404"), "{nobody:?}");
}

#[tokio::test]
async fn a_backtest_reads_the_service_page_by_page_and_its_kept_receipts_say_the_same() {
    let app = App::start().await;
    // One page of the service is 200.
    for number in 0..202 {
        app.desk(ticket(&format!("T-{number}"), "Printer prn-00007 does not print, documents just sit in the queue").to_string()).await;
    }
    app.triage().await;
    app.ambient.turn(Duration::from_secs(3_600));
    app.desk(ticket("N-1", "qwzx vbnm").to_string()).await;
    app.triage().await;
    let token = app.token(&[Auditor]).await;
    let place = tempfile::tempdir().unwrap();
    let (kept, folder) = (place.path().join("receipts.jsonl"), place.path().join("policies"));
    let (kept, folder) = (kept.to_str().unwrap(), folder.to_str().unwrap());

    let same = ask(&app, &token, &["policy", "backtest", "--since", SINCE, "--save", kept]).await;
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.out.contains("0 verdict(s) change"), "{same:?}");
    assert_eq!(std::fs::read_to_string(kept).unwrap().lines().count(), 203);

    changed(Path::new(folder), |text| {
        format!(
            "{text}\n@id(\"no-printers\") @reason(\"x\")\nforbid (principal, action in Action::\"execute\", resource == Runbook::\"restart-spooler\");\n"
        )
    });
    let stricter = ask(&app, &token, &["policy", "backtest", "--since", SINCE, "--policies", folder, "--json"]).await.json();
    assert_eq!((&stricter["evaluated"], &stricter["unreadable"]), (&203.into(), &0.into()), "{stricter:#}");
    assert_eq!(run(&["policy", "backtest", "--receipts", kept, "--policies", folder, "--json"]).json(), stricter);
    let later = ask(&app, &token, &["policy", "backtest", "--since", "2023-11-14T23:13:20Z", "--json"]).await.json();
    assert_eq!(later["evaluated"], 1, "{later:#}");
    // By the wall clock all of it is long ago.
    let none = ask(&app, &token, &["policy", "backtest", "--since", "30d", "--json"]).await.json();
    assert_eq!(none["evaluated"], 0, "{none:#}");
    let odd = run(&["policy", "backtest", "--since=-3d"]);
    assert!(odd.code == 2 && odd.err.contains("write `30d`"), "{odd:?}");
    let missing = run(&["policy", "backtest"]);
    assert!(missing.code == 1 && missing.err.contains("--url"), "{missing:?}");
}
