//! Signals: named regular expressions that may raise risk or priority, and the typed things a text names.
//!
//! They come before the model and never depend on it. One `RegexSet` pass finds which patterns match; only
//! those are run again for their places.
// INVARIANT: a signal raises, nothing here lowers; hits are in the order of the file, entities by field and place.

use std::{collections::BTreeSet, path::Path};

use regex::{Regex, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::{
    TriageError,
    entities::{self, Shape},
};
use crate::{
    domain::{
        classification::{Entity, SignalHit, Span},
        digest::Digest,
        priority::{Priority, Risk},
    },
    text::CleanTicket,
};

/// A generous bound, so that a mistaken pattern is refused at load and not felt by every ticket.
const MOST_COMPILED: usize = 32 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    signal: Vec<Definition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    name: String,
    /// For people: what it means when it fires.
    #[serde(rename = "description")]
    _description: String,
    patterns: Vec<String>,
    #[serde(default)]
    raises_risk: Option<Risk>,
    #[serde(default)]
    raises_priority: Option<Priority>,
}

#[derive(Debug)]
struct Signal {
    name: String,
    raises_risk: Option<Risk>,
    raises_priority: Option<Priority>,
}

/// What a pattern of the set stands for.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Signal(usize),
    Entity(&'static Shape),
}

/// The signals of one file, compiled.
#[derive(Debug)]
pub(super) struct SignalSet {
    signals: Vec<Signal>,
    set: RegexSet,
    patterns: Vec<(Regex, Meaning)>,
    digest: Digest,
}

/// What the pass found in one ticket.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) signals: Vec<SignalHit>,
    pub(super) entities: Vec<Entity>,
}

impl SignalSet {
    pub(super) fn load(path: &Path) -> Result<Self, TriageError> {
        let bytes = std::fs::read(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, TriageError> {
        let form = |reason: String| TriageError::Form { path: path.to_owned(), reason };
        let text = std::str::from_utf8(bytes).map_err(|error| form(error.to_string()))?;
        let file: File = toml::from_str(text).map_err(|error| form(error.to_string()))?;
        let mut names = BTreeSet::new();
        let (mut signals, mut patterns, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for (index, signal) in file.signal.into_iter().enumerate() {
            if signal.name.is_empty() || !signal.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            {
                return Err(form(format!("signal name `{}` has to be of a-z, 0-9 and `_`", signal.name)));
            }
            if !names.insert(signal.name.clone()) {
                return Err(form(format!("signal `{}` is defined twice", signal.name)));
            }
            if signal.patterns.is_empty() {
                return Err(form(format!("signal `{}` has no pattern", signal.name)));
            }
            for pattern in signal.patterns {
                let refuse = |reason: String| TriageError::Pattern {
                    path: path.to_owned(),
                    name: signal.name.clone(),
                    pattern: pattern.clone(),
                    reason,
                };
                let regex = Regex::new(&pattern).map_err(|error| refuse(error.to_string()))?;
                if regex.is_match("") {
                    return Err(refuse("it matches every text".to_owned()));
                }
                patterns.push((regex, Meaning::Signal(index)));
                sources.push(pattern);
            }
            signals.push(Signal { name: signal.name, raises_risk: signal.raises_risk, raises_priority: signal.raises_priority });
        }
        for shape in &entities::SHAPES {
            let regex = Regex::new(shape.pattern).map_err(|error| form(error.to_string()))?;
            patterns.push((regex, Meaning::Entity(shape)));
            sources.push(shape.pattern.to_owned());
        }
        let set = RegexSetBuilder::new(&sources)
            .size_limit(MOST_COMPILED)
            .dfa_size_limit(MOST_COMPILED)
            .build()
            .map_err(|error| form(error.to_string()))?;
        Ok(Self { signals, set, patterns, digest: Digest::of(bytes) })
    }

    /// The digest of the file's bytes.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.signals.iter().map(|signal| signal.name.as_str())
    }

    pub(super) fn find(&self, text: &CleanTicket) -> Findings {
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); self.signals.len()];
        let mut found = Vec::new();
        for field in text.fields() {
            let start = found.len();
            for index in self.set.matches(field.text()) {
                let (regex, meaning) = &self.patterns[index];
                match meaning {
                    Meaning::Signal(signal) => spans[*signal].extend(regex.find_iter(field.text()).map(|m| field.span(m.range()))),
                    Meaning::Entity(shape) => entities::collect(shape, regex, field, &mut found),
                }
            }
            entities::settle(&mut found, start);
        }
        let signals = self
            .signals
            .iter()
            .zip(spans)
            .filter(|(_, spans)| !spans.is_empty())
            .map(|(signal, mut spans)| {
                spans.sort();
                spans.dedup();
                SignalHit { signal: signal.name.clone(), raises_risk: signal.raises_risk, raises_priority: signal.raises_priority, spans }
            })
            .collect();
        Findings { signals, entities: found.into_iter().map(|found| found.entity).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::clean_fields;

    fn parse(text: &str) -> Result<SignalSet, TriageError> {
        SignalSet::parse(Path::new("signals.toml"), text.as_bytes())
    }

    #[test]
    fn a_bad_file_is_refused_with_the_signal_and_the_pattern() {
        for (file, part) in [
            ("[[signal]]\nname='x'\ndescription='d'\npatterns=['(oops']", "signal `x` in `signals.toml` has the bad pattern `(oops`"),
            ("[[signal]]\nname='x'\ndescription='d'\npatterns=['a*']", "matches every text"),
            ("[[signal]]\nname='x'\ndescription='d'\npatterns=[]", "signal `x` has no pattern"),
            ("[[signal]]\nname='X y'\ndescription='d'\npatterns=['a']", "signal name `X y`"),
            ("[[signal]]\nname='x'\ndescription='d'\npatterns=['a']\nraises_risk='huge'", "raises_risk"),
            ("[[signal]]\nname='x'\ndescription='d'\npattern=['a']", "unknown field"),
            ("[[signal]]\nname='x'\ndescription='d'\npatterns=['a']\n[[signal]]\nname='x'\ndescription='d'\npatterns=['b']", "twice"),
        ] {
            let message = parse(file).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_hit_names_its_places_in_the_original_and_what_it_raises() {
        let set =
            parse("[[signal]]\nname='ransom'\ndescription='d'\npatterns=['(?i)ransomware', '(?i)encrypted']\nraises_risk='high'").unwrap();
        let original = "Ransom\u{200B}ware? Files   ENCRYPTED on srv-db-01 (10.0.0.7)";
        let found = set.find(&clean_fields("", original, false));
        assert_eq!(found.signals.len(), 1);
        assert_eq!(found.signals[0].raises_risk, Some(Risk::High));
        let words: Vec<&str> = found.signals[0].spans.iter().map(|span| &original[span.start..span.end]).collect();
        assert_eq!(words, ["Ransom\u{200B}ware", "ENCRYPTED"]);
        assert!(set.find(&clean_fields("", "all is well", false)).signals.is_empty());
    }
}
