//! A circuit breaker: after some failures in a row a connector gets a rest, then one try decides.
//!
//! Never reads the clock: callers pass `now`.

use std::time::Duration;

use serde::Serialize;

use crate::domain::time::Timestamp;

/// Failures in a row that open it.
pub const THRESHOLD: u32 = 5;
/// How long it stays open before one try is let through.
pub const REST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    failures: u32,
    open_until: Option<Timestamp>,
}

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// They are.
    Closed,
    /// One try decides: the rest after failures is over.
    HalfOpen,
    /// None is, until the rest is over.
    Open,
}

impl BreakerState {
    /// As a metric: 0, 1 and 2.
    pub const fn as_figure(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

impl Breaker {
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match (self.is_healthy(), self.lets_through(now)) {
            (true, _) => BreakerState::Closed,
            (false, true) => BreakerState::HalfOpen,
            (false, false) => BreakerState::Open,
        }
    }

    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// False while calls should not even be tried.
    pub fn lets_through(&self, now: Timestamp) -> bool {
        // A clock that jumped back must not keep it shut for longer than one rest.
        self.open_until.is_none_or(|until| now >= until || until.since(now) > REST)
    }

    /// True when the last calls worked, or none was made.
    pub const fn is_healthy(&self) -> bool {
        self.failures < THRESHOLD
    }

    /// A call begins: while one try decides, no second one does beside it.
    pub fn begins(&mut self, now: Timestamp) {
        if !self.is_healthy() {
            self.open_until = Some(now.plus(REST));
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= THRESHOLD {
            self.open_until = Some(now.plus(REST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try_through_after_the_rest() {
        let start = Timestamp::from_millis(0);
        let mut breaker = Breaker::default();
        for _ in 1..THRESHOLD {
            breaker.failed(start);
            assert!(breaker.lets_through(start) && breaker.is_healthy());
        }
        breaker.failed(start);
        assert!(!breaker.lets_through(start.plus(REST - Duration::from_millis(1))) && !breaker.is_healthy());
        assert_eq!((breaker.state(start), breaker.state(start.plus(REST))), (BreakerState::Open, BreakerState::HalfOpen));
        let later = start.plus(REST);
        assert!(breaker.lets_through(later) && !breaker.is_healthy(), "a try, not yet trust");
        breaker.begins(later);
        assert!(!breaker.lets_through(later), "one try and no second");
        breaker.failed(later);
        assert!(!breaker.lets_through(later), "the try failed: another rest");
        breaker.succeeded();
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_keep_it_open() {
        let mut breaker = Breaker::default();
        for _ in 0..THRESHOLD {
            breaker.failed(Timestamp::from_millis(10_000_000));
        }
        assert!(breaker.lets_through(Timestamp::from_millis(0)));
    }
}
