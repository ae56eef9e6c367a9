//! A past decision made again: same ticket, same model, same runbooks, same policies, same facts.

use serde::{Deserialize, Serialize};

use super::{
    decider::{Decider, outcome},
    error::Result,
};
use crate::{
    domain::{recommendation::Recommendation, ticket::Ticket},
    gate::{self, Facts},
};

/// A ticket with the decision to make again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Past {
    pub ticket: Ticket,
    pub recommendation: Recommendation,
}

/// What differs between the past decision and the one made now, in words; empty when they are the same.
///
/// # Errors
/// The facts in the receipt are of a form that this program does not read.
pub fn replay(decider: &Decider, past: &Past) -> Result<Vec<String>> {
    let receipt = &past.recommendation.receipt;
    let in_force = decider.digests();
    let mut differences: Vec<String> =
        [("model", receipt.model), ("signals", receipt.signals), ("runbooks", receipt.runbooks), ("policies", receipt.policies)]
            .into_iter()
            .filter(|(name, then)| in_force.get(name) != Some(then))
            .map(|(name, then)| {
                format!(
                    "{name}: the receipt names {then}, in force is {}",
                    in_force.get(name).map_or_else(|| "none".to_owned(), ToString::to_string)
                )
            })
            .collect();
    let input = past.ticket.input_digest()?;
    if input != receipt.input {
        differences.push(format!("input: the receipt names {}, the ticket now says {input}: the sender changed it since, or it was read without `?as_stored=true`", receipt.input));
    }
    if !differences.is_empty() {
        return Ok(differences);
    }
    let proposal = match &past.recommendation.edit {
        None => decider.propose(&past.ticket, receipt.look_ups.clone()),
        Some(edit) => match decider.edited(&past.ticket, edit, receipt.look_ups.clone()) {
            Ok(proposal) => proposal,
            Err(_) => return Ok(vec!["edit: a value that a person typed in is no longer taken".to_owned()]),
        },
    };
    let facts = Facts::read(&receipt.facts).map_err(|why| super::error::ActionError::Internal(why.to_string()))?;
    let mut again = past.recommendation.clone();
    again.classification = proposal.classification;
    again.runbook = proposal.proposed.map(|candidate| candidate.runbook);
    again.candidates = proposal.candidates;
    again.parameters = proposal.parameters;
    again.missing = proposal.missing;
    again.verdict = gate::evaluate(decider.policies(), &facts);
    let now = outcome(&again)?;
    if now != receipt.outcome {
        differences.push(format!("outcome: the receipt names {}, made again it is {now}", receipt.outcome));
    }
    if gate::shadow::would_act(decider.policies(), &facts) != past.recommendation.would_act {
        differences.push(format!("would_act: it is recorded as {}, made again it is the opposite", past.recommendation.would_act));
    }
    if outcome(&past.recommendation)? != receipt.outcome {
        differences.push("the recommendation is not the one its receipt was written for".to_owned());
    }
    Ok(differences)
}
