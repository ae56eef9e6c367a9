//! One remark about a runbook file: where, how bad, what is wrong, how to put it right.
//!
//! INVARIANT: a library with an error finding is never put into force; warnings never stop one.

use std::fmt;

use serde::Serialize;

/// A remark with its place; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// Path relative to the runbook folder.
    pub file: String,
    pub line: u64,
    pub column: u64,
    pub severity: Severity,
    pub rule: Rule,
    pub message: String,
    /// What to change; absent when the message says it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// The check that made a finding. The names are stable API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    Unreadable,
    TooLarge,
    Syntax,
    UnknownKey,
    DuplicateKey,
    BadValue,
    BadExpectation,
    BadPattern,
    UnanchoredPattern,
    BadDirectory,
    DuplicateId,
    DuplicateTrigger,
    UnknownCategory,
    UnknownConnector,
    UnknownOwner,
    UndeclaredParameter,
    UndeclaredOutput,
    UnusedParameter,
    UnfindableParameter,
    ChangeWithoutVerify,
    ChangeWithoutRollback,
    BadRollback,
    OverLongWithin,
    MatchNotFirst,
    NoMatchFirst,
    TooFewExamples,
    StaleReview,
    NoTitle,
    BadAlertRules,
}

/// A place in a runbook file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub line: u64,
    pub column: u64,
}

impl Place {
    pub(crate) const TOP: Self = Self { line: 1, column: 1 };
}

impl Finding {
    pub(crate) fn error(file: &str, at: Place, rule: Rule, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: at.line.max(1),
            column: at.column.max(1),
            severity: Severity::Error,
            rule,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn warning(file: &str, at: Place, rule: Rule, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, at, rule, message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
