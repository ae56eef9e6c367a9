//! Triage of one ticket.

use std::path::Path;

use super::TriageError;
use crate::{
    domain::{classification::Classification, digest::Digest, name::SourceId, ticket::Report},
    text::CleanTicket,
};

/// Model, catalogue and signals, loaded and checked; `classify` is a pure function of these and the ticket.
#[derive(Debug)]
pub struct Triage {
    model: Digest,
    signals: Digest,
}

impl Triage {
    /// # Errors
    /// A file is missing, malformed, of a future form, or not the one its digest names.
    pub fn load(model: &Path, _catalogue: &Path, _signals: &Path) -> Result<Self, TriageError> {
        Err(TriageError::Form { path: model.to_owned(), reason: "loading is not written yet".to_owned() })
    }

    /// Everything triage says of one ticket.
    pub fn classify(&self, _report: &Report, _text: &CleanTicket, _source: &SourceId) -> Classification {
        unreachable!("no value of this type can be made yet")
    }

    /// Names everything a classification depends on but signals: manifest, weights and catalogue.
    pub fn model_digest(&self) -> Digest {
        self.model
    }

    pub fn signals_digest(&self) -> Digest {
        self.signals
    }
}
