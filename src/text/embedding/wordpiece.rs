//! BERT's uncased tokenisation: cleaning, lower case without accents, words and punctuation, then word pieces.
//!
//! Follows `BertNormalizer`, `BertPreTokenizer` and `WordPiece` of the `tokenizers` library; `golden.json` holds this file to that library's output. Frame tokens such as `[SEP]` in a
//! text are plain characters here, so a stranger's text cannot end its own sentence.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

const UNKNOWN: &str = "[UNK]";
const CONTINUED: &str = "##";
/// Longer words are unknown as a whole (`max_input_chars_per_word`).
const LONGEST_WORD: usize = 100;

static OTHER: LazyLock<Regex> = LazyLock::new(|| class(r"^\p{C}"));
static PUNCTUATION: LazyLock<Regex> = LazyLock::new(|| class(r"^\p{P}"));
static NONSPACING: LazyLock<Regex> = LazyLock::new(|| class(r"^\p{Mn}"));

fn class(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the three patterns above are valid")
}

fn is(class: &Regex, c: char) -> bool {
    class.is_match(c.encode_utf8(&mut [0; 4]))
}

#[derive(Debug)]
pub(super) struct WordPiece {
    first: HashMap<String, u32>,
    continued: HashMap<String, u32>,
    unknown: u32,
    longest_piece: usize,
}

impl WordPiece {
    /// One piece a line, the line's number is the id.
    pub(super) fn from_lines(text: &str) -> Result<Self, String> {
        let (mut first, mut continued, mut longest_piece) = (HashMap::new(), HashMap::new(), 0);
        for (id, piece) in text.lines().enumerate() {
            let id = u32::try_from(id).map_err(|_| "it has too many lines".to_owned())?;
            let (map, piece) = match piece.strip_prefix(CONTINUED) {
                Some(rest) if !rest.is_empty() => (&mut continued, rest),
                _ => (&mut first, piece),
            };
            longest_piece = longest_piece.max(piece.len());
            if map.insert(piece.to_owned(), id).is_some() {
                return Err(format!("the piece `{piece}` stands in it twice"));
            }
        }
        let unknown = *first.get(UNKNOWN).ok_or_else(|| format!("it has no `{UNKNOWN}`"))?;
        Ok(Self { first, continued, unknown, longest_piece })
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.continued.len()
    }

    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.first.get(piece).copied()
    }

    /// The first `limit` pieces of `text`; the rest is not even looked at.
    pub(super) fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut word = String::new();
        for c in text.chars().filter(|&c| kept(c)).flat_map(spaced).nfd().filter(|&c| c.is_ascii() || !is(&NONSPACING, c)) {
            for c in c.to_lowercase() {
                if c.is_whitespace() {
                    self.flush(&mut word, &mut ids);
                } else if c.is_ascii_punctuation() || (!c.is_ascii() && is(&PUNCTUATION, c)) {
                    self.flush(&mut word, &mut ids);
                    word.push(c);
                    self.flush(&mut word, &mut ids);
                } else if word.len() <= 4 * LONGEST_WORD {
                    // Beyond that the word is unknown anyway and need not be kept.
                    word.push(c);
                }
            }
            if ids.len() >= limit {
                break;
            }
        }
        self.flush(&mut word, &mut ids);
        ids.truncate(limit);
        ids
    }

    /// Greedy longest match from the left; a word with a part that matches nothing is unknown as a whole.
    fn flush(&self, word: &mut String, ids: &mut Vec<u32>) {
        let from = ids.len();
        if word.chars().count() > LONGEST_WORD {
            ids.push(self.unknown);
            word.clear();
            return;
        }
        let mut rest = word.as_str();
        while !rest.is_empty() {
            let pieces = if ids.len() == from { &self.first } else { &self.continued };
            let found = (1..=rest.len().min(self.longest_piece))
                .rev()
                .filter(|&end| rest.is_char_boundary(end))
                .find_map(|end| pieces.get(&rest[..end]).map(|&id| (id, end)));
            let Some((id, end)) = found else {
                ids.truncate(from);
                ids.push(self.unknown);
                break;
            };
            ids.push(id);
            rest = &rest[end..];
        }
        word.clear();
    }
}

/// Not a control, format, private or unassigned character.
fn kept(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | ' '..='~' => true,
        '\u{fffd}' => false,
        c if c.is_ascii() => false,
        c => !is(&OTHER, c),
    }
}

/// Each Chinese character is a word of its own.
fn spaced(c: char) -> impl Iterator<Item = char> {
    let chinese = matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF
        | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F);
    let space = chinese.then_some(' ');
    space.into_iter().chain(Some(c)).chain(space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small() -> WordPiece {
        WordPiece::from_lines("[PAD]\n[UNK]\nprint\n##er\n##s\nbroken\n.\nuna\n##ble\n打").unwrap()
    }

    #[test]
    fn the_longest_piece_wins_and_a_word_with_a_foreign_part_is_unknown_as_a_whole() {
        assert_eq!(small().encode("Printers broken. UNÁBLE unabl", 20), [2, 3, 4, 5, 6, 7, 8, 1]);
    }

    #[test]
    fn a_chinese_character_is_a_word_and_control_characters_are_nothing() {
        assert_eq!(small().encode("打打pri\u{0}nt\u{200b}er", 20), [9, 9, 2, 3]);
    }

    #[test]
    fn a_vocabulary_with_a_piece_twice_or_no_unknown_piece_is_refused() {
        assert!(WordPiece::from_lines("[UNK]\na\na").unwrap_err().contains("`a`"));
        assert!(WordPiece::from_lines("a\nb").unwrap_err().contains("[UNK]"));
    }

    proptest! {
        #[test]
        fn a_lower_limit_gives_a_prefix_of_the_same_pieces(text in "\\PC{0,80}", limit in 0usize..12) {
            let (all, some) = (small().encode(&text, 1000), small().encode(&text, limit));
            prop_assert_eq!(&all[..limit.min(all.len())], &some[..]);
        }
    }
}
