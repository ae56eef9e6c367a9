//! Text to index terms: CamelCase split, lower case, no stemming.
//!
//! No stemming because in this field `restart`, `restarted` and `restarting`, or `node` and `nodes`, often
//! tell siblings apart, and exact rare words (`inode`, `spooler`, error codes) carry the ranking.

/// Words so frequent in prose that they only add noise to short fields.
const STOP: [&str; 62] = [
    "a", "about", "after", "again", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "do",
    "for", "from", "had", "has", "have", "hello", "hi", "i", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or", "our", "please",
    "so", "some", "than", "thanks", "that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "too", "was", "we",
    "were", "when", "which", "will", "with", "you",
];

/// The words of a text in order, stop words included.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let characters: Vec<char> = text.chars().collect();
    for (index, &character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            flush(&mut word, &mut words);
            continue;
        }
        let previous = index.checked_sub(1).map(|i| characters[i]);
        let next = characters.get(index + 1).copied();
        let hump = character.is_uppercase()
            && (previous.is_some_and(|p| p.is_lowercase() || p.is_numeric())
                || (previous.is_some_and(char::is_uppercase) && next.is_some_and(char::is_lowercase)));
        if hump {
            flush(&mut word, &mut words);
        }
        word.extend(character.to_lowercase());
    }
    flush(&mut word, &mut words);
    words
}

fn flush(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

/// The index terms of a text, in order and with repeats.
pub(crate) fn terms(text: &str) -> Vec<String> {
    split(text).into_iter().filter(|word| STOP.binary_search(&word.as_str()).is_err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alert_names_fall_into_their_words() {
        assert_eq!(split("KubePodCrashLooping"), ["kube", "pod", "crash", "looping"]);
        assert_eq!(split("etcdHTTPRequestsSlow"), ["etcd", "http", "requests", "slow"]);
        assert_eq!(split("prn-07: 0x800ABC"), ["prn", "07", "0x800", "abc"]);
        assert_eq!(split("MariaDB's déjà-vu"), ["maria", "db", "s", "déjà", "vu"]);
    }

    #[test]
    fn stop_words_are_sorted_so_that_the_search_finds_them() {
        assert!(STOP.is_sorted());
        assert_eq!(terms("the printer is on fire"), ["printer", "fire"]);
    }
}
