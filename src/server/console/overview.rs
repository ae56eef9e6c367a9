//! What came in, what was done by itself, how long it took, and what it saved: every number leads to its list.
//!
//! The counts read every ticket of the time they are about, so they are made beside the requests and kept a minute: a page
//! shows the last ones and says when they were made.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    frame::{Frame, query},
    log::Line,
    page,
    trouble::Trouble,
    visitor::Visitor,
    words::{self, count, percent, span},
};
use crate::{
    config::console::MOST_MINUTES,
    domain::{
        name::{RunbookId, TenantId},
        state::TicketState,
        time::Timestamp,
    },
    server::{app::App, problem::Problem},
    store::{
        interface::{EntryFilter, Page, StoreError},
        worklist::Tally,
    },
};

const DAY: i64 = 86_400_000;

/// Counts older than this are made anew; the old ones are shown meanwhile.
const KEPT: Duration = Duration::from_secs(60);

/// A tally with the time it was made.
pub struct Counted {
    pub at: Timestamp,
    pub since: Timestamp,
    pub tally: Tally,
}

/// The last counts of one length of time, and when newer ones were last begun.
struct Kept {
    counted: Arc<Counted>,
    begun: Timestamp,
}

/// The last counts by tenant and length of time in days.
#[derive(Default)]
pub struct Overviews(Mutex<BTreeMap<(TenantId, u32), Kept>>);

impl Overviews {
    /// The counts of the last `days`, at most a minute old, but for the time it takes to make new ones.
    ///
    /// # Errors
    /// There are none yet and the store failed.
    pub async fn get(app: &App, tenant: &TenantId, days: u32) -> Result<Arc<Counted>, StoreError> {
        let key = (tenant.clone(), days);
        let now = app.service.ambient.now();
        let found = {
            let mut all = app.overviews.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.get_mut(&key).map(|kept| {
                let is_old = now >= kept.begun.plus(KEPT);
                if is_old {
                    // So that one request makes the new ones and not every one of them.
                    kept.begun = now;
                }
                (Arc::clone(&kept.counted), is_old)
            })
        };
        match found {
            Some((counted, false)) => Ok(counted),
            Some((old, true)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    if let Err(error) = Self::make(&app, &key).await {
                        tracing::warn!(%error, "the overview stays as it was: its counts were not made");
                    }
                });
                Ok(old)
            }
            None => Self::make(app, &key).await,
        }
    }

    async fn make(app: &App, key: &(TenantId, u32)) -> Result<Arc<Counted>, StoreError> {
        let at = app.service.ambient.now();
        // Whole days, so that the first one is not a part of one.
        let today = at.as_millis().div_euclid(DAY);
        let since = Timestamp::from_millis((today + 1 - i64::from(key.1)) * DAY);
        let tally = app.service.store.tally(&key.0, since).await?;
        let counted = Arc::new(Counted { at, since, tally });
        let kept = Kept { counted: Arc::clone(&counted), begun: at };
        app.overviews.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), kept);
        Ok(counted)
    }
}

/// A big number with what it is and where its list is.
struct Number {
    value: String,
    name: &'static str,
    more: String,
    link: String,
}

/// One bar of a chart of days.
struct Bar {
    x: String,
    width: String,
    parts: Vec<Part>,
    day: String,
    total: u64,
    link: String,
    label: bool,
    middle: String,
}

struct Part {
    y: String,
    height: String,
    class: String,
}

struct Share {
    name: String,
    class: String,
    tickets: String,
    percent: String,
    link: String,
}

struct Chart {
    bars: Vec<Bar>,
    most: String,
    shares: Vec<Share>,
    said: String,
}

struct TopRunbook {
    runbook: RunbookId,
    runs: String,
    by_itself: String,
    helped: String,
    saved: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    days: u32,
    counted_at: Timestamp,
    counted: String,
    numbers: Vec<Number>,
    states: Chart,
    categories: Chart,
    runbooks: Vec<TopRunbook>,
    demoted: Vec<Line>,
    minutes: u32,
    total: u64,
}

