//! What a backtest found, for people: what would be allowed more first.

use std::fmt::Write as _;

use crate::gate::backtest::{Group, Report};

/// `what` names the decisions: `receipts`, `cases`.
pub fn told(report: &Report, what: &str) -> String {
    let mut text = format!("{} {what} evaluated, {} verdict(s) change\n", report.evaluated, report.changed());
    if report.without_facts > 0 {
        let _ = writeln!(text, "{} {what} hold no facts and cannot be evaluated again", report.without_facts);
    }
    if report.unreadable > 0 {
        let _ = writeln!(text, "{} {what} cannot be read: another version of the program wrote their facts", report.unreadable);
    }
    for (more, title) in [(true, "allowed more"), (false, "allowed less")] {
        let groups: Vec<&Group> = report.groups.iter().filter(|group| group.allows_more() == more).collect();
        if groups.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title}: {}", groups.iter().map(|group| group.count).sum::<u64>());
        for group in groups {
            let ids: Vec<&str> = group.because.iter().map(String::as_str).collect();
            let because = match (ids.is_empty(), more) {
                (true, _) => String::new(),
                (false, true) => format!(", no longer refused by {}", ids.join(", ")),
                (false, false) => format!(", refused by {}", ids.join(", ")),
            };
            let _ = writeln!(text, "  {:>6}  {} → {}{because}", group.count, group.before.as_str(), group.after.as_str());
            let runbooks: Vec<String> = group.runbooks.iter().map(|(runbook, count)| format!("{runbook} ({count})")).collect();
            if !runbooks.is_empty() {
                let _ = writeln!(text, "          runbooks: {}", runbooks.join(", "));
            }
            let _ = writeln!(text, "          like {}", group.examples.join(", "));
        }
    }
    text
}
