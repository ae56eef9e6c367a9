//! Calendars against an independent calculation: generated instants over zones, most of them near a change of the
//! clocks or a border of a window.
//!
//! Shares nothing with the room but the text of the windows. The zones' rules for 2025 to 2027 are written out from
//! the IANA database (`europe`, `northamerica`, `southamerica`, `australasia`, `asia`), days are counted by Howard
//! Hinnant's civil-day arithmetic, and recurrences are looked up day by day, so neither the zone database nor the
//! RRULE library of the program has a say.

use super::specimen::Dice;
use crate::{domain::time::Timestamp, gate::freeze::Calendar};

const DAY: i64 = 1_440;
const YEARS: std::ops::RangeInclusive<i64> = 2024..=2028;

/// Days since 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn day(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// 0 is Sunday.
fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

/// The first Sunday at or after a day.
fn sunday_from(day: i64) -> i64 {
    day + (7 - weekday(day)) % 7
}

/// Wall clocks and UTC in minutes since 1970-01-01.
struct Zone {
    name: &'static str,
    standard: i64,
    summer: i64,
    /// UTC minutes at which summer time begins and ends in a year; `None` where the clocks never change.
    changes: fn(i64) -> Option<(i64, i64)>,
    /// A wall clock of Sunday, in minutes from its midnight, that the change to summer time leaves out, and one that
    /// the change back repeats.
    left_out: i64,
    repeated: i64,
}

const ZONES: [Zone; 6] = [
    // Last Sunday of March and October, 01:00 UTC.
    Zone {
        name: "Europe/Berlin",
        standard: 60,
        summer: 120,
        changes: |y| Some((sunday_from(day(y, 3, 25)) * DAY + 60, sunday_from(day(y, 10, 25)) * DAY + 60)),
        left_out: 150,
        repeated: 165,
    },
    // Second Sunday of March 02:00 standard time, first Sunday of November 02:00 summer time.
    Zone {
        name: "America/New_York",
        standard: -300,
        summer: -240,
        changes: |y| Some((sunday_from(day(y, 3, 8)) * DAY + 420, sunday_from(day(y, 11, 1)) * DAY + 360)),
        left_out: 150,
        repeated: 90,
    },
    // Half an hour, first Sunday of October and April, 02:00 wall clock.
    Zone {
        name: "Australia/Lord_Howe",
        standard: 630,
        summer: 660,
        changes: |y| Some((sunday_from(day(y, 10, 1)) * DAY + 120 - 630, sunday_from(day(y, 4, 1)) * DAY + 120 - 660)),
        left_out: 135,
        repeated: 105,
    },
    // First Sunday from 2 September 04:00 UTC, first Sunday from 2 April 03:00 UTC: at midnight, so the day itself moves.
    Zone {
        name: "America/Santiago",
        standard: -240,
        summer: -180,
        changes: |y| Some((sunday_from(day(y, 9, 2)) * DAY + 240, sunday_from(day(y, 4, 2)) * DAY + 180)),
        left_out: 30,
        repeated: -30,
    },
    // Last Sunday of September 02:00 standard time, first Sunday of April 02:00 standard time.
    Zone {
        name: "Pacific/Auckland",
        standard: 720,
        summer: 780,
        changes: |y| Some((sunday_from(day(y, 9, 24)) * DAY + 120 - 720, sunday_from(day(y, 4, 1)) * DAY + 120 - 720)),
        left_out: 150,
        repeated: 150,
    },
    Zone { name: "Asia/Kolkata", standard: 330, summer: 330, changes: |_| None, left_out: 150, repeated: 150 },
];

impl Zone {
    fn is_summer(&self, utc: i64) -> bool {
        // A change counts until the next one, whichever half of the year summer is in.
        let changes = YEARS.filter_map(self.changes).flat_map(|(begins, ends)| [(begins, true), (ends, false)]);
        changes.filter(|(at, _)| *at <= utc).max().is_some_and(|(_, summer)| summer)
    }

