//! Exact triggers: what picks a runbook, or rules it out, before any ranking.
//!
//! Alert names and labels compare whole values; patterns search title and body.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::query::Query;
use crate::domain::{classification::Span, recommendation::Evidence, runbook::Triggers};

const LONGEST_PATTERN: usize = 500;
/// Compiled size; a larger one is a mistake such as `.{1,9999}`.
const LARGEST_PROGRAM: usize = 1 << 20;

/// # Errors
/// A pattern that is empty, too long, does not parse, or matches the empty text (and so everything).
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.is_empty() || pattern.len() > LONGEST_PATTERN {
        return Err(format!("a pattern has 1 to {LONGEST_PATTERN} bytes"));
    }
    let regex = RegexBuilder::new(pattern).size_limit(LARGEST_PROGRAM).build().map_err(|why| {
        let why = why.to_string();
        format!("`{pattern}` is not a regular expression: {}", why.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })?;
    if regex.is_match("") { Err(format!("`{pattern}` matches the empty text, and so every ticket")) } else { Ok(regex) }
}

/// How exactly a runbook was picked; later is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trigger {
    None,
    Pattern,
    Label,
    AlertName,
}

/// A runbook's triggers with the patterns compiled.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    patterns: Vec<Regex>,
    not_patterns: Vec<Regex>,
}

/// What the triggers of one runbook say of one ticket.
pub(crate) struct Fired {
    pub strongest: Trigger,
    pub excluded: bool,
    pub because: Vec<Evidence>,
}

impl Fired {
    /// Of a runbook whose triggers say nothing.
    pub(crate) fn nothing() -> Self {
        Self { strongest: Trigger::None, excluded: false, because: Vec::new() }
    }
}

impl Compiled {
    pub(crate) fn new(triggers: &Triggers) -> Result<Self, String> {
        let all = |patterns: &[String]| patterns.iter().map(|p| compile(p)).collect::<Result<Vec<_>, _>>();
        Ok(Self { patterns: all(&triggers.patterns)?, not_patterns: all(&triggers.not_patterns)? })
    }

    pub(crate) fn fire(&self, triggers: &Triggers, query: &Query<'_>) -> Fired {
        let mut fired = Fired::nothing();
        fired.excluded = self.not_patterns.iter().any(|p| query.fields().iter().any(|(_, text)| p.is_match(text)));
        if fired.excluded {
            return fired;
        }
        if let Some(name) = query.label("alertname").filter(|name| triggers.alertnames.contains(*name)) {
            fired.strongest = Trigger::AlertName;
            fired.because.push(Evidence::AlertName { name: name.to_owned() });
        }
        let labels = &triggers.labels;
        if !labels.is_empty() && labels.iter().all(|(name, value)| query.label(name) == Some(value)) {
            fired.strongest = fired.strongest.max(Trigger::Label);
            fired.because.extend(labels.keys().map(|name| Evidence::Label { name: name.clone() }));
        }
        for pattern in &self.patterns {
            let spans = spans(pattern, query);
            if let Some(spans) = spans {
                fired.strongest = fired.strongest.max(Trigger::Pattern);
                fired.because.push(Evidence::Pattern { pattern: pattern.as_str().to_owned(), spans });
            }
        }
        fired
    }
}

/// The first match in each field, in bytes of the original; `None` when nothing matches.
fn spans(pattern: &Regex, query: &Query<'_>) -> Option<Vec<Span>> {
    let matches: Vec<(_, Range<usize>)> =
        query.fields().into_iter().filter_map(|(field, text)| pattern.find(text).map(|found| (field, found.range()))).collect();
    (!matches.is_empty()).then(|| matches.into_iter().filter_map(|(field, range)| (query.span_of)(field, range)).collect())
}
