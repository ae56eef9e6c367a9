//! The runbook commands as a person runs them: the real binary, a folder, an exit code and what is printed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {}\n{}", self.out, self.err))
    }
}

/// Runs the binary in the project's folder, so that the shipped catalogue and model are found.
fn run(arguments: &[&str], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.current_dir(ROOT).args(arguments).env_remove("SLUICEGATE_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may be gone before all of it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// A configuration with the shipped parts and the runbooks of `folder`.
fn config(folder: &Path) -> PathBuf {
    let text = format!(
        "[triage]\nmodel = \"{ROOT}/models/service-desk\"\nembedding = \"{ROOT}/models/embedding\"\ncatalogue = \"{ROOT}/models/catalogue.toml\"\nsignals = \"{ROOT}/signals.toml\"\n[runbooks]\nfolder = \"{}\"\n[gate]\npolicies = \"{ROOT}/policies\"\n",
        folder.display()
    );
    write(folder.parent().unwrap(), "sluicegate.toml", &text)
}

#[test]
fn a_folder_of_plain_markdown_works_as_recommend_only_the_whole_way_from_an_alert() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("plain");
    let usual = "## Meaning\n\nA pod restarts again and again.\n\n## Impact\n\nRequests fail.\n\n## Diagnosis\n\nRead its log.\n\n## Mitigation\n\nRoll back the release.\n";
    write(&folder, "kubernetes/KubePodCrashLooping.md", &format!("# KubePodCrashLooping\n\n{usual}"));
    write(
        &folder,
        "node/NodeFilesystemFull.md",
        "---\ntitle: Node Filesystem Full\nweight: 20\n---\n\n## Meaning\n\nA disk is full.\n\n## Mitigation\n\nRemove old files.\n",
    );
    write(&folder, "README.md", "# Our runbooks\n\nStart here.\n");
    let at = folder.to_str().unwrap();

    let linted = run(&["runbook", "lint", at], "");
    assert_eq!((linted.code, linted.out.as_str()), (0, "2 runbook(s), no errors, 0 warning(s)\n"), "{}", linted.err);

    let config = config(&folder);
    let alert = r#"{"external_id":"a1","title":"KubePodCrashLooping shop/cart-7f9","body":"Pod shop/cart-7f9 restarts","labels":{"alertname":"KubePodCrashLooping","namespace":"shop"}}"#;
    let decided = run(&["triage", "--config", config.to_str().unwrap()], alert);
    assert_eq!(decided.code, 0, "{}", decided.err);
    let decided = decided.json();
    assert_eq!(decided["runbook"], "kube-pod-crash-looping", "{decided:#}");
    assert_eq!(decided["verdict"]["decision"], "recommend_only", "{decided:#}");
    let reasons = decided["verdict"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["id"] == "runbook_executable" && reason["passed"] == false), "{decided:#}");

    // The file's name alone names the alert.
    let other = alert.replace("KubePodCrashLooping", "NodeFilesystemFull");
    let decided = run(&["triage", "--config", config.to_str().unwrap()], &other).json();
    assert_eq!((&decided["runbook"], &decided["verdict"]["decision"]), (&"node-filesystem-full".into(), &"recommend_only".into()));
}

#[test]
fn a_runbook_that_new_made_lints_and_is_never_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("runbooks");
    let at = folder.to_str().unwrap();
    let answers = "lost-badge\nReplace a lost badge\nsecurity-team\nana@example.com\nlow\n\nmy badge is gone\nI lost my badge yesterday\nplease print a new photo on it\nphoto\n";
    let made = run(&["runbook", "new", "--folder", at], answers);
    assert_eq!((made.code, made.out.trim()), (0, folder.join("lost-badge.md").to_str().unwrap()), "{}", made.err);
    assert!(
        made.err.contains("security-team,") && made.err.contains("hardware/printer,"),
        "teams and categories are offered: {}",
        made.err
    );
    let text = std::fs::read_to_string(folder.join("lost-badge.md")).unwrap();
    assert_eq!(text.lines().nth(1), Some("# yaml-language-server: $schema=http://127.0.0.1:8321/schemas/runbook.json"));
    assert_eq!(run(&["runbook", "lint", at], "").out, "1 runbook(s), no errors, 0 warning(s)\n");

    let again = run(&["runbook", "new", "--folder", at], answers);
    assert!(again.code == 1 && again.err.contains("is there already"), "{}", again.err);
    assert_eq!(std::fs::read_to_string(folder.join("lost-badge.md")).unwrap(), text);
}

