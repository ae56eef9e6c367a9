//! What waits for people, sorted by the time that is left: the home of whoever is on call.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    frame::{Frame, query},
    page,
    rows::{self, Asked, Row, targets},
    trouble::Trouble,
    visitor::Visitor,
    words::count,
};
use crate::{
    domain::{id::TicketId, name::PersonId, principal::Role::Approver, priority::Priority, state::TicketState, time::Timestamp},
    server::{app::App, problem::Problem},
    store::worklist::{Order, Wanted, Whose, WorklistCounts},
};

const ROWS: usize = 60;

/// Approved together at most.
pub const MOST_TOGETHER: usize = 20;

/// One cut of the queue.
struct Cut {
    name: String,
    /// `tab` or `who` in the address; empty for the first.
    word: String,
    count: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    tabs: Vec<Cut>,
    tab: String,
    /// Mine, nobody's, and each person's of all that waits.
    whose: Vec<Cut>,
    asked: Asked,
    rows: Vec<Row>,
    next: Option<String>,
    sources: Vec<String>,
    categories: Vec<String>,
    priorities: [Priority; 4],
    /// Whether several may be approved at once here.
    together: bool,
    waiting: u64,
}

/// Every cut but the first: its word, its name, and what it shows.
const TABS: &[(&str, &str, Option<TicketState>)] = &[
    ("approve", "to approve", Some(TicketState::AwaitingApproval)),
    ("do", "to do by hand", Some(TicketState::Recommended)),
    ("unmatched", "no runbook", Some(TicketState::NoRunbook)),
    ("failed", "failed", Some(TicketState::Failed)),
    ("doubt", "in doubt", Some(TicketState::InDoubt)),
    ("expired", "expired", Some(TicketState::Expired)),
    ("held", "runs soon", Some(TicketState::Executing)),
    ("mine", "mine", None),
    ("snoozed", "snoozed", None),
];

fn cut(tab: &str, wanted: Wanted, visitor: &Visitor) -> Result<Wanted, Trouble> {
    let all = Wanted { awake: Some(true), ..wanted };
    Ok(match tab {
        "" => all,
        "mine" => Wanted { whose: Whose::Of(visitor.principal().person.clone()), ..all },
        "snoozed" => Wanted { awake: Some(false), ..all },
        word => {
            let found = TABS.iter().find(|(known, ..)| *known == word).and_then(|(.., state)| *state);
            let state = found.ok_or_else(|| Problem::parameter("tab", format!("`{word}` is no part of the queue")))?;
            Wanted { states: vec![state], ..all }
        }
    })
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Queue").await?;
    let (tenant, me) = (&visitor.principal().tenant, &visitor.principal().person);
    let (store, asked) = (&app.service.store, Asked::of(&visitor));
    let tab = query(&visitor, "tab").unwrap_or_default();
    let after = query(&visitor, "after").map(|text| cursor(&text)).transpose()?;
    let wanted = cut(&tab, asked.wanted(me)?, &visitor)?;
    let (mut found, counts, categories) = tokio::try_join!(
        store.ticket_rows(tenant, &wanted, Order::Due(after), ROWS + 1, targets(&app), frame.now),
        store.worklist_counts(tenant, frame.now),
        store.ticket_categories(tenant),
    )?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let next = found.last().filter(|_| more).map(|last| format!("{}.{}", last.due.as_millis(), last.ticket));
    let of = |state: TicketState| counts.states.get(&state).copied().unwrap_or_default();
    let mine = counts.by_person.get(me).copied().unwrap_or_default();
    let waiting = counts.states.values().sum::<u64>() + counts.held;
    let counted = |word: &str, state: Option<TicketState>| match (word, state) {
        ("held", _) => counts.held,
        ("mine", _) => mine,
        ("snoozed", _) => counts.snoozed,
        (_, state) => state.map_or(0, of),
    };
    let mut tabs = vec![Cut { name: "all".to_owned(), word: String::new(), count: count(waiting), here: tab.is_empty() }];
    for &(word, name, state) in TABS {
        let number = counted(word, state);
        // What is empty takes no place, but where one stands and what is always asked for.
        if number > 0 || tab == word || matches!(word, "approve" | "mine") {
            tabs.push(Cut { name: name.to_owned(), word: word.to_owned(), count: count(number), here: tab == word });
        }
    }
    let whose = whose(&counts, waiting, me, &asked.who);
    let rows = found.into_iter().map(|row| Row::of(row, me, frame.now)).collect();
    let sources = rows::sources(&app, tenant);
    let together = visitor.has(Approver);
    let priorities = Priority::ALL;
    page::page(&QueuePage { frame, tabs, tab, whose, asked, rows, next, sources, categories, priorities, together, waiting })
}

fn whose(counts: &WorklistCounts, waiting: u64, me: &PersonId, who: &str) -> Vec<Cut> {
    let of = |person: &PersonId| counts.by_person.get(person).copied().unwrap_or_default();
    let taken: u64 = counts.by_person.values().sum();
    let mut cuts = vec![("me", "mine".to_owned(), of(me)), ("nobody", "nobody's".to_owned(), waiting.saturating_sub(taken))];
    cuts.extend(
        counts
            .by_person
            .iter()
            .filter(|(person, _)| *person != me)
            .map(|(person, tickets)| (person.as_str(), person.to_string(), *tickets)),
    );
    if who != me.as_str() && PersonId::new(who).is_ok_and(|person| !cuts.iter().any(|(word, ..)| *word == person.as_str())) {
        cuts.push((who, who.to_owned(), 0));
    }
    cuts.into_iter().map(|(word, name, tickets)| Cut { here: who == word, name, word: word.to_owned(), count: count(tickets) }).collect()
}

/// Where a page begins: after the row that fell due then.
fn cursor(text: &str) -> Result<(Timestamp, TicketId), Trouble> {
    let read = || {
        let (due, ticket) = text.split_once('.')?;
        Some((Timestamp::from_millis(due.parse().ok()?), ticket.parse().ok()?))
    };
    read().ok_or_else(|| Trouble(Problem::parameter("after", "this is no link of the queue")))
}
