//! The two embeddings behind one type: load with checked digests, then texts to vectors.
//!
//! Never downloads; never writes. Vectors have length one (a text without a word has the zero vector in the static kind).

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use rten::ThreadPool;

use super::{
    EmbeddingError,
    layers::{Hidden, Layers},
    manifest::Manifest,
    minilm::MiniLm,
    table::Table,
    wordpiece::WordPiece,
};
use crate::domain::digest::Digest;

/// Which embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingKind {
    /// all-MiniLM-L6-v2, int8, 384 dimensions: some 100 texts a second on one core.
    Minilm,
    /// The table distilled from it, 256 dimensions: several hundred times faster, weaker on prose.
    Static,
}

/// A text that names no embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no embedding: write `minilm` or `static`")]
pub struct UnknownKind(String);

impl FromStr for EmbeddingKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "minilm" => Ok(Self::Minilm),
            "static" => Ok(Self::Static),
            other => Err(UnknownKind(other.chars().take(80).collect())),
        }
    }
}

/// A loaded embedding; share it behind an `Arc`, calls may run at the same time.
pub struct Embedder {
    kind: EmbeddingKind,
    words: WordPiece,
    weights: Weights,
    dimensions: usize,
    digest: Digest,
    max_tokens: usize,
    /// `[CLS]` and `[SEP]`.
    frame: (u32, u32),
    pools: Vec<Arc<ThreadPool>>,
}

enum Weights {
    MiniLm(Box<MiniLm>),
    Table(Table),
}

