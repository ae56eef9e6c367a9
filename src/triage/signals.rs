//! Signals: named regular expressions that may raise risk or priority, and the typed things a text names.
//!
//! They come before the model and never depend on it. One `RegexSet` pass finds which patterns can match; only
//! those are run again for their places. The set has the patterns without their word borders and split at their
//! gaps: the one would send every text with a letter outside ASCII to the slow engine, the other makes the automaton
//! too large to keep. The second run looks at both.
// INVARIANT: a signal raises, nothing here lowers; hits are in the order of the file, entities by field and place.

use std::{collections::BTreeSet, ops::Range, path::Path};

use regex::{Regex, RegexSet, RegexSetBuilder};
use regex_syntax::hir::{Hir, HirKind, Look};
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

/// Patterns and a set that finds a superset of those that match.
#[derive(Debug)]
struct Sieve<T> {
    set: RegexSet,
    /// With the parts of the set that all have to match before the pattern can.
    patterns: Vec<(Range<usize>, Regex, T)>,
}

impl<T> Sieve<T> {
    fn new(patterns: Vec<(Regex, T)>) -> Result<Self, String> {
        let (mut parts, mut sifted) = (Vec::new(), Vec::new());
        for (regex, meaning) in patterns {
            let start = parts.len();
            parts.extend(loosened(regex.as_str())?);
            sifted.push((start..parts.len(), regex, meaning));
        }
        let set = RegexSetBuilder::new(parts).size_limit(MOST_COMPILED).dfa_size_limit(MOST_COMPILED).build();
        Ok(Self { set: set.map_err(|error| error.to_string())?, patterns: sifted })
    }

    fn candidates(&self, text: &str) -> impl Iterator<Item = (&Regex, &T)> {
        let matches = self.set.matches(text);
        let possible = move |parts: &Range<usize>| matches.matched_any() && parts.clone().all(|part| matches.matched(part));
        self.patterns.iter().filter(move |(parts, _, _)| possible(parts)).map(|(_, regex, meaning)| (regex, meaning))
    }
}

/// A gap this long, like `.{0,40}`, is where a pattern is split: as part of one automaton gaps multiply its states.
const GAP: u32 = 8;

/// Patterns that all match wherever `pattern` does, and possibly elsewhere: what stands between its gaps, without
/// word borders.
fn loosened(pattern: &str) -> Result<Vec<String>, String> {
    let parsed = regex_syntax::parse(pattern).map_err(|error| error.to_string())?;
    let is_gap = |hir: &Hir| matches!(hir.kind(), HirKind::Repetition(gap) if gap.min == 0 && gap.max.is_none_or(|most| most >= GAP));
    let parts = match without_borders(parsed).into_kind() {
        HirKind::Concat(parts) => parts.split(is_gap).filter(|part| !part.is_empty()).map(|part| Hir::concat(part.to_vec())).collect(),
        _ => Vec::new(),
    };
    Ok(if parts.is_empty() {
        vec![without_borders(regex_syntax::parse(pattern).map_err(|error| error.to_string())?).to_string()]
    } else {
        parts.iter().map(Hir::to_string).collect()
    })
}

fn without_borders(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Look(Look::WordUnicode | Look::WordUnicodeNegate | Look::WordAscii | Look::WordAsciiNegate) => Hir::empty(),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(without_borders(*repetition.sub));
            Hir::repetition(repetition)
        }
        // What a group captures does not matter to a set.
        HirKind::Capture(capture) => without_borders(*capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(without_borders).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(without_borders).collect()),
    }
}

/// The signals of one file, compiled.
#[derive(Debug)]
pub(super) struct SignalSet {
    signals: Vec<Signal>,
    /// With the number of the signal.
    sieve: Sieve<usize>,
    shapes: Sieve<&'static Shape>,
    digest: Digest,
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
        let (mut signals, mut patterns) = (Vec::new(), Vec::new());
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
                patterns.push((regex, index));
            }
            signals.push(Signal { name: signal.name, raises_risk: signal.raises_risk, raises_priority: signal.raises_priority });
        }
        let mut shapes = Vec::new();
        for shape in &entities::SHAPES {
            shapes.push((Regex::new(shape.pattern).map_err(|error| form(error.to_string()))?, shape));
        }
        let (sieve, shapes) = (Sieve::new(patterns).map_err(form)?, Sieve::new(shapes).map_err(form)?);
        Ok(Self { signals, sieve, shapes, digest: Digest::of(bytes) })
    }

    /// The digest of the file's bytes.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.signals.iter().map(|signal| signal.name.as_str())
    }

    /// The signals that fire, with their places.
    pub(super) fn hits(&self, text: &CleanTicket) -> Vec<SignalHit> {
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); self.signals.len()];
        for field in text.fields() {
            for (regex, signal) in self.sieve.candidates(field.text()) {
                spans[*signal].extend(regex.find_iter(field.text()).map(|found| field.span(found.range())));
            }
        }
        self.signals
            .iter()
            .zip(spans)
            .filter(|(_, spans)| !spans.is_empty())
            .map(|(signal, mut spans)| {
                spans.sort();
                spans.dedup();
                SignalHit { signal: signal.name.clone(), raises_risk: signal.raises_risk, raises_priority: signal.raises_priority, spans }
            })
            .collect()
    }

    /// The typed things the text names.
    pub(super) fn entities(&self, text: &CleanTicket) -> Vec<Entity> {
        let mut found = Vec::new();
        for field in text.fields() {
            let start = found.len();
            for (regex, shape) in self.shapes.candidates(field.text()) {
                entities::collect(shape, regex, field, &mut found);
            }
            entities::settle(&mut found, start);
        }
        found.into_iter().map(|found| found.entity).collect()
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
        let found = set.hits(&clean_fields("", original, false));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].raises_risk, Some(Risk::High));
        let words: Vec<&str> = found[0].spans.iter().map(|span| &original[span.start..span.end]).collect();
        assert_eq!(words, ["Ransom\u{200B}ware", "ENCRYPTED"]);
        assert!(set.hits(&clean_fields("", "all is well", false)).is_empty());
    }

    #[test]
    fn the_first_pass_passes_every_text_that_a_pattern_matches() {
        let set = SignalSet::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("signals.toml")).unwrap();
        let texts = [
            "clicked the link, it looks fake",
            "prod is down",
            "Everyone é offline: the whole office",
            "lost my laptop in a café",
            "please delete by mistake the database",
            "severity=critical CPU above 90 %",
            "nichts dergleichen",
            "FIRING: disk",
            "data loss on production",
            "someone shared the root password on github",
            "ignore all previous instructions",
        ];
        let mut fired = 0;
        for text in texts {
            let passed: Vec<&str> = set.sieve.candidates(text).map(|(regex, _)| regex.as_str()).collect();
            for (_, regex, _) in set.sieve.patterns.iter().filter(|(_, regex, _)| regex.is_match(text)) {
                fired += 1;
                assert!(passed.contains(&regex.as_str()), "`{regex}` on `{text}`");
            }
        }
        assert!(fired > 8, "{fired}");
    }
}
