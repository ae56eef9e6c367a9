//! What is wrong with a configuration: which key, where it stands, and what to do.

use std::{fmt, path::PathBuf};

use super::secret::MASK;

/// A configuration that cannot be used. Every finding is in it, not only the first.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration `{}` cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("the configuration cannot be used:\n{}", lines(.0))]
    Findings(Vec<Finding>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The service does not start with it.
    Error,
    Warning,
}

/// Where a key was set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Line and column count from 1; columns in characters.
    File { path: PathBuf, line: usize, column: usize },
    /// The environment variable's name.
    Environment(String),
    /// Nowhere: a default, or a rule over several keys.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub severity: Severity,
    /// Dotted, like `sources.zendesk-emea.auth.secrets`.
    pub key: String,
    pub place: Place,
    /// Lower case, no full stop.
    pub message: String,
}

impl Finding {
    pub(super) fn error(key: impl Into<String>, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, key: key.into(), place, message: without_logins(&message.into()) }
    }

    pub(super) fn warning(key: impl Into<String>, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(key, place, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, line, column } => write!(f, "{}:{line}:{column}: ", path.display())?,
            Place::Environment(name) => write!(f, "{name}: ")?,
            Place::None => {}
        }
        match self.key.as_str() {
            "" => f.write_str(&self.message),
            key => write!(f, "`{key}` {}", self.message),
        }
    }
}

/// A message may repeat a URL that somebody wrote a password into; the login is masked, the rest stays.
fn without_logins(message: &str) -> String {
    let mut pieces = message.split("://");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '`' | '?' | '#')).unwrap_or(piece.len());
        let host = piece[..end].rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        if host > 0 {
            shown.push_str(MASK);
            shown.push('@');
        }
        shown.push_str(&piece[host..]);
    }
    shown
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  {finding}")).collect::<Vec<_>>().join("\n")
}
