//! A report's title and body as clean text, with the way back to the original bytes.
//!
//! Order: markup, invisible characters, NFKC, quoted mail and signatures, whitespace, length. Done once a
//! ticket; triage and runbook matching both take the result.
// INVARIANT: every span given out lies inside the original field, on character borders.

use std::{collections::BTreeSet, ops::Range};

use serde::{Deserialize, Serialize};

use super::{
    glyph::{self, Glyph},
    html, language, mail,
    source_map::SourceMap,
};
use crate::domain::{
    classification::{Field, Span},
    ticket::Report,
};

/// Longest original that is read, in bytes. A ticket is prose; what follows is attachments pasted in.
const MOST_ORIGINAL: usize = 256 * 1024;
/// Longest cleaned title, in characters.
const MOST_TITLE: usize = 1_000;
/// Longest cleaned body, in characters.
const MOST_BODY: usize = 20_000;

/// Something the normaliser noticed. The names are stable: policies and the console use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    InvisibleCharacters,
    BidiControls,
    /// The markup hides text from the reader.
    HiddenText,
    QuotedTextCut,
    SignatureCut,
    DisclaimerCut,
    Truncated,
}

impl Flag {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvisibleCharacters => "invisible_characters",
            Self::BidiControls => "bidi_controls",
            Self::HiddenText => "hidden_text",
            Self::QuotedTextCut => "quoted_text_cut",
            Self::SignatureCut => "signature_cut",
            Self::DisclaimerCut => "disclaimer_cut",
            Self::Truncated => "truncated",
        }
    }
}

/// One field's clean text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    field: Field,
    text: String,
    map: SourceMap,
}

impl Cleaned {
    /// The clean text: NFKC, no invisible characters, whitespace folded, line ends kept. Still a stranger's words.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The part of the original field behind bytes `range` of the clean text.
    ///
    /// `range` has to be on character borders of [`text`](Self::text), as regex matches and tokens are.
    pub fn span(&self, range: Range<usize>) -> Span {
        let original = self.map.original(range);
        Span { field: self.field, start: original.start, end: original.end }
    }
}

/// A report's clean text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanTicket {
    pub title: Cleaned,
    pub body: Cleaned,
    pub flags: BTreeSet<Flag>,
    /// ISO 639-1, or `und` when unsure.
    pub language: &'static str,
}

impl CleanTicket {
    /// Title and body, in reading order.
    pub fn fields(&self) -> [&Cleaned; 2] {
        [&self.title, &self.body]
    }

    pub fn is_empty(&self) -> bool {
        self.title.is_empty() && self.body.is_empty()
    }

    /// The flags as the classification carries them.
    pub fn flag_names(&self) -> Vec<String> {
        self.flags.iter().map(|flag| flag.as_str().to_owned()).collect()
    }
}

/// Cleans what a report says.
pub fn clean_ticket(report: &Report) -> CleanTicket {
    clean_fields(report.title.as_untrusted(), report.body.as_untrusted(), report.body_is_html)
}

/// Cleans a title and a body that stand outside a report, as training examples do.
pub fn clean_fields(title: &str, body: &str, body_is_html: bool) -> CleanTicket {
    let mut flags = BTreeSet::new();
    let title = clean(Field::Title, title, false, MOST_TITLE, false, &mut flags);
    let forwarded = mail::is_forwarded(title.text());
    let body = clean(Field::Body, body, body_is_html || html::looks_like_html(body), MOST_BODY, forwarded, &mut flags);
    let language = language::guess(&[title.text(), body.text()]);
    CleanTicket { title, body, flags, language }
}

fn clean(field: Field, original: &str, is_html: bool, most: usize, forwarded: bool, flags: &mut BTreeSet<Flag>) -> Cleaned {
    let original = bounded(original, flags);
    let mut glyphs = if is_html { html::visible_text(original, flags) } else { glyph::plain(original) };
    let removed = glyph::remove_invisible(&mut glyphs);
    if removed.invisible {
        flags.insert(Flag::InvisibleCharacters);
    }
    if removed.bidi {
        flags.insert(Flag::BidiControls);
    }
    let mut glyphs = glyph::compose(&glyphs);
    if field == Field::Body {
        glyphs = mail::cut(glyphs, forwarded, flags);
    }
    let mut glyphs = glyph::fold_whitespace(&glyphs);
    if glyphs.len() > most {
        glyphs.truncate(most);
        while glyphs.last().is_some_and(|last: &Glyph| last.ch.is_whitespace()) {
            glyphs.pop();
        }
        flags.insert(Flag::Truncated);
    }
    let (text, map) = SourceMap::assemble(&glyphs, original);
    Cleaned { field, text, map }
}

