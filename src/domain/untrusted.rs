//! Text that came from outside, in a type that has no way into a shell, SQL, HTML or a URL.
//!
//! It does not display itself and does not dereference to `str`; `Debug` shows only its size, so no log
//! line can leak it by accident. Reading it takes a call whose name says what is read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// Text written by a stranger.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Untrusted(String);

impl Untrusted {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for code that reads or classifies it. Never pass this on to anything that interprets it.
    pub fn as_untrusted(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({} bytes)", self.0.len())
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
