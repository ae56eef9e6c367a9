//! What is this ticket, how sure are we, and which words say so.
//!
//! Pure but for reading files in `load`, `train` and `evaluate`. Signals never depend on the model, and the
//! model never lowers a risk.

mod belonging;
mod calibration;
mod card;
mod catalogue;
pub mod cluster;
mod distillation;
pub mod drift;
mod engine;
mod entities;
mod error;
mod evaluate;
mod examples;
mod feedback;
mod head;
mod linear;
mod logistic;
mod measure;
mod model;
mod neighbours;
mod parallel;
mod plot;
mod progress;
mod promotion;
mod registry;
mod seed;
mod selection;
mod signals;
pub mod similar;
mod sparse;
mod train;
mod tuning;
mod vectorizer;

pub use calibration::{Bin, ByChance, Coverage, error_by_chance};
pub use catalogue::{Catalogue, Category};
pub use engine::Triage;
pub use error::TriageError;
pub use evaluate::{Confusion, EvaluateOptions, Report, TargetReport, evaluate};
pub use examples::Labelled;
pub use feedback::{FeedbackRules, Learned, Standing, assess};
pub use head::{ClassMetrics, HeadMetrics};
pub use measure::interval;
pub use plot::{Place, calibration_plot};
pub use progress::Progress;
pub use promotion::{Change, Comparison, FrozenTexts, PromotionBar, TargetChange, compare};
pub use registry::{EmbeddingManifest, HeadManifest, Manifest, Shelved, shelf};
pub use train::{TrainOptions, train};
