//! Names people give to things: tenants, sources, runbooks, connectors, persons.
//!
//! Checked when made, so inner code never meets an empty, huge or odd one.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: expected 1 to {most} characters of {allowed}")]
pub struct NotAName {
    text: String,
    what: &'static str,
    most: usize,
    allowed: &'static str,
}

const SLUG: &str = "a-z, 0-9, `-` and `_`, not starting with a sign";
const IDENTITY: &str = "letters, digits and `.-_@:+`";

pub(crate) fn is_slug(text: &str) -> bool {
    !text.starts_with(['-', '_']) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn is_identity(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_@:+".contains(&b))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal, $most:literal, $check:ident, $allowed:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// The text is empty, too long, or has a character that such a name may not have.
            pub fn new(text: impl Into<String>) -> Result<Self, NotAName> {
                let text = text.into();
                if !text.is_empty() && text.len() <= $most && $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(NotAName { text: text.chars().take(80).collect(), what: $what, most: $most, allowed: $allowed })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    )*};
}

names! {
    /// One client's world; `default` where there is one.
    TenantId = "tenant", 64, is_slug, SLUG;
    /// A configured sender, like `zendesk-emea`.
    SourceId = "source", 64, is_slug, SLUG;
    /// A runbook's stable id, never reused.
    RunbookId = "runbook id", 64, is_slug, SLUG;
    /// A step's id, unique in its runbook.
    StepId = "step id", 64, is_slug, SLUG;
    /// A parameter's name, unique in its runbook.
    ParameterName = "parameter name", 64, is_slug, SLUG;
    /// A name under which a step gives a value to later ones, unique in its step.
    OutputName = "output name", 64, is_slug, SLUG;
    /// A configured connector, like `automation`.
    ConnectorName = "connector", 64, is_slug, SLUG;
    /// A configured directory service, like `users`.
    DirectoryName = "directory", 64, is_slug, SLUG;
    /// A model's folder in the folder of models.
    ModelName = "model", 64, is_slug, SLUG;
    /// A person or service account by stable identity, never by display name.
    PersonId = "person", 128, is_identity, IDENTITY;
}

impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused_with_the_text() {
        for bad in ["", "-x", "Ab", "a b", "a/../b", "ａ", &"x".repeat(65)] {
            assert!(RunbookId::new(bad).is_err(), "{bad}");
        }
        assert!(RunbookId::new("A").unwrap_err().to_string().starts_with("`A` is not a runbook id"));
        assert!(PersonId::new("ana@example.com").is_ok());
    }
}
