//! Lists of tickets, what a search finds, who handles what, and the counts of an overview.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sluicegate::{
    domain::{
        approval::Approval,
        execution::{Execution, ExecutionState, Undo},
        handling::Handling,
        name::{PersonId, RunbookId, SourceId},
        principal::Actor,
        priority::{Priority, Risk},
        recommendation::Recommendation,
        state::TicketState,
        ticket::Ticket,
        time::Timestamp,
        verdict::Decision,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::Store,
        worklist::{Due, Order, ResponseTargets, TicketRow, WAITING, Wanted, Whose, WorklistCounts},
    },
};

use super::{super::samples::*, conflict, received};

const MINUTE: u64 = 60;
const TARGETS: ResponseTargets = ResponseTargets {
    p1: Duration::from_secs(15 * MINUTE),
    p2: Duration::from_secs(60 * MINUTE),
    p3: Duration::from_secs(480 * MINUTE),
    p4: Duration::from_secs(1440 * MINUTE),
};
const TICKETS: u64 = 132;

fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

/// A ticket as a list should have it, worked out from what was committed and not from what was stored.
#[derive(Clone)]
struct Known {
    row: TicketRow,
    automatic: bool,
}

impl Known {
    fn is_held(&self) -> bool {
        self.row.due_is == Due::Hold
    }

    /// A person is asked for it, or can still cancel its run.
    fn falls_due(&self) -> bool {
        WAITING.contains(&self.row.state) || self.is_held()
    }

