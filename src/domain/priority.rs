//! Impact, urgency, priority and risk: small ordered scales from ITIL.

use serde::{Deserialize, Serialize};

/// Impact or urgency as the requester or the alert states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Low,
    Medium,
    High,
}

/// How soon work has to start; `P1` is first. Ordered by importance: `P4 < P1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Priority {
    P1,
    P2,
    P3,
    P4,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::P1, Self::P2, Self::P3, Self::P4];

    /// The ITIL 4 matrix of impact × urgency.
    pub const fn from_matrix(impact: Level, urgency: Level) -> Self {
        use Level::{High, Low, Medium};
        match (impact, urgency) {
            (High, High) => Self::P1,
            (High, Medium) | (Medium, High) => Self::P2,
            (High, Low) | (Medium, Medium) | (Low, High) => Self::P3,
            (Medium | Low, Low) | (Low, Medium) => Self::P4,
        }
    }

    const fn importance(self) -> u8 {
        4 - self as u8
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}

impl PartialOrd for Priority {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Priority {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.importance().cmp(&other.importance())
    }
}

/// How much harm an action, or a wrong decision on a ticket, could do.
///
/// INVARIANT: risks are only ever combined with `max`; nothing learned lowers one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    Medium,
    High,
}

impl Risk {
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_impact_or_urgency_never_lowers_the_priority() {
        let levels = [Level::Low, Level::Medium, Level::High];
        for a in levels {
            for b in levels {
                for c in levels.into_iter().filter(|c| *c >= b) {
                    assert!(Priority::from_matrix(a, c) >= Priority::from_matrix(a, b));
                    assert!(Priority::from_matrix(c, a) >= Priority::from_matrix(b, a));
                }
            }
        }
        assert!(Priority::P1 > Priority::P2);
    }
}
