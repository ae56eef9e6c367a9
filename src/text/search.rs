//! A text as the words it is found by: for the index of a search and for what is typed into it.
//!
//! Both sides go through the same function, so a word that was indexed is found however its letters were composed.
//! Never masks: whoever indexes a text masks it first.
// INVARIANT: a word has letters, digits and signs outside ASCII only, so no index takes a part of it for a separator or
// an operator.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Longer words are found by their beginning.
const LONGEST: usize = 64;

/// Lower-cased, without accents, compatibility forms made plain; every Chinese or Japanese sign is a word, because these
/// languages put no space between words.
pub fn search_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let plain = text.nfkd().filter(|ch| !is_combining_mark(*ch)).flat_map(char::to_lowercase).filter(|ch| !is_combining_mark(*ch));
    for ch in plain {
        if !ch.is_alphanumeric() {
            words.push(String::new());
        } else if stands_alone(ch) {
            words.extend([ch.to_string(), String::new()]);
        } else if let Some(word) = words.last_mut()
            && word.len() < LONGEST
        {
            word.push(ch);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn stands_alone(ch: char) -> bool {
    matches!(ch, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3134f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_found_however_it_was_written() {
        assert_eq!(search_words("Drucker prn-0042 MÜLLER"), ["drucker", "prn", "0042", "muller"]);
        assert_eq!(search_words("Mu\u{308}ller"), search_words("müller"));
        assert_eq!(search_words("ﬁle ＶＰＮ İstanbul"), ["file", "vpn", "istanbul"]);
        assert_eq!(search_words("東京の印刷"), ["東", "京", "の", "印", "刷"]);
        assert_eq!(search_words("हिन्दी"), ["हनद"], "vowel signs are dropped on both sides");
        assert_eq!(search_words(" -- *** ' "), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn no_word_has_a_separator_and_the_words_of_the_words_are_the_same(text in any::<String>()) {
            let words = search_words(&text);
            for word in &words {
                prop_assert!(!word.is_empty() && word.len() < LONGEST + 4);
                prop_assert!(word.chars().all(|ch| !ch.is_ascii() || ch.is_ascii_alphanumeric()), "{word:?}");
            }
            prop_assert_eq!(search_words(&words.join(" ")), words);
        }
    }
}
