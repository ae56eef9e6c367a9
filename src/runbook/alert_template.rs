//! One annotation of an alert rule, read backwards: from `Pod shop/cart-7 is down` and
//! `Pod {{ $labels.namespace }}/{{ $labels.pod }} is down` to the labels' values.
//!
//! Never runs a template: an action that does more than print one label is a hole of unknown text, and one that
//! branches or loops makes the annotation unusable.
// INVARIANT: a label has a value only when every way to read the text gives it the same one.

use std::{collections::BTreeMap, ops::Range};

use super::wording::LONGEST_VALUE;

/// Fewer letters than this of the template's own say too little about where a text came from.
const LEAST_LETTERS: usize = 8;
/// A printed number or time is not longer.
const LONGEST_UNKNOWN: usize = 80;
/// Positions looked at before a text is given up; a template against its own text needs a few hundred.
const MOST_STEPS: u32 = 50_000;
/// Readings kept apart before a text is given up as ambiguous.
const MOST_READINGS: usize = 32;

/// A template cut into what is fixed and what varies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlertTemplate {
    pieces: Vec<Piece>,
    labels: Vec<String>,
    /// Bytes of the template's own text.
    pub literal: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Every run of white space is one space, which stands for any run.
    Literal(String),
    /// By position in `labels`.
    Label(usize),
    Unknown,
}

/// What one `{{ … }}` prints.
enum Action {
    Nothing,
    Text(String),
    Label(String),
    Unknown,
}

impl AlertTemplate {
    /// The template in `text`; `None` when it prints no label, or too little else to be recognised by.
    ///
    /// # Errors
    /// What keeps it from being read backwards.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut template = Self { pieces: Vec::new(), labels: Vec::new(), literal: 0 };
        let (mut rest, mut trim_next) = (text, false);
        loop {
            let open = rest.find("{{");
            let mut literal = &rest[..open.unwrap_or(rest.len())];
            if trim_next {
                literal = literal.trim_start();
            }
            let Some(open) = open else {
                template.push_literal(literal);
                break;
            };
            let inside = &rest[open + 2..];
            let close = closing(inside).ok_or("an action opens with `{{` and does not close")?;
            let mut action = &inside[..close];
            // `{{-` and `-}}` take the white space beside them away.
            if let Some(trimmed) = action.strip_prefix("- ") {
                literal = literal.trim_end();
                action = trimmed;
            }
            trim_next = action.ends_with(" -");
            action = action.strip_suffix(" -").unwrap_or(action);
            template.push_literal(literal);
            match read(action.trim())? {
                Action::Nothing => {}
                Action::Text(text) => template.push_literal(&text),
                Action::Unknown => template.pieces.push(Piece::Unknown),
                Action::Label(name) => {
                    let at = template.labels.iter().position(|known| *known == name).unwrap_or_else(|| {
                        template.labels.push(name);
                        template.labels.len() - 1
                    });
                    template.pieces.push(Piece::Label(at));
                }
            }
            rest = &inside[close + 2..];
        }
        template.trim_ends();
        let letters = |piece: &Piece| match piece {
            Piece::Literal(text) => text.chars().filter(|c| c.is_alphanumeric()).count(),
            _ => 0,
        };
        template.literal = template.pieces.iter().map(letters).sum();
        Ok((!template.labels.is_empty() && template.literal >= LEAST_LETTERS).then_some(template))
    }

    fn push_literal(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.pieces.last(), Some(Piece::Literal(_))) {
            self.pieces.push(Piece::Literal(String::new()));
        }
        let Some(Piece::Literal(last)) = self.pieces.last_mut() else { return };
        for character in text.chars() {
            let character = if character.is_whitespace() { ' ' } else { character };
            if character != ' ' || !last.ends_with(' ') {
                last.push(character);
            }
        }
    }

    /// Senders trim what they send.
    fn trim_ends(&mut self) {
        if let Some(Piece::Literal(first)) = self.pieces.first_mut() {
            *first = first.trim_start().to_owned();
        }
        if let Some(Piece::Literal(last)) = self.pieces.last_mut() {
            *last = last.trim_end().to_owned();
        }
        self.pieces.retain(|piece| !matches!(piece, Piece::Literal(text) if text.is_empty()));
    }

    /// The labels' values with their bytes in `text`, when all of `text` could have come from this template.
    ///
    /// A label that different readings give different values has none.
    pub(crate) fn invert(&self, text: &str) -> Option<BTreeMap<&str, Range<usize>>> {
        let mut search = Search { template: self, text, bound: vec![None; self.labels.len()], readings: Vec::new(), steps: 0 };
        search.from(0, 0);
        if search.steps > MOST_STEPS || search.readings.len() >= MOST_READINGS {
            return None;
        }
        let first = search.readings.first()?;
        let same = |label: usize| search.readings.iter().all(|reading| text[reading[label].clone()] == text[first[label].clone()]);
        Some(
            self.labels.iter().enumerate().filter(|(label, _)| same(*label)).map(|(at, name)| (name.as_str(), first[at].clone())).collect(),
        )
    }
}

