//! `manifest.json`: which files make up the models, with their sizes and digests.
//!
//! INVARIANT: a file's bytes leave this module only when size and digest are those of the manifest.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::EmbeddingError;
use crate::domain::digest::Digest;

const FORM: u32 = 1;

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) max_tokens: usize,
    pub(super) minilm: Entry,
    #[serde(rename = "static")]
    pub(super) table: Entry,
    files: BTreeMap<String, FileEntry>,
    #[serde(skip)]
    folder: PathBuf,
}

/// One kind of embedding: names of files, keys of `files`.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) dimensions: usize,
    pub(super) weights: String,
    pub(super) vocabulary: String,
}

#[derive(Debug, Deserialize)]
struct FileEntry {
    sha256: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct Form {
    form: u32,
}

impl Manifest {
    pub(super) fn load(folder: &Path) -> Result<Self, EmbeddingError> {
        let path = folder.join("manifest.json");
        let text = fs::read(&path).map_err(|source| EmbeddingError::Unreadable { path: path.clone(), source })?;
        let refuse = |error: serde_json::Error| EmbeddingError::Manifest { path: path.clone(), reason: error.to_string() };
        // The form is read alone first: a later form may have other fields.
        let Form { form } = serde_json::from_slice(&text).map_err(refuse)?;
        if form != FORM {
            return Err(EmbeddingError::FutureForm { path, form, known: FORM });
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(refuse)?;
        Ok(Self { folder: folder.to_owned(), ..manifest })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The checked bytes of `name`, and their digest.
    pub(super) fn read(&self, name: &str) -> Result<(Vec<u8>, Digest), EmbeddingError> {
        let path = self.path(name);
        let manifest = |reason: String| EmbeddingError::Manifest { path: self.folder.join("manifest.json"), reason };
        let entry = self.files.get(name).ok_or_else(|| manifest(format!("it has no entry for `{name}` under `files`")))?;
        let expected: Digest = format!("sha256:{}", entry.sha256).parse().map_err(|error| manifest(format!("{name}: {error}")))?;
        let bytes = fs::read(&path).map_err(|source| EmbeddingError::Unreadable { path: path.clone(), source })?;
        if bytes.len() as u64 != entry.bytes {
            return Err(EmbeddingError::WrongSize { path, found: bytes.len() as u64, expected: entry.bytes });
        }
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(EmbeddingError::WrongDigest { path, found, expected });
        }
        Ok((bytes, found))
    }
}
