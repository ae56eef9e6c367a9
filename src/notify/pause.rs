//! Help desks that asked for patience: until then nothing is sent to them, for any ticket.
//!
//! In memory: after a restart the first try asks again. Never shortens a pause, never reads the clock.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::domain::{digest::Digest, id::OutboxId, outbox::Destination, time::Timestamp};

#[derive(Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<String, Timestamp>>);

impl Pauses {
    pub fn begin(&self, destination: &Destination, until: Timestamp) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = pauses.entry(destination.key()).or_insert(until);
        *slot = until.max(*slot);
    }

    /// When `message` may be sent, if not now: up to a tenth of the rest later than the pause ends, by its id, so that
    /// those that waited do not come at once and are turned away again.
    pub fn until(&self, destination: &Destination, message: OutboxId, now: Timestamp) -> Option<Timestamp> {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = destination.key();
        let until = *pauses.get(&key)?;
        if until <= now {
            pauses.remove(&key);
            return None;
        }
        let spread = u64::from(Digest::of(message.to_string().as_bytes()).as_bytes()[0]);
        let rest = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
        Some(until.plus(Duration::from_millis(rest / 10 * spread / 255)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_for_its_help_desk_until_it_ends_and_is_never_shortened() {
        let (pauses, start) = (Pauses::default(), Timestamp::from_millis(1_000_000));
        let (desk, other) = (Destination::HelpDesk("desk".parse().unwrap()), Destination::HelpDesk("other".parse().unwrap()));
        let second = |n: u64| start.plus(Duration::from_secs(n));
        pauses.begin(&desk, second(100));
        pauses.begin(&desk, second(10));
        for random in 0..100 {
            let id = OutboxId::new(start, random);
            let until = pauses.until(&desk, id, start).unwrap();
            assert!(until >= second(100) && until <= second(110), "{until}");
            assert_eq!(pauses.until(&other, id, start), None);
        }
        assert_eq!(pauses.until(&desk, OutboxId::new(start, 1), second(100)), None);
    }
}