/// Where the action ends: the first `}}` outside quotes.
fn closing(inside: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in inside.bytes().enumerate() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(b'"') if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'"' || byte == b'`' => quote = Some(byte),
            None if inside[at..].starts_with("}}") => return Some(at),
            None => {}
        }
    }
    None
}

fn read(action: &str) -> Result<Action, String> {
    const BRANCHES: [&str; 9] = ["if", "else", "end", "range", "with", "define", "template", "block", "break"];
    let word = action.split_whitespace().next().unwrap_or_default();
    if BRANCHES.contains(&word) {
        return Err(format!("it uses `{word}`, so its text has more than one form"));
    }
    if action.is_empty() || action.starts_with("/*") || action.contains(":=") {
        return Ok(Action::Nothing);
    }
    let name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some(label) = action.strip_prefix("$labels.").or_else(|| action.strip_prefix(".Labels.")).filter(|label| name(label)) {
        return Ok(Action::Label(label.to_owned()));
    }
    let indexed = action.strip_prefix("index $labels \"").or_else(|| action.strip_prefix("index .Labels \""));
    if let Some(label) = indexed.and_then(|rest| rest.strip_suffix('"')).filter(|label| name(label)) {
        return Ok(Action::Label(label.to_owned()));
    }
    for quote in ['"', '`'] {
        if let Some(inner) = action.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
            && !inner.contains([quote, '\\'])
        {
            return Ok(Action::Text(inner.to_owned()));
        }
    }
    Ok(Action::Unknown)
}

/// A bounded search through all readings of a text.
struct Search<'a> {
    template: &'a AlertTemplate,
    text: &'a str,
    bound: Vec<Option<Range<usize>>>,
    readings: Vec<Vec<Range<usize>>>,
    steps: u32,
}

impl Search<'_> {
    fn from(&mut self, piece: usize, at: usize) {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.readings.len() >= MOST_READINGS {
            return;
        }
        let template = self.template;
        match template.pieces.get(piece) {
            None if at == self.text.len() => {
                let reading: Vec<Range<usize>> = self.bound.iter().flatten().cloned().collect();
                if !self.readings.contains(&reading) {
                    self.readings.push(reading);
                }
            }
            None => {}
            Some(Piece::Literal(literal)) => {
                if let Some(length) = literal_at(literal, &self.text[at..]) {
                    self.from(piece + 1, at + length);
                }
            }
            Some(Piece::Label(label)) => match self.bound[*label].clone() {
                Some(earlier) => {
                    if self.text[at..].starts_with(&self.text[earlier.clone()]) {
                        self.from(piece + 1, at + earlier.len());
                    }
                }
                None => {
                    for end in ends(&self.text[at..], LONGEST_VALUE, char::is_whitespace) {
                        self.bound[*label] = Some(at..at + end);
                        self.from(piece + 1, at + end);
                    }
                    self.bound[*label] = None;
                }
            },
            Some(Piece::Unknown) => {
                for end in ends(&self.text[at..], LONGEST_UNKNOWN, |c| c == '\n') {
                    self.from(piece + 1, at + end);
                }
            }
        }
    }
}

