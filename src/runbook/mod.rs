//! Runbooks: read from Markdown, checked, found by any wording, filled safely.
//!
//! Pure but for [`Library::load`] and the evaluation entry points, which read files. Never runs a step,
//! never reads a clock, and never lets ticket text become anything but a validated value of a typed slot.

mod alert_rules;
mod alert_template;
mod calibration;
mod cues;
mod directory;
mod error;
mod evaluate;
mod evaluate_params;
mod expression;
mod extract;
mod finding;
mod fit_pairs;
mod format;
mod import;
mod index;
mod library;
mod lint;
#[cfg(test)]
mod lint_sentences;
mod matching;
mod parameters;
mod parse;
mod plain;
mod query;
mod schema;
mod semantic;
mod steps;
mod training;
mod trigger_index;
mod triggers;
mod validate;
mod vectors;
mod wording;
mod words;

pub use calibration::{Calibration, Features, fit_calibration};
pub use error::RunbookError;
pub use evaluate::{Collection, Coverage, Evaluation, Labelled, QueryField, evaluate};
pub use evaluate_params::{ParamsEvaluation, SlotFigures, evaluate_params};
pub use expression::{Answered, Expression, Found};
pub use finding::{Finding, Rule, Severity};
pub use fit_pairs::FitPairs;
pub(crate) use format::nearest;
pub use import::{Format as ImportFormat, Imported, Note as ImportNote, Refusal, import};
pub use library::{Known, Library};
pub use lint::{LintReport, lint};
pub use matching::Ranking;
pub use parameters::Filled;
pub use parse::{Sheet, parse};
pub use query::Query;
pub use schema::FRONT_MATTER_SCHEMA;
pub use semantic::Meaning;
pub use training::{example_pairs, labelled_pairs};
pub use validate::{Validator, accept, validate};