impl fmt::Debug for Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedder").field("kind", &self.kind).field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Embedder {
    /// Loads from a folder with `manifest.json`, with one thread. Reads only the files of `kind`.
    pub fn load(folder: &Path, kind: EmbeddingKind) -> Result<Self, EmbeddingError> {
        Self::open(folder, kind, None)
    }

    /// MiniLM with other last layers than those it ships with.
    pub fn load_tuned(folder: &Path, layers: &Layers) -> Result<Self, EmbeddingError> {
        Self::open(folder, EmbeddingKind::Minilm, Some(layers))
    }

    fn open(folder: &Path, kind: EmbeddingKind, tuned: Option<&Layers>) -> Result<Self, EmbeddingError> {
        let manifest = Manifest::load(folder)?;
        let entry = match kind {
            EmbeddingKind::Minilm => &manifest.minilm,
            EmbeddingKind::Static => &manifest.table,
        };
        let (vocabulary, vocabulary_digest) = manifest.read(&entry.vocabulary)?;
        let unusable = |reason: String| EmbeddingError::Unusable { path: manifest.path(&entry.vocabulary), reason };
        let vocabulary = String::from_utf8(vocabulary).map_err(|error| unusable(error.to_string()))?;
        let words = WordPiece::from_lines(&vocabulary).map_err(unusable)?;
        let framing = |piece: &str| words.id(piece).ok_or_else(|| unusable(format!("it has no `{piece}`")));
        let frame = (framing("[CLS]")?, framing("[SEP]")?);
        if manifest.max_tokens < 3 {
            return Err(unusable(format!("{} tokens a text leave no room for one", manifest.max_tokens)));
        }
        let (bytes, weights_digest) = manifest.read(&entry.weights)?;
        let path = manifest.path(&entry.weights);
        let weights = match kind {
            EmbeddingKind::Minilm => Weights::MiniLm(Box::new(MiniLm::load(path.clone(), bytes, entry.dimensions, tuned)?)),
            EmbeddingKind::Static => Weights::Table(Table::load(path.clone(), &bytes, words.len(), entry.dimensions)?),
        };
        let layers = tuned.map(|layers| Digest::of(&layers.to_bytes()));
        let files = [vocabulary_digest.as_bytes().as_slice(), weights_digest.as_bytes()];
        let digest = Digest::of_parts(files.into_iter().chain(layers.as_ref().map(|layers| layers.as_bytes().as_slice())));
        let embedder = Self {
            kind,
            frame,
            weights,
            dimensions: entry.dimensions,
            digest,
            max_tokens: manifest.max_tokens,
            pools: vec![Arc::new(ThreadPool::with_num_threads(1))],
            words,
        };
        embedder.prove(&path)?;
        Ok(embedder)
    }

    /// Runs the longest text with the highest id once, so that no later text can ask for a row that is not there.
    fn prove(&self, path: &Path) -> Result<(), EmbeddingError> {
        if let Weights::MiniLm(model) = &self.weights {
            let last = u32::try_from(self.words.len() - 1).unwrap_or(u32::MAX);
            let longest = vec![last; self.max_tokens];
            let proved = model.forward(&longest, &self.pools[0]).and_then(|_| model.below(&longest[..3], &self.pools[0]));
            proved.map_err(|reason| EmbeddingError::Unusable { path: path.to_owned(), reason })?;
        }
        Ok(())
    }

    /// The same embedder working on up to `threads` texts at a time; the vectors are the same.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { pools: (0..threads.max(1)).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect(), ..self }
    }

    pub fn kind(&self) -> EmbeddingKind {
        self.kind
    }

    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Names the vectors: two embedders with one digest give the same ones.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The layers of MiniLM that are tuned, as they ship in `folder`.
    pub fn shipped_layers(folder: &Path) -> Result<Layers, EmbeddingError> {
        let manifest = Manifest::load(folder)?;
        let (bytes, _) = manifest.read(&manifest.minilm.weights)?;
        let path = manifest.path(&manifest.minilm.weights);
        MiniLm::layers(bytes).map_err(|reason| EmbeddingError::Unusable { path, reason })
    }

    /// One vector a text, in the order of `texts`.
    pub fn embed(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        self.each(texts, self.max_tokens, |tokens, pool| self.vector(tokens, pool))
    }

    /// What the layers that are tuned take in, a text each, of its first `most` tokens. None of a kind without layers.
    pub fn below(&self, texts: &[&str], most: usize) -> Vec<Hidden> {
        let Weights::MiniLm(model) = &self.weights else { return Vec::new() };
        let below =
            |tokens: &[u32], pool: &Arc<ThreadPool>| model.below(tokens, pool).expect("`prove` ran it, and the longest text through it");
        self.each(texts, most.min(self.max_tokens), below)
    }

    /// Of how many tokens an embedding of `text` is made, at most `most`; those of its frame count.
    pub fn count(&self, text: &str, most: usize) -> usize {
        self.tokens(text, most.min(self.max_tokens)).len()
    }

    /// `work` of each text's tokens, at most `most`, on as many threads as there are pools.
    fn each<T: Send>(&self, texts: &[&str], most: usize, work: impl Fn(&[u32], &Arc<ThreadPool>) -> T + Sync) -> Vec<T> {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.tokens(text, most)).collect();
        // Longest first, dealt in turn, so that the threads end at about the same time.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(tokens[at].len()), at));
        let turns = self.pools.len().min(texts.len()).max(1);
        let turn = |turn: usize| -> Vec<(usize, T)> {
            order.iter().skip(turn).step_by(turns).map(|&at| (at, work(&tokens[at], &self.pools[turn]))).collect()
        };
        let mut done: Vec<(usize, T)> = if turns == 1 {
            turn(0)
        } else {
            std::thread::scope(|scope| {
                let turn = &turn;
                let threads: Vec<_> = (0..turns).map(|n| scope.spawn(move || turn(n))).collect();
                threads.into_iter().flat_map(|thread| thread.join().expect("no text makes the model panic")).collect()
            })
        };
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, made)| made).collect()
    }

    pub fn embed_one(&self, text: &str) -> Vec<f32> {
        self.vector(&self.tokens(text, self.max_tokens), &self.pools[0])
    }

    /// Framed as the model was trained, at most `most` of them.
    fn tokens(&self, text: &str, most: usize) -> Vec<u32> {
        let mut ids = self.words.encode(text, most - 2);
        ids.insert(0, self.frame.0);
        ids.push(self.frame.1);
        ids
    }

    fn vector(&self, tokens: &[u32], pool: &Arc<ThreadPool>) -> Vec<f32> {
        match &self.weights {
            Weights::MiniLm(model) => model.forward(tokens, pool).expect("`prove` ran the longest text and the highest id at load"),
            Weights::Table(table) => table.sum(&tokens[1..tokens.len() - 1]),
        }
    }
}

#[cfg(test)]
mod tests;
