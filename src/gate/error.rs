//! What can go wrong with the gate's own inputs: policies, calendars, cases, stored facts.
//!
//! A refusal to run something is no error; it is a reason in a verdict.

/// Each message names the file and line where there is one, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    #[error("cannot read `{path}`: {why}")]
    Unreadable { path: String, why: String },
    #[error("no policies in `{dir}`: put at least one `.cedar` file there; without a `permit` nothing may run")]
    NoPolicies { dir: String },
    #[error("{place}: {message}")]
    Policy { place: Place, message: String },
    #[error("{place}: {message}")]
    Requesters { place: Place, message: String },
    #[error("{}", lines(.0))]
    Several(Vec<GateError>),
    #[error("the facts cannot be read: {0}")]
    Facts(String),
    #[error("the facts have form {found} and this program knows form {known}: replay them with the version that wrote them")]
    FactsForm { found: u64, known: u32 },
    #[error("`{file}`: window `{window}`: {message}")]
    Window { file: String, window: String, message: String },
    #[error("`{file}`: {message}")]
    File { file: String, message: String },
}

/// Where in a text something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: String,
    /// From 1; 0 when it is the whole file.
    pub line: usize,
}

impl Place {
    /// The place of byte `offset` of `text`.
    pub(crate) fn at(file: &str, text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        Self { file: file.to_owned(), line: 1 + before.iter().filter(|&&byte| byte == b'\n').count() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 { write!(f, "{}", self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

fn lines(errors: &[GateError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
