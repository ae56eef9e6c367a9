//! Requests counted in fixed minutes: coarsely per address before anything is checked, and per source after it
//! has proved itself.
//!
//! In that order, so that unsigned junk never uses up a genuine sender's quota. Never reads a clock.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use crate::domain::time::Timestamp;

const WINDOW_MILLIS: i64 = 60_000;
/// Addresses counted one by one in a minute; later ones share one count, so that memory is bounded.
const MOST_ADDRESSES: usize = 65_536;

/// Over the limit; try again after this many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    pub retry_after: u64,
}

#[derive(Debug, Default)]
struct Count {
    window: i64,
    used: u32,
}

fn window(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(WINDOW_MILLIS)
}

fn over(now: Timestamp) -> Over {
    let left = WINDOW_MILLIS - now.as_millis().rem_euclid(WINDOW_MILLIS);
    Over { retry_after: u64::try_from(left).unwrap_or(0).div_ceil(1000).max(1) }
}

/// How many requests one source may make in a minute.
#[derive(Debug)]
pub struct Quota {
    limit: u32,
    count: Mutex<Count>,
}

impl Quota {
    /// Zero is no limit.
    pub fn new(limit: u32) -> Self {
        Self { limit, count: Mutex::default() }
    }

    /// # Errors
    /// The minute's requests are used up.
    pub fn take(&self, now: Timestamp) -> Result<(), Over> {
        if self.limit == 0 {
            return Ok(());
        }
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let window = window(now);
        if count.window != window {
            *count = Count { window, used: 0 };
        }
        if count.used >= self.limit {
            return Err(over(now));
        }
        count.used += 1;
        Ok(())
    }
}

/// How many requests one address may make in a minute. An IPv6 /64 counts as one address: it is what one
/// customer gets.
#[derive(Debug)]
pub struct AddressLimit {
    limit: u32,
    counts: Mutex<(i64, BTreeMap<Option<IpAddr>, u32>)>,
}

impl AddressLimit {
    /// Zero is no limit.
    pub fn new(limit: u32) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// # Errors
    /// The minute's requests are used up.
    pub fn take(&self, address: IpAddr, now: Timestamp) -> Result<(), Over> {
        if self.limit == 0 {
            return Ok(());
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.0 != window(now) {
            *counts = (window(now), BTreeMap::new());
        }
        let key = Some(network(address));
        let key = if counts.1.len() < MOST_ADDRESSES || counts.1.contains_key(&key) { key } else { None };
        let used = counts.1.entry(key).or_default();
        if *used >= self.limit {
            return Err(over(now));
        }
        *used += 1;
        Ok(())
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_quota_refuses_until_the_minute_is_over_and_says_when() {
        let quota = Quota::new(2);
        assert!(quota.take(at(0)).is_ok() && quota.take(at(1)).is_ok());
        assert_eq!(quota.take(at(59_001)), Err(Over { retry_after: 1 }));
        assert_eq!(quota.take(at(500)), Err(Over { retry_after: 60 }));
        assert!(quota.take(at(60_000)).is_ok());
        assert!((0..1000).all(|_| Quota::new(0).take(at(0)).is_ok()));
    }

    #[test]
    fn addresses_are_counted_apart_and_one_network_together() {
        let limit = AddressLimit::new(1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(limit.take(address("192.0.2.1"), at(0)).is_ok());
        assert!(limit.take(address("::ffff:192.0.2.1"), at(0)).is_err(), "the same address in another form");
        assert!(limit.take(address("192.0.2.2"), at(0)).is_ok());
        assert!(limit.take(address("2001:db8::1"), at(0)).is_ok());
        assert!(limit.take(address("2001:db8::2"), at(0)).is_err());
        assert!(limit.take(address("2001:db8:0:1::2"), at(0)).is_ok());
    }

    #[test]
    fn many_addresses_cannot_take_the_memory() {
        let limit = AddressLimit::new(1);
        for number in 0..70_000u32 {
            let _ = limit.take(IpAddr::V4(number.into()), at(0));
        }
        assert!(limit.counts.lock().unwrap().1.len() <= MOST_ADDRESSES + 1);
    }
}
