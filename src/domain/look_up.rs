//! A question to a directory service, whether a value exists, with its answer.
//!
//! Answers are facts of a decision: the receipt keeps them, so that a replay asks nobody.

use serde::{Deserialize, Serialize};

use super::{name::DirectoryName, time::Timestamp};

/// Is `value` in the directory? The value has passed the type and the pattern of its slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Question {
    pub directory: DirectoryName,
    pub value: String,
}

/// What a directory said of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is there.
    Listed { at: Timestamp },
    /// It was there at this time; the directory cannot be asked now, and its configuration allows an answer this old.
    ListedBefore { at: Timestamp },
    /// It is not there.
    Unlisted { at: Timestamp },
    /// Nobody knows: the value is not accepted.
    Unknown { why: String },
}

/// One look-up as the receipt keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LookUp {
    #[serde(flatten)]
    pub question: Question,
    #[serde(flatten)]
    pub answer: Answer,
}