const LENGTHS: [u32; 3] = [7, 30, 90];

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let tenant = &visitor.principal().tenant;
    let days = match query(&visitor, "days") {
        None => 30,
        Some(text) => text
            .parse()
            .ok()
            .filter(|days| LENGTHS.contains(days))
            .ok_or_else(|| Problem::parameter("days", format!("`{text}` is not 7, 30 or 90")))?,
    };
    let configured = &app.service.config.console;
    let usual = match query(&visitor, "minutes").filter(|text| !text.trim().is_empty()) {
        None => configured.manual_minutes,
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|minutes| (1..=MOST_MINUTES).contains(minutes))
            .ok_or_else(|| Problem::parameter("minutes", format!("`{text}` is not 1 to {MOST_MINUTES} minutes")))?,
    };
    let of = configured.by_hand.iter().map(|runbook| (runbook.name.as_str(), runbook.minutes)).collect();
    let minutes = Minutes { usual, of };
    let frame = Frame::load(&app, &visitor, "Overview").await?;
    let counted = Overviews::get(&app, tenant, days).await?;
    let filter = EntryFilter { event: Some("runbook_demoted".to_owned()), from: Some(counted.since), ..EntryFilter::default() };
    let demoted = app.service.store.entries(tenant, &filter, Page { before: None, limit: 20 }).await?;
    let tally = &counted.tally;
    let total = tally.days.iter().map(|day| day.tickets).sum();
    let shown = OverviewPage {
        numbers: numbers(&counted, &minutes, total),
        states: chart(&counted, days, &|day| (words::state(day.state).text, format!("state={}", day.state.as_str()))),
        categories: chart(&counted, days, &|day| match &day.category {
            Some(category) => (category.clone(), format!("category={}", super::visitor::encoded(category))),
            None => ("not sure".to_owned(), String::new()),
        }),
        runbooks: top(tally, &minutes),
        demoted: demoted.iter().map(Line::of).collect(),
        counted_at: counted.at,
        counted: frame.ago(&counted.at),
        days,
        minutes: usual,
        total,
        frame,
    };
    page::page(&shown)
}

fn since(counted: &Counted) -> String {
    words::minute(counted.since).chars().take(10).collect()
}

/// What a person takes by hand for what a runbook does: an assumption, and said to be one.
struct Minutes<'a> {
    usual: u32,
    of: BTreeMap<&'a str, u32>,
}

impl Minutes<'_> {
    fn saved(&self, runbook: &RunbookId, succeeded: u64) -> u64 {
        succeeded * u64::from(self.of.get(runbook.as_str()).copied().unwrap_or(self.usual))
    }

    fn as_words(&self) -> String {
        let own = if self.of.is_empty() { "" } else { ", or what is configured for the runbook" };
        format!("{} minutes by hand{own}", self.usual)
    }
}

fn hours(minutes: u64) -> String {
    format!("{:.1} h", minutes as f64 / 60.0)
}

fn numbers(counted: &Counted, minutes: &Minutes<'_>, total: u64) -> Vec<Number> {
    let tally = &counted.tally;
    let from = since(counted);
    let automatic: u64 = tally.days.iter().filter(|day| day.automatic && day.state == TicketState::Resolved).map(|day| day.tickets).sum();
    let share = if total == 0 { "–".to_owned() } else { percent(automatic as f64 / total as f64) };
    let succeeded: u64 = tally.runs.iter().map(|run| run.succeeded).sum();
    let at = |times: &[u64], share: f64| match times {
        [] => "–".to_owned(),
        times => span(Duration::from_millis(times[((times.len() - 1) as f64 * share).round() as usize])),
    };
    let half = |times: &[u64]| (at(times, 0.5), format!("nine of ten within {}, of {} tickets", at(times, 0.9), count(times.len() as u64)));
    let (triage, triage_more) = half(&tally.to_triage);
    let (resolve, resolve_more) = half(&tally.to_resolve);
    vec![
        Number { value: count(total), name: "tickets", more: "received".to_owned(), link: format!("/tickets?from={from}") },
        Number {
            value: share,
            name: "resolved by itself",
            more: format!("{} tickets, with no person's yes", count(automatic)),
            link: format!("/tickets?state=resolved&automatic=yes&from={from}"),
        },
        Number { value: triage, name: "to triage", more: triage_more, link: format!("/tickets?from={from}") },
        Number { value: resolve, name: "to resolve", more: resolve_more, link: format!("/tickets?state=resolved&from={from}") },
        Number {
            value: hours(tally.runs.iter().map(|run| minutes.saved(&run.runbook, run.succeeded)).sum()),
            name: "of toil saved",
            more: format!("{} runs that helped × {}, which is an assumption", count(succeeded), minutes.as_words()),
            link: "/log?event=execution_moved".to_owned(),
        },
    ]
}

