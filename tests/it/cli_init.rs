//! What `init` writes is complete: the service starts from it in any folder, and a model is trained and measured there. What `train` refuses.

use std::{path::Path, process::Command};

/// What the program prints with these arguments in `folder`.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Twenty labelled lines.
fn lines(from: usize) -> String {
    let line = |at: usize| match at % 2 {
        0 => format!("{{\"text\": \"printer {at} is out of toner\", \"labels\": {{\"category\": \"printing\"}}}}\n"),
        _ => format!("{{\"text\": \"vpn drops on laptop {at} at home\", \"labels\": {{\"category\": \"network\"}}}}\n"),
    };
    (from..from + 20).map(line).collect()
}

#[test]
fn the_folder_that_init_writes_passes_its_check_from_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    said(folder.path(), &["init", "desk"]);
    said(folder.path(), &["config", "check", "--config", "desk/sluicegate.toml"]);
    assert!(said(folder.path(), &["model", "list", "--json", "--config", "desk/sluicegate.toml"]).contains("service-desk"));
}

#[test]
fn from_another_folder_a_model_is_trained_and_measured_by_the_signals_and_embeddings_that_the_configuration_names() {
    let folder = tempfile::tempdir().unwrap();
    said(folder.path(), &["init", "desk"]);
    std::fs::write(folder.path().join("train.jsonl"), lines(0)).unwrap();
    std::fs::write(folder.path().join("held-out.jsonl"), lines(20)).unwrap();
    let by = ["--config", "desk/sluicegate.toml", "--json"];
    let manifest = said(folder.path(), &[&["train", "--data", "train.jsonl", "--out", "mine"], &by[..]].concat());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["embedding"]["kind"], "static", "{manifest}");
    let report = said(folder.path(), &[&["evaluate", "--model", "mine", "--data", "held-out.jsonl"], &by[..]].concat());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report).unwrap()["targets"]["category"]["accuracy"], 1.0, "{report}");
}

#[test]
fn a_teacher_of_a_model_that_has_none_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.jsonl"), lines(0)).unwrap();
    said(folder.path(), &["init", "desk"]);
    let by = ["--config", "desk/sluicegate.toml", "--embedding", "none", "--teacher", "none"];
    let arguments = [&["train", "--data", "train.jsonl", "--out", "mine"], &by[..]].concat();
    let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(arguments).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`--teacher` is for `--embedding static`"), "{said}");
    assert!(!folder.path().join("mine").exists());
}
