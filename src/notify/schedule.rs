//! When a message is tried again: the schedule that the Standard Webhooks specification recommends
//! (0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h), with jitter taken from the message's id, so that
//! a simulation and a replay give the same times.

use std::time::Duration;

use crate::domain::{digest::Digest, id::OutboxId};

/// Seconds to wait before try 2, 3, …
const WAITS: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// Tries in all.
pub const MOST_ATTEMPTS: u32 = WAITS.len() as u32 + 1;

/// How long to wait after `attempts` tries; `None` when there is no further one.
///
/// Up to a fifth is added, so that messages that failed together do not come back together.
pub fn wait_after(attempts: u32, message: OutboxId) -> Option<Duration> {
    let wait = *WAITS.get(usize::try_from(attempts.checked_sub(1)?).ok()?)?;
    let digest = Digest::of_parts([message.to_string().as_bytes(), &attempts.to_be_bytes()]);
    let spread = u64::from(u16::from_be_bytes([digest.as_bytes()[0], digest.as_bytes()[1]]));
    Some(Duration::from_millis(wait * 1_000 + wait * 200 * spread / u64::from(u16::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn waits_follow_the_specification_with_at_most_a_fifth_more() {
        for random in 0..200 {
            let id = OutboxId::new(Timestamp::from_millis(5), random);
            for (place, wait) in WAITS.into_iter().enumerate() {
                let attempts = u32::try_from(place).unwrap() + 1;
                let got = wait_after(attempts, id).unwrap();
                assert!(got >= Duration::from_secs(wait) && got <= Duration::from_millis(wait * 1_200), "{wait}: {got:?}");
                assert_eq!(wait_after(attempts, id), Some(got), "the same every time");
            }
            assert_eq!(wait_after(0, id), None);
            assert_eq!(wait_after(MOST_ATTEMPTS, id), None);
        }
    }

    #[test]
    fn messages_that_failed_together_come_back_apart() {
        let waits: std::collections::BTreeSet<_> =
            (0..100).map(|random| wait_after(2, OutboxId::new(Timestamp::UNIX_EPOCH, random))).collect();
        assert!(waits.len() > 90, "{}", waits.len());
    }
}
