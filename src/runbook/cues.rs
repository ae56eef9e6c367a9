//! Values that the words beside them name: `namespace shop`, `queue=orders`, `Pod shop/cart-7`, `` the `web` service ``.
//!
//! Works by grammar and by what Kubernetes and Prometheus texts agree on, never by a list of values. A word that could
//! be plain English is a value only where nothing but a name can stand; what stays doubtful is left to a person.

use super::{extract::Found, words};

/// Kinds of objects that live in a namespace and are written `Kind namespace/name` (kubectl, kube-state-metrics).
const NAMESPACED: [&str; 19] = [
    "configmap",
    "container",
    "cronjob",
    "daemonset",
    "deployment",
    "endpoint",
    "horizontalpodautoscaler",
    "hpa",
    "ingress",
    "job",
    "persistentvolumeclaim",
    "pod",
    "poddisruptionbudget",
    "pvc",
    "replicaset",
    "secret",
    "service",
    "statefulset",
    "workload",
];
/// Other words for the same thing.
const ALIASES: [(&str, &[&str]); 12] = [
    ("horizontalpodautoscaler", &["hpa"]),
    ("persistentvolumeclaim", &["pvc"]),
    ("persistentvolume", &["pv"]),
    ("namespace", &["ns"]),
    ("fqdn", &["host", "hostname", "server", "machine", "node"]),
    ("host", &["hostname", "server", "machine"]),
    ("hostname", &["host", "server", "machine"]),
    ("node", &["host", "machine"]),
    ("env", &["environment"]),
    ("environment", &["env"]),
    ("user", &["username"]),
    ("job_name", &["job", "cronjob"]),
];
/// Last words of slot names that say only that a name is meant.
const NOUNS: [&str; 4] = ["name", "id", "identifier", "ref"];
/// May stand between the word and its value.
const BETWEEN: [&str; 6] = ["name", "named", "called", "id", "is", "the"];
const PREPOSITIONS: [&str; 13] = ["in", "on", "at", "for", "from", "to", "of", "under", "across", "via", "by", "with", "against"];
const ARTICLES: [&str; 5] = ["the", "a", "an", "this", "our"];
/// First halves of hyphenated English words.
const PREFIXES: [&str; 26] = [
    "read", "write", "non", "in", "up", "out", "re", "pre", "self", "real", "long", "high", "low", "auto", "multi", "cross", "sub", "over",
    "under", "well", "back", "end", "per", "full", "single", "short",
];

struct Token<'a> {
    value: &'a str,
    start: usize,
    /// Between quotes or backticks.
    quoted: bool,
    /// Ends with `=`, or with `:` where only its value is left on the line.
    gives: bool,
    /// Ends a clause: what follows belongs to something else.
    closes: bool,
}

impl Token<'_> {
    fn lower(&self) -> String {
        self.value.to_ascii_lowercase()
    }
}

/// Every value that `text` names for the slot `name` of a runbook that declares `declared`, in the order of the text.
pub(crate) fn named(name: &str, declared: &[&str], text: &str) -> Vec<Found> {
    let tokens = tokens(text);
    let phrases = phrases(name, declared);
    // `rados namespace x` is the slot `rados_namespace`, not `namespace`.
    let longer: Vec<String> = declared.iter().filter(|other| **other != name).map(|other| words::split(other).concat()).collect();
    let mut found: Vec<Found> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let Some((first, second)) = pair(token.value) {
            let range = |part: &str| {
                let start = token.start + (part.as_ptr() as usize - token.value.as_ptr() as usize);
                Found { value: part.to_owned(), range: start..start + part.len(), named: true }
            };
            match halves(name, declared, &phrases, &tokens[..at]) {
                Half::First => found.push(range(first)),
                Half::Second => found.push(range(second)),
                Half::Neither => {}
            }
            continue;
        }
        let whole = || Found { value: token.value.to_owned(), range: token.start..token.start + token.value.len(), named: true };
        if is_named_before(&tokens, at, &phrases, &longer) || is_named_after(&tokens, at, &phrases) {
            found.push(whole());
        }
    }
    found
}

/// Which part of `a/b` is the slot's value.
enum Half {
    First,
    Second,
    Neither,
}

