//! What `init` writes is complete: the service starts from it in any folder, far from the repository.

use std::process::Command;

#[test]
fn the_folder_that_init_writes_passes_its_check_from_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["init", "desk"][..], &["config", "check", "--config", "desk/sluicegate.toml"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(arguments).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    let model = ["model", "list", "--json", "--config", "desk/sluicegate.toml"];
    let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(model).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("service-desk"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
