//! What is this ticket, how sure are we, and which words say so.
//!
//! Pure but for reading files in `load`, `train` and `evaluate`. Signals never depend on the model, and the
//! model never lowers a risk.

mod calibration;
mod catalogue;
mod engine;
mod entities;
mod error;
mod evaluate;
mod examples;
mod head;
mod logistic;
mod measure;
mod model;
mod parallel;
mod registry;
mod seed;
mod signals;
mod sparse;
mod svm;
mod train;
mod vectorizer;

pub use calibration::Coverage;
pub use catalogue::{Catalogue, Category};
pub use engine::Triage;
pub use error::TriageError;
pub use evaluate::{Confusion, EvaluateOptions, Report, TargetReport, evaluate, manifest};
pub use head::HeadMetrics;
pub use registry::{EmbeddingManifest, HeadManifest, Manifest};
pub use train::{TrainOptions, train};