    /// The instants that a wall clock may mean. One the clocks left out means what it would under either offset.
    fn readings(&self, wall: i64) -> Vec<i64> {
        let all = [(wall - self.standard, false), (wall - self.summer, true)];
        let real: Vec<i64> = all.iter().filter(|(utc, summer)| self.is_summer(*utc) == *summer).map(|(utc, _)| *utc).collect();
        if real.is_empty() || self.standard == self.summer { all.map(|(utc, _)| utc).to_vec() } else { real }
    }
}

/// A window as the test means it: the day its occurrences start on, from and until in minutes from that midnight.
struct Window {
    name: &'static str,
    repeat: &'static str,
    starts_on: fn(i64, i64, i64) -> bool,
    from: i64,
    until: i64,
}

fn last_of_month(year: i64, month: i64) -> i64 {
    if month == 12 { day(year + 1, 1, 1) - 1 } else { day(year, month + 1, 1) - 1 }
}

fn windows(zone: &Zone) -> [Window; 7] {
    let sunday = |year, month, of_month| weekday(day(year, month, of_month)) == 0;
    let (left_out, repeated) = (zone.left_out, zone.repeated);
    [
        Window { name: "begins-left-out", repeat: "FREQ=WEEKLY;BYDAY=SU", starts_on: sunday, from: left_out, until: left_out + 300 },
        Window { name: "begins-repeated", repeat: "FREQ=WEEKLY;BYDAY=SU", starts_on: sunday, from: repeated, until: repeated + 300 },
        Window { name: "ends-left-out", repeat: "FREQ=WEEKLY;BYDAY=SU", starts_on: sunday, from: left_out - 600, until: left_out },
        Window { name: "ends-repeated", repeat: "FREQ=WEEKLY;BYDAY=SU", starts_on: sunday, from: repeated - 600, until: repeated },
        Window {
            name: "last-friday",
            repeat: "FREQ=MONTHLY;BYDAY=-1FR",
            starts_on: |y, m, d| weekday(day(y, m, d)) == 5 && day(y, m, d) + 7 > last_of_month(y, m),
            from: 1_080,
            until: 3 * DAY + 360,
        },
        Window { name: "yearly", repeat: "FREQ=YEARLY", starts_on: |_, m, d| (m, d) == (3, 20), from: 720, until: 30 * DAY },
        Window { name: "once", repeat: "", starts_on: |y, m, d| (y, m, d) == (2026, 9, 20), from: 150, until: 20 * DAY + 105 },
    ]
}

/// `2026-03-29T02:30:00`
fn civil(wall: i64) -> String {
    let (at, minutes) = (wall.div_euclid(DAY), wall.rem_euclid(DAY));
    let (year, month, of_month) = days_of(YEARS).find(|(y, m, d)| day(*y, *m, *d) == at).expect("a day of the years looked at");
    format!("{year}-{month:02}-{of_month:02}T{:02}:{:02}:00", minutes / 60, minutes % 60)
}

