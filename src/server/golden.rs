//! Files that are made by the program and kept in the repository, compared in tests.
//!
//! `SLUICEGATE_BLESS=1 cargo test` makes them anew.

/// Compares `text` with the file at `path` in the repository, or writes it when asked to.
///
/// # Panics
/// The file differs or cannot be read or written.
pub(super) fn check(path: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("SLUICEGATE_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("cannot read `{path}`: {why}; SLUICEGATE_BLESS=1 makes it"));
    assert!(kept == text, "`{path}` is not what the code makes; look at the difference after `SLUICEGATE_BLESS=1 cargo test`");
}
