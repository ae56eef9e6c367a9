//! `demo` as a newcomer runs it: the real binary, from its first line to its end.

use std::process::Command;

#[test]
fn the_demo_of_the_readme_runs_to_its_end_and_tells_what_became_of_each_ticket() {
    let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(["demo", "--once"]).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}\n{err}");
    for said in ["console      http://127.0.0.1:", "received from zendesk-demo", "received from alertmanager-demo", "resolved by itself"] {
        assert!(out.contains(said), "`{said}` is not in\n{out}\n{err}");
    }
}
