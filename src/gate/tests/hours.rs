//! Windows of kind `hours`: they allow, so where the clocks leave a doubt they are the shorter reading.

use crate::{
    domain::time::Timestamp,
    gate::{
        facts::WindowKind,
        freeze::{Calendar, FreezeWindow},
    },
};

fn night(kind: &str, from: &str, until: &str) -> String {
    format!(
        "[[window]]\nname = \"night\"\nkind = \"{kind}\"\nzone = \"Europe/Berlin\"\nfrom = \"2026-01-04T{from}\"\n\
         until = \"2026-01-04T{until}\"\nrepeat = \"FREQ=DAILY\"\n"
    )
}

fn inside(calendar: &Calendar, now: &str) -> bool {
    !calendar.in_force(now.parse::<Timestamp>().unwrap(), Some("production"), Some("print")).is_empty()
}

#[test]
fn a_freeze_takes_the_longest_reading_of_a_doubtful_border_and_hours_the_shortest() {
    // 25 October 2026, Berlin: 03:00 goes back to 02:00 at 01:00 UTC, so 02:30 comes at 00:30 and at 01:30 UTC.
    // Each case: from, until, an instant that only the longest reading holds, one that both hold.
    for (from, until, doubtful, certain) in [
        ("01:00:00", "02:30:00", "2026-10-25T00:45:00Z", "2026-10-25T00:15:00Z"),
        ("02:30:00", "04:00:00", "2026-10-25T00:45:00Z", "2026-10-25T01:45:00Z"),
    ] {
        for (kind, holds) in [("freeze", true), ("hours", false)] {
            let calendar = Calendar::parse("freeze.toml", &night(kind, from, until)).unwrap();
            assert_eq!(inside(&calendar, doubtful), holds, "{kind} {from} {until}");
            assert!(inside(&calendar, certain), "{kind} {from} {until}");
        }
    }
}

#[test]
fn hours_are_for_all_tickets_alike() {
    let file = format!("[environments]\nproduction = []\n{}environments = [\"production\"]\n", night("hours", "08:00:00", "18:00:00"));
    let why = Calendar::parse("freeze.toml", &file).unwrap_err().to_string();
    assert!(why.contains("night") && why.contains("leave `environments` and `services` out"), "{why}");
}

#[test]
fn the_shipped_calendar_has_office_hours_that_a_pre_approval_may_name() {
    let shipped = Calendar::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/freeze.toml")).unwrap();
    assert!(shipped.has_hours("office-hours") && !shipped.has_hours("year-end") && !shipped.has_hours("lunch"));
    let hours: Vec<&str> = shipped.windows().iter().filter(|window| window.kind() == WindowKind::Hours).map(FreezeWindow::name).collect();
    assert_eq!(hours, ["office-hours"]);
    for (now, open) in [("2026-11-24T08:00:00Z", true), ("2026-11-24T17:00:00Z", false), ("2026-11-22T10:00:00Z", false)] {
        assert_eq!(inside(&shipped, now), open, "{now}");
    }
}
