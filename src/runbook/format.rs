//! The front matter as written: one struct a table, every key named, unknown and doubled keys refused.
//!
//! INVARIANT: anchors, aliases and merge keys are refused, so a small file cannot grow in memory.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::finding::{Finding, Place, Rule};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub id: Spanned<String>,
    pub title: Spanned<String>,
    pub owner: Spanned<String>,
    #[serde(default)]
    pub authors: Vec<Spanned<String>>,
    pub reviewed: Option<Spanned<String>>,
    pub review_every: Option<Spanned<String>>,
    #[serde(default)]
    pub triggers: WrittenTriggers,
    #[serde(default)]
    pub symptoms: Vec<String>,
    #[serde(default)]
    pub applies_to: WrittenAppliesTo,
    #[serde(default)]
    pub parameters: BTreeMap<String, Spanned<WrittenParameter>>,
    pub risk: Spanned<String>,
    pub reversible: Option<Spanned<bool>>,
    pub irreversible: Option<Spanned<bool>>,
    pub time_limit: Option<Spanned<String>>,
    #[serde(default)]
    pub steps: Vec<Spanned<WrittenStep>>,
    #[serde(default)]
    pub examples: WrittenExamples,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenTriggers {
    #[serde(default)]
    pub alertnames: Vec<Spanned<String>>,
    #[serde(default)]
    pub labels: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub patterns: Vec<Spanned<String>>,
    #[serde(default)]
    pub not_patterns: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenAppliesTo {
    #[serde(default)]
    pub categories: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenParameter {
    #[serde(rename = "type")]
    pub kind: Spanned<String>,
    pub from: Vec<Spanned<String>>,
    pub pattern: Option<Spanned<String>>,
    pub one_of: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub required: bool,
    pub description: Option<String>,
    pub min: Option<i64>,
    /// A number for an integer, a duration for a duration.
    pub max: Option<serde_json::Value>,
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub under: Vec<String>,
    pub max_length: Option<usize>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenStep {
    pub id: Spanned<String>,
    pub kind: Spanned<String>,
    #[serde(rename = "use")]
    pub connector: Spanned<String>,
    #[serde(default)]
    pub with: serde_json::Value,
    pub expect: Option<Spanned<String>>,
    pub timeout: Option<Spanned<String>>,
    pub within: Option<Spanned<String>>,
    #[serde(default)]
    pub idempotent: bool,
    pub rollback: Option<Spanned<String>>,
    #[serde(default)]
    pub outputs: BTreeMap<String, Spanned<WrittenOutput>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenOutput {
    pub value: Spanned<String>,
    #[serde(rename = "type")]
    pub kind: Spanned<String>,
    pub pattern: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenExamples {
    #[serde(default, rename = "match")]
    pub matching: Vec<Spanned<String>>,
    #[serde(default)]
    pub no_match: Vec<Spanned<String>>,
}

/// Where a value stands in the file; the front matter begins on its second line.
pub(crate) fn place<T>(value: &Spanned<T>) -> Place {
    shifted(value.referenced)
}

fn shifted(at: serde_saphyr::Location) -> Place {
    Place { line: at.line() + 1, column: at.column() }
}

/// # Errors
/// YAML that does not parse, an unknown or doubled key, a value of the wrong type; one finding, with its place.
pub(crate) fn read(file: &str, front_matter: &str) -> Result<Written, Finding> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_depth: 32, max_nodes: 20_000 },
    };
    serde_saphyr::from_str_with_options(front_matter, options).map_err(|error| finding(file, &error))
}

fn finding(file: &str, error: &serde_saphyr::Error) -> Finding {
    use serde_saphyr::Error as E;
    let error = error.without_snippet();
    let at = error.location().map_or(Place::TOP, shifted);
    match error {
        E::SerdeUnknownField { field, expected, .. } => {
            let found = Finding::error(file, at, Rule::UnknownKey, format!("`{field}` is not a key here"));
            if matches!(field.as_str(), "include" | "includes" | "import" | "extends") {
                return found.hint("a runbook is one file: write the text here, or link to the other in its text");
            }
            match nearest(field, expected.iter().copied()) {
                Some(near) => found.hint(format!("did you mean `{near}`?")),
                None => found.hint(format!("the keys are {}", expected.join(", "))),
            }
        }
        E::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("this key");
            Finding::error(file, at, Rule::DuplicateKey, format!("`{key}` is written twice")).hint("keep one of them")
        }
        E::SerdeMissingField { field, .. } => {
            Finding::error(file, at, Rule::BadValue, format!("`{field}` is missing")).hint(format!("add a line `{}`", example(field)))
        }
        other => {
            let said = first_line(&other.render());
            let (message, hint) = explained(&said);
            Finding::error(file, at, Rule::Syntax, message).hint(hint)
        }
    }
}

/// What the YAML library says, what it means for the writer, and what to do.
const EXPLAINED: [(&str, &str, &str); 9] = [
    (
        "Anchors",
        "`&` begins an anchor, and anchors are refused",
        "write the value out each time; a text that begins with `&` goes in quotes",
    ),
    ("Aliases", "`*` begins an alias, and aliases are refused", "write the value out; a text that begins with `*` goes in quotes"),
    ("budget breached", "the front matter is deeper or longer than is read", "it may have 32 levels and 20,000 values"),
    ("found a tab", "a tab stands where YAML takes spaces only", "indent with spaces"),
    ("unclosed bracket", "a bracket is opened and not closed", "close it; a text that begins with `[` or `{` goes in quotes"),
    ("expected string scalar", "expected one text", "a text with `: ` in it, or that begins with `[` or `{`, goes in quotes"),
    ("expected sequence start", "expected a list", "write `[a, b]`, or one line `- a` for each"),
    ("expected mapping start", "expected keys with values", "write `{key: value}`, or one line `key: value` for each"),
    ("invalid boolean", "expected `true` or `false`", "write `true` or `false`, without quotes"),
];

fn explained(said: &str) -> (&str, &str) {
    match EXPLAINED.iter().find(|(sign, ..)| said.contains(sign)) {
        Some((_, message, hint)) => (message, hint),
        None => (said, "this is no YAML: a text with `: ` or ` #` in it, or that begins with a sign, goes in quotes"),
    }
}

/// A line for a key that has to be there.
fn example(key: &str) -> &'static str {
    match key {
        "id" => "id: restart-print-spooler",
        "title" => "title: Restart the print spooler",
        "owner" => "owner: TEAM",
        "risk" => "risk: low",
        "type" => "type: hostname",
        "from" => "from: [label:instance, text]",
        "kind" => "kind: verify",
        "use" => "use: CONNECTOR.get",
        _ => "KEY: VALUE",
    }
}

/// The library's message without its picture of the source; our findings carry the place themselves.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("not readable as YAML");
    // Its lines count from the front matter's first, ours from the file's.
    let line = line.rfind(" at line ").map_or(line, |place| &line[..place]);
    line.trim_end_matches('.').to_owned()
}

/// The nearest of `known` to a mistyped `word`, when one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate)
}