fn bounded<'a>(original: &'a str, flags: &mut BTreeSet<Flag>) -> &'a str {
    if original.len() <= MOST_ORIGINAL {
        return original;
    }
    flags.insert(Flag::Truncated);
    &original[..original.floor_char_boundary(MOST_ORIGINAL)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(original: &str, html: bool) -> (Cleaned, BTreeSet<Flag>) {
        let ticket = clean_fields("", original, html);
        (ticket.body, ticket.flags)
    }

    fn back<'a>(cleaned: &Cleaned, original: &'a str, word: &str) -> &'a str {
        let at = cleaned.text().find(word).unwrap();
        let span = cleaned.span(at..at + word.len());
        &original[span.start..span.end]
    }

    #[test]
    fn the_title_of_a_mail_that_was_passed_on_keeps_what_its_body_quotes() {
        let body = "please look\n\nFrom: monitoring@example.com\nSent: today\nSubject: disk full\n\n/var is at 99 %\n> seen";
        let of = |title: &str| clean_fields(title, body, false);
        assert!(of("FW: disk full").body.text().ends_with("/var is at 99 %\n> seen") && of("FW: disk full").flags.is_empty());
        assert_eq!(of("Re: disk full").body.text(), "please look");
    }

    #[test]
    fn a_word_of_clean_text_leads_back_to_the_bytes_it_came_from() {
        let original = "Der  Dru\u{AD}cker &amp; ﬁle\u{200B}server\r\n\r\n\r\nist weg";
        let (cleaned, _) = body(original, false);
        assert_eq!(cleaned.text(), "Der Drucker &amp; fileserver\n\nist weg");
        assert_eq!(back(&cleaned, original, "Drucker"), "Dru\u{AD}cker");
        assert_eq!(back(&cleaned, original, "fileserver"), "ﬁle\u{200B}server");
        assert_eq!(back(&cleaned, original, "weg"), "weg");
    }

    #[test]
    fn markup_goes_and_words_still_lead_back() {
        let original = "<p>The <b>prin&shy;ter</b> caf&eacute;-01</p><style>p{}</style><p>prints&nbsp;nothing</p>";
        let (cleaned, _) = body(original, true);
        assert_eq!(cleaned.text(), "The printer café-01\n\nprints nothing");
        assert_eq!(back(&cleaned, original, "café-01"), "caf&eacute;-01");
        assert_eq!(back(&cleaned, original, "printer"), "prin&shy;ter");
        assert_eq!(back(&cleaned, original, "nothing"), "nothing");
    }

    #[test]
    fn an_endless_body_is_cut_and_says_so() {
        let (cleaned, flags) = body(&"log line ".repeat(100_000), false);
        assert!(cleaned.text().chars().count() <= MOST_BODY);
        assert!(flags.contains(&Flag::Truncated));
    }

    proptest! {
        #[test]
        fn every_span_lies_in_the_original_on_character_borders(
            original in "(\\PC|[ \\n<>&;]|&eacute;|<b>|</p>|> |[\u{300}\u{200B}\u{202E}]){0,60}",
            html in any::<bool>(),
        ) {
            let (cleaned, _) = body(&original, html);
            let borders: Vec<usize> = cleaned.text().char_indices().map(|(at, _)| at).chain([cleaned.text().len()]).collect();
            for (index, start) in borders.iter().enumerate() {
                for end in &borders[index..] {
                    let span = cleaned.span(*start..*end);
                    prop_assert!(original.get(span.start..span.end).is_some());
                }
            }
        }

        #[test]
        fn plain_words_come_back_as_they_are(words in proptest::collection::vec("[a-z]{1,8}", 1..12)) {
            let original = words.join("  \t");
            let (cleaned, flags) = body(&original, false);
            prop_assert_eq!(cleaned.text(), words.join(" "));
            prop_assert!(flags.is_empty());
        }
    }
}