fn halves(name: &str, declared: &[&str], phrases: &[String], before: &[Token<'_>]) -> Half {
    let Some(word) = before.last().filter(|token| !token.closes) else { return Half::Neither };
    let word = word.lower();
    let declares = |slot: &str| declared.contains(&slot);
    let kind = NAMESPACED.contains(&word.as_str());
    if kind && phrases.contains(&word) {
        return Half::Second;
    }
    if kind && name == "namespace" {
        return Half::First;
    }
    // The larger scope stands first: `in prod-eu1/shop`, where both are asked for.
    if declares("cluster") && declares("namespace") && (word == "cluster" || PREPOSITIONS.contains(&word.as_str())) {
        return match name {
            "cluster" => Half::First,
            "namespace" => Half::Second,
            _ => Half::Neither,
        };
    }
    // `Prometheus monitoring/k8s-0`: the thing's own name instead of its kind.
    if declares("namespace") && declares("pod") && !declares("cluster") && !PREPOSITIONS.contains(&word.as_str()) && !kind {
        return match name {
            "namespace" => Half::First,
            "pod" => Half::Second,
            _ => Half::Neither,
        };
    }
    Half::Neither
}

/// Both halves of `a/b` when each could be a DNS label.
fn pair(value: &str) -> Option<(&str, &str)> {
    let label = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    };
    value.split_once('/').filter(|(first, second)| label(first) && label(second))
}

/// `queue orders-in`, `queue: orders`, `queue "orders"`, `queue=orders`.
fn is_named_before(tokens: &[Token<'_>], at: usize, phrases: &[String], longer: &[String]) -> bool {
    let token = &tokens[at];
    let mut end = at;
    while end > 0 && BETWEEN.contains(&tokens[end - 1].lower().as_str()) && !tokens[end - 1].closes {
        end -= 1;
    }
    for length in 1..=3.min(end) {
        let cue = &tokens[end - length..end];
        if cue[..length - 1].iter().any(|token| token.closes || token.gives) || cue[length - 1].closes {
            break;
        }
        let joined: String = cue.iter().map(Token::lower).collect::<String>().replace(['_', '-'], "");
        if phrases.contains(&joined) {
            let another = (length + 1..=3.min(end)).any(|more| {
                let words: String = tokens[end - more..end].iter().map(Token::lower).collect();
                longer.contains(&words.replace(['_', '-'], ""))
            });
            if another {
                return false;
            }
            return token.quoted || cue[length - 1].gives || is_identifier(token.value);
        }
    }
    false
}

/// `` the `web` service ``, `in shop-eu namespace`; never when the word before it names it as something else.
fn is_named_after(tokens: &[Token<'_>], at: usize, phrases: &[String]) -> bool {
    let token = &tokens[at];
    if token.closes || token.gives {
        return false;
    }
    for length in 1..=3 {
        let Some(cue) = tokens.get(at + 1..at + 1 + length) else { break };
        let joined: String = cue.iter().map(Token::lower).collect::<String>().replace(['_', '-'], "");
        if phrases.contains(&joined) {
            let names_the_next =
                tokens.get(at + 1 + length).is_some_and(|next| !cue[length - 1].closes && (next.quoted || is_identifier(next.value)));
            let led = at.checked_sub(1).is_some_and(|before| {
                let before = tokens[before].lower();
                PREPOSITIONS.contains(&before.as_str()) || ARTICLES.contains(&before.as_str())
            });
            return !names_the_next && !cue[length - 1].gives && (token.quoted || (led && is_identifier(token.value)));
        }
        if cue[length - 1].closes {
            break;
        }
    }
    false
}

/// The ways in which a text may call the slot, each run together: `job_name` is `jobname` and `job`.
fn phrases(name: &str, declared: &[&str]) -> Vec<String> {
    let parts = words::split(name);
    let mut phrases = vec![parts.concat()];
    let mut head = parts.as_slice();
    if let [rest @ .., last] = head
        && !rest.is_empty()
        && NOUNS.contains(&last.as_str())
    {
        head = rest;
        // `service_id` beside `service_name`: `service` could be either.
        if declared.iter().filter(|other| **other != name).all(|other| !words::split(other).starts_with(head)) {
            phrases.push(head.concat());
        }
    }
    // `source_cluster` is `cluster` too, unless another slot could be meant as well.
    if let [_, .., last] = head
        && declared.iter().filter(|other| **other != name).all(|other| !words::split(other).contains(last))
    {
        phrases.push(last.clone());
    }
    for (word, aliases) in ALIASES {
        if word == name {
            // An alias that is a slot of its own means that one.
            phrases.extend(aliases.iter().filter(|alias| !declared.contains(alias)).map(|alias| (*alias).to_owned()));
        }
    }
    phrases.retain(|phrase| !NOUNS.contains(&phrase.as_str()));
    phrases
}

/// Has a shape that names have and words do not: a digit or a joining sign inside.
fn is_identifier(value: &str) -> bool {
    let starts = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') || value.parse::<std::net::IpAddr>().is_ok();
    let digits = value.bytes().any(|b| b.is_ascii_digit());
    let joined = value.len() > 2 && value.as_bytes()[1..value.len() - 1].iter().any(|b| b"-_./:@".contains(b));
    let hyphenated = value.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    let english = hyphenated && value.split('-').next().is_some_and(|first| PREFIXES.contains(&first.to_ascii_lowercase().as_str()));
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b));
    plain && starts && (digits || joined) && !english
}

