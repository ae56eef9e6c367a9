//! The second scorer: how near a ticket is in meaning to the nearest passage of a runbook.
//!
//! A passage is a stretch of the text under its title, or one example as people say it. Vectors come from the embedder
//! or, unchanged, from a file of earlier ones; a passage is embedded once for as long as its text stays the same.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    vectors::{self, Vectors},
    words,
};
use crate::{
    domain::{digest::Digest, runbook::Runbook},
    text::embedding::{CachedEmbedder, EmbeddingKind, chunks},
};

/// Passages of one runbook; what comes after them is too far down to be what it is about.
const MOST_PASSAGES: usize = 12;
/// Passages embedded together.
const BATCH: usize = 64;
/// Lanes of the dot product: fixed, so that every machine sums in the same order.
const LANES: usize = 8;

/// Where vectors come from.
#[derive(Clone)]
pub struct Meaning {
    pub embedder: Arc<CachedEmbedder>,
    /// Folder that keeps vectors of passages between runs; `None` embeds the whole library at each load.
    pub kept_in: Option<PathBuf>,
}

impl fmt::Debug for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meaning").field("embedder", self.embedder.embedder()).field("kept_in", &self.kept_in).finish()
    }
}

impl Meaning {
    pub(crate) fn kind(&self) -> EmbeddingKind {
        self.embedder.embedder().kind()
    }

    fn file(folder: &Path, embedder: Digest) -> PathBuf {
        folder.join(format!("passages-{}.vectors", embedder.short()))
    }
}

/// The vectors of every passage of every runbook.
#[derive(Debug)]
pub(crate) struct Passages {
    embedder: Arc<CachedEmbedder>,
    runbooks: usize,
    dimensions: usize,
    flat: Vec<f32>,
    /// Runbook of each passage, ascending.
    owners: Vec<u32>,
}

impl Passages {
    pub(crate) fn new<'a>(runbooks: impl Iterator<Item = &'a Runbook>, meaning: &Meaning) -> Self {
        let embedder = meaning.embedder.embedder();
        let dimensions = embedder.dimensions();
        let (mut texts, mut owners, mut count) = (Vec::new(), Vec::new(), 0);
        for (number, runbook) in runbooks.enumerate() {
            let passages = passages(runbook);
            owners.extend(std::iter::repeat_n(u32::try_from(number).unwrap_or(u32::MAX), passages.len()));
            texts.extend(passages);
            count = number + 1;
        }
        let keys: Vec<Digest> = texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
        let file = meaning.kept_in.as_deref().map(|folder| Meaning::file(folder, embedder.digest()));
        let mut known = file.as_deref().map_or_else(BTreeMap::new, |file| vectors::read(file, dimensions));
        let missing: BTreeMap<Digest, &str> =
            keys.iter().zip(&texts).filter(|(key, _)| !known.contains_key(key)).map(|(key, text)| (*key, text.as_str())).collect();
        let missing: Vec<(Digest, &str)> = missing.into_iter().collect();
        for batch in missing.chunks(BATCH) {
            let texts: Vec<&str> = batch.iter().map(|(_, text)| *text).collect();
            known.extend(batch.iter().map(|(key, _)| *key).zip(meaning.embedder.embed(&texts)));
        }
        if let Some(file) = file.filter(|_| !missing.is_empty()) {
            // Only what is in use is kept. A file that cannot be written costs time at the next start, nothing else.
            let used: Vectors = keys.iter().filter_map(|key| Some((*key, known.get(key)?.clone()))).collect();
            let _ = vectors::write(&file, dimensions, &used);
        }
        let flat = keys.iter().flat_map(|key| known[key].iter().copied()).collect();
        Self { embedder: Arc::clone(&meaning.embedder), runbooks: count, dimensions, flat, owners }
    }

    pub(crate) fn kind(&self) -> EmbeddingKind {
        self.embedder.embedder().kind()
    }

    /// The cosine with the nearest passage of each runbook, in `0..=1`; what is turned away counts as 0.
    pub(crate) fn score(&self, query: &str) -> Vec<f64> {
        let query = self.embedder.embed_one(query);
        let mut best = vec![0f32; self.runbooks];
        for (owner, passage) in self.owners.iter().zip(self.flat.chunks_exact(self.dimensions)) {
            let best = &mut best[*owner as usize];
            *best = best.max(dot(&query, passage));
        }
        // Four decimals: a processor's own order of sums inside the model shows only below that.
        best.into_iter().map(|cosine| (f64::from(cosine.min(1.0)) * 1e4).round() / 1e4).collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

fn passages(runbook: &Runbook) -> Vec<String> {
    // An alert's name means nothing to a model until its words stand apart.
    let title = if runbook.title.contains(char::is_whitespace) { runbook.title.clone() } else { words::split(&runbook.title).join(" ") };
    let text = format!("{}\n{}", runbook.symptoms.join("\n"), runbook.body);
    let mut passages = chunks(&title, &text);
    passages.truncate(MOST_PASSAGES);
    passages.extend(runbook.examples.matching.iter().cloned());
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_product_sums_every_part_once() {
        let a: Vec<f32> = (0..19_u8).map(f32::from).collect();
        assert_eq!(dot(&a, &a), (0..19).map(|n| n * n).sum::<i32>() as f32);
    }
}
