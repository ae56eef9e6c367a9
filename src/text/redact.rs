//! Takes secrets and personal data out of a text before it leaves the store.
//!
//! Errs on the side of taking too much: what is shown outside is a courtesy, the ticket itself is kept.
// INVARIANT: redacting twice gives what redacting once gave.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

/// Shape and its mark, in the order they are looked for: keys before the words around them.
static SHAPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)", "[key]"),
        // Tokens whose issuers gave them a recognisable prefix, and JSON Web Tokens.
        (
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{20,}|hvs\.[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/=_-]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
            "[token]",
        ),
        (r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{12,}", "${1}[token]"),
        (r"\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{1,100}:[^\s/@]{1,200}@", "${1}[secret]@"),
        (r"(?i)\b[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,24}\b", "[email]"),
        (
            r#"(?i)\b((?:pass(?:word|wort|wd|phrase|code)?|pwd|kennwort|contrase(?:ñ|n)a|mot de passe|secret|client[_ -]?secret|api[_ -]?key|access[_ -]?key|(?:access|auth|refresh)?[_ -]?token|otp|pin)["']?\s{0,3}(?:[:=]|(?:is|was|ist)\s{0,3}[:=])\s{0,3}["']?)[^\s"',;\[\]]{3,200}"#,
            "${1}[secret]",
        ),
        // Without a colon only what looks made up: a digit or a sign in it.
        (r"(?i)\b((?:password|passwort|passcode|pwd|pin|otp)\s+(?:is|was|ist|to)\s+)[A-Za-z]*[0-9!$%&*+=^#?][^\s,;\[\]]{3,100}", "${1}[secret]"),
        (r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", "[national id]"),
        (r"\+[0-9]{1,3}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9](?:[ .-]?[0-9]){6,12}\b", "[phone]"),
    ]
    .into_iter()
    .map(|(shape, mark)| (pattern(shape), mark))
    .collect()
});
static CARD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[0-9](?:[ -]?[0-9]){12,18}\b"));
static IBAN: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"));

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the patterns of this file are literals and every one is compiled by its tests")
}

/// What stands in place of what is taken out.
#[derive(Clone, Copy)]
enum Instead {
    /// A mark that says what it was, like `[email]`.
    Mark,
    /// Stars of the same length in bytes, so that spans into the text stay right.
    Stars,
}

/// `text` with every secret and personal datum we know the shape of replaced by a mark like `[email]`.
pub fn redact(text: &str) -> String {
    without_secrets(text, Instead::Mark)
}

/// As [`redact`], with stars in place of marks: every byte that stays, stays where it was.
pub fn mask(text: &str) -> String {
    without_secrets(text, Instead::Stars)
}

fn without_secrets(text: &str, instead: Instead) -> String {
    let mut out = Cow::Borrowed(text);
    let mut apply = |regex: &Regex, replace: &dyn Fn(&Captures<'_>) -> String| {
        if let Cow::Owned(changed) = regex.replace_all(&out, |found: &Captures<'_>| replace(found)) {
            out = Cow::Owned(changed);
        }
    };
    for (shape, mark) in SHAPES.iter() {
        apply(shape, &|found| {
            // What a mark keeps stands in its first group, and a login's `@`.
            let before = if mark.starts_with("${1}") { &found[1] } else { "" };
            let after = if mark.ends_with('@') { "@" } else { "" };
            let name = mark.trim_start_matches("${1}").trim_end_matches('@');
            format!("{before}{}{after}", instead.of(&found[0][before.len()..found[0].len() - after.len()], name))
        });
    }
    apply(&IBAN, &|found| if is_iban(&found[0]) { instead.of(&found[0], "[iban]") } else { found[0].to_owned() });
    apply(&CARD, &|found| if passes_luhn(&found[0]) { instead.of(&found[0], "[card]") } else { found[0].to_owned() });
    out.into_owned()
}

impl Instead {
    fn of(self, secret: &str, mark: &str) -> String {
        match self {
            Self::Mark => mark.to_owned(),
            Self::Stars => "*".repeat(secret.len()),
        }
    }
}

