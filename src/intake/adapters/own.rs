//! The loop guard: our own write-backs fire the help desk's "updated" webhook and come back to us.
//!
//! An actor that is our service account decides by itself. Where the sender names no actor, the mark of our
//! comments does. Only the comment of an update is looked at, never a new ticket's text: otherwise anybody
//! could hide a ticket from triage by writing the mark into it.

use std::collections::BTreeSet;

use crate::domain::{outbox::OutboxMessage, ticket::TicketEvent};

/// What our write-back's tags start with.
pub(super) const TAG: &str = "sluicegate:";

/// Why the event is our own doing, when it is.
pub(super) fn doing(event: TicketEvent, actor: Option<&str>, comment: Option<&str>, own_actors: &BTreeSet<String>) -> Option<String> {
    if actor.is_some_and(|actor| own_actors.contains(actor)) {
        return Some("the actor is Sluicegate's own account".to_owned());
    }
    // Somebody else acted, and is known: a mark in the latest comment is an older one of ours.
    let known_other = actor.is_some() && !own_actors.is_empty();
    (event != TicketEvent::Opened && !known_other && comment.is_some_and(is_marked)).then(|| "the comment is Sluicegate's own".to_owned())
}

/// True when the comment carries the mark of one of our messages on a line of its own. A quoted one
/// (`> [sluicegate:…]`) is a person's answer to us.
fn is_marked(comment: &str) -> bool {
    comment.lines().any(|line| OutboxMessage::marked(line).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::OutboxId, time::Timestamp};

    #[test]
    fn our_mark_is_known_and_a_quoted_or_a_made_up_one_is_not() {
        let id = OutboxId::new(Timestamp::from_millis(1_700_000_000_000), 42);
        assert!(is_marked(&format!("[sluicegate:{id}]")));
        assert!(is_marked(&format!("Cleared the cache.\r\n  [sluicegate:{id}]\r\n")));
        assert!(!is_marked(&format!("> [sluicegate:{id}]\nthat did not help")));
        assert!(!is_marked("[sluicegate:out_]"));
        assert!(!is_marked("[sluicegate:"));
    }
}