    fn words(&self) -> impl Iterator<Item = String> {
        let key = self.row.external_key.as_deref().unwrap_or_default();
        let text = format!("{} {} {key}", self.row.title.as_untrusted(), self.row.external_id).to_lowercase();
        text.split(|ch: char| !ch.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    fn sleeps(&self, now: Timestamp) -> bool {
        let Some(until) = self.row.snoozed_until.filter(|_| !self.is_held()) else { return false };
        let last_hour = self.row.due.as_millis() - 3_600_000;
        let until = if self.row.due_is == Due::Approval { until.as_millis().min(last_hour) } else { until.as_millis() };
        until > now.as_millis()
    }

    fn is(&self, wanted: &Wanted, now: Timestamp) -> bool {
        let row = &self.row;
        (wanted.states.is_empty() || wanted.states.contains(&row.state))
            && wanted.source.as_ref().is_none_or(|source| *source == row.source)
            && wanted.category.as_ref().is_none_or(|category| Some(category) == row.category.as_ref())
            && wanted.priority.is_none_or(|priority| Some(priority) == row.priority)
            && wanted.runbook.as_ref().is_none_or(|runbook| Some(runbook) == row.runbook.as_ref())
            && wanted.from.is_none_or(|from| row.received_at >= from)
            && wanted.until.is_none_or(|until| row.received_at < until)
            && wanted.automatic.is_none_or(|automatic| automatic == self.automatic)
            && wanted.text.as_ref().is_none_or(|text| text.split(' ').all(|word| self.words().any(|known| known.starts_with(word))))
            && wanted.awake.is_none_or(|awake| awake != self.sleeps(now))
            && match &wanted.whose {
                Whose::Anybodys => true,
                Whose::Nobodys => row.assignee.is_none(),
                Whose::Of(person) => row.assignee.as_ref() == Some(person),
            }
    }
}

fn approval(proposal: &Recommendation) -> Approval {
    Approval { by: person("bob"), at: proposal.created_at, binding: proposal.binding().unwrap(), comment: None }
}

/// Commits ticket `n` in one of every state, with its proposal, its run, and who handles it.
async fn stored(store: &dyn Store, n: u64) -> Known {
    let mut ticket = ticket(&tenant(), n);
    ticket.source = SourceId::new(if n.is_multiple_of(3) { "alerts" } else { "desk" }).unwrap();
    store.commit(intake(&ticket)).await.unwrap();
    let round = n / 11;
    ticket.state = TicketState::ALL[n as usize % 11];
    let mut row = TicketRow {
        ticket: ticket.id,
        source: ticket.source.clone(),
        external_id: ticket.report.external_id.clone(),
        external_key: ticket.report.external_key.clone(),
        title: ticket.report.title.clone(),
        state: ticket.state,
        priority: None,
        risk: None,
        category: None,
        probability: None,
        runbook: None,
        decision: None,
        approvals: 0,
        approvals_needed: 0,
        received_at: ticket.received_at,
        due: ticket.received_at.plus(TARGETS.p4),
        due_is: Due::Response,
        assignee: None,
        snoozed_until: None,
    };
    let mut writes = vec![Write::Ticket { ticket: Box::new(ticket.clone()), shape: shape() }];
    let mut automatic = false;
    if ticket.state != TicketState::Received {
        let awaits = ticket.state == TicketState::AwaitingApproval;
        let decision = if awaits { Decision::NeedsApproval } else { Decision::RecommendOnly };
        let mut proposal = recommendation(&ticket, n, decision);
        proposal.classification.priority = Priority::ALL[round as usize % 4];
        proposal.classification.risk = Risk::ALL[round as usize % 3];
        proposal.classification.category.label = (!n.is_multiple_of(4)).then(|| format!("category-{}", n % 4));
        proposal.runbook = (!n.is_multiple_of(5)).then(|| RunbookId::new(format!("runbook-{}", n % 5)).unwrap());
        proposal.classification.category.ranked = vec![("category-1".to_owned(), 1.0 / (1.0 + n as f64))];
        proposal.verdict.approvals_needed = 1 + (round % 2) as u8;
        proposal.approvals = (0..round % 3).map(|_| approval(&proposal)).collect();
        proposal.expires_at = proposal.created_at.plus(Duration::from_secs(MINUTE * (30 + 13 * round)));
        let target = [TARGETS.p1, TARGETS.p2, TARGETS.p3, TARGETS.p4][round as usize % 4];
        row = TicketRow {
            priority: Some(proposal.classification.priority),
            risk: Some(proposal.classification.risk),
            category: proposal.classification.category.label.clone(),
            runbook: proposal.runbook.clone(),
            probability: proposal.classification.category.ranked.first().map(|(_, probability)| *probability),
            decision: Some(decision),
            approvals: proposal.approvals.len() as u64,
            approvals_needed: proposal.verdict.approvals_needed.into(),
            due: if awaits { proposal.expires_at } else { ticket.received_at.plus(target) },
            due_is: if awaits { Due::Approval } else { Due::Response },
            ..row
        };
        writes.push(Write::Recommendation(Box::new(proposal)));
    }
    if matches!(ticket.state, TicketState::Executing | TicketState::Resolved) {
        let mut run = execution(&ticket, n, ticket.received_at);
        if ticket.state == TicketState::Resolved {
            run.state = ExecutionState::Succeeded;
            run.started_by = if round.is_multiple_of(2) { Actor::Engine } else { Actor::Person(person("ana")) };
            automatic = round.is_multiple_of(2);
        } else if round.is_multiple_of(2) {
            run.not_before = run.created_at.plus(Duration::from_secs(MINUTE * (2 + round)));
            row = TicketRow { due: run.not_before, due_is: Due::Hold, ..row };
        }
        writes.push(Write::Execution(Box::new(run)));
    }
    let mut handling = Handling { revision: 1, ..Handling::of(tenant(), ticket.id) };
    handling.assignee = match n % 4 {
        0 => Some(person("ana")),
        1 => Some(person("bob")),
        _ => None,
    };
    handling.snoozed_until = n.is_multiple_of(3).then(|| at((MINUTE * n) as i64));
    row = TicketRow { assignee: handling.assignee.clone(), snoozed_until: handling.snoozed_until, ..row };
    writes.push(Write::Handling(handling));
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    Known { row, automatic }
}

async fn population(store: &dyn Store) -> Vec<Known> {
    let mut all = Vec::new();
    for n in 0..TICKETS {
        all.push(stored(store, n).await);
    }
    // Somebody else's, which no list may show.
    for n in TICKETS..TICKETS + 11 {
        store.commit(intake(&ticket(&other_tenant(), n))).await.unwrap();
    }
    all
}

/// Tickets in every state, as these contracts have them, and one whose automatic run was taken back.
pub async fn populated(store: &dyn Store) {
    population(store).await;
    let ticket = received(store, 2 * TICKETS).await;
    taken_back(store, &ticket).await;
}

/// An automatic run that succeeded, and the run that took it back.
async fn taken_back(store: &dyn Store, ticket: &Ticket) {
    let mut done = execution(ticket, 1, at(2));
    (done.state, done.started_by) = (ExecutionState::Succeeded, Actor::Engine);
    store.commit(written(&done)).await.unwrap();
    let mut undo = execution(ticket, 2, at(3));
    (undo.state, undo.started_by) = (ExecutionState::Succeeded, Actor::Person(person("ana")));
    undo.undoes = Some(Undo { of: done.id, holds_ticket: true, log: Vec::new() });
    done.undone_by = Some(undo.id);
    for run in [&done, &undo] {
        store.commit(Change { entries: Vec::new(), ..written(run) }).await.unwrap();
    }
}

/// The whole list, page by page.
async fn listed(store: &dyn Store, wanted: &Wanted, by_due: bool, page: usize, now: Timestamp) -> Vec<TicketRow> {
    let mut all: Vec<TicketRow> = Vec::new();
    loop {
        let last = all.last();
        let order = match by_due {
            true => Order::Due(last.map(|row| (row.due, row.ticket))),
            false => Order::Newest(last.map(|row| row.ticket)),
        };
        let found = store.ticket_rows(&tenant(), wanted, order, page, TARGETS, now).await.unwrap();
        if found.is_empty() {
            return all;
        }
        assert!(found.len() <= page, "a page has more than was asked for");
        all.extend(found);
    }
}

fn every_cut() -> Vec<Wanted> {
    let queue = || Wanted { awake: Some(true), ..Wanted::default() };
    let mut cuts = vec![
        Wanted::default(),
        queue(),
        Wanted { awake: Some(false), ..queue() },
        Wanted { states: WAITING.to_vec(), ..queue() },
        Wanted { text: Some("comes prn".to_owned()), ..queue() },
        Wanted { text: Some("1 pr".to_owned()), ..Wanted::default() },
        Wanted { text: Some("omes".to_owned()), ..queue() },
        Wanted { source: Some(SourceId::new("alerts").unwrap()), ..queue() },
        Wanted { category: Some("category-2".to_owned()), ..queue() },
        Wanted { priority: Some(Priority::P2), ..queue() },
        Wanted { runbook: Some(RunbookId::new("runbook-3").unwrap()), ..Wanted::default() },
        Wanted { whose: Whose::Nobodys, ..queue() },
        Wanted { whose: Whose::Of(person("ana")), ..queue() },
        Wanted { from: Some(at(20)), until: Some(at(90)), ..Wanted::default() },
        Wanted { automatic: Some(true), ..Wanted::default() },
        Wanted { automatic: Some(false), priority: Some(Priority::P1), ..Wanted::default() },
    ];
    cuts.extend(TicketState::ALL.map(|state| Wanted { states: vec![state], ..Wanted::default() }));
    cuts
}

/// Times at which all, some and none of the snoozes are over.
const NOWS: [i64; 3] = [0, 60 * 60, 60 * 200];

pub async fn a_list_has_every_ticket_asked_for_once_in_its_order(store: Arc<dyn Store>) {
    let all = population(&*store).await;
    for now in NOWS.map(at) {
        for wanted in every_cut() {
            let fit: Vec<&Known> = all.iter().filter(|known| known.is(&wanted, now)).collect();
            let mut due: Vec<TicketRow> = fit.iter().filter(|known| known.falls_due()).map(|known| known.row.clone()).collect();
            due.sort_by_key(|row| (row.due, row.ticket));
            assert_eq!(listed(&*store, &wanted, true, 7, now).await, due, "{wanted:?} at {now}");
            let mut newest: Vec<TicketRow> = fit.iter().map(|known| known.row.clone()).collect();
            newest.sort_by_key(|row| std::cmp::Reverse(row.ticket));
            assert_eq!(listed(&*store, &wanted, false, 50, now).await, newest, "{wanted:?} at {now}");
        }
    }
}

pub async fn counts_are_the_lengths_of_their_lists(store: Arc<dyn Store>) {
    let all = population(&*store).await;
    for now in NOWS.map(at) {
        let mut counted = WorklistCounts::default();
        for known in &all {
            if !known.falls_due() {
                continue;
            }
            if known.sleeps(now) {
                counted.snoozed += 1;
                continue;
            }
            if known.is_held() {
                counted.held += 1;
            } else {
                *counted.states.entry(known.row.state).or_default() += 1;
            }
            if let Some(person) = &known.row.assignee {
                *counted.by_person.entry(person.clone()).or_default() += 1;
            }
        }
        assert!(counted.held > 0 && counted.by_person.len() > 1, "nothing to count: {counted:?}");
        assert_eq!(store.worklist_counts(&tenant(), now).await.unwrap(), counted, "at {now}");
    }
    let found = store.ticket_categories(&tenant()).await.unwrap();
    assert_eq!(found, ["category-1", "category-2", "category-3"]);
    assert_eq!(store.ticket_categories(&other_tenant()).await.unwrap(), Vec::<String>::new());
}

pub async fn a_tally_counts_every_ticket_and_run_since_then_once(store: Arc<dyn Store>) {
    let all = population(&*store).await;
    let since = at(30);
    let tally = store.tally(&tenant(), since).await.unwrap();
    let mut days = BTreeMap::new();
    for known in all.iter().filter(|known| known.row.received_at >= since) {
        let key = (known.row.received_at.as_millis() / 86_400_000, known.row.state, known.row.category.clone(), known.automatic);
        *days.entry(key).or_insert(0) += 1;
    }
    let found: BTreeMap<_, _> =
        tally.days.iter().map(|day| ((day.day, day.state, day.category.clone(), day.automatic), day.tickets)).collect();
    assert_eq!(found.len(), tally.days.len(), "a line is there twice");
    assert_eq!(found, days);
    let resolved = all.iter().filter(|known| known.row.received_at >= since && known.row.state == TicketState::Resolved);
    let (by_itself, by_people): (Vec<_>, Vec<_>) = resolved.partition(|known| known.automatic);
    let succeeded = |automatic| tally.runs.iter().filter(|run| run.automatic == automatic).map(|run| run.succeeded).sum::<u64>();
    assert_eq!((succeeded(true), succeeded(false)), (by_itself.len() as u64, by_people.len() as u64));
    assert!(tally.runs.iter().all(|run| run.other == 0), "a run that has not ended is counted: {:?}", tally.runs);
    assert_eq!(tally.to_resolve.len(), by_itself.len() + by_people.len());
    let triaged = all.iter().filter(|known| known.row.received_at >= since && known.row.decision.is_some()).count();
    assert_eq!(tally.to_triage, vec![0; triaged], "a sample's proposal is made in the second of its receipt");
}

/// The ticket's sender says this title now, in a delivery of its own.
async fn retitled(store: &dyn Store, ticket: &mut Ticket, title: &str) {
    let next = self::ticket(&tenant(), 1_000_000 + ticket.version);
    ticket.delivery = next.delivery;
    ticket.report.title = title.into();
    ticket.version += 1;
    let writes = vec![Write::Delivery(delivery_of(&next)), Write::Ticket { ticket: Box::new(ticket.clone()), shape: shape() }];
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
}

async fn found(store: &dyn Store, text: &str) -> Vec<String> {
    let wanted = Wanted { text: Some(text.to_owned()), ..Wanted::default() };
    listed(store, &wanted, false, 100, at(0)).await.into_iter().map(|row| row.external_id).collect()
}

pub async fn a_search_finds_words_by_their_beginning_and_never_what_is_masked(store: Arc<dyn Store>) {
    let titles =
        ["Müller cannot print on prn-0042", "Outlook: password: hunter2secret9 is wrong", "東京 हिन्दी aⒶb \u{0} \"*", "Print again"];
    for (n, title) in (1..).zip(titles) {
        let mut ticket = ticket(&tenant(), n);
        ticket.report.title = title.into();
        store.commit(intake(&ticket)).await.unwrap();
        let mut others = self::ticket(&other_tenant(), 100 + n);
        others.report.title = title.into();
        store.commit(intake(&others)).await.unwrap();
    }
    for (text, ids) in [
        ("muller", vec!["1"]),
        ("MÜLL", vec!["1"]),
        ("print", vec!["4", "1"]),
        ("print müller", vec!["1"]),
        ("prn-0042", vec!["1"]),
        ("PRN 42", vec![]),
        ("inc0000003", vec!["3"]),
        ("INC00", vec!["4", "3", "2", "1"]),
        ("京", vec!["3"]),
        ("हिन्दी", vec!["3"]),
        ("aⒶb", vec!["3"]),
        ("outlook password", vec!["2"]),
        ("hunter2secret9", vec![]),
        ("hunt", vec![]),
        ("nobody wrote this", vec![]),
    ] {
        assert_eq!(found(&*store, text).await, ids, "{text}");
    }
    // Whatever is typed is words and never an operator; where none are, nothing is found.
    for text in
        ["", " ", "*", "\"", "\" OR words:", "NEAR(a b)", "-print", "a AND", "^x", "{words}: x", "\u{0}", "👩‍💻", "'; DROP TABLE tickets"]
    {
        found(&*store, text).await;
    }
    found(&*store, &"word ".repeat(2000)).await;
    found(&*store, &"x".repeat(100_000)).await;
    assert_eq!(found(&*store, "print NOT müller").await, Vec::<String>::new(), "`not` is a word");
}

pub async fn a_ticket_is_found_by_its_newest_title_alone(store: Arc<dyn Store>) {
    let mut ticket = received(&*store, 1).await;
    retitled(&*store, &mut ticket, "The scanner is slow").await;
    assert_eq!(found(&*store, "scanner").await, ["1"]);
    assert_eq!(found(&*store, "nothing comes").await, Vec::<String>::new());
    let (_, change) = moved(&ticket, TicketState::Triaged);
    store.commit(change).await.unwrap();
    assert_eq!(found(&*store, "scanner").await, ["1"], "a move between states does not lose it");
}

pub async fn handling_is_apart_from_the_ticket_and_news_wake_it(store: Arc<dyn Store>) {
    let mut ticket = received(&*store, 1).await;
    let fresh = Handling::of(tenant(), ticket.id);
    assert_eq!(store.handling(&tenant(), ticket.id).await.unwrap(), Some(fresh.clone()));
    assert_eq!(store.handling(&other_tenant(), ticket.id).await.unwrap(), None);
    let taken = Handling { assignee: Some(person("ana")), snoozed_until: Some(at(500)), revision: 1, ..fresh };
    let change = |handling: &Handling, revision| Change {
        expect: vec![Expectation::HandlingRevision { ticket: handling.ticket, revision }],
        writes: vec![Write::Handling(handling.clone())],
        ..Change::default()
    };
    store.commit(change(&taken, 0)).await.unwrap();
    let late = conflict(store.commit(change(&Handling { assignee: Some(person("bob")), ..taken.clone() }, 0)).await);
    assert!(matches!(late, Conflict::Changed { expected: 0, found: Some(1), .. }), "{late}");
    // The pipeline moves the ticket on the version it saw, whoever took it; and taking it changes no version.
    let (next, change_of_state) = moved(&ticket, TicketState::Triaged);
    store.commit(change_of_state).await.unwrap();
    assert_eq!(store.handling(&tenant(), ticket.id).await.unwrap(), Some(taken.clone()));
    ticket = next;
    retitled(&*store, &mut ticket, "It burns now").await;
    let awake = store.handling(&tenant(), ticket.id).await.unwrap().unwrap();
    assert_eq!(awake, Handling { snoozed_until: None, revision: 2, ..taken.clone() }, "its sender said more");
    let unseen = conflict(store.commit(change(&Handling { revision: 2, ..taken }, 1)).await);
    assert!(matches!(unseen, Conflict::Changed { found: Some(2), .. }), "put off by somebody who has not seen the news: {unseen}");
}

pub async fn what_was_taken_back_helped_nobody(store: Arc<dyn Store>) {
    let (helped, ticket) = (received(&*store, 1).await, received(&*store, 2).await);
    let run = execution(&helped, 9, at(2));
    store.commit(written(&Execution { state: ExecutionState::Succeeded, ..run })).await.unwrap();
    taken_back(&*store, &ticket).await;
    let tally = store.tally(&tenant(), at(0)).await.unwrap();
    let runs: Vec<_> = tally.runs.iter().map(|run| (run.automatic, run.succeeded, run.other)).collect();
    assert_eq!(runs, [(true, 1, 1)], "the undo itself is no run of its runbook");
    let wanted = Wanted { automatic: Some(true), ..Wanted::default() };
    let automatic: Vec<_> = listed(&*store, &wanted, false, 9, at(9)).await.into_iter().map(|row| row.ticket).collect();
    assert_eq!(automatic, [helped.id]);
}

pub async fn the_time_of_resolution_is_when_it_was_resolved_and_not_when_it_was_touched(store: Arc<dyn Store>) {
    let mut ticket = received(&*store, 1).await;
    let written =
        |ticket: &Ticket| Change { writes: vec![Write::Ticket { ticket: Box::new(ticket.clone()), shape: shape() }], ..Change::default() };
    for (state, second) in [(TicketState::Resolved, 61), (TicketState::Resolved, 300)] {
        (ticket.state, ticket.updated_at) = (state, at(second));
        store.commit(written(&ticket)).await.unwrap();
    }
    assert_eq!(store.tally(&tenant(), at(0)).await.unwrap().to_resolve, [60_000]);
    for (state, second) in [(TicketState::Received, 400), (TicketState::Resolved, 501)] {
        (ticket.state, ticket.updated_at) = (state, at(second));
        store.commit(written(&ticket)).await.unwrap();
    }
    assert_eq!(store.tally(&tenant(), at(0)).await.unwrap().to_resolve, [500_000], "opened again and resolved again");
}