/// Widths and heights of the drawing; the stylesheet has its colours.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
/// As many colours as the stylesheet has; the last is for the rest.
const COLOURS: usize = 6;

/// Tickets a day, cut by what `of` says of each, the most frequent ones first.
fn chart(counted: &Counted, days: u32, of: &dyn Fn(&crate::store::worklist::DayCount) -> (String, String)) -> Chart {
    let mut totals: BTreeMap<(String, String), u64> = BTreeMap::new();
    for day in &counted.tally.days {
        *totals.entry(of(day)).or_default() += day.tickets;
    }
    let mut order: Vec<((String, String), u64)> = totals.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let all: u64 = order.iter().map(|(_, tickets)| tickets).sum();
    let place = |name: &str| order.iter().position(|((known, _), _)| known == name).unwrap_or(COLOURS).min(COLOURS - 1);
    let first = counted.since.as_millis().div_euclid(DAY);
    let mut by_day: BTreeMap<i64, Vec<u64>> = (first..first + i64::from(days)).map(|day| (day, vec![0; COLOURS])).collect();
    for day in &counted.tally.days {
        if let Some(parts) = by_day.get_mut(&day.day) {
            parts[place(&of(day).0)] += day.tickets;
        }
    }
    let most = by_day.values().map(|parts| parts.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let step = WIDTH / f64::from(days.max(1));
    let every = (by_day.len() / 6).max(1);
    let bars = by_day.iter().enumerate().map(|(number, (day, parts))| {
        let mut top = HEIGHT;
        let drawn = parts.iter().enumerate().filter(|(_, tickets)| **tickets > 0).map(|(colour, tickets)| {
            let height = *tickets as f64 / most as f64 * HEIGHT;
            top -= height;
            Part { y: format!("{top:.1}"), height: format!("{height:.1}"), class: format!("s{colour}") }
        });
        let parts_drawn = drawn.collect();
        let date = |day: i64| words::minute(Timestamp::from_millis(day * DAY)).chars().take(10).collect::<String>();
        let x = number as f64 * step;
        Bar {
            x: format!("{:.1}", x + step * 0.1),
            width: format!("{:.1}", step * 0.8),
            middle: format!("{:.1}", x + step / 2.0),
            parts: parts_drawn,
            total: parts.iter().sum(),
            link: format!("/tickets?from={}&until={}", date(*day), date(day + 1)),
            label: number.is_multiple_of(every),
            day: date(*day),
        }
    });
    let bars: Vec<Bar> = bars.collect();
    let from = since(counted);
    let shares: Vec<Share> = order
        .iter()
        .enumerate()
        .take(12)
        .map(|(number, ((name, filter), tickets))| Share {
            name: name.clone(),
            class: format!("s{}", number.min(COLOURS - 1)),
            tickets: count(*tickets),
            percent: percent(*tickets as f64 / all.max(1) as f64),
            link: format!("/tickets?{filter}{}from={from}", if filter.is_empty() { "" } else { "&" }),
        })
        .collect();
    let said = match order.first() {
        None => "No ticket in this time.".to_owned(),
        Some(((name, _), tickets)) => {
            format!("{} tickets in {days} days, at most {most} a day. Most are {name}, {}.", count(all), count(*tickets))
        }
    };
    Chart { bars, most: count(most), shares, said }
}

fn top(tally: &Tally, minutes: &Minutes<'_>) -> Vec<TopRunbook> {
    let mut all: BTreeMap<&RunbookId, (u64, u64, u64)> = BTreeMap::new();
    for run in &tally.runs {
        let (runs, by_itself, helped) = all.entry(&run.runbook).or_default();
        *runs += run.succeeded + run.other;
        *helped += run.succeeded;
        if run.automatic {
            *by_itself += run.succeeded + run.other;
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
    all.into_iter()
        .take(10)
        .map(|(runbook, (runs, by_itself, helped))| TopRunbook {
            runbook: runbook.clone(),
            runs: count(runs),
            by_itself: percent(by_itself as f64 / runs.max(1) as f64),
            helped: format!("{} of {}", count(helped), count(runs)),
            saved: hours(minutes.saved(runbook, helped)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::worklist::{DayCount, RunCount};

    fn counted(days: Vec<DayCount>) -> Counted {
        Counted { at: Timestamp::from_millis(10 * DAY), since: Timestamp::from_millis(4 * DAY), tally: Tally { days, ..Tally::default() } }
    }

    #[test]
    fn every_ticket_is_in_one_bar_and_in_one_share() {
        let day = |day, state, tickets| DayCount { day, state, category: None, automatic: false, tickets };
        let counted = counted(vec![day(4, TicketState::Resolved, 3), day(6, TicketState::Resolved, 1), day(6, TicketState::Failed, 2)]);
        let drawn = chart(&counted, 7, &|day| (day.state.as_str().to_owned(), String::new()));
        assert_eq!(drawn.bars.len(), 7);
        assert_eq!(drawn.bars.iter().map(|bar| bar.total).collect::<Vec<_>>(), [3, 0, 3, 0, 0, 0, 0]);
        let shares: Vec<(&str, &str)> = drawn.shares.iter().map(|share| (share.name.as_str(), share.tickets.as_str())).collect();
        assert_eq!(shares, [("resolved", "4"), ("failed", "2")]);
        assert!(drawn.said.contains("6 tickets in 7 days, at most 3 a day"), "{}", drawn.said);
    }

    #[test]
    fn an_empty_time_has_numbers_that_claim_nothing() {
        let numbers = numbers(&counted(Vec::new()), &Minutes { usual: 15, of: BTreeMap::new() }, 0);
        assert_eq!(numbers[1].value, "–");
        assert_eq!(numbers[2].value, "–");
        assert_eq!(numbers[4].value, "0.0 h");
    }

    #[test]
    fn toil_is_counted_with_each_runbooks_own_minutes() {
        let run = |runbook: &str, succeeded, other| RunCount {
            runbook: RunbookId::new(runbook).unwrap(),
            automatic: true,
            succeeded,
            other,
            last_at: Timestamp::from_millis(0),
        };
        let mut counted = counted(Vec::new());
        counted.tally.runs = vec![run("usual", 6, 3), run("long", 2, 0)];
        let minutes = Minutes { usual: 10, of: BTreeMap::from([("long", 90), ("unknown", 7)]) };
        let toil = &numbers(&counted, &minutes, 11)[4];
        assert_eq!(toil.value, "4.0 h", "6 × 10 and 2 × 90 minutes");
        assert_eq!(toil.more, "8 runs that helped × 10 minutes by hand, or what is configured for the runbook, which is an assumption");
        let saved: Vec<(String, String)> = top(&counted.tally, &minutes).into_iter().map(|one| (one.helped, one.saved)).collect();
        assert_eq!(saved, [("6 of 9".to_owned(), "1.0 h".to_owned()), ("2 of 2".to_owned(), "3.0 h".to_owned())]);
    }

    #[test]
    fn what_ran_by_itself_and_is_not_resolved_is_not_said_to_be() {
        let day = |state, automatic| DayCount { day: 4, state, category: None, automatic, tickets: 1 };
        let days = vec![
            day(TicketState::Resolved, true),
            day(TicketState::Resolved, false),
            day(TicketState::Received, true),
            day(TicketState::Failed, false),
        ];
        let numbers = numbers(&counted(days), &Minutes { usual: 15, of: BTreeMap::new() }, 4);
        assert_eq!(numbers[1].value, percent(0.25));
        assert_eq!(numbers[1].link, "/tickets?state=resolved&automatic=yes&from=1970-01-05");
    }
}