/// ISO/IEC 7812-1 annex B.
fn passes_luhn(number: &str) -> bool {
    let sum: u32 = number
        .chars()
        .rev()
        .filter_map(|ch| ch.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 13616: moved to the end and read in base 36, the remainder by 97 is 1.
fn is_iban(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|ch| *ch != ' ').collect();
    if !(15..=34).contains(&plain.len()) {
        return false;
    }
    let rest = plain[4..].iter().chain(&plain[..4]).filter_map(|ch| ch.to_digit(36));
    rest.fold(0u32, |rest, value| (rest * if value > 9 { 100 } else { 10 } + value) % 97) == 1
}

#[cfg(test)]
mod tests {
    use super::{mask, redact};
    use proptest::prelude::*;

    #[test]
    fn secrets_and_personal_data_go_and_the_sentence_stays() {
        for (text, expected) in [
            ("mail ana.b+x@mail.example.co.uk now", "mail [email] now"),
            ("password: hunter2, please", "password: [secret], please"),
            ("Passwort=\"Geheim!1\"", "Passwort=\"[secret]\""),
            ("my password is Summer2026! ok", "my password is [secret] ok"),
            ("my password is expired", "my password is expired"),
            ("api_key = abcdef123456", "api_key = [secret]"),
            ("card 4111 1111 1111 1111 declined", "card [card] declined"),
            ("order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
            ("IBAN DE89 3704 0044 0532 0130 00 wrong", "IBAN [iban] wrong"),
            ("part DE89 3704 0044 0532 0130 02", "part DE89 3704 0044 0532 0130 02"),
            ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [token]"),
            ("ghp_0123456789abcdefghij0123456789abcdef", "[token]"),
            ("key AKIAIOSFODNN7EXAMPLE leaked", "key [token] leaked"),
            ("postgres://app:s3cret@db-1/main", "postgres://[secret]@db-1/main"),
            ("call +49 170 1234567 today", "call [phone] today"),
            ("ssn 078-05-1120", "ssn [national id]"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nend", "[key]\nend"),
            ("host prn-07, error 0x80070005, 14 jobs, 10.0.0.7", "host prn-07, error 0x80070005, 14 jobs, 10.0.0.7"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn a_masked_text_keeps_every_other_byte_in_its_place() {
        for (text, expected) in [
            ("mail é ana@mail.example now", "mail é **************** now"),
            ("password: Geheim!é, please", "password: *********, please"),
            ("postgres://app:s3cret@db-1/main", "postgres://**********@db-1/main"),
            ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer ****************"),
            ("-----BEGIN PRIVATE KEY-----\nMI\n-----END PRIVATE KEY-----\nend", &format!("{}\nend", "*".repeat(56))),
            ("card 4111 1111 1111 1111 declined", "card ******************* declined"),
            ("host prn-07, 14 jobs", "host prn-07, 14 jobs"),
        ] {
            assert_eq!(mask(text), expected);
            assert_eq!(mask(text).len(), text.len());
        }
    }

    proptest! {
        #[test]
        fn what_a_mask_leaves_stands_where_it_stood(text in "(\\PC{0,12}(password: |mail a@b.example |Bearer |ghp_0123456789abcdefghij0 |4111 1111 1111 1111)){0,4}\\PC{0,12}") {
            let masked = mask(&text);
            prop_assert_eq!(masked.len(), text.len());
            prop_assert!(masked.bytes().zip(text.bytes()).all(|(masked, own)| masked == own || masked == b'*'));
            prop_assert_eq!(mask(&masked), masked);
        }

        #[test]
        fn no_address_or_password_survives_and_twice_is_once(
            before in "[a-z ,.]{0,20}", local in "[a-z]{1,8}", secret in "[A-Za-z0-9!]{6,16}", after in "\\PC{0,20}",
        ) {
            let text = format!("{before} {local}@example.com password: {secret} {after}");
            let redacted = redact(&text);
            prop_assert!(!redacted.contains("@example.com"));
            let password = format!("password: {secret}");
            prop_assert!(!redacted.contains(&password));
            prop_assert_eq!(redact(&redacted), redacted);
        }
    }
}
