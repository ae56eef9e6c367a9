//! What the engines have in common that start a named thing and let it run: which ones may be started and stopped.

use super::arguments::Arguments;
use crate::{config::engine::Launching, execute::error::ExecuteError};

/// One thing that may be started.
#[derive(Debug)]
pub(super) struct Launchable {
    pub name: String,
    pub operations: Vec<Launching>,
    /// Names of the arguments it may be given; `None` for any.
    pub arguments: Option<Vec<String>>,
}

/// Refuses what is not listed for `wanted`.
///
/// # Errors
/// [`ExecuteError::NotAllowed`].
pub(super) fn listed<'a>(
    allow: &'a [Launchable],
    wanted: Launching,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<&'a Launchable, ExecuteError> {
    // Several entries may speak of one thing; each is a permission of its own.
    allow
        .iter()
        .find(|listed| listed.name == name && listed.operations.contains(&wanted))
        .ok_or_else(|| arguments.not_allowed(name.chars().take(120).collect::<String>()))
}

/// A name of letters, digits and `._-`, without a dot at either end.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && !text.starts_with('.')
        && !text.ends_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