fn days_of(years: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = (i64, i64, i64)> {
    years.flat_map(|y| (1..=12).flat_map(move |m| (1..=last_of_month(y, m) - day(y, m, 1) + 1).map(move |d| (y, m, d))))
}

/// First and last instant, in UTC minutes, of each occurrence from 2025 on, in the longest reading.
fn occurrences(zone: &Zone, window: &Window) -> Vec<(i64, i64)> {
    days_of(2025..=2027)
        .filter(|(y, m, d)| (window.starts_on)(*y, *m, *d))
        .map(|(y, m, d)| day(y, m, d) * DAY)
        .map(|midnight| (zone.readings(midnight + window.from), zone.readings(midnight + window.until)))
        .map(|(from, until)| (from.into_iter().min().unwrap(), until.into_iter().max().unwrap()))
        .collect()
}

#[test]
fn thousands_of_instants_over_six_zones_and_both_changes_of_the_clocks_agree_with_an_independent_calculation() {
    let mut dice = Dice::new(7);
    let (mut tried, mut at_a_border) = (0, 0);
    for zone in &ZONES {
        let windows = windows(zone);
        let text: String = windows
            .iter()
            .map(|window| {
                let (y, m, d) = days_of(2025..=2027).find(|(y, m, d)| (window.starts_on)(*y, *m, *d)).unwrap();
                let midnight = day(y, m, d) * DAY;
                let repeat = if window.repeat.is_empty() { String::new() } else { format!("repeat = \"{}\"\n", starting(window)) };
                format!(
                    "[[window]]\nname = \"{}\"\nkind = \"freeze\"\nzone = \"{}\"\nfrom = \"{}\"\nuntil = \"{}\"\n{repeat}",
                    window.name,
                    zone.name,
                    civil(midnight + window.from),
                    civil(midnight + window.until)
                )
            })
            .collect();
        let calendar = Calendar::parse("freeze.toml", &text).unwrap();
        let expected: Vec<(&str, Vec<(i64, i64)>)> = windows.iter().map(|window| (window.name, occurrences(zone, window))).collect();
        let borders: Vec<i64> = expected.iter().flat_map(|(_, found)| found).flat_map(|(from, until)| [*from, *until]).collect();
        let changes: Vec<i64> = (2025..=2027).filter_map(zone.changes).flat_map(|(begins, ends)| [begins, ends]).collect();
        let (start, end) = (day(2025, 1, 10) * DAY, day(2027, 12, 1) * DAY);
        let mut seen = std::collections::BTreeMap::new();
        for n in 0..400u64 {
            let anywhere = (start + dice.below((end - start) as u64) as i64) * 60_000 + dice.below(60_000) as i64;
            let one_of = |from: &[i64], dice: &mut Dice| from[dice.below(from.len() as u64) as usize];
            let millis = match n % 4 {
                // Within five hours of a change of the clocks.
                0 | 1 if !changes.is_empty() => (one_of(&changes, &mut dice) - 300) * 60_000 + dice.below(600 * 60_000) as i64,
                // The last instant before a border, the border, and the first after.
                2 => one_of(&borders, &mut dice) * 60_000 - 1 + dice.below(3) as i64,
                _ => anywhere,
            };
            if !(start * 60_000..end * 60_000).contains(&millis) {
                continue;
            }
            tried += 1;
            at_a_border += usize::from(borders.iter().any(|border| (border * 60_000 - millis).abs() <= 1));
            let mut wanted: Vec<(&str, i64)> = expected
                .iter()
                .filter_map(|(name, found)| {
                    let inside = found.iter().filter(|(from, until)| (from * 60_000..until * 60_000).contains(&millis));
                    inside.map(|(_, until)| *until * 60_000).max().map(|until| (*name, until))
                })
                .collect();
            wanted.sort_unstable();
            let found = calendar.in_force(Timestamp::from_millis(millis), None, None);
            let found: Vec<(&str, i64)> = found.iter().map(|window| (window.name.as_str(), window.until.as_millis())).collect();
            assert_eq!(found, wanted, "{} {}", zone.name, Timestamp::from_millis(millis));
            wanted.into_iter().for_each(|(name, _)| *seen.entry(name).or_insert(0) += 1);
        }
        // An instant that no window holds, or all do, would show little.
        assert!(seen.len() == windows.len() && seen.values().all(|times| (1..400).contains(times)), "{}: {seen:?}", zone.name);
    }
    assert!(tried >= 2_000 && at_a_border >= 400, "{tried} instants, {at_a_border} at a border");
}

/// A window whose start is before its Sunday's midnight is a window of Saturdays.
fn starting(window: &Window) -> String {
    if window.from < 0 { window.repeat.replace("=SU", "=SA") } else { window.repeat.to_owned() }
}

#[test]
fn the_hand_written_days_are_those_of_the_calendar() {
    assert_eq!((day(1970, 1, 1), day(2000, 3, 1), day(2026, 11, 25)), (0, 11_017, 20_782));
    // 2026-11-25 is a Wednesday.
    assert_eq!(weekday(day(2026, 11, 25)), 3);
}
