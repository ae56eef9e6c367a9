//! Vectors of texts seen lately, so that a storm of equal tickets costs one embedding.
//!
//! Keyed by the digest of the text; never changes a vector. The lock is not held while a text is embedded.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Embedder;
use crate::domain::digest::Digest;

/// An embedder that remembers the `capacity` texts used last.
#[derive(Debug)]
pub struct CachedEmbedder {
    embedder: Embedder,
    recent: Mutex<Recent>,
    capacity: usize,
}

// INVARIANT: `by_use` has exactly one entry for each of `vectors`, at the use it was last seen.
#[derive(Debug, Default)]
struct Recent {
    vectors: HashMap<Digest, (u64, Vec<f32>)>,
    by_use: BTreeMap<u64, Digest>,
    uses: u64,
}

impl Recent {
    fn get(&mut self, key: &Digest) -> Option<Vec<f32>> {
        let (used, vector) = self.vectors.get_mut(key)?;
        self.uses += 1;
        self.by_use.remove(used);
        self.by_use.insert(self.uses, *key);
        *used = self.uses;
        Some(vector.clone())
    }

    fn put(&mut self, key: Digest, vector: Vec<f32>, capacity: usize) {
        self.uses += 1;
        if let Some((used, _)) = self.vectors.insert(key, (self.uses, vector)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.uses, key);
        while self.vectors.len() > capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            self.vectors.remove(&oldest);
        }
    }
}

impl CachedEmbedder {
    pub fn new(embedder: Embedder, capacity: usize) -> Self {
        Self { embedder, recent: Mutex::default(), capacity }
    }

    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// As [`Embedder::embed`]; each text not remembered is embedded once, however often it is in `texts`.
    pub fn embed(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let keys: Vec<Digest> = texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
        let mut found: Vec<Option<Vec<f32>>> = {
            let mut recent = self.recent();
            keys.iter().map(|key| recent.get(key)).collect()
        };
        let missing: BTreeMap<Digest, &str> =
            keys.iter().zip(texts).zip(&found).filter(|(_, found)| found.is_none()).map(|((key, text), _)| (*key, *text)).collect();
        let made = self.embedder.embed(&missing.values().copied().collect::<Vec<_>>());
        let made: BTreeMap<Digest, Vec<f32>> = missing.into_keys().zip(made).collect();
        found.iter_mut().zip(&keys).filter(|(found, _)| found.is_none()).for_each(|(found, key)| *found = made.get(key).cloned());
        let mut recent = self.recent();
        made.into_iter().for_each(|(key, vector)| recent.put(key, vector, self.capacity));
        found.into_iter().map(|vector| vector.expect("every missing text was embedded above")).collect()
    }

    pub fn embed_one(&self, text: &str) -> Vec<f32> {
        self.embed(&[text]).swap_remove(0)
    }

    /// Texts remembered now.
    pub fn remembered(&self) -> usize {
        self.recent().vectors.len()
    }

    /// A thread that panicked left at worst a text that is not remembered.
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_not_used_for_longest_is_forgotten_first() {
        let mut recent = Recent::default();
        let key = |text: &str| Digest::of(text.as_bytes());
        recent.put(key("a"), vec![1.0], 2);
        recent.put(key("b"), vec![2.0], 2);
        assert_eq!(recent.get(&key("a")), Some(vec![1.0]));
        recent.put(key("c"), vec![3.0], 2);
        assert_eq!(recent.get(&key("b")), None);
        assert_eq!((recent.get(&key("a")), recent.get(&key("c"))), (Some(vec![1.0]), Some(vec![3.0])));
        assert_eq!((recent.vectors.len(), recent.by_use.len()), (2, 2));
    }
}
