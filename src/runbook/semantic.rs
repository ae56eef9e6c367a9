//! The second scorer: how near a ticket is in meaning to the nearest passage of a runbook.
//!
//! A passage is a stretch of the text under its title, or one example as people say it. Vectors come from the embedder
//! or, unchanged, from a file of earlier ones; a passage is embedded once for as long as its text stays the same.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

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
    /// Folder that keeps vectors of passages between runs; `None` embeds the whole library at each start.
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

    pub(crate) fn digest(&self) -> Digest {
        self.embedder.embedder().digest()
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.kept_in.as_deref()?.join(format!("passages-{}.vectors", self.digest().short())))
    }
}

/// The vectors of every passage of every runbook, by slot.
#[derive(Debug, Clone)]
pub(crate) struct Passages {
    meaning: Meaning,
    dimensions: usize,
    slots: Vec<Option<Arc<Stored>>>,
    /// The mean of each slot's passages, side by side; zero where no runbook is.
    centres: Vec<f32>,
    /// True when the last change embedded a passage, which no file holds yet.
    grew: bool,
}

/// One runbook's passages.
#[derive(Debug)]
pub(super) struct Stored {
    keys: Vec<Digest>,
    flat: Vec<f32>,
}

impl Passages {
    pub(crate) fn new(meaning: &Meaning) -> Self {
        let dimensions = meaning.embedder.embedder().dimensions();
        Self { meaning: meaning.clone(), dimensions, slots: Vec::new(), centres: Vec::new(), grew: false }
    }

    /// True when its vectors are those that `meaning` would give.
    pub(crate) fn is_of(&self, meaning: &Meaning) -> bool {
        self.meaning.digest() == meaning.digest()
    }

    pub(crate) fn remove(&mut self, slot: usize) {
        if let Some(stored) = self.slots.get_mut(slot) {
            *stored = None;
            self.centres[slot * self.dimensions..(slot + 1) * self.dimensions].fill(0.0);
        }
    }

    /// Puts runbooks into empty slots. Passages that a kept file has are read, the others embedded together.
    pub(crate) fn insert(&mut self, added: &[(usize, &Runbook)]) {
        let texts: Vec<Vec<String>> = added.iter().map(|(_, runbook)| passages(runbook)).collect();
        let keys: Vec<Vec<Digest>> = texts.iter().map(|texts| texts.iter().map(|text| Digest::of(text.as_bytes())).collect()).collect();
        let mut known = if added.is_empty() {
            BTreeMap::new()
        } else {
            self.meaning.file().as_deref().map_or_else(BTreeMap::new, |file| vectors::read(file, self.dimensions))
        };
        let pairs = keys.iter().flatten().zip(texts.iter().flatten());
        let missing: BTreeMap<Digest, &str> =
            pairs.filter(|(key, _)| !known.contains_key(key)).map(|(key, text)| (*key, text.as_str())).collect();
        let missing: Vec<(Digest, &str)> = missing.into_iter().collect();
        for batch in missing.chunks(BATCH) {
            let texts: Vec<&str> = batch.iter().map(|(_, text)| *text).collect();
            known.extend(batch.iter().map(|(key, _)| *key).zip(self.meaning.embedder.embed(&texts)));
        }
        self.grew = !missing.is_empty();
        for ((slot, _), keys) in added.iter().zip(keys) {
            let flat: Vec<f32> = keys.iter().flat_map(|key| known[key].iter().copied()).collect();
            self.put(*slot, Stored { keys, flat });
        }
    }

    fn put(&mut self, slot: usize, stored: Stored) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
            self.centres.resize((slot + 1) * self.dimensions, 0.0);
        }
        let centre = &mut self.centres[slot * self.dimensions..(slot + 1) * self.dimensions];
        let share = 1.0 / stored.keys.len().max(1) as f32;
        for passage in stored.flat.chunks_exact(self.dimensions) {
            centre.iter_mut().zip(passage).for_each(|(mean, value)| *mean += value * share);
        }
        self.slots[slot] = Some(Arc::new(stored));
    }

    /// The file that keeps these vectors and what belongs into it; `None` when it holds them already.
    pub(crate) fn to_keep(&self) -> Option<(PathBuf, Vec<u8>)> {
        let file = self.meaning.file().filter(|_| self.grew)?;
        let rows = self.slots.iter().flatten().flat_map(|stored| stored.keys.iter().zip(stored.flat.chunks_exact(self.dimensions)));
        let vectors: Vectors = rows.map(|(key, vector)| (*key, vector.to_vec())).collect();
        Some((file, vectors::encode(self.dimensions, &vectors)))
    }

    pub(crate) fn kind(&self) -> EmbeddingKind {
        self.meaning.kind()
    }

    #[cfg(test)]
    pub(super) fn stored(&self, slot: usize) -> Option<Arc<Stored>> {
        self.slots.get(slot)?.clone()
    }

    pub(crate) fn embed(&self, text: &str) -> Vec<f32> {
        self.meaning.embedder.embed_one(text)
    }

    /// How near the query is to each runbook as a whole, by slot: coarse, to choose whose passages are looked at.
    pub(crate) fn coarse(&self, query: &[f32]) -> Vec<f32> {
        self.centres.chunks_exact(self.dimensions).map(|centre| dot(query, centre)).collect()
    }

    /// The cosine with the nearest passage of a runbook, in `0..=1`; what is turned away counts as 0.
    pub(crate) fn nearest(&self, query: &[f32], slot: usize) -> f64 {
        let Some(stored) = self.slots.get(slot).and_then(Option::as_ref) else { return 0.0 };
        let best = stored.flat.chunks_exact(self.dimensions).map(|passage| dot(query, passage)).fold(0.0, f32::max);
        // Four decimals: a processor's own order of sums inside the model shows only below that.
        (f64::from(best.min(1.0)) * 1e4).round() / 1e4
    }

    /// Which passage of a runbook is nearest, as text.
    pub(crate) fn nearest_passage(&self, query: &[f32], slot: usize, runbook: &Runbook) -> Option<String> {
        let stored = self.slots.get(slot)?.as_ref()?;
        let cosines = stored.flat.chunks_exact(self.dimensions).map(|passage| dot(query, passage));
        let (at, _) = cosines.enumerate().max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)))?;
        passages(runbook).into_iter().nth(at)
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

/// The stretches of a runbook that a ticket is compared with, and its examples.
pub(crate) fn passages(runbook: &Runbook) -> Vec<String> {
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
