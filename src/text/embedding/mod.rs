//! Sentence embeddings: all-MiniLM-L6-v2 in-process, or a static table of word pieces distilled from it.
//!
//! Reads files at load only. INVARIANT: the vector of a text depends on nothing but the text and the model files: not on
//! the texts beside it, nor on the number of threads.

mod cache;
mod chunk;
mod embedder;
mod error;
mod graph;
mod layers;
mod manifest;
mod minilm;
mod table;
mod wordpiece;

pub use cache::CachedEmbedder;
pub use chunk::chunks;
pub use embedder::{Embedder, EmbeddingKind};
pub use error::EmbeddingError;
pub use layers::{Hidden, Layers};
