//! Calendars: freeze windows in which nothing runs, and peak seasons that policies see.
//!
//! A window is wall-clock time in a zone, once or repeated by an iCalendar RRULE (RFC 5545 section 3.3.10).
//! The rule is worked out on the wall clock and each occurrence is then placed in time by the one zone
//! database of the program, so a recurrence keeps its local hours over a change of the clocks.
//! Never reads a clock; reads a file in `load` only.
// INVARIANT: where the clocks make a border ambiguous or leave it out, a freeze or peak takes the longest reading and
// hours, which allow, the shortest.
// INVARIANT: a ticket that does not name its environment or service is inside every freeze and peak. Hours are for
// all tickets alike, so none slips into them by saying nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::{civil::DateTime, tz::Disambiguation, tz::TimeZone};
use serde::Deserialize;

use super::{
    GateError,
    facts::{WindowInForce, WindowKind},
};
use crate::domain::{time::Timestamp, untrusted::Untrusted};

/// A window longer than this would hide a mistake in its year.
const LONGEST_DAYS: i64 = 366;

/// Clock changes move a border by hours at most; two days cover zones that skipped a whole day too.
const MARGIN_DAYS: i64 = 2;

/// `policies/freeze.toml` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    #[serde(default)]
    environments: BTreeMap<String, BTreeSet<String>>,
    #[serde(default, rename = "window")]
    windows: Vec<WindowFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowFile {
    name: String,
    kind: WindowKind,
    /// IANA name.
    zone: String,
    /// Wall clock, of the first occurrence when it repeats.
    from: String,
    until: String,
    repeat: Option<String>,
    #[serde(default)]
    environments: BTreeSet<String>,
    #[serde(default)]
    services: BTreeSet<String>,
}

/// One named window.
#[derive(Debug, Clone)]
pub struct FreezeWindow {
    name: String,
    kind: WindowKind,
    zone: TimeZone,
    from: DateTime,
    /// Wall-clock length.
    lasts: jiff::SignedDuration,
    repeat: Option<rrule::RRuleSet>,
    environments: BTreeSet<String>,
    services: BTreeSet<String>,
}

/// All windows, and the names that environments go by.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    windows: Vec<FreezeWindow>,
    environments: BTreeMap<String, String>,
}

/// A label of a ticket as windows and policies compare it: lower case, at most 64 of `a-z 0-9 . _ -`.
///
/// `None` for what cannot be a name, which then counts as not said.
pub fn label(text: &Untrusted) -> Option<String> {
    let text = text.as_untrusted().trim().to_ascii_lowercase();
    let named = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    named.then_some(text)
}

impl Calendar {
    /// # Errors
    /// A file that cannot be read, or as [`Calendar::parse`].
    pub fn load(path: &Path) -> Result<Self, GateError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| GateError::Unreadable { path: file.clone(), why: why.to_string() })?;
        Self::parse(&file, &text)
    }

    /// # Errors
    /// Every window that cannot be read, by name, with what to do.
    pub fn parse(file: &str, text: &str) -> Result<Self, GateError> {
        let read: CalendarFile = toml::from_str(text).map_err(|why| GateError::File { file: file.to_owned(), message: why.to_string() })?;
        let mut environments = BTreeMap::new();
        for (environment, aliases) in read.environments {
            for name in aliases.into_iter().chain([environment.clone()]) {
                if let Some(other) = environments.insert(name.clone(), environment.clone()).filter(|other| *other != environment) {
                    let message = format!("`{name}` names both environment `{other}` and `{environment}`: remove it from one");
                    return Err(GateError::File { file: file.to_owned(), message });
                }
            }
        }
        let (mut windows, mut errors, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        for window in read.windows {
            let name = window.name.clone();
            let fail = |message| GateError::Window { file: file.to_owned(), window: name.clone(), message };
            if !names.insert(name.clone()) {
                errors.push(fail("the name is taken by another window: choose another".to_owned()));
            }
            if let Some(odd) = window.environments.iter().find(|odd| environments.get(*odd) != Some(*odd)) {
                errors.push(fail(format!("`{odd}` is not an environment of the section `[environments]`: add it there")));
            }
            match FreezeWindow::read(window) {
                Ok(window) => windows.push(window),
                Err(message) => errors.push(fail(message)),
            }
        }
        windows.sort_by(|a, b| a.name.cmp(&b.name));
        match errors.len() {
            0 => Ok(Self { windows, environments }),
            1 => Err(errors.remove(0)),
            _ => Err(GateError::Several(errors)),
        }
    }

    /// The environment that `text` names, by its own name or an alias; `None` for one the calendar does not
    /// know, so that a new spelling of `production` does not slip out of a freeze.
    pub fn environment(&self, text: &Untrusted) -> Option<String> {
        self.environments.get(&label(text)?).cloned()
    }

    pub fn windows(&self) -> &[FreezeWindow] {
        &self.windows
    }

    /// True when a window of kind `hours` has this name.
    pub fn has_hours(&self, name: &str) -> bool {
        self.windows.iter().any(|window| window.kind == WindowKind::Hours && window.name == name)
    }

    /// As [`in_force`].
    pub fn in_force(&self, now: Timestamp, environment: Option<&str>, service: Option<&str>) -> Vec<WindowInForce> {
        in_force(&self.windows, now, environment, service)
    }
}

