//! What can go wrong in this room outside a runbook's own text (those are [`super::Finding`]s).

use std::path::PathBuf;

/// A file of evaluation data or a calibration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunbookError {
    #[error("cannot read `{}`: {why}; check the path and its permissions", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("`{}` line {line} is not what was expected: {why}", path.display())]
    BadLine { path: PathBuf, line: usize, why: String },
    #[error("the matcher's calibration cannot be used: {0}; fit it again with `runbook train-matcher`")]
    BadCalibration(String),
    #[error("too few labelled pairs to fit a calibration: {positive} that fit and {negative} that do not; each needs at least 10")]
    TooFewPairs { positive: usize, negative: usize },
    #[error("`{}` has no {what}", path.display())]
    Empty { path: PathBuf, what: &'static str },
}
