//! Keeps the vectors that a load of runbooks made, so that the next start embeds only what changed.

use std::io::Write as _;

use crate::runbook::Library;

/// Replaces the file of vectors in one step when the library has new ones.
///
/// A file that cannot be written costs time at the next start and nothing else, so it is told and not an error.
pub fn keep(library: &Library) {
    let Some((file, bytes)) = library.to_keep() else { return };
    let write = || {
        let folder = file.parent().unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&bytes)?;
        new.persist(&file).map_err(|why| why.error)
    };
    if let Err(error) = write() {
        tracing::warn!(%error, file = %file.display(), "the vectors of runbooks are not kept; the next start makes them again");
    }
}