/// The windows in force at `now` for an environment and service, by name.
pub fn in_force(windows: &[FreezeWindow], now: Timestamp, environment: Option<&str>, service: Option<&str>) -> Vec<WindowInForce> {
    let mut found: Vec<_> = windows
        .iter()
        .filter(|window| about(&window.environments, environment) && about(&window.services, service))
        .filter_map(|window| window.end_at(now).map(|until| WindowInForce { name: window.name.clone(), kind: window.kind, until }))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn about(listed: &BTreeSet<String>, named: Option<&str>) -> bool {
    listed.is_empty() || named.is_none_or(|named| listed.contains(named))
}

impl FreezeWindow {
    fn read(file: WindowFile) -> Result<Self, String> {
        let zone = TimeZone::get(&file.zone)
            .map_err(|_| format!("`{}` is not a time zone: write an IANA name like `Europe/Berlin`", file.zone))?;
        let civil = |text: &str| {
            text.parse::<DateTime>().map_err(|_| format!("`{text}` is not a wall-clock time: write it like `2026-12-18T18:00:00`"))
        };
        let (from, until) = (civil(&file.from)?, civil(&file.until)?);
        let lasts = until.duration_since(from);
        if !lasts.is_positive() {
            return Err(format!("it ends at {until}, which is not after its start at {from}"));
        }
        if lasts > jiff::SignedDuration::from_hours(24 * LONGEST_DAYS) {
            return Err(format!("it lasts longer than {LONGEST_DAYS} days: check the years of `from` and `until`"));
        }
        if file.kind == WindowKind::Hours && !(file.environments.is_empty() && file.services.is_empty()) {
            return Err("hours are for all tickets alike: leave `environments` and `services` out".to_owned());
        }
        let repeat = file.repeat.as_deref().map(|rule| recurrence(rule, from, &zone)).transpose()?;
        Ok(Self { name: file.name, kind: file.kind, zone, from, lasts, repeat, environments: file.environments, services: file.services })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> WindowKind {
        self.kind
    }

    /// Every occurrence that overlaps the time from `from` to `until`, in order; for people to look ahead.
    pub fn occurrences(&self, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let starts = match &self.repeat {
            None => vec![self.from],
            Some(rule) => {
                let margin = jiff::SignedDuration::from_hours(24 * MARGIN_DAYS);
                let earliest = self.zone.to_datetime(from.as_jiff()).saturating_sub(self.lasts).saturating_sub(margin);
                let latest = self.zone.to_datetime(until.as_jiff()).saturating_add(margin);
                let found = rule.clone().after(as_utc(earliest)).before(as_utc(latest)).all(u16::MAX);
                found.dates.iter().filter_map(|date| wall_clock(date.timestamp())).collect()
            }
        };
        let mut found: Vec<_> = starts
            .into_iter()
            .filter_map(|start| {
                Some((
                    self.instant(start, Disambiguation::Earlier)?,
                    self.instant(start.checked_add(self.lasts).ok()?, Disambiguation::Later)?,
                ))
            })
            .filter(|(begin, end)| *begin < until && from < *end)
            .collect();
        found.sort_unstable();
        found
    }

    /// The end of the occurrence that `now` is in, the latest when several overlap.
    fn end_at(&self, now: Timestamp) -> Option<Timestamp> {
        let wall = self.zone.to_datetime(now.as_jiff());
        self.starts_around(wall)
            .into_iter()
            .filter_map(|start| {
                let (first, last) = match self.kind {
                    WindowKind::Freeze | WindowKind::Peak => (Disambiguation::Earlier, Disambiguation::Later),
                    WindowKind::Hours => (Disambiguation::Later, Disambiguation::Earlier),
                };
                let (from, until) = (self.instant(start, first)?, self.instant(start.checked_add(self.lasts).ok()?, last)?);
                (from <= now && now < until).then_some(until)
            })
            .max()
    }

    fn instant(&self, wall: DateTime, reading: Disambiguation) -> Option<Timestamp> {
        let instant = self.zone.to_ambiguous_timestamp(wall).disambiguate(reading).ok()?;
        Some(Timestamp::from_millis(instant.as_millisecond()))
    }

    /// The wall-clock starts of every occurrence that could hold the wall-clock time `wall`.
    fn starts_around(&self, wall: DateTime) -> Vec<DateTime> {
        let Some(rule) = &self.repeat else {
            return vec![self.from];
        };
        let margin = jiff::SignedDuration::from_hours(24 * MARGIN_DAYS);
        let (earliest, latest) = (wall.saturating_sub(self.lasts).saturating_sub(margin), wall.saturating_add(margin));
        // Hourly at most (see `recurrence`) and a year at longest: fewer than the limit.
        let found = rule.clone().after(as_utc(earliest)).before(as_utc(latest)).all(u16::MAX);
        found.dates.iter().filter_map(|date| wall_clock(date.timestamp())).collect()
    }
}

/// An RRULE over wall-clock times, which the library is given as if they were UTC.
fn recurrence(rule: &str, from: DateTime, zone: &TimeZone) -> Result<rrule::RRuleSet, String> {
    let bad = |why: &str| format!("`{rule}` is not a repetition: {why}; write it like `FREQ=WEEKLY;BYDAY=FR` (RFC 5545, RRULE)");
    let mut parts = Vec::new();
    for part in rule.trim().trim_start_matches("RRULE:").split(';') {
        parts.push(match part.split_once('=') {
            Some(("FREQ", "SECONDLY" | "MINUTELY")) => return Err(bad("it may repeat every hour at most")),
            // RFC 5545 has UNTIL in UTC when the start has a zone; here it has to become wall clock as well.
            Some(("UNTIL", until)) => {
                let wall = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", until)
                    .ok()
                    .and_then(|utc| TimeZone::UTC.to_timestamp(utc).ok())
                    .map(|instant| zone.to_datetime(instant))
                    .ok_or_else(|| bad("`UNTIL` has to be UTC, like `UNTIL=20271231T230000Z`"))?;
                format!("UNTIL={}", wall.strftime("%Y%m%dT%H%M%SZ"))
            }
            Some(_) => part.to_owned(),
            None => return Err(bad("every part is `NAME=VALUE`")),
        });
    }
    let unvalidated: rrule::RRule<rrule::Unvalidated> = parts.join(";").parse().map_err(|why: rrule::RRuleError| bad(&why.to_string()))?;
    unvalidated.build(as_utc(from)).map_err(|why| bad(&why.to_string()))
}

/// `wall` as the library's UTC time of the same reading.
fn as_utc(wall: DateTime) -> chrono::DateTime<rrule::Tz> {
    let seconds = TimeZone::UTC.to_timestamp(wall).map_or(0, |instant| instant.as_second());
    // INVARIANT: jiff's years -9999..=9999 are inside chrono's.
    chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default().with_timezone(&rrule::Tz::UTC)
}

fn wall_clock(seconds: i64) -> Option<DateTime> {
    Some(TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?))
}
