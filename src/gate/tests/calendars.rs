//! What calendars mean at their borders and for whom, and what cannot be read; `zones.rs` has the generated instants.

use crate::{
    domain::time::Timestamp,
    gate::{
        facts::WindowKind,
        freeze::{Calendar, label},
    },
};

fn calendar(windows: &str) -> Calendar {
    Calendar::parse("freeze.toml", &format!("[environments]\nproduction = [\"prod\"]\ntest = []\n{windows}")).unwrap()
}

fn refused(windows: &str) -> String {
    Calendar::parse("freeze.toml", windows).unwrap_err().to_string()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn names(calendar: &Calendar, now: &str, environment: Option<&str>) -> Vec<String> {
    calendar.in_force(at(now), environment, None).into_iter().map(|window| window.name).collect()
}

const WEEKEND: &str = "[[window]]\nname = \"weekend\"\nkind = \"freeze\"\nzone = \"Europe/Berlin\"\n\
    from = \"2026-01-02T18:00:00\"\nuntil = \"2026-01-05T06:00:00\"\nrepeat = \"FREQ=WEEKLY;BYDAY=FR\"\nenvironments = [\"production\"]\n";

#[test]
fn a_weekly_window_keeps_its_local_hours_over_both_changes_of_the_clocks() {
    let calendar = calendar(WEEKEND);
    // Friday 18:00 in Berlin is 17:00 UTC in winter and 16:00 UTC in summer; Monday 06:00 is 05:00 and 04:00.
    for (now, inside) in [
        ("2026-03-27T16:59:59.999Z", false),
        ("2026-03-27T17:00:00Z", true),
        ("2026-03-30T03:59:59.999Z", true),
        ("2026-03-30T04:00:00Z", false),
        ("2026-10-23T15:59:59.999Z", false),
        ("2026-10-23T16:00:00Z", true),
        ("2026-10-26T04:59:59.999Z", true),
        ("2026-10-26T05:00:00Z", false),
        ("2025-12-27T12:00:00Z", false),
    ] {
        assert_eq!(!names(&calendar, now, Some("production")).is_empty(), inside, "{now}");
    }
    let found = &calendar.in_force(at("2026-10-24T00:00:00Z"), None, None)[0];
    assert_eq!((found.until, found.kind), (at("2026-10-26T05:00:00Z"), WindowKind::Freeze));
}

#[test]
fn a_window_is_for_its_environments_and_for_tickets_that_name_none() {
    let calendar = calendar(WEEKEND);
    let saturday = "2026-06-06T12:00:00Z";
    assert_eq!(names(&calendar, saturday, Some("production")), ["weekend"]);
    assert_eq!(names(&calendar, saturday, None), ["weekend"]);
    assert!(names(&calendar, saturday, Some("test")).is_empty());
    assert_eq!(calendar.environment(&" Prod ".into()).as_deref(), Some("production"));
    assert_eq!(calendar.environment(&"producti0n".into()), None, "an unknown spelling counts as not said");
    assert_eq!(label(&"pay roll".into()), None);
    assert_eq!(label(&"Payroll".into()).as_deref(), Some("payroll"));
}

#[test]
fn a_border_that_the_clocks_repeat_or_leave_out_takes_the_longest_reading() {
    let window = |from: &str, until: &str| {
        calendar(&format!(
            "[[window]]\nname = \"w\"\nkind = \"freeze\"\nzone = \"America/New_York\"\nfrom = \"{from}\"\nuntil = \"{until}\"\n"
        ))
    };
    // On 2026-11-01 the hour from 01:00 to 02:00 happens twice: 05:00Z to 06:00Z and 06:00Z to 07:00Z.
    let twice = window("2026-11-01T01:30:00", "2026-11-01T01:45:00");
    for (now, inside) in
        [("2026-11-01T05:29:00Z", false), ("2026-11-01T05:30:00Z", true), ("2026-11-01T06:44:00Z", true), ("2026-11-01T06:45:00Z", false)]
    {
        assert_eq!(!names(&twice, now, None).is_empty(), inside, "{now}");
    }
    // On 2026-03-08 there is no 02:30: from 01:30 (06:30Z) to 03:30 (07:30Z) is the longest reading.
    let never = window("2026-03-08T02:30:00", "2026-03-08T02:45:00");
    for (now, inside) in
        [("2026-03-08T06:29:00Z", false), ("2026-03-08T06:30:00Z", true), ("2026-03-08T07:44:00Z", true), ("2026-03-08T07:45:00Z", false)]
    {
        assert_eq!(!names(&never, now, None).is_empty(), inside, "{now}");
    }
}

#[test]
fn until_is_utc_as_in_the_standard_and_ends_on_the_local_day() {
    // 2026-01-12T23:30Z is the 13th in Berlin, so the occurrence of the 13th at 00:10 is still one.
    let calendar = calendar(
        "[[window]]\nname = \"w\"\nkind = \"peak\"\nzone = \"Europe/Berlin\"\nfrom = \"2026-01-10T00:10:00\"\nuntil = \"2026-01-10T01:00:00\"\n\
         repeat = \"FREQ=DAILY;UNTIL=20260112T233000Z\"\n",
    );
    assert_eq!(names(&calendar, "2026-01-12T23:20:00Z", None), ["w"]);
    assert!(names(&calendar, "2026-01-13T23:20:00Z", None).is_empty());
}

#[test]
fn windows_that_cannot_be_read_are_refused_by_name() {
    let window = |more: &str| format!("[[window]]\nname = \"w\"\nkind = \"freeze\"\n{more}");
    let times = "from = \"2026-01-01T00:00:00\"\nuntil = \"2026-01-02T00:00:00\"\n";
    for (text, part) in [
        (window(&format!("zone = \"Mars/Base\"\n{times}")), "`Mars/Base` is not a time zone"),
        (window("zone = \"UTC\"\nfrom = \"2026-01-02T00:00:00\"\nuntil = \"2026-01-02T00:00:00\"\n"), "not after its start"),
        (window("zone = \"UTC\"\nfrom = \"2026-01-02T00:00:00\"\nuntil = \"2036-01-02T00:00:00\"\n"), "longer than 366 days"),
        (window("zone = \"UTC\"\nfrom = \"tomorrow\"\nuntil = \"2026-01-02T00:00:00\"\n"), "`tomorrow` is not a wall-clock time"),
        (window(&format!("zone = \"UTC\"\n{times}repeat = \"FREQ=OFTEN\"\n")), "`FREQ=OFTEN` is not a repetition"),
        (window(&format!("zone = \"UTC\"\n{times}repeat = \"FREQ=MINUTELY\"\n")), "every hour at most"),
        (window(&format!("zone = \"UTC\"\n{times}repeat = \"FREQ=DAILY;UNTIL=20260101\"\n")), "`UNTIL` has to be UTC"),
        (window(&format!("zone = \"UTC\"\n{times}environments = [\"prod\"]\n")), "`prod` is not an environment"),
    ] {
        let said = refused(&text);
        assert!(said.contains("window `w`") && said.contains(part), "{said}");
    }
    assert!(refused("[[window]]\nname = \"w\"\ncolour = \"red\"\n").contains("colour"));
    assert!(refused("[environments]\na = [\"x\"]\nb = [\"x\"]\n").contains("`x` names both"));
}

#[test]
fn the_shipped_calendar_reads() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/freeze.toml");
    let calendar = Calendar::load(&path).unwrap();
    assert_eq!(names(&calendar, "2026-12-24T22:00:00Z", calendar.environment(&"live".into()).as_deref()), ["year-end"]);
    assert!(names(&calendar, "2026-11-23T22:00:00Z", None).is_empty());
}
