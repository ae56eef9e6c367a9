//! Words and n-grams with their places, and stable 64-bit names for n-grams.
//!
//! A name is a hash of kind and text, the same on every machine and in every version of the program, so a
//! model can store names instead of texts.

use std::ops::Range;

/// Kinds of n-gram; the kind is part of the name, so a word and the same characters differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Gram {
    Word = 1,
    WordPair = 2,
    Characters = 3,
}

/// FNV-1a over bytes, finished with splitmix64's mixer so that low bits are usable as they are.
#[derive(Debug, Clone, Copy)]
pub struct Name(u64);

impl Name {
    pub const fn start(kind: Gram) -> Self {
        Self(0xcbf2_9ce4_8422_2325).byte(kind as u8)
    }

    #[must_use]
    pub const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[must_use]
    pub fn text(self, text: &str) -> Self {
        text.bytes().fold(self, Self::byte)
    }

    pub const fn finish(self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A word of a text: lower-cased, with its bytes in that text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub range: Range<usize>,
}

/// Runs of letters, digits and `_`, lower-cased.
pub fn words(text: &str) -> Vec<Word> {
    runs(text, |ch| ch.is_alphanumeric() || ch == '_')
}

/// Runs of anything but whitespace, lower-cased: what character n-grams are cut from.
pub fn chunks(text: &str) -> Vec<Word> {
    runs(text, |ch| !ch.is_whitespace())
}

fn runs(text: &str, inside: impl Fn(char) -> bool) -> Vec<Word> {
    let mut out = Vec::new();
    let mut start = None;
    for (at, ch) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, at < text.len() && inside(ch)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                out.push(Word { text: text[from..at].to_lowercase(), range: from..at });
                start = None;
            }
            _ => {}
        }
    }
    out
}

/// Calls `found` with the name of each character n-gram, 3 to 5 characters, of ` word `.
///
/// The blanks mark the word's ends, so `in` at the start of a word differs from `in` inside one. A word
/// shorter than three characters gives itself with its blanks once.
pub fn character_grams(word: &str, mut found: impl FnMut(u64)) {
    // Borders of the characters of ` word `; the word's own bytes start after one blank.
    let mut padded: Vec<char> = Vec::with_capacity(word.len() + 2);
    padded.push(' ');
    padded.extend(word.chars());
    padded.push(' ');
    let mut buffer = [0; 4];
    if padded.len() <= 3 {
        found(padded.iter().fold(Name::start(Gram::Characters), |name, ch| name.text(ch.encode_utf8(&mut buffer))).finish());
        return;
    }
    for start in 0..=padded.len() - 3 {
        let mut name = Name::start(Gram::Characters);
        for (index, ch) in padded[start..].iter().take(5).enumerate() {
            name = name.text(ch.encode_utf8(&mut buffer));
            if index >= 2 {
                found(name.finish());
            }
        }
    }
}

/// Scratch that [`ascii_grams`] reuses from text to text.
#[derive(Debug, Default)]
pub struct Scratch(Vec<u8>);

/// All n-grams of an ASCII text: the names that [`words`], [`chunks`] and [`character_grams`] give, without their places.
///
/// Calls `found(name, is_characters)`; allocates nothing once `scratch` is large enough. The text is not ASCII: false, and nothing is called.
pub fn ascii_grams(text: &str, scratch: &mut Scratch, mut found: impl FnMut(u64, bool)) -> bool {
    if !text.is_ascii() {
        return false;
    }
    let bytes = &mut scratch.0;
    bytes.clear();
    bytes.reserve(text.len() + 2);
    bytes.push(b' ');
    bytes.extend(text.bytes().map(|byte| if char::from(byte).is_whitespace() { b' ' } else { byte.to_ascii_lowercase() }));
    bytes.push(b' ');
    let (word_start, pair_start) = (Name::start(Gram::Word), Name::start(Gram::WordPair));
    // The word read now, the pair it ends and the pair it begins.
    let (mut word, mut ending, mut beginning) = (word_start, None::<Name>, pair_start);
    let mut inside = false;
    for &byte in bytes.iter() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            inside = true;
            word = word.byte(byte);
            ending = ending.map(|name| name.byte(byte));
            beginning = beginning.byte(byte);
        } else if inside {
            inside = false;
            found(word.finish(), false);
            if let Some(name) = ending {
                found(name.finish(), false);
            }
            (word, ending, beginning) = (word_start, Some(beginning.byte(0)), pair_start);
        }
    }
    let start = Name::start(Gram::Characters);
    for chunk in blanked(bytes) {
        match *chunk {
            [a, b, c] => found(start.byte(a).byte(b).byte(c).finish(), true),
            _ => {
                for at in 0..chunk.len() - 2 {
                    let three = start.byte(chunk[at]).byte(chunk[at + 1]).byte(chunk[at + 2]);
                    found(three.finish(), true);
                    let Some(&fourth) = chunk.get(at + 3) else { continue };
                    let four = three.byte(fourth);
                    found(four.finish(), true);
                    let Some(&fifth) = chunk.get(at + 4) else { continue };
                    found(four.byte(fifth).finish(), true);
                }
            }
        }
    }
    true
}

/// Each run of non-blanks with the blank on either side; `bytes` begins and ends with one.
fn blanked(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at + bytes[at..].iter().position(|byte| *byte != b' ')?;
        let to = from + bytes[from..].iter().position(|byte| *byte == b' ')?;
        at = to;
        Some(&bytes[from - 1..=to])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_fast_way_finds_the_same_names_as_the_way_with_places(text in "[ -~\\n\\t]{0,80}") {
            let (mut fast, mut placed) = (Vec::new(), Vec::new());
            prop_assert!(ascii_grams(&text, &mut Scratch::default(), |name, characters| fast.push((name, characters))));
            let words = words(&text);
            placed.extend(words.iter().map(|word| (Name::start(Gram::Word).text(&word.text).finish(), false)));
            placed.extend(words.windows(2).map(|pair| {
                (Name::start(Gram::WordPair).text(&pair[0].text).byte(0).text(&pair[1].text).finish(), false)
            }));
            for chunk in chunks(&text) {
                character_grams(&chunk.text, |name| placed.push((name, true)));
            }
            fast.sort_unstable();
            placed.sort_unstable();
            prop_assert_eq!(fast, placed);
        }
    }

    #[test]
    fn words_keep_their_places_and_are_lower_cased() {
        let text = "VPN-Client: ÄRGER mit srv_db01!";
        let words = words(text);
        assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["vpn", "client", "ärger", "mit", "srv_db01"]);
        assert_eq!(&text[words[2].range.clone()], "ÄRGER");
        assert_eq!(chunks(text)[0].text, "vpn-client:");
    }

    #[test]
    fn a_word_has_its_three_to_five_character_grams_once_each() {
        let mut names = Vec::new();
        character_grams("disk", |name| names.push(name));
        // " di" "dis" "isk" "sk " + " dis" "disk" "isk " + " disk" "disk "
        assert_eq!(names.len(), 9);
        assert!(names.contains(&Name::start(Gram::Characters).text(" disk").finish()));
        let mut short = Vec::new();
        character_grams("a", |name| short.push(name));
        assert_eq!(short, [Name::start(Gram::Characters).text(" a ").finish()]);
    }

    #[test]
    fn names_never_change_because_models_store_them() {
        assert_eq!(Name::start(Gram::Word).text("printer").finish(), 8_435_616_077_996_254_608);
        assert_ne!(Name::start(Gram::Word).text("ab").finish(), Name::start(Gram::Characters).text("ab").finish());
    }
}
