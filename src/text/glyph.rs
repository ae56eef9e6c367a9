//! A character on its way through cleaning, with the original bytes it stands for; and the Unicode steps.
//!
//! Unicode: NFKC (UAX #15) in clusters, so that each result still knows its bytes, and removal of characters
//! that a reader does not see (UTS #39's default-ignorables, bidi controls of CVE-2021-42574, tag characters).

use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, decompose_compatible, is_combining_mark},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph {
    pub(super) ch: char,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Stands inside markup that mail programs use for quoted mail.
    pub(super) quoted: bool,
}

/// The characters of `text` as they stand.
pub(super) fn plain(text: &str) -> Vec<Glyph> {
    text.char_indices().map(|(start, ch)| Glyph { ch, start, end: start + ch.len_utf8(), quoted: false }).collect()
}

/// What was removed, for the ticket's flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) invisible: bool,
    pub(super) bidi: bool,
}

fn is_bidi_control(ch: char) -> bool {
    matches!(ch, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(ch: char) -> bool {
    matches!(ch,
        // Control characters but tab, newline, carriage return.
        '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{9F}'
        // Default-ignorable code points of the Unicode character database, bidi controls apart.
        | '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200D}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
        // Private use: a font decides what is seen.
        | '\u{E000}'..='\u{F8FF}')
}

/// Removes what no reader sees. Line separators become newlines, so words do not grow together.
pub(super) fn remove_invisible(glyphs: &mut Vec<Glyph>) -> Removed {
    let mut removed = Removed::default();
    glyphs.retain_mut(|glyph| {
        if glyph.ch.is_ascii_graphic() || glyph.ch == ' ' {
            return true;
        }
        if matches!(glyph.ch, '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{B}' | '\u{C}') {
            glyph.ch = '\n';
            return true;
        }
        if is_bidi_control(glyph.ch) {
            removed.bidi = true;
            return false;
        }
        if is_invisible(glyph.ch) {
            // A byte order mark at the very start is how some senders write UTF-8, a variation selector is part of an emoji.
            let harmless = matches!(glyph.ch, '\u{FE0E}' | '\u{FE0F}' | '\u{AD}') || glyph.ch == '\u{FEFF}' && glyph.start == 0;
            removed.invisible |= !harmless;
            return false;
        }
        true
    });
    removed
}

/// True when `ch` may melt together with what stands before it under NFKC.
fn joins_previous(ch: char) -> bool {
    if ch.is_ascii() {
        return false;
    }
    let mut first = None;
    decompose_compatible(ch, |part| {
        first.get_or_insert(part);
    });
    let first = first.unwrap_or(ch);
    canonical_combining_class(first) != 0 || is_combining_mark(first) || matches!(first, '\u{1161}'..='\u{11FF}')
}

/// NFKC; every result stands for the bytes of its whole cluster.
pub(super) fn compose(glyphs: &[Glyph]) -> Vec<Glyph> {
    let mut out = Vec::with_capacity(glyphs.len());
    let mut at = 0;
    while let Some(head) = glyphs.get(at) {
        let len = 1 + glyphs[at + 1..].iter().take_while(|glyph| joins_previous(glyph.ch)).count();
        let cluster = &glyphs[at..at + len];
        if len == 1 && head.ch.is_ascii() {
            out.push(*head);
        } else {
            let start = cluster.iter().map(|glyph| glyph.start).min().unwrap_or(head.start);
            let end = cluster.iter().map(|glyph| glyph.end).max().unwrap_or(head.end);
            out.extend(cluster.iter().map(|glyph| glyph.ch).nfkc().map(|ch| Glyph { ch, start, end, quoted: head.quoted }));
        }
        at += len;
    }
    out
}

/// Runs of blanks become one space; line ends are kept, at most one empty line in a row; ends are trimmed.
pub(super) fn fold_whitespace(glyphs: &[Glyph]) -> Vec<Glyph> {
    let mut out: Vec<Glyph> = Vec::with_capacity(glyphs.len());
    let mut at = 0;
    while let Some(head) = glyphs.get(at) {
        if !head.ch.is_whitespace() {
            out.push(*head);
            at += 1;
            continue;
        }
        let len = glyphs[at..].iter().take_while(|glyph| glyph.ch.is_whitespace()).count();
        let run = &glyphs[at..at + len];
        at += len;
        if out.is_empty() || at == glyphs.len() {
            continue;
        }
        let lines = run.iter().filter(|glyph| glyph.ch == '\n').count();
        let last = run.last().unwrap_or(head);
        match lines {
            0 => out.push(Glyph { ch: ' ', end: last.end.max(head.end), ..*head }),
            1 => out.push(Glyph { ch: '\n', end: last.end.max(head.end), ..*head }),
            _ => {
                out.push(Glyph { ch: '\n', ..*head });
                out.push(Glyph { ch: '\n', start: head.end, end: last.end.max(head.end), ..*head });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(glyphs: &[Glyph]) -> String {
        glyphs.iter().map(|glyph| glyph.ch).collect()
    }

    proptest! {
        #[test]
        fn composing_cluster_by_cluster_is_nfkc_of_the_whole(input in "\\PC{0,40}|[a-zA-Z\u{300}-\u{320}\u{FF61}-\u{FF9F}\u{1100}-\u{11FF}\u{AC00}-\u{AC10}ﬁ㎏①]{0,24}") {
            prop_assert_eq!(text(&compose(&plain(&input))), input.nfkc().collect::<String>());
        }

        #[test]
        fn folded_text_has_no_double_blanks_and_no_blank_ends(input in "[a-c \t\r\n]{0,40}") {
            let folded = text(&fold_whitespace(&plain(&input)));
            prop_assert!(!folded.contains("  ") && !folded.contains("\n\n\n") && !folded.contains(" \n"));
            prop_assert_eq!(folded.trim(), folded.as_str());
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&folded), words(&input));
        }
    }

    #[test]
    fn zero_width_bidi_and_tag_characters_go_and_are_told_apart() {
        let mut glyphs = plain("pass\u{200B}word \u{202E}txt.exe\u{202C} \u{E0041}x");
        let removed = remove_invisible(&mut glyphs);
        assert_eq!(text(&glyphs), "password txt.exe x");
        assert_eq!(removed, Removed { invisible: true, bidi: true });
        let mut harmless = plain("\u{FEFF}caf\u{AD}é ❤\u{FE0F}");
        assert_eq!(remove_invisible(&mut harmless), Removed::default());
        assert_eq!(text(&harmless), "café ❤");
    }
}
