//! How pages say things: times, lengths of time, shares, states. One place, so that one thing is said one way.

use std::time::Duration;

use crate::domain::{approval::Mode, execution::ExecutionState, principal::Actor, state::TicketState, time::Timestamp, verdict::Decision};

/// What a badge's colour means; its words say it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Waits,
    Bad,
    Info,
}

impl Tone {
    /// The class in the stylesheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Waits => "waits",
            Self::Bad => "bad",
            Self::Info => "info",
        }
    }
}

/// A short word in a coloured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    pub tone: Tone,
    pub text: String,
}

impl Badge {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

/// `2026-11-25 08:21` in UTC, as people on several continents compare times.
pub fn minute(at: Timestamp) -> String {
    at.to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// `2026-11-25 08:21:07` in UTC.
pub fn second(at: Timestamp) -> String {
    at.to_string().chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// A time as people type it: `2026-11-25`, `2026-11-25 08:30`, or as the API writes it; in UTC.
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.replace(' ', "T");
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text,
    };
    whole.parse().ok()
}

/// `3 min`, `2 h 5 min`, `4 d`: the two largest units, of which the second only while it matters.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 && !length.is_zero() => "under 1 s".to_owned(),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, 1..=9, _) => format!("{hours} h {minutes} min"),
        (0, ..) => format!("{hours} h"),
        (1..=3, 1.., _) => format!("{days} d {hours} h"),
        _ => format!("{days} d"),
    }
}

/// `3 min ago` or `in 3 min`.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) }
}

/// `97.3 %`, and never `100 %` for what is not all.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if share < 1.0 && percent > 99.9 { ">99.9 %".to_owned() } else { format!("{percent:.1} %") }
}

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `one ticket`, `12 tickets`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", count(number)) }
}

/// A name of ours as people read it: `needs_approval` is "needs approval".
pub fn plain(name: &str) -> String {
    name.replace('_', " ")
}

pub fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Engine => "Sluicegate".to_owned(),
        Actor::Source(source) => format!("source {source}"),
        Actor::Person(person) => person.to_string(),
    }
}

pub fn state(state: TicketState) -> Badge {
    let (tone, text) = match state {
        TicketState::Received => (Tone::Plain, "received"),
        TicketState::Triaged => (Tone::Plain, "triaged"),
        TicketState::Recommended => (Tone::Waits, "a person does it"),
        TicketState::AwaitingApproval => (Tone::Waits, "awaits approval"),
        TicketState::Executing => (Tone::Info, "runs"),
        TicketState::NoRunbook => (Tone::Waits, "no runbook"),
        TicketState::Resolved => (Tone::Good, "resolved"),
        TicketState::Failed => (Tone::Bad, "failed"),
        TicketState::InDoubt => (Tone::Bad, "in doubt"),
        TicketState::Rejected => (Tone::Plain, "rejected"),
        TicketState::Expired => (Tone::Plain, "expired"),
    };
    Badge::new(tone, text)
}

pub fn execution(state: ExecutionState) -> Badge {
    let (tone, text) = match state {
        ExecutionState::Pending => (Tone::Waits, "about to run"),
        ExecutionState::Running => (Tone::Info, "runs"),
        ExecutionState::RollingBack => (Tone::Waits, "is taken back"),
        ExecutionState::Succeeded => (Tone::Good, "succeeded"),
        ExecutionState::Refused => (Tone::Plain, "refused before any change"),
        ExecutionState::RolledBack => (Tone::Waits, "did not help, taken back"),
        ExecutionState::Failed => (Tone::Bad, "failed"),
        ExecutionState::InDoubt => (Tone::Bad, "in doubt"),
        ExecutionState::Cancelled => (Tone::Plain, "cancelled"),
    };
    Badge::new(tone, text)
}

pub fn mode(mode: Mode) -> Badge {
    let tone = match mode {
        Mode::Shadow => Tone::Info,
        Mode::Suggest => Tone::Plain,
        Mode::Auto => Tone::Good,
    };
    Badge::new(tone, mode.as_str())
}

pub fn decision(decision: Decision) -> Badge {
    match decision {
        Decision::Escalate => Badge::new(Tone::Bad, "a person must look"),
        Decision::RecommendOnly => Badge::new(Tone::Plain, "a person does it"),
        Decision::NeedsApproval => Badge::new(Tone::Waits, "needs approval"),
        Decision::AutoExecute => Badge::new(Tone::Good, "runs by itself"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short_and_true() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (3_600, "1 h"),
            (7_500, "2 h 5 min"),
            (40_000, "11 h"),
            (90_000, "1 d 1 h"),
            (900_000, "10 d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(ago(now, now.plus(Duration::from_secs(60))), "in 1 min");
        assert_eq!(ago(now, now), "0 s ago");
        assert_eq!(minute(now), "2023-11-14 22:13");
    }

    #[test]
    fn numbers_are_grouped_and_a_share_below_all_is_not_called_all() {
        assert_eq!((count(0), count(999), count(1_000), count(1_234_567)), ("0".into(), "999".into(), "1,000".into(), "1,234,567".into()));
        assert_eq!((percent(0.973), percent(1.0), percent(0.9999)), ("97.3 %".into(), "100.0 %".into(), ">99.9 %".into()));
    }
}
