//! A guess at the language of a text: by script, then by the most frequent small words.
//!
//! Good enough to route and to count; nothing about risk depends on it.

/// Small words that tell the European languages of service desks apart, most frequent first.
const SMALL_WORDS: [(&str, &[&str]); 8] = [
    (
        "en",
        &[
            "the", "to", "is", "and", "my", "not", "i", "it", "for", "on", "in", "of", "please", "with", "cannot", "can", "we", "has",
            "are", "after", "from", "this", "no", "when", "all", "have", "you",
        ],
    ),
    (
        "de",
        &[
            "der", "die", "das", "ist", "nicht", "und", "ich", "mein", "meine", "bitte", "mit", "ein", "eine", "auf", "kann", "wir", "zu",
            "den", "dem", "geht", "seit", "kein", "keine", "für", "nach", "es",
        ],
    ),
    (
        "fr",
        &[
            "le", "la", "les", "est", "et", "je", "ne", "pas", "mon", "ma", "un", "une", "des", "pour", "sur", "dans", "nous", "avec",
            "du", "plus", "depuis", "bonjour", "merci", "au", "il",
        ],
    ),
    (
        "es",
        &[
            "el", "la", "los", "es", "y", "no", "mi", "un", "una", "de", "que", "para", "con", "por", "en", "se", "puedo", "desde", "hola",
            "gracias", "está", "las", "favor", "del", "al",
        ],
    ),
    (
        "it",
        &[
            "il",
            "la",
            "gli",
            "è",
            "e",
            "non",
            "mio",
            "mia",
            "un",
            "una",
            "di",
            "che",
            "per",
            "con",
            "sono",
            "si",
            "posso",
            "da",
            "buongiorno",
            "grazie",
            "del",
            "della",
            "più",
            "ho",
        ],
    ),
    (
        "pt",
        &[
            "o", "a", "os", "é", "e", "não", "meu", "minha", "um", "uma", "de", "que", "para", "com", "por", "em", "está", "desde",
            "obrigado", "olá", "do", "da", "ao", "mais",
        ],
    ),
    (
        "nl",
        &[
            "de", "het", "een", "is", "niet", "en", "ik", "mijn", "met", "voor", "op", "van", "kan", "wij", "te", "geen", "na", "aan",
            "werkt", "graag", "bij", "naar", "dat",
        ],
    ),
    (
        "pl",
        &[
            "nie", "i", "na", "z", "do", "jest", "się", "mam", "moje", "mój", "proszę", "w", "po", "dla", "jak", "od", "działa", "że",
            "to", "dzień",
        ],
    ),
];

/// Only so much of each field is looked at.
const WORDS_READ: usize = 400;

/// ISO 639-1 of the language most of `texts` is in, or `und`.
pub(super) fn guess(texts: &[&str]) -> &'static str {
    by_script(texts).unwrap_or_else(|| by_small_words(texts))
}

fn by_script(texts: &[&str]) -> Option<&'static str> {
    const SCRIPTS: [&str; 10] = ["latin", "ru", "el", "ja", "ko", "zh", "ar", "he", "th", "hi"];
    let mut counts = [0usize; SCRIPTS.len()];
    let mut ukrainian = 0;
    for ch in texts.iter().flat_map(|text| text.chars().take(WORDS_READ * 6)).filter(|ch| ch.is_alphabetic()) {
        let script = match ch {
            '\u{400}'..='\u{52F}' => 1,
            '\u{370}'..='\u{3FF}' => 2,
            '\u{3040}'..='\u{30FF}' => 3,
            '\u{AC00}'..='\u{D7AF}' | '\u{1100}'..='\u{11FF}' => 4,
            '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' => 5,
            '\u{600}'..='\u{6FF}' => 6,
            '\u{590}'..='\u{5FF}' => 7,
            '\u{E00}'..='\u{E7F}' => 8,
            '\u{900}'..='\u{97F}' => 9,
            _ => 0,
        };
        counts[script] += 1;
        ukrainian += usize::from(matches!(ch, 'і' | 'ї' | 'є' | 'ґ'));
    }
    let total: usize = counts.iter().sum();
    // Japanese mixes kana into Chinese characters: a fifth of kana decides.
    if counts[3] * 5 > counts[3] + counts[5] && (counts[3] + counts[5]) * 2 > total {
        return Some("ja");
    }
    let (best, count) = counts.iter().enumerate().skip(1).max_by_key(|(index, count)| (**count, usize::MAX - index))?;
    if count * 2 <= total {
        return None;
    }
    Some(if best == 1 && ukrainian > 0 { "uk" } else { SCRIPTS[best] })
}

fn by_small_words(texts: &[&str]) -> &'static str {
    let mut counts = [0usize; SMALL_WORDS.len()];
    let mut words = 0;
    for text in texts {
        for word in text.split(|ch: char| !ch.is_alphabetic()).filter(|word| !word.is_empty()).take(WORDS_READ) {
            let word = word.to_lowercase();
            words += 1;
            for (count, (_, small)) in counts.iter_mut().zip(SMALL_WORDS) {
                *count += usize::from(small.contains(&word.as_str()));
            }
        }
    }
    let best = counts.iter().copied().max().unwrap_or(0);
    let winners = counts.iter().filter(|count| **count == best).count();
    // Two small words, one word in twelve, and no tie; less is a guess not worth telling.
    if best < 2 || best * 12 < words || winners > 1 {
        return "und";
    }
    counts.iter().position(|count| *count == best).map_or("und", |index| SMALL_WORDS[index].0)
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn common_desk_languages_are_told_apart() {
        for (language, text) in [
            ("en", "I cannot log in to my laptop after the update"),
            ("de", "Der Drucker im zweiten Stock druckt nicht und die Anzeige ist rot"),
            ("fr", "Bonjour, je ne peux pas ouvrir ma messagerie depuis ce matin"),
            ("es", "Hola, no puedo entrar en el correo desde ayer, por favor ayuda"),
            ("it", "Buongiorno, non posso accedere alla mia posta da ieri"),
            ("nl", "Mijn laptop werkt niet en ik kan geen verbinding maken met het netwerk"),
            ("pl", "Dzień dobry, drukarka nie działa i nie mam dostępu do poczty"),
            ("ru", "Не работает принтер на втором этаже"),
            ("uk", "Не працює принтер, допоможіть будь ласка з її налаштуванням"),
            ("ja", "プリンターが動きません。確認してください"),
            ("zh", "打印机无法使用，请帮忙"),
        ] {
            assert_eq!(guess(&["", text]), language, "{text}");
        }
    }

    #[test]
    fn a_code_or_a_word_is_no_language() {
        for text in ["", "HTTP 502 srv-web-01", "spooler", "ERR_CONN_RESET 0x80070005"] {
            assert_eq!(guess(&[text]), "und", "{text}");
        }
    }
}
