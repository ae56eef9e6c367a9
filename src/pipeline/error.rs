//! Why an action was not done. Advice for whoever adds one: say what was wrong, with which value, and what to do.

use crate::{
    domain::principal::Role,
    intake::adapters::json::NotATicket,
    store::{change::Conflict, interface::StoreError},
};

#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// No such thing in the caller's tenant; says the same for another tenant's.
    #[error("there is no {what} `{id}`")]
    NotFound { what: &'static str, id: String },
    /// The caller lacks the role.
    #[error("this needs the role `{}`", needs.as_str())]
    MissingRole { needs: Role },
    /// Four eyes, expiry and the like: the caller may never do this to this object.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// The caller has the token and did not prove to be the person. Says the same for no account, a wrong password and
    /// too many tries.
    #[error("the password does not prove that you are who the token says")]
    NotProven,
    /// Too many wait for work that is done a few at a time.
    #[error("too many wait for this: try again in {seconds} s")]
    Busy { seconds: u64 },
    /// Another system that this needs did not answer as it should; the log says why.
    #[error("{0}; the service's log says why")]
    Elsewhere(String),
    /// What the caller saw is not what is there now. Look again and decide again.
    #[error("this changed, review again: {0}")]
    Changed(String),
    /// A field of the request that cannot be; `pointer` is a JSON pointer into the body.
    #[error("{message}")]
    Invalid { pointer: String, message: String },
    /// A body that is no ticket in the canonical form, with everything that is wrong with it.
    #[error(transparent)]
    NotATicket(#[from] NotATicket),
    /// The idempotency key came before with another body.
    #[error("idempotency key `{key}` was used with a different request; choose a new one")]
    IdempotencyMismatch { key: String },
    #[error(transparent)]
    Store(StoreError),
    #[error("internal: {0}")]
    Internal(String),
}

impl From<StoreError> for ActionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict @ (Conflict::Changed { .. } | Conflict::CapReached { .. } | Conflict::DeadLetterGone { .. })) => {
                Self::Changed(conflict.to_string())
            }
            other => Self::Store(other),
        }
    }
}

/// Canonical JSON of our own types has no failing case; this keeps the impossible from being a panic.
impl From<serde_json::Error> for ActionError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

pub type Result<T> = std::result::Result<T, ActionError>;
