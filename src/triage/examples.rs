//! Labelled texts from JSON Lines: `{"text"}` or `{"title", "body"}`, and `"labels": {target: value}`.
//!
//! Reads all or nothing: the first bad line is named by file, line and reason.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{TriageError, catalogue::Catalogue};
use crate::{
    domain::digest::Digest,
    text::{CleanTicket, clean_fields},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: Option<String>,
    title: Option<String>,
    body: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// One text with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) text: CleanTicket,
    pub(super) labels: BTreeMap<String, String>,
}

/// Reads a file of examples; gives its digest too.
pub(super) fn read(path: &Path) -> Result<(Vec<Example>, Digest), TriageError> {
    let bytes = fs::read(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
    let mut out = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let refuse = |reason: String| TriageError::Line { path: PathBuf::from(path), line: index + 1, reason };
        out.push(example(line).map_err(refuse)?);
    }
    if out.is_empty() {
        return Err(TriageError::Form { path: path.to_owned(), reason: "it has no example".to_owned() });
    }
    Ok((out, Digest::of(&bytes)))
}

fn example(line: &[u8]) -> Result<Example, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let text = match (line.text, line.title, line.body) {
        (Some(text), None, None) => clean_fields("", &text, false),
        (None, title @ Some(_), body) | (None, title, body @ Some(_)) => {
            clean_fields(&title.unwrap_or_default(), &body.unwrap_or_default(), false)
        }
        (None, None, None) => return Err("it has neither `text` nor `title` and `body`".to_owned()),
        (Some(_), _, _) => return Err("it has `text` and also `title` or `body`".to_owned()),
    };
    if let Some((target, _)) = line.labels.iter().find(|(target, value)| !is_target(target) || value.trim().is_empty()) {
        return Err(format!("label `{target}` needs a name of a-z, 0-9 and `_` and a value"));
    }
    Ok(Example { text, labels: line.labels })
}

fn is_target(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A text with its labels, from elsewhere than a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Labelled {
    pub title: String,
    pub body: String,
    /// The body is HTML.
    pub is_html: bool,
    pub labels: BTreeMap<String, String>,
}

impl From<&Labelled> for Example {
    fn from(labelled: &Labelled) -> Self {
        Self { text: clean_fields(&labelled.title, &labelled.body, labelled.is_html), labels: labelled.labels.clone() }
    }
}

/// The catalogue as examples of the target `category`: every example, and each category's name and description.
pub(super) fn from_catalogue(catalogue: &Catalogue) -> Vec<Example> {
    catalogue
        .iter()
        .flat_map(|category| {
            let labels = BTreeMap::from([("category".to_owned(), category.id.clone())]);
            let about = clean_fields(&category.name, &category.description, false);
            let texts = category.examples.iter().map(|example| clean_fields("", example, false)).chain([about]);
            texts.map(move |text| Example { text, labels: labels.clone() }).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_by_file_line_and_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.jsonl");
        let good = r#"{"text": "vpn down", "labels": {"category": "network/vpn"}}"#;
        for (bad, part) in [
            ("{", "EOF"),
            ("{\"labels\": {}}", "neither `text`"),
            ("{\"text\": \"a\", \"title\": \"b\"}", "also `title`"),
            ("{\"text\": 7}", "invalid type"),
            ("{\"text\": \"a\", \"label\": {}}", "unknown field"),
            ("{\"text\": \"a\", \"labels\": {\"category\": \"\"}}", "label `category`"),
            ("{\"text\": \"a\", \"labels\": {\"../x\": \"y\"}}", "label `../x`"),
        ] {
            std::fs::write(&path, format!("{good}\n\n{bad}\n")).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("data.jsonl` line 3: ") && message.contains(part), "{message}");
        }
        std::fs::write(&path, good).unwrap();
        assert_eq!(read(&path).unwrap().0.len(), 1);
    }
}
