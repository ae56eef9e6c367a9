//! Words of a text that could be the value of a typed slot, by shape alone; validation decides.
//!
//! Never looks a value up and never repairs one.

use std::ops::Range;

use super::cues;
use crate::domain::{
    name::ParameterName,
    runbook::{Parameter, ParameterType},
};

/// A candidate with its bytes in the cleaned text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub value: String,
    pub range: Range<usize>,
    /// The words beside it call it by the slot's name.
    pub named: bool,
}

/// By shape in the order of the text, then those that the words beside them name.
///
/// `declared` are the names of all slots of the runbook. Where any word could be the value only named ones count.
pub(crate) fn candidates(name: &ParameterName, declared: &[&str], parameter: &Parameter, text: &str) -> Vec<Found> {
    let bounded = parameter.pattern.is_some() || parameter.one_of.is_some();
    let mut found =
        if bounded || !matches!(parameter.kind, ParameterType::String { .. }) { shaped(name, parameter, text) } else { Vec::new() };
    if matches!(parameter.kind, ParameterType::String { .. } | ParameterType::Hostname | ParameterType::Path { .. }) {
        found.extend(cues::named(name.as_str(), declared, text).into_iter().map(|found| match parameter.kind {
            ParameterType::Hostname => lowered(found),
            _ => found,
        }));
    }
    found
}

fn shaped(name: &ParameterName, parameter: &Parameter, text: &str) -> Vec<Found> {
    match &parameter.kind {
        ParameterType::Hostname | ParameterType::Email => words(text).map(lowered).collect(),
        ParameterType::Username => words(text).filter(|found| tells_a_user(found, text)).collect(),
        ParameterType::String { .. } => words(text).filter(|found| names_a_thing(found, name, text)).collect(),
        ParameterType::Ip | ParameterType::Uuid | ParameterType::Path { .. } => words(text).collect(),
        ParameterType::Integer { .. } => numbers(name, text),
        ParameterType::Duration { .. } => durations(text),
        ParameterType::Enum { values } => named_values(values, text),
    }
}

/// Runs of characters between white space, with the punctuation of prose taken off both ends.
///
/// A word that has any other sign inside stays whole, so that `prn-07;reboot` is one word that no type accepts.
fn words(text: &str) -> impl Iterator<Item = Found> + '_ {
    let start_of = move |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    text.split_whitespace().filter_map(move |part| {
        let opened = part.trim_start_matches(['(', '[', '<', '"', '\'', '`', '*', ',']);
        let mut closed = opened.trim_end_matches([')', ']', '>', '"', '\'', '`', '*', ',', '.', ';', ':', '!', '?']);
        closed = closed.strip_suffix("'s").or_else(|| closed.strip_suffix("’s")).unwrap_or(closed);
        if closed.is_empty() {
            return None;
        }
        let start = start_of(closed);
        Some(Found { value: closed.to_owned(), range: start..start + closed.len(), named: false })
    })
}

fn lowered(found: Found) -> Found {
    Found { value: found.value.to_ascii_lowercase(), ..found }
}

/// A plain word such as `mark` is a user only next to a word that says so; `m.silva` or `jdoe2` shows by itself.
fn tells_a_user(found: &Found, text: &str) -> bool {
    const BEFORE: [&str; 10] = ["user", "username", "account", "login", "logon", "userid", "user-id", "uid", "samaccountname", "unlock"];
    const AFTER: [&str; 4] = ["account", "login", "locked", "user"];
    if found.value.contains(|c: char| c.is_ascii_digit() || c == '.' || c == '_') {
        return true;
    }
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-').to_lowercase();
    let before = text[..found.range.start]
        .split_whitespace()
        .rev()
        .map(plain)
        .find(|word| !["name", "id", "is", "for", "the", ""].contains(&word.as_str()));
    let after = text[found.range.end..].split_whitespace().map(plain).find(|word| !["is", "got", "s", ""].contains(&word.as_str()));
    before.is_some_and(|word| BEFORE.contains(&word.as_str())) || after.is_some_and(|word| AFTER.contains(&word.as_str()))
}

/// A plain word such as `orders` is a queue only near the word `queue`; `stock-sync` shows by itself.
fn names_a_thing(found: &Found, name: &ParameterName, text: &str) -> bool {
    const NEAR: usize = 3;
    if !found.value.bytes().all(|b| b.is_ascii_alphabetic()) {
        return true;
    }
    let says = |word: &str| word.to_lowercase().contains(name.as_str());
    text[..found.range.start].split_whitespace().rev().take(NEAR).any(says)
        || text[found.range.end..].split_whitespace().take(NEAR).any(says)
}

