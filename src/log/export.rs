//! An export of the whole log as JSON Lines, and the verifier that needs nothing but it and a public key.
//!
//! First a header, then every entry with its bytes and leaf hash, last the signed checkpoint. Both sides
//! work line by line in constant memory. The verifier judges bytes only, so it reads exports of any program version.
// INVARIANT: an export that verifies holds exactly the entries under the checkpoint, each byte for byte, in order.

use std::io::{BufRead, Read as _, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    hash,
    note::Verifier,
    tree::Frontier,
};

/// The form this program writes and the newest it reads.
pub const FORM: u32 = 1;
/// No entry comes near; it bounds what a hostile file makes the verifier hold.
const MOST_BYTES_OF_A_LINE: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    form: u32,
    kind: String,
    origin: String,
}

const KIND: &str = "sluicegate action log";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    index: u64,
    /// The entry's bytes when they are UTF-8 text, which canonical JSON is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    /// Else their base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    leaf: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Checkpoint(CheckpointLine),
    Entry(EntryLine),
}

/// Why an export is not the log it says it is.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot read line {line}: {why}")]
    Read { line: u64, why: std::io::Error },
    #[error("line {line} is longer than 16 MiB: this is no export of an action log")]
    TooLong { line: u64 },
    #[error("line {line} cannot be read: {why}")]
    Line { line: u64, why: String },
    #[error("line 1 is not the header of an action log export: {why}")]
    NoExport { why: String },
    #[error("the export has form {found} and this program reads up to {FORM}: verify it with the newer program")]
    NewerForm { found: u32 },
    #[error("line {line} has entry {found}, expected entry {expected}: an entry was removed, added or moved")]
    OutOfOrder { line: u64, found: u64, expected: u64 },
    #[error("entry {index} does not give the leaf hash written beside it: its bytes or the hash were changed")]
    ChangedEntry { index: u64 },
    #[error("the export ends after {entries} entries without a checkpoint: it was cut off")]
    CutOff { entries: u64 },
    #[error("line {line} follows the checkpoint: something was added")]
    AfterEnd { line: u64 },
    #[error("the checkpoint is over {signed} entries and the export has {found}: entry {} is {}", signed.min(found), if found < signed { "missing" } else { "not under it" })]
    OtherSize { signed: u64, found: u64 },
    #[error("the {entries} entries do not give the root that was signed: at least one of the entries 0 to {} was changed together with its leaf hash", entries.saturating_sub(1))]
    OtherRoot { entries: u64 },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What an export proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub origin: String,
    /// Entries, each checked.
    pub size: u64,
    /// The root that was signed, as hex digits.
    pub root: String,
}

/// Writes an export, entry by entry.
pub struct Exporter<W> {
    to: W,
    next: u64,
}

impl<W: Write> Exporter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(mut to: W, origin: &str) -> std::io::Result<Self> {
        line(&mut to, &Header { form: FORM, kind: KIND.to_owned(), origin: origin.to_owned() })?;
        Ok(Self { to, next: 0 })
    }

    /// The next entry, with the bytes its leaf was taken over.
    ///
    /// # Errors
    /// The writer's.
    pub fn entry(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| STANDARD.encode(bytes));
        line(&mut self.to, &EntryLine { index: self.next, entry: text, base64, leaf: hex::encode(hash::leaf(bytes)) })?;
        self.next += 1;
        Ok(())
    }

    /// The signed checkpoint over exactly the entries written.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self, signed_checkpoint: &str) -> std::io::Result<W> {
        line(&mut self.to, &CheckpointLine { checkpoint: signed_checkpoint.to_owned() })?;
        self.to.flush()?;
        Ok(self.to)
    }
}

