//! The decision receipt: digests of all that went into a decision, and the facts the gate saw.
//!
//! With the same ticket, model, runbooks and policies, `replay` makes the same decision bit for bit.

use serde::{Deserialize, Serialize};

use super::{digest::Digest, look_up::LookUp, time::Timestamp};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// Version of this stored form.
    pub form: u32,
    /// The program that decided.
    pub engine: String,
    /// The instant the decision took as its present.
    pub decided_at: Timestamp,
    /// What the sender said.
    pub input: Digest,
    pub model: Digest,
    pub signals: Digest,
    /// All runbooks that were in force.
    pub runbooks: Digest,
    pub policies: Digest,
    /// The gate's facts as it saw them.
    pub facts: serde_json::Value,
    /// What directory services said of the values they were asked for; none before version 0.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub look_ups: Vec<LookUp>,
    /// Digest of classification, proposal and verdict.
    pub outcome: Digest,
}

impl Receipt {
    pub const FORM: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_from_before_look_ups_reads_and_is_written_as_it_was() {
        let digest = Digest::of(b"x").to_string();
        let stored = serde_json::json!({
            "form": 1, "engine": "sluicegate 0.1.0", "decided_at": "2026-11-23T22:39:11.422Z", "input": digest, "model": digest,
            "signals": digest, "runbooks": digest, "policies": digest, "facts": null, "outcome": digest,
        });
        let receipt: Receipt = serde_json::from_value(stored.clone()).unwrap();
        assert!(receipt.look_ups.is_empty());
        assert_eq!(serde_json::to_value(&receipt).unwrap(), stored);
    }
}
