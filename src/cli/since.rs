//! How far back a command looks: a length of time before now, or an instant.

use std::str::FromStr;

use crate::{config::span::Span, domain::time::Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Ago(Span),
    At(Timestamp),
}

impl Since {
    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.minus(span.get()),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = text.parse().map(Self::Ago);
        ago.or_else(|_| text.parse().map(Self::At))
            .map_err(|_| format!("`{text}` is neither a length of time nor a time: write `30d`, `12h` or `2026-11-01T00:00:00Z`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_of_time_or_a_time() {
        assert_eq!("30d".parse(), Ok(Since::Ago(Span::secs(30 * 86_400))));
        assert!(matches!("2026-11-01T00:00:00Z".parse(), Ok(Since::At(_))));
        assert!("last week".parse::<Since>().unwrap_err().contains("`last week`"));
    }
}