fn line(to: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Lines of bounded length with their numbers, from 1.
struct Lines<R> {
    from: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// `None` at the end.
    fn next(&mut self) -> Result<Option<&[u8]>, ExportError> {
        self.number += 1;
        self.line.clear();
        let read = (&mut self.from).take(MOST_BYTES_OF_A_LINE).read_until(b'\n', &mut self.line);
        let read = read.map_err(|why| ExportError::Read { line: self.number, why })?;
        if self.line.last() != Some(&b'\n') && read as u64 == MOST_BYTES_OF_A_LINE {
            return Err(ExportError::TooLong { line: self.number });
        }
        Ok((read > 0).then_some(self.line.as_slice()))
    }
}

/// Checks an export against the public key of its log, offline.
///
/// # Errors
/// The first thing that is wrong, with the line or the entry it is wrong in.
pub fn verify_export(reader: impl BufRead, verifier: &Verifier) -> Result<Report, ExportError> {
    verify_export_seeing(reader, verifier, |_, _| ())
}

/// As [`verify_export`]; `see` gets each entry's bytes and the tree up to it and with it, before the whole is known to hold.
///
/// # Errors
/// As [`verify_export`].
pub fn verify_export_seeing(
    reader: impl BufRead,
    verifier: &Verifier,
    mut see: impl FnMut(&[u8], &Frontier),
) -> Result<Report, ExportError> {
    let mut lines = Lines { from: reader, number: 0, line: Vec::new() };
    header(lines.next()?.unwrap_or_default(), verifier)?;
    let mut frontier = Frontier::default();
    let checkpoint = loop {
        let Some(bytes) = lines.next()? else {
            return Err(ExportError::CutOff { entries: frontier.size() });
        };
        let parsed = serde_json::from_slice::<Line>(bytes);
        let number = lines.number;
        match parsed.map_err(|why| ExportError::Line { line: number, why: why.to_string() })? {
            Line::Entry(entry) => {
                let bytes = bytes_of(&entry, number, frontier.size())?;
                frontier.append(hash::leaf(&bytes));
                see(&bytes, &frontier);
            }
            Line::Checkpoint(line) => break Checkpoint::open(&line.checkpoint, verifier)?,
        }
    };
    if lines.next()?.is_some() {
        return Err(ExportError::AfterEnd { line: lines.number });
    }
    let size = frontier.size();
    if checkpoint.size != size {
        return Err(ExportError::OtherSize { signed: checkpoint.size, found: size });
    }
    if checkpoint.root != frontier.root() {
        return Err(ExportError::OtherRoot { entries: size });
    }
    Ok(Report { origin: checkpoint.origin, size, root: hex::encode(checkpoint.root) })
}

fn header(bytes: &[u8], verifier: &Verifier) -> Result<(), ExportError> {
    /// Read first, because a newer header may have fields that this program does not know.
    #[derive(Deserialize)]
    struct FormAndKind {
        form: u32,
        kind: String,
    }
    let no_export = |why: serde_json::Error| ExportError::NoExport { why: why.to_string() };
    let first: FormAndKind = serde_json::from_slice(bytes).map_err(no_export)?;
    if first.kind != KIND {
        return Err(ExportError::NoExport { why: format!("its kind is `{}`", first.kind.chars().take(80).collect::<String>()) });
    }
    if first.form > FORM {
        return Err(ExportError::NewerForm { found: first.form });
    }
    let header: Header = serde_json::from_slice(bytes).map_err(no_export)?;
    if header.origin != verifier.name() {
        let found = header.origin.chars().take(200).collect();
        return Err(CheckpointError::OtherLog { found, expected: verifier.name().to_owned() }.into());
    }
    Ok(())
}

fn bytes_of(entry: &EntryLine, line: u64, expected: u64) -> Result<Vec<u8>, ExportError> {
    if entry.index != expected {
        return Err(ExportError::OutOfOrder { line, found: entry.index, expected });
    }
    let unreadable = |why: &str| ExportError::Line { line, why: why.to_owned() };
    let bytes = match (&entry.entry, &entry.base64) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|_| unreadable("`base64` is not base64"))?,
        _ => return Err(unreadable("expected one of `entry` and `base64`")),
    };
    if entry.leaf == hex::encode(hash::leaf(&bytes)) { Ok(bytes) } else { Err(ExportError::ChangedEntry { index: expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::note::Signer;

    fn signer() -> Signer {
        Signer::from_seed("example.org/log", &[7; 32]).unwrap()
    }

    fn export(entries: &[&[u8]]) -> String {
        let mut frontier = Frontier::default();
        let mut exporter = Exporter::begin(Vec::new(), "example.org/log").unwrap();
        for bytes in entries {
            frontier.append(hash::leaf(bytes));
            exporter.entry(bytes).unwrap();
        }
        let note = Checkpoint::sign(frontier.size(), &frontier.root(), &signer()).unwrap();
        String::from_utf8(exporter.finish(&note).unwrap()).unwrap()
    }

    fn verify(text: &str) -> Result<Report, ExportError> {
        verify_export(text.as_bytes(), &signer().verifier())
    }

    fn three() -> String {
        export(&[br#"{"n":0}"#, b"{\"n\":1}", &[0xff, 0xfe]])
    }

    #[test]
    fn an_export_verifies_also_when_it_is_empty_or_not_text() {
        assert_eq!(verify(&three()).unwrap().size, 3);
        assert_eq!(verify(&export(&[])).unwrap().size, 0);
    }

    #[test]
    fn a_changed_entry_is_named() {
        let changed = three().replace(r#"{\"n\":1}"#, r#"{\"n\":2}"#);
        assert_ne!(changed, three());
        assert!(matches!(verify(&changed), Err(ExportError::ChangedEntry { index: 1 })));
    }

    #[test]
    fn an_entry_changed_with_its_leaf_gives_another_root() {
        let text = three();
        let changed = text
            .replace(r#"{\"n\":1}"#, r#"{\"n\":2}"#)
            .replace(&hex::encode(hash::leaf(b"{\"n\":1}")), &hex::encode(hash::leaf(b"{\"n\":2}")));
        assert!(matches!(verify(&changed), Err(ExportError::OtherRoot { entries: 3 })));
    }

    #[test]
    fn a_removed_swapped_cut_or_added_line_is_named() {
        let text = three();
        let lines: Vec<&str> = text.lines().collect();
        let with = |order: &[usize]| order.iter().map(|&at| format!("{}\n", lines[at])).collect::<String>();
        assert!(matches!(verify(&with(&[0, 1, 3, 4])), Err(ExportError::OutOfOrder { line: 3, found: 2, expected: 1 })));
        assert!(matches!(verify(&with(&[0, 2, 1, 3, 4])), Err(ExportError::OutOfOrder { line: 2, found: 1, expected: 0 })));
        assert!(matches!(verify(&with(&[0, 1, 2, 4])), Err(ExportError::OtherSize { signed: 3, found: 2 })));
        assert!(matches!(verify(&with(&[0, 1, 2, 3])), Err(ExportError::CutOff { entries: 3 })));
        assert!(matches!(verify(&with(&[0, 1, 2, 3, 4, 3])), Err(ExportError::AfterEnd { line: 6 })));
        assert!(matches!(verify(""), Err(ExportError::NoExport { .. })));
    }

    #[test]
    fn no_changed_byte_anywhere_verifies_as_something_else() {
        let text = three();
        let honest = verify(&text).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 7);
            // A change that JSON does not see, like another space, proves the same; any other must fail.
            if let Ok(report) = verify_export(bytes.as_slice(), &signer().verifier()) {
                assert_eq!(report, honest, "byte {at}");
            }
        }
    }

    #[test]
    fn an_export_of_a_newer_form_is_refused_by_its_number() {
        let newer = three().replacen("\"form\":1", "\"form\":2", 1).replacen("\"kind\"", "\"new\":1,\"kind\"", 1);
        assert!(matches!(verify(&newer), Err(ExportError::NewerForm { found: 2 })));
    }

    #[test]
    fn another_logs_export_is_refused_by_name() {
        let other = Signer::from_seed("other.example/log", &[9; 32]).unwrap();
        let error = verify_export(three().as_bytes(), &other.verifier()).unwrap_err().to_string();
        assert!(error.contains("of the log `example.org/log`, expected `other.example/log`"), "{error}");
    }
}
