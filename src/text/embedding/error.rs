//! Why an embedding model was not loaded.

use std::path::PathBuf;

use crate::domain::digest::Digest;

/// A model that could not be loaded; nothing of it is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddingError {
    #[error("cannot read `{}`: {source}; restore it from `models/embedding` of the repository, where `fetch.py` makes it anew", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}` is no manifest of an embedding model: {reason}", path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error("the manifest `{}` has form {form}, but this version reads form {known}; update the program", path.display())]
    FutureForm { path: PathBuf, form: u32, known: u32 },
    #[error("`{}` has {found} bytes where the manifest says {expected}: it is cut short or another file", path.display())]
    WrongSize { path: PathBuf, found: u64, expected: u64 },
    #[error("`{}` has the digest {found} where the manifest says {expected}: it is another file", path.display())]
    WrongDigest { path: PathBuf, found: Digest, expected: Digest },
    #[error("`{}` cannot be used: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
}
