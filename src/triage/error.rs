//! Everything that can be wrong with what triage reads: model, catalogue, signals, training data.

use std::path::PathBuf;

use crate::domain::digest::Digest;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriageError {
    #[error("cannot read `{path}`: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write `{path}`: {source}", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is not valid: {reason}", path = path.display())]
    Form { path: PathBuf, reason: String },
    #[error("signal `{name}` in `{path}` has the bad pattern `{pattern}`: {reason}", path = path.display())]
    Pattern { path: PathBuf, name: String, pattern: String, reason: String },
    #[error("`{path}` is form {found}, this program reads form {known}: train the model again or update the program", path = path.display())]
    FormVersion { path: PathBuf, found: u32, known: u32 },
    #[error("`{path}` was changed or damaged: the manifest says {expected}, the file is {actual}", path = path.display())]
    DigestMismatch { path: PathBuf, expected: Digest, actual: Digest },
    #[error("`{path}` line {line}: {reason}", path = path.display())]
    Line { path: PathBuf, line: usize, reason: String },
    #[error("{0}")]
    Training(String),
    #[error(transparent)]
    Embedding(#[from] crate::text::embedding::EmbeddingError),
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}
