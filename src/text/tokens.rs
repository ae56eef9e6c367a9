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

#[cfg(test)]
mod tests {
    use super::*;

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
