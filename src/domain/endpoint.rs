//! How a webhook endpoint does: it works, fails, or failed for so long that nothing is sent to it any more.
//!
//! Disabling loses nothing: what is meant for the endpoint waits until an operator enables it again.
//! Pure: callers pass the time.
// INVARIANT: only a person leads out of `Disabled`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{name::TenantId, time::Timestamp};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EndpointState {
    Working,
    /// Nothing but failures since then.
    Failing {
        since: Timestamp,
        why: String,
    },
    Disabled {
        /// When the failures began.
        since: Timestamp,
        at: Timestamp,
        why: String,
    },
}

impl EndpointState {
    pub const fn is_disabled(&self) -> bool {
        matches!(self, Self::Disabled { .. })
    }
}

/// One endpoint of one tenant. One of which nothing is stored works, at revision 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub tenant: TenantId,
    /// The key of its destination.
    pub destination: String,
    pub state: EndpointState,
    pub revision: u64,
}

impl Endpoint {
    pub const fn new(tenant: TenantId, destination: String) -> Self {
        Self { tenant, destination, state: EndpointState::Working, revision: 0 }
    }

    /// How it does after one more failure at `now`; `None` when that changes nothing.
    ///
    /// `gone` is the endpoint's own word that it wants no more. `patience` is how long it may do nothing but fail.
    pub fn after_failure(&self, now: Timestamp, patience: Option<Duration>, gone: bool, why: &str) -> Option<Self> {
        let since = match &self.state {
            EndpointState::Disabled { .. } => return None,
            EndpointState::Failing { since, .. } => *since,
            EndpointState::Working => now,
        };
        let out_of_patience = patience.is_some_and(|patience| now.since(since) >= patience);
        let state = if gone || out_of_patience {
            EndpointState::Disabled { since, at: now, why: why.to_owned() }
        } else if self.state == EndpointState::Working {
            EndpointState::Failing { since, why: why.to_owned() }
        } else {
            return None;
        };
        Some(Self { state, revision: self.revision + 1, ..self.clone() })
    }

    /// Enabled by a person; `None` when it is not disabled.
    pub fn enabled(&self) -> Option<Self> {
        self.state.is_disabled().then(|| Self { state: EndpointState::Working, revision: self.revision + 1, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH.plus(DAY * u32::try_from(days).unwrap())
    }

    #[test]
    fn nothing_but_failures_for_as_long_as_the_patience_lasts_disable_and_one_moment_less_does_not() {
        let patience = Some(DAY * 5);
        let first = Endpoint::new(TenantId::default(), "webhook/ops".to_owned()).after_failure(at(1), patience, false, "503").unwrap();
        assert_eq!(first.state, EndpointState::Failing { since: at(1), why: "503".to_owned() });
        assert_eq!(first.after_failure(at(6).minus(Duration::from_millis(1)), patience, false, "503"), None);
        let disabled = first.after_failure(at(6), patience, false, "refused").unwrap();
        assert_eq!(disabled.state, EndpointState::Disabled { since: at(1), at: at(6), why: "refused".to_owned() });
        assert_eq!((first.revision, disabled.revision), (1, 2));
        assert_eq!(disabled.after_failure(at(9), patience, true, "410"), None);
        assert_eq!(first.after_failure(at(900), None, false, "503"), None, "no patience set means endless patience");
    }

    #[test]
    fn gone_disables_at_once_and_only_a_person_enables() {
        let gone = Endpoint::new(TenantId::default(), "webhook/ops".to_owned()).after_failure(at(1), None, true, "410").unwrap();
        assert!(gone.state.is_disabled());
        let enabled = gone.enabled().unwrap();
        assert_eq!((enabled.state.clone(), enabled.revision, enabled.enabled()), (EndpointState::Working, 2, None));
    }
}
