//! Checks of who asks: flagged, of known standing, not asking more than people usually do.
//!
//! All of them refuse with `NeedsApproval`: a person who knows the requester may still say yes.

use super::{Outcome, Values, holds, refuses, values};
use crate::{
    domain::verdict::Decision::NeedsApproval,
    gate::facts::{Facts, RequesterFacts, StandingFacts},
};

pub(super) fn requester_unflagged(facts: &Facts) -> (Outcome, Values) {
    let outcome = match &facts.requester {
        Some(requester) if requester.flagged => refuses(NeedsApproval, "the requester is flagged: a person decides"),
        Some(_) => holds("the requester is not flagged"),
        None => holds("nobody asked, so there is no requester to look at"),
    };
    (outcome, Values::new())
}

// INVARIANT: a directory that does not answer is never read as "not flagged".
pub(super) fn requester_standing_known(requester: &RequesterFacts) -> Option<(Outcome, Values)> {
    Some(match requester.standing.as_ref()? {
        StandingFacts::Listed => (holds("the list of requesters in force was looked at"), Values::new()),
        StandingFacts::Answered { at } => {
            (holds(format!("the directory of requesters answered at {at}")), values! {"at" => at.to_string()})
        }
        StandingFacts::Unknown { reason } => {
            (refuses(NeedsApproval, format!("the requester's standing is not known: {reason}")), values! {"reason" => reason.as_str()})
        }
    })
}

pub(super) fn requester_rate(requester: &RequesterFacts) -> Option<(Outcome, Values)> {
    let rate = requester.rate?;
    let said = format!("{} tickets of this requester in the last hour, this one included", rate.tickets_hour);
    let outcome = if rate.tickets_hour > rate.limit {
        refuses(NeedsApproval, format!("{said}, more than {}: a person decides", rate.limit))
    } else {
        holds(format!("{said}; the limit is {}", rate.limit))
    };
    Some((outcome, values! {"tickets_hour" => rate.tickets_hour, "limit" => rate.limit}))
}