/// Ends of the first one, two, three … characters, up to a character that `stops` and at most `longest` bytes.
fn ends(text: &str, longest: usize, stops: impl Fn(char) -> bool) -> impl Iterator<Item = usize> {
    text.char_indices().take_while(move |(_, c)| !stops(*c)).map(|(at, c)| at + c.len_utf8()).take_while(move |end| *end <= longest)
}

/// How many bytes of `text` the literal covers, white space for white space.
fn literal_at(literal: &str, text: &str) -> Option<usize> {
    let mut rest = text;
    for part in literal.split_inclusive(' ') {
        let word = part.trim_end_matches(' ');
        rest = rest.strip_prefix(word)?;
        if word.len() < part.len() {
            let trimmed = rest.trim_start();
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
        }
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inverted<'a>(template: &str, text: &'a str) -> Option<BTreeMap<String, &'a str>> {
        let template = AlertTemplate::parse(template).unwrap().unwrap();
        template.invert(text).map(|found| found.into_iter().map(|(name, range)| (name.to_owned(), &text[range])).collect())
    }

    fn pairs<'a>(pairs: &[(&str, &'a str)]) -> Option<BTreeMap<String, &'a str>> {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn labels_come_back_from_the_text_whatever_else_is_printed() {
        let template =
            "Pod {{ $labels.namespace }}/{{$labels.pod}} ({{ .Labels.container }}) restarted {{ printf \"%.2f\" $value }} times.\n";
        let text = "Pod kube-system/web-7 (main) restarted 12.00 times.";
        assert_eq!(inverted(template, text), pairs(&[("namespace", "kube-system"), ("pod", "web-7"), ("container", "main")]));
        assert_eq!(inverted(template, "Pod kube-system/web-7 restarted 12.00 times."), None);
        assert_eq!(inverted("host {{ index $labels \"node\" }} is\n  gone{{/* why */}}", "host n1 is gone"), pairs(&[("node", "n1")]));
        assert_eq!(inverted("Cluster {{- \" \" -}} {{ $labels.c }} is {{ \"{{\" }}", "Cluster a is {{"), pairs(&[("c", "a")]));
    }

    #[test]
    fn what_can_be_read_two_ways_has_no_value_and_a_label_said_twice_is_the_same() {
        let template = "failed to send to {{ $labels.remote }}:{{ $labels.url }}";
        assert_eq!(inverted(template, "failed to send to a:9090:b"), pairs(&[]));
        assert_eq!(inverted(template, "failed to send to a:b"), pairs(&[("remote", "a"), ("url", "b")]));
        let twice = "claim {{ $labels.c }} is full, extend {{ $labels.c }}";
        assert_eq!(inverted(twice, "claim x is full, extend x"), pairs(&[("c", "x")]));
        assert_eq!(inverted(twice, "claim x is full, extend y"), None);
    }

    #[test]
    fn branches_are_refused_and_templates_that_say_nothing_are_left_out() {
        assert!(AlertTemplate::parse("{{ if $labels.a }}a{{ end }}").unwrap_err().contains("`if`"));
        assert!(AlertTemplate::parse("open {{ $labels.a").is_err());
        assert_eq!(AlertTemplate::parse("{{ $labels.a }}: {{ $value }}"), Ok(None));
        assert_eq!(AlertTemplate::parse("something happened somewhere"), Ok(None));
    }

    #[test]
    fn a_hostile_text_costs_a_bounded_search() {
        let template =
            AlertTemplate::parse("abcdefgh {{ $labels.a }}-{{ $labels.b }}-{{ $labels.c }}-{{ $labels.d }}-{{ $labels.e }}!").unwrap();
        assert_eq!(template.unwrap().invert(&format!("abcdefgh {}", "-".repeat(20_000))), None);
    }

    proptest! {
        #[test]
        fn any_plain_values_come_back_as_they_went_in(a in "[a-z0-9.:-]{1,30}", b in "[a-zA-Z0-9_.-]{1,30}", n in -1e6f64..1e6) {
            let text = format!("Node {a} lost its volume {b} ({n} errors) in the last hour");
            let got = inverted("Node {{ $labels.a }} lost its volume {{ $labels.b }} ({{ $value }} errors) in the last hour", &text);
            prop_assert_eq!(got, pairs(&[("a", &a), ("b", &b)]));
        }
    }
}
