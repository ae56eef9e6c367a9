//! How long the console believes a browser.

use serde::{Deserialize, Serialize};

use super::span::Span;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// A session that nobody used for so long is over.
    pub idle: Span,
    /// However much it is used, a session is over after so long.
    pub longest: Span,
    /// A dangerous change asks who signed in elsewhere to do so again when that is longer ago.
    pub prove_again: Span,
    /// How long the link works that lets a person set their password.
    pub invitation: Span,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            idle: Span::secs(30 * 60),
            longest: Span::secs(12 * 3600),
            prove_again: Span::secs(5 * 60),
            invitation: Span::secs(24 * 3600),
        }
    }
}
