//! The shape of a ticket: its words with numbers, hosts and other particulars taken out.
//!
//! Tickets of one shape inside a short time are a storm: one cause, many reports.

use crate::domain::{digest::Digest, ticket::Report};

/// Words that count; beyond these a text is its own.
const WORDS: usize = 40;

/// The digest of the shape. Tickets that differ only in words with digits or signs in them share it.
pub fn of(report: &Report) -> Digest {
    let text = [report.title.as_untrusted(), report.body.as_untrusted()].join(" ").to_lowercase();
    let words: Vec<&str> = text.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).take(WORDS).collect();
    // A text of particulars only has nothing in common with others of its kind.
    if words.is_empty() { Digest::of(text.as_bytes()) } else { Digest::of(words.join(" ").as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::untrusted::Untrusted;

    fn report(title: &str) -> Report {
        Report {
            external_id: "1".to_owned(),
            external_key: None,
            url: None,
            kind: Default::default(),
            event: Default::default(),
            title: Untrusted::from(title),
            body: Untrusted::default(),
            body_is_html: false,
            requester: None,
            impact: None,
            urgency: None,
            category_hint: None,
            labels: Default::default(),
            attributes: Default::default(),
            tags: Default::default(),
            reported_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn particulars_do_not_change_the_shape_and_words_do() {
        assert_eq!(of(&report("Disk full on web-03 at 97%")), of(&report("disk FULL on web-11 at 99%")));
        assert_ne!(of(&report("Disk full on web-03")), of(&report("Disk slow on web-03")));
        assert_ne!(of(&report("ERR-500")), of(&report("web-03")), "texts without a plain word are no storm");
    }
}
