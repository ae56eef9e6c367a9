//! The typed things a text names: hosts, addresses, users, e-mails, URLs, error codes, asset tags, versions.
//!
//! A reading aid and a source of features. Never a parameter by itself: the runbook room validates its own.
// INVARIANT: entities of one field do not overlap; the more specific shape wins.

use std::ops::Range;

use regex::Regex;

use crate::{
    domain::{
        classification::{Entity, EntityKind},
        untrusted::Untrusted,
    },
    text::Cleaned,
};

/// A kind's shape. Group 1, when there is one, is the value.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: EntityKind,
    pub(super) pattern: &'static str,
    /// Higher wins where shapes overlap.
    rank: u8,
}

pub(super) const SHAPES: [Shape; 11] = [
    Shape { kind: EntityKind::Url, rank: 9, pattern: r#"(?i)\bhttps?://[^\s<>"'`]{3,300}[^\s<>"'`.,;:!?)\]]"# },
    Shape { kind: EntityKind::Email, rank: 8, pattern: r"(?i)\b[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,24}\b" },
    Shape {
        kind: EntityKind::Ip,
        rank: 7,
        pattern: r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b",
    },
    Shape { kind: EntityKind::Ip, rank: 7, pattern: r"(?i)\b(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4}){1,4}\b" },
    Shape {
        kind: EntityKind::ErrorCode,
        rank: 6,
        pattern: r"\b(?i:0x[0-9a-f]{4,16})\b|\bORA-[0-9]{5}\b|\b(?:ERR|ERROR|E)_[A-Z0-9_]{3,60}\b|\bE[A-Z]{4,14}\b",
    },
    Shape {
        kind: EntityKind::ErrorCode,
        rank: 6,
        pattern: r"(?i)\b(?:error|fehler|erreur|status|code|http)(?: code)?[ :#=]{1,3}([0-9]{3,6})\b",
    },
    Shape {
        kind: EntityKind::AssetTag,
        rank: 5,
        pattern: r"(?i)\b((?:asset|inv|inventory|serial|tag|s/n)[ :#.-]{0,3}[a-z]{0,4}-?[0-9]{4,12})\b|\b(?:AST|LT|PC|NB|WS|MON)-?[0-9]{4,8}\b",
    },
    // Names with a number part, as inventories have them: `prn-07`, `srv-db-01`, `web3.eu.example.com`.
    Shape {
        kind: EntityKind::Host,
        rank: 4,
        pattern: r"(?i)\b[a-z][a-z0-9]{0,20}(?:-[a-z0-9]{1,20}){0,4}-[a-z]{0,6}[0-9]{1,5}(?:\.[a-z0-9-]{1,40}){0,5}\b",
    },
    Shape {
        kind: EntityKind::Host,
        rank: 3,
        pattern: r"(?i)\b[a-z0-9][a-z0-9-]{0,40}(?:\.[a-z0-9-]{1,40}){1,5}\.(?:com|net|org|io|dev|local|internal|corp|lan|intranet|example)\b",
    },
    Shape {
        kind: EntityKind::Version,
        rank: 2,
        pattern: r"(?i)\b(?:v[0-9]{1,4}(?:\.[0-9]{1,6}){1,3}|[0-9]{1,4}(?:\.[0-9]{1,6}){2,3}|version [0-9]{1,4}(?:\.[0-9]{1,6}){0,3})\b",
    },
    Shape {
        kind: EntityKind::User,
        rank: 1,
        pattern: r"(?i)\b(?:user(?:name| id)?|account|login|benutzer(?:name)?|utilisateur|usuario)\s{0,2}[:=#]?\s{0,2}['`\x22]?([a-z][a-z0-9]{0,20}(?:[._-][a-z0-9]{1,20}){1,3}|[a-z]{1,12}[0-9]{1,6})\b",
    },
];

/// More of them than this in a field is a log, and the first ones tell as much.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Found {
    pub(super) entity: Entity,
    range: Range<usize>,
    rank: u8,
}

/// Appends what `shape` finds in `field`.
pub(super) fn collect(shape: &Shape, regex: &Regex, field: &Cleaned, found: &mut Vec<Found>) {
    for captures in regex.captures_iter(field.text()).take(MOST) {
        let Some(value) = captures.get(1).or_else(|| captures.get(0)) else { continue };
        found.push(Found {
            entity: Entity { kind: shape.kind, value: Untrusted::new(value.as_str()), span: field.span(value.range()) },
            range: value.range(),
            rank: shape.rank,
        });
    }
}

/// Puts the entities from `start` on in order of place and drops those that a more specific one overlaps.
pub(super) fn settle(found: &mut Vec<Found>, start: usize) {
    let mut fresh = found.split_off(start);
    fresh.sort_by(|a, b| b.rank.cmp(&a.rank).then(a.range.start.cmp(&b.range.start)).then(b.range.end.cmp(&a.range.end)));
    let mut kept: Vec<Found> = Vec::new();
    for candidate in fresh {
        if kept.iter().all(|other| candidate.range.end <= other.range.start || other.range.end <= candidate.range.start) {
            kept.push(candidate);
        }
    }
    kept.sort_by_key(|found| found.range.start);
    kept.truncate(MOST);
    found.extend(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::clean_fields;

    fn read(text: &str) -> Vec<(EntityKind, String)> {
        let ticket = clean_fields("", text, false);
        let mut found = Vec::new();
        for shape in &SHAPES {
            collect(shape, &Regex::new(shape.pattern).unwrap(), &ticket.body, &mut found);
        }
        settle(&mut found, 0);
        found.into_iter().map(|found| (found.entity.kind, found.entity.value.as_untrusted().to_owned())).collect()
    }

    #[test]
    fn each_kind_is_read_from_a_sentence() {
        use EntityKind::{AssetTag, Email, ErrorCode, Host, Ip, Url, User, Version};
        for (text, expected) in [
            ("printer prn-07 jammed", vec![(Host, "prn-07")]),
            ("db-main-02.eu.example.com is at 10.1.2.3", vec![(Host, "db-main-02.eu.example.com"), (Ip, "10.1.2.3")]),
            ("user: ana.prieto gets error 0x80070005", vec![(User, "ana.prieto"), (ErrorCode, "0x80070005")]),
            ("see https://status.example.com/x?y=1.", vec![(Url, "https://status.example.com/x?y=1")]),
            ("mail bo@example.org", vec![(Email, "bo@example.org")]),
            ("laptop LT-00412, client v5.1.12", vec![(AssetTag, "LT-00412"), (Version, "v5.1.12")]),
            ("HTTP 502 and ORA-01555", vec![(ErrorCode, "502"), (ErrorCode, "ORA-01555")]),
            ("ping fe80:0:0:1::7 fails", vec![(Ip, "fe80:0:0:1::7")]),
            ("nothing to see here, 14 jobs", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(kind, value)| (kind, value.to_owned())).collect();
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