/// Numbers that the text ties to the slot's name: `replicas: 3`, `3 replicas`, and for `size_gb` also `5 GB`.
fn numbers(name: &ParameterName, text: &str) -> Vec<Found> {
    let phrase = name.as_str().replace(['_', '-'], " ");
    let unit = phrase.rsplit(' ').next().unwrap_or_default().to_owned();
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let bytes = lower.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let joined_before =
            at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || b".-_,/%+".contains(&bytes[at - 1]) || bytes[at - 1] >= 0x80);
        let rest = lower[end..].trim_start_matches(' ');
        let word_end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let after = &rest[..word_end];
        let fraction = lower[end..].starts_with(['.', ',']) && lower[end + 1..].starts_with(|c: char| c.is_ascii_digit());
        let lead = lower[..at].trim_end_matches([' ', ':', '=', '#']);
        let named_before = lead.ends_with(&phrase) || lead.ends_with(&format!("{phrase} to")) || lead.ends_with(&format!("{phrase} of"));
        let named_after = after == unit || after == phrase;
        let glued = lower[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_') && after != unit;
        if !joined_before && !fraction && !glued && (named_before || named_after) {
            found.push(Found { value: text[at..end].to_owned(), range: at..end, named: false });
        }
        at = end;
    }
    found
}

/// `30m`, `2 hours`: the value in the short form, the range over what was written.
fn durations(text: &str) -> Vec<Found> {
    let parts: Vec<Found> = words(text).collect();
    let unit = |word: &str| match word.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => Some('s'),
        "m" | "min" | "mins" | "minute" | "minutes" => Some('m'),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some('h'),
        "d" | "day" | "days" => Some('d'),
        _ => None,
    };
    parts
        .iter()
        .enumerate()
        .filter_map(|(index, part)| {
            let digits = part.value.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = part.value.split_at(digits);
            if number.is_empty() {
                return None;
            }
            if rest.is_empty() {
                let next = parts.get(index + 1)?;
                let short = unit(&next.value)?;
                return Some(Found { value: format!("{number}{short}"), range: part.range.start..next.range.end, named: false });
            }
            Some(Found { value: format!("{number}{}", unit(rest)?), range: part.range.clone(), named: false })
        })
        .collect()
}

/// Whole-word mentions of an enum's values, whatever the case; the value keeps the runbook's spelling.
fn named_values(values: &[String], text: &str) -> Vec<Found> {
    let lower = text.to_ascii_lowercase();
    let inside = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut found = Vec::new();
    for value in values {
        for (start, _) in lower.match_indices(&value.to_ascii_lowercase()) {
            let end = start + value.len();
            if !lower[..start].ends_with(inside) && !lower[end..].starts_with(inside) {
                found.push(Found { value: value.clone(), range: start..end, named: false });
            }
        }
    }
    found.sort_by_key(|f| f.range.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, kind: ParameterType, text: &str) -> Vec<String> {
        let parameter = Parameter { kind, from: Vec::new(), pattern: None, one_of: None, required: true, description: None };
        let found = shaped(&ParameterName::new(name).unwrap(), &parameter, text);
        for candidate in &found {
            assert!(text.get(candidate.range.clone()).is_some(), "ranges lie on character borders");
        }
        found.into_iter().map(|candidate| candidate.value).collect()
    }

    #[test]
    fn numbers_need_the_name_or_the_unit_beside_them() {
        let number = |text| found("size_gb", ParameterType::Integer { min: 0, max: 9 }, text);
        assert_eq!(number("please 75 GB for me"), ["75"]);
        assert_eq!(number("size gb: 75"), ["75"]);
        assert_eq!(number("75gb"), ["75"]);
        for text in ["call me at 75", "1.5 GB", "1,500 GB", "-5 GB", "v75 GB", "75 GBit", "75 % of"] {
            assert!(number(text).is_empty(), "{text}: {:?}", number(text));
        }
    }

    #[test]
    fn durations_and_enums_keep_one_spelling() {
        let longest = std::time::Duration::from_secs(1);
        assert_eq!(found("hold", ParameterType::Duration { max: longest }, "hold for 2 hours, or 30min"), ["2h", "30m"]);
        let values = vec!["nginx".to_owned(), "php-fpm".to_owned()];
        assert_eq!(found("s", ParameterType::Enum { values }, "PHP-FPM and nginx-exporter, é nginx!"), ["php-fpm", "nginx"]);
    }

    #[test]
    fn plain_words_count_only_near_the_name_of_the_slot() {
        let text = |text| found("queue", ParameterType::String { max_length: 40 }, text);
        assert!(text("the orders queue grows").contains(&"orders".to_owned()));
        assert!(!text("we take orders from everyone in every country by queue").contains(&"orders".to_owned()));
        assert!(text("see stock-updates").contains(&"stock-updates".to_owned()));
    }

    #[test]
    fn prose_punctuation_comes_off_and_other_signs_stay_in_the_word() {
        let words = |text| found("ip", ParameterType::Ip, text);
        assert_eq!(words("(10.0.0.1), \"b\"; c's d;e"), ["10.0.0.1", "b", "c", "d;e"]);
        assert_eq!(words("  ,;  "), [""; 0]);
    }
}
