//! The states of a ticket and the one function that moves it between them.

use serde::{Deserialize, Serialize};

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// Stored and acknowledged; triage has not looked at it.
    Received,
    /// Classified; matching and the gate follow in the same step of work.
    Triaged,
    /// A runbook is proposed; a person acts outside Sluicegate, or nothing has to run.
    Recommended,
    /// A runbook is proposed and may run once a person allows it.
    AwaitingApproval,
    /// A runbook runs.
    Executing,
    /// No runbook fits; a person owns it.
    NoRunbook,
    /// Done.
    Resolved,
    /// The runbook ran and did not help, and what it changed was undone.
    Failed,
    /// A call's outcome is unknown; a person must look.
    InDoubt,
    /// A person refused the proposal.
    Rejected,
    /// Nobody decided in time.
    Expired,
}

/// A move that the states do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket cannot go from `{}` to `{}`", from.as_str(), to.as_str())]
pub struct IllegalTransition {
    pub from: TicketState,
    pub to: TicketState,
}

impl TicketState {
    pub const ALL: [Self; 11] = [
        Self::Received,
        Self::Triaged,
        Self::Recommended,
        Self::AwaitingApproval,
        Self::Executing,
        Self::NoRunbook,
        Self::Resolved,
        Self::Failed,
        Self::InDoubt,
        Self::Rejected,
        Self::Expired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Triaged => "triaged",
            Self::Recommended => "recommended",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Executing => "executing",
            Self::NoRunbook => "no_runbook",
            Self::Resolved => "resolved",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// The state after a move to `to`.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the ticket's life has no such move.
    pub const fn transition(self, to: Self) -> Result<Self, IllegalTransition> {
        use TicketState as S;
        let legal = match self {
            S::Received => matches!(to, S::Triaged | S::Resolved),
            S::Triaged => matches!(to, S::Recommended | S::AwaitingApproval | S::Executing | S::NoRunbook | S::Resolved),
            // To `Received`: the sender reported anew, so triage looks again. To `Resolved`: it closed the ticket.
            S::Recommended | S::NoRunbook => matches!(to, S::Received | S::AwaitingApproval | S::Resolved | S::Rejected | S::Expired),
            S::AwaitingApproval => matches!(to, S::Received | S::Executing | S::Recommended | S::Resolved | S::Rejected | S::Expired),
            S::Executing => matches!(to, S::Resolved | S::Failed | S::InDoubt | S::Recommended),
            S::InDoubt => matches!(to, S::Resolved | S::Failed),
            S::Failed | S::Rejected | S::Expired => matches!(to, S::Received | S::Resolved),
            // To `Executing`: a person has the run taken back that resolved it.
            S::Resolved => matches!(to, S::Received | S::Executing),
        };
        if legal { Ok(to) } else { Err(IllegalTransition { from: self, to }) }
    }
}

impl std::fmt::Display for TicketState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_executes_only_after_triage_or_an_approval_or_to_undo_what_resolved_it() {
        for from in TicketState::ALL {
            let may = from.transition(TicketState::Executing).is_ok();
            assert_eq!(may, matches!(from, TicketState::Triaged | TicketState::AwaitingApproval | TicketState::Resolved), "{from}");
        }
    }

    #[test]
    fn no_state_is_a_dead_end_and_every_state_can_be_reached() {
        for state in TicketState::ALL {
            assert!(TicketState::ALL.iter().any(|to| state.transition(*to).is_ok()), "{state} is a dead end");
            assert!(
                state == TicketState::Received || TicketState::ALL.iter().any(|from| from.transition(state).is_ok()),
                "{state} cannot be reached"
            );
        }
    }
}