const OPENING: [char; 8] = ['(', '[', '<', '"', '\'', '`', '*', ','];
const CLOSING: [char; 14] = [')', ']', '>', '"', '\'', '`', '*', ',', '.', ';', ':', '!', '?', '='];
const QUOTES: [char; 3] = ['"', '\'', '`'];

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        tokens_of_line(line, text, &mut tokens);
    }
    tokens
}

fn tokens_of_line<'a>(line: &'a str, text: &str, tokens: &mut Vec<Token<'a>>) {
    let (first, alone) = (tokens.len(), line.split_whitespace().count() <= 3);
    for part in line.split_whitespace() {
        // `queue=orders` and `queue:orders` are two words; an address with a port is one.
        let cut = part.find('=').or_else(|| part.find(':').filter(|at| part[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic())));
        let key = |at: &usize| *at > 0 && part[..*at].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let pieces = match cut.filter(key) {
            Some(at) => vec![&part[..=at], &part[at + 1..]],
            None => vec![part],
        };
        for piece in pieces {
            let opened = piece.trim_start_matches(OPENING);
            let value = opened.trim_end_matches(CLOSING);
            let (lead, trail) = (&piece[..piece.len() - opened.len()], &opened[value.len()..]);
            let value = value.strip_suffix("'s").unwrap_or(value);
            if value.is_empty() {
                continue;
            }
            tokens.push(Token {
                value,
                start: value.as_ptr() as usize - text.as_ptr() as usize,
                quoted: lead.ends_with(QUOTES) && trail.starts_with(QUOTES),
                gives: trail.ends_with('=') || (trail.ends_with(':') && alone && tokens.len() <= first + 1),
                closes: trail.contains([',', '.', ';', ')', '!', '?']),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str, declared: &[&str], text: &str) -> Vec<String> {
        let found = named(name, declared, text);
        for found in &found {
            assert_eq!(&text[found.range.clone()], found.value);
        }
        found.into_iter().map(|found| found.value).collect()
    }

    #[test]
    fn a_value_is_what_stands_beside_the_name_of_its_slot() {
        let queue = |text| values("queue", &["queue"], text);
        for text in [
            "queue orders-in is full",
            "queue=orders-in",
            "the queue `orders-in`",
            "Queue: orders-in.",
            "on orders-in queue",
            "queue named orders-in",
        ] {
            assert_eq!(queue(text), ["orders-in"], "{text}");
        }
        assert_eq!(queue("the `orders` queue"), ["orders"]);
        assert_eq!(queue("queue: orders"), ["orders"]);
        for text in [
            "the queue is full",
            "queue read-only",
            "queue 15 minutes",
            "orders-in and a queue",
            "in the queue, orders-in waits",
            "queue 99.5%",
        ] {
            assert!(queue(text).is_empty(), "{text}: {:?}", queue(text));
        }
    }

    #[test]
    fn pairs_are_split_by_what_stands_before_them() {
        let both = ["namespace", "pod"];
        assert_eq!(values("namespace", &both, "Pod shop/cart-7 is down"), ["shop"]);
        assert_eq!(values("pod", &both, "Pod shop/cart-7 is down"), ["cart-7"]);
        assert_eq!(values("namespace", &["namespace"], "in prod-eu1/shop"), [""; 0]);
        let scopes = ["namespace", "cluster", "pod"];
        assert_eq!(values("cluster", &scopes, "cart-7 in prod-eu1/shop fails"), ["prod-eu1"]);
        assert_eq!(values("namespace", &scopes, "cart-7 in prod-eu1/shop fails"), ["shop"]);
        assert_eq!(values("pod", &scopes, "see /var/log or and/or"), [""; 0]);
    }

    #[test]
    fn a_shorter_name_counts_only_when_no_other_slot_could_be_meant() {
        let text = "cluster eu-1 is behind cluster us-2";
        assert_eq!(values("source_cluster", &["source_cluster", "target_cluster"], text), [""; 0]);
        assert_eq!(values("source_cluster", &["source_cluster"], text), ["eu-1", "us-2"]);
        let pool = "pool a-1 and rados namespace b-2";
        assert_eq!(values("namespace", &["namespace", "rados_namespace"], pool), [""; 0]);
        assert_eq!(values("rados_namespace", &["namespace", "rados_namespace"], pool), ["b-2"]);
        assert_eq!(values("job_name", &["job_name"], "job import-9 failed"), ["import-9"]);
        assert_eq!(values("name", &["name"], "name web-1"), [""; 0], "a name says nothing of what");
        assert_eq!(values("namespace", &["namespace", "cluster"], "on cluster prod-eu1 namespace shop"), [""; 0]);
    }
}
