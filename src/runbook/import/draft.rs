//! A runbook being written from somebody else's words: front matter that cannot be broken out of, and quoted text.

use std::fmt::Write as _;

use super::convert::{Imported, Note, Refusal};
use crate::{
    domain::name::ParameterName,
    runbook::{parse, plain::slug},
};

#[derive(Debug)]
pub(super) struct Draft {
    pub id_from: String,
    pub title: String,
    pub parameters: Vec<(ParameterName, String)>,
    pub body: String,
}

/// One YAML text in quotes. JSON's escapes are YAML's; what is not plainly printable is escaped too.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(character),
            other if other.is_alphanumeric() => quoted.push(other),
            other => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Somebody's text as a quotation, so that no heading of theirs is one of ours.
pub(super) fn quotation(text: &str) -> String {
    text.lines().map(|line| format!("> {line}\n")).collect()
}

/// A code block whose fence is longer than any in `text`.
pub(super) fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}\n", text.trim_end())
}

/// One line of at most `longest` characters.
pub(super) fn line(text: &str, longest: usize) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(longest).collect()
}

impl Draft {
    /// The finished file, checked by the parser that will load it.
    pub(super) fn finish(self, owner: &str, at: (&str, Option<u64>), mut notes: Vec<Note>) -> Result<Imported, Refusal> {
        let refuse = |why: String| Refusal { pointer: at.0.to_owned(), line: at.1, why };
        let id = slug(&self.id_from);
        let id = if id.is_empty() { slug(&self.title) } else { id };
        // At most 200 bytes, as the parser asks.
        let mut title = line(&self.title, 200);
        while title.len() > 200 {
            title.pop();
        }
        if title != self.title {
            notes.push(Note {
                pointer: at.0.to_owned(),
                line: at.1,
                why: format!("the title was made one line of at most 200 bytes: `{title}`"),
            });
        }
        let mut text = format!("---\nid: {}\ntitle: {}\nowner: {}\n", quoted(&id), quoted(&title), quoted(owner));
        if !self.parameters.is_empty() {
            text.push_str("parameters:\n");
        }
        for (name, parameter) in &self.parameters {
            let _ = writeln!(text, "  {}: {parameter}", quoted(name.as_str()));
        }
        text.push_str("# Nobody classed it yet. It has no steps: it is recommended and never run.\nrisk: high\n---\n\n");
        text.push_str(&self.body.replace("\r\n", "\n").replace('\0', ""));
        let sheet = parse(&format!("{id}.md"), text.as_bytes(), &|list| Err(format!("no list `{list}`"))).map_err(|findings| {
            let first = findings.first().map(ToString::to_string).unwrap_or_default();
            refuse(format!("what it makes is no runbook: {first}"))
        })?;
        Ok(Imported { id: sheet.runbook.id, title, pointer: at.0.to_owned(), line: at.1, text, notes })
    }
}
