//! Watches a runbook while it is on auto, and says when its error rate has shown itself above the limit.
//!
//! A bet against the claim "the rate is at most the limit": each outcome multiplies what is staked by a
//! likelihood ratio whose mean is at most 1 while the claim holds. The wealth is then a non-negative
//! supermartingale that starts at 1, so by Ville's inequality (J. Ville, "Étude critique de la notion de
//! collectif", 1939) it ever reaches 1/α with probability at most α, however often one looks. Betting on
//! bounded means is that of I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by
//! betting", JRSS B 86, 2024.
//!
//! One part 1/(t(t+1)) of the starting wealth is staked before the t-th outcome and the rest is kept, so a
//! runbook that was good for long and then turns bad is found without waiting for old winnings to be lost.
// INVARIANT: stakes put in sum to at most 1 and are fixed before any outcome, so the false-demotion rate over
// a runbook's whole life on auto is at most α.
// INVARIANT: additions, multiplications and divisions only, so every machine crosses at the same outcome.

use serde::{Deserialize, Serialize};

use super::facts::PerMillion;

/// The bet's alternatives: multiples of the odds of the limit. Small ones find slow drift, large ones outages.
const ODDS: [f64; 4] = [1.5, 2.2, 4.0, 12.0];

/// The outcomes of one runbook since it was switched to auto, in the order they became known.
///
/// Kept as counts of runs of right ones between wrong ones would be smaller, but the state below is all that
/// the next outcome needs; the outcomes themselves are in the store and `replay` folds them again.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    limit: f64,
    threshold: f64,
    outcomes: u64,
    wrong: u64,
    stakes: [f64; ODDS.len()],
    crossed_at: Option<u64>,
}

/// What the test says now, for the console and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WatchReport {
    pub outcomes: u64,
    pub wrong: u64,
    /// Evidence against the claim, 1 at the start; demotion at `threshold`.
    pub wealth: f64,
    pub threshold: f64,
    /// The number of the outcome that crossed.
    pub crossed_at: Option<u64>,
}

impl Watch {
    /// `limit`: the accepted error rate. `alpha`: the chance, over all time, to demote a runbook that keeps it.
    pub fn new(limit: PerMillion, alpha: PerMillion) -> Self {
        Self {
            limit: limit.as_f64(),
            // α = 0 never demotes: no wealth reaches the largest number (infinity has no JSON).
            threshold: if alpha == PerMillion::ZERO { f64::MAX } else { 1e6 / f64::from(alpha.millionths()) },
            outcomes: 0,
            wrong: 0,
            stakes: [0.0; ODDS.len()],
            crossed_at: None,
        }
    }

    /// The state after all of `outcomes`, oldest first; true means wrong.
    pub fn over(limit: PerMillion, alpha: PerMillion, outcomes: impl IntoIterator<Item = bool>) -> Self {
        let mut watch = Self::new(limit, alpha);
        for wrong in outcomes {
            watch.observe(wrong);
        }
        watch
    }

    /// Takes the next outcome. Once crossed it stays crossed: only a person switches automation on again.
    pub fn observe(&mut self, wrong: bool) {
        self.outcomes += 1;
        self.wrong += u64::from(wrong);
        // A limit of 1 accepts everything. A limit of 0 is broken by the first wrong one.
        if self.limit >= 1.0 || self.crossed_at.is_some() {
            return;
        }
        let t = self.outcomes as f64;
        let fresh = 1.0 / (t * (t + 1.0)) / ODDS.len() as f64;
        for (stake, odds) in self.stakes.iter_mut().zip(ODDS) {
            // The rate whose odds are `odds` times those of the limit; its likelihood ratio against the limit.
            let right = 1.0 / (1.0 - self.limit + self.limit * odds);
            *stake = (*stake + fresh) * if wrong { right * odds } else { right };
        }
        if self.wealth() >= self.threshold || (wrong && self.limit == 0.0) {
            self.crossed_at = Some(self.outcomes);
        }
    }

    /// Kept part plus stakes. 1 / (t + 1) is what the stakes up to t leave.
    fn wealth(&self) -> f64 {
        1.0 / (self.outcomes as f64 + 1.0) + self.stakes.iter().sum::<f64>()
    }

    pub fn demoted(&self) -> bool {
        self.crossed_at.is_some()
    }

    pub fn report(&self) -> WatchReport {
        WatchReport {
            outcomes: self.outcomes,
            wrong: self.wrong,
            wealth: self.wealth(),
            threshold: self.threshold,
            crossed_at: self.crossed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demotion_is_final_and_extreme_limits_do_what_they_say() {
        let certain = PerMillion::new(50_000);
        assert!(!Watch::over(PerMillion::ONE, certain, [true; 500]).demoted(), "any rate is accepted");
        assert_eq!(Watch::over(PerMillion::ZERO, certain, [false, true]).report().crossed_at, Some(2));
        assert!(!Watch::over(certain, PerMillion::ZERO, [true; 50]).demoted(), "never, with no chance of being wrong");
        let mut watch = Watch::over(certain, certain, [true; 20]);
        let crossed = watch.report().crossed_at.expect("twenty wrong ones in a row");
        for _ in 0..10_000 {
            watch.observe(false);
        }
        assert_eq!(watch.report().crossed_at, Some(crossed));
    }
}
