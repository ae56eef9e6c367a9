//! What training and measuring are at, for whoever waits.

/// One word of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Something begins.
    Stage(&'a str),
    /// So much of it is done.
    Part { done: usize, of: usize },
}
