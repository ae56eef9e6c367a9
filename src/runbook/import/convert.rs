//! One source file to runbooks, and what is said of it.

use serde::Serialize;

use super::{cacao, rundeck, source};
use crate::domain::name::RunbookId;

/// Whose procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Rundeck,
    Cacao,
}

/// A part of the source that is not in the runbook, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// JSON pointer (RFC 6901) into the source.
    pub pointer: String,
    /// Line in a YAML source.
    pub line: Option<u64>,
    pub why: String,
}

/// A procedure, or a whole file, that became no runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub pointer: String,
    pub line: Option<u64>,
    pub why: String,
}

/// A runbook made from a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub id: RunbookId,
    pub title: String,
    pub pointer: String,
    pub line: Option<u64>,
    #[serde(skip)]
    pub text: String,
    pub notes: Vec<Note>,
}

/// The runbooks in `bytes`, each by itself made or refused. `format` is guessed when it is not given.
///
/// # Errors
/// The file as a whole cannot be read, or is of neither format.
pub fn import(bytes: &[u8], format: Option<Format>, owner: &str) -> Result<(Format, Vec<Result<Imported, Refusal>>), Refusal> {
    let document = source::read(bytes)?;
    let guessed = || {
        if document.get("type").is_some() && document.get("workflow").is_some() || document.get("spec_version").is_some() {
            Some(Format::Cacao)
        } else {
            let first = if document.is_list() { document.items().first() } else { Some(&document) };
            first.filter(|job| job.get("sequence").is_some()).map(|_| Format::Rundeck)
        }
    };
    let why = "neither a Rundeck job (a list of maps with `name` and `sequence`) nor a CACAO playbook (`type: playbook`)";
    let neither = || Refusal { pointer: String::new(), line: None, why: why.to_owned() };
    let format = format.or_else(guessed).ok_or_else(neither)?;
    let made = match format {
        Format::Rundeck => rundeck::read(&document, owner),
        Format::Cacao => vec![cacao::read(&document, owner)],
    };
    Ok((format, made))
}