#[test]
fn lint_exits_1_and_gives_machines_the_place_the_rule_and_the_hint() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "a.md", "---\nid: a\ntitle: A\nowner: security-team\nrisk: low\ntriger: {}\n---\nx\n");
    let at = place.path().to_str().unwrap();
    let said = run(&["runbook", "lint", at, "--json"], "");
    let expected = serde_json::json!([{
        "file": "a.md", "line": 6, "column": 1, "severity": "error", "rule": "unknown-key",
        "message": "`triger` is not a key here", "hint": "did you mean `triggers`?",
    }]);
    assert_eq!((said.code, said.json()), (1, expected));
    let said = run(&["runbook", "lint", at], "");
    assert!(
        said.out
            .starts_with("a.md:6:1: error: `triger` is not a key here; did you mean `triggers`?\n1 error(s), 0 warning(s): nothing loads")
    );
}

#[test]
fn show_has_everything_that_the_service_reads() {
    let said = run(&["runbook", "show", "restart-print-spooler"], "");
    assert_eq!(said.code, 0, "{}", said.err);
    for row in [
        "id             restart-print-spooler",
        "file           restart-print-spooler.md",
        "digest         sha256:",
        "owner          endpoint-team",
        "reviewed       2026-11-01, every 180d",
        "risk           low",
        "reversible     yes",
        "categories     hardware/printer",
        "alert names    PrintSpoolerDown",
        "not patterns   (?i)\\btoner\\b\n               (?i)paper jam\n",
        "symptoms       Print jobs stay in the queue and nothing prints",
        "  from         label:instance, attribute:ci, text",
        "  checked      hostname\n  checked      matches ^prn-[0-9]{2,4}$\n  checked      in inventory/printers.csv (12 values)",
        "  request      automation.post {\"path\":\"/printers/{{host}}/restart\"}",
        "  expects      status == 200 && body.state == \"healthy\"",
        "  within       2m",
        "  idempotent   yes: may be sent again\n  rollback     undo",
        "for            nothing comes out of prn-07, 14 jobs waiting",
        "not for        please order new toner for prn-07",
        "lint           ",
        "## When it happens",
    ] {
        assert!(said.out.contains(row), "`{row}` is not in\n{}", said.out);
    }
    let shown = run(&["runbook", "show", "restart-print-spooler", "--json"], "").json();
    for key in [
        "id",
        "title",
        "file",
        "digest",
        "owner",
        "authors",
        "reviewed",
        "review_every",
        "review",
        "stale",
        "triggers",
        "symptoms",
        "categories",
        "parameters",
        "risk",
        "reversible",
        "executable",
        "steps",
        "examples",
        "body",
        "findings",
    ] {
        assert!(shown.get(key).is_some(), "{key}: {shown:#}");
    }
    assert_eq!(shown["steps"][1]["with"], serde_json::json!({"path": "/printers/{{host}}/restart"}));
    assert_eq!((&shown["steps"][2]["within"], &shown["steps"][2]["timeout"]), (&"2m".into(), &"30s".into()));
    assert_eq!(shown["parameters"]["host"]["from"], serde_json::json!(["label:instance", "attribute:ci", "text"]));
    let missing = run(&["runbook", "show", "no-such"], "");
    assert!(missing.code == 1 && missing.err.contains("there is no runbook `no-such`"), "{}", missing.err);
}

#[test]
fn import_goes_through_folders_and_says_what_it_left_out() {
    let place = tempfile::tempdir().unwrap();
    let (from, out) = (place.path().join("from"), place.path().join("out"));
    let job = |group: &str| format!("- name: Restart\n  group: {group}\n  sequence: {{commands: [{{exec: 'true'}}]}}\n");
    write(&from, "web.yaml", &job("ops/web"));
    write(&from, "deep/er/db.yml", &job("ops/db"));
    write(&from, "notes.txt", "no job");
    write(&from, ".git/config.yaml", "no job");
    let arguments = ["runbook", "import", from.to_str().unwrap(), "--out", out.to_str().unwrap(), "--owner", "server-team"];
    let said = run(&[arguments.as_slice(), &["--json"]].concat(), "");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let report = said.json();
    let ids: Vec<&str> = report["files"].as_array().unwrap().iter().map(|file| file["imported"][0]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ops-db-restart", "ops-web-restart"]);
    let left: Vec<(String, &str)> = report["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| {
            (Path::new(left["path"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned(), left["why"].as_str().unwrap())
        })
        .collect();
    assert_eq!(left, [(".git".to_owned(), "its name begins with a dot"), ("notes.txt".to_owned(), "not a .yaml, .yml or .json file")]);
    assert_eq!(run(&["runbook", "lint", out.to_str().unwrap()], "").code, 0);
    // A second time: everything is there, and nothing is written over.
    let again = run(&arguments, "");
    assert!(again.code == 1 && again.out.contains("2 file(s): 0 runbook(s) made, 2 refused, 2 left out"), "{}", again.out);
}
