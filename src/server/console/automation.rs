//! How far Sluicegate may go, who let it, and what it has earned: modes, pre-approvals, records, freezes, connectors, the switch.

use std::time::Duration;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    form::Form,
    frame::Frame,
    page::{self, done},
    rows::sources,
    runbook::Approved,
    trouble::Trouble,
    visitor::Visitor,
    words::{self, Badge, Tone, counted, percent},
};
use crate::{
    domain::{
        approval::{KillSwitch, Mode, Scope},
        digest::Digest,
        dual_authorization::{Matter, Standing},
        endpoint::EndpointState,
        id::{DeadLetterId, DualAuthorizationId, OutboxId, PreApprovalId, TicketId},
        name::{RunbookId, SourceId},
        outbox::OutboxState,
        principal::Role::{Approver, Auditor, Operator, Responder},
        time::Timestamp,
    },
    execute::breaker::BreakerState,
    gate::facts::WindowKind,
    pipeline::{
        actions::{
            dead_letter,
            dual_authorization::{self, Asked},
            endpoint, modes,
            proof::Proof,
            redeliver,
        },
        shadow_report,
    },
    server::{
        api::shadow_report::chart::{self, Place},
        app::App,
        parameters::Id,
        problem::Problem,
    },
    store::interface::Page,
};

/// How far the calendar looks ahead.
const AHEAD: Duration = Duration::from_secs(14 * 86_400);

/// One scope's mode.
struct ModeRow {
    scope: String,
    name: String,
    mode: Badge,
    since: String,
}

/// A second person's word that is asked for.
struct Waiting {
    id: DualAuthorizationId,
    what: String,
    ticket: Option<TicketId>,
    reason: String,
    by: String,
    until: Timestamp,
    ends: String,
    revision: u64,
    mine: bool,
    can_confirm: bool,
    can_withdraw: bool,
}

struct Used {
    id: PreApprovalId,
    hour: String,
    now: String,
    full: bool,
}

/// One stretch of the calendar, in the drawing's units.
struct Stretch {
    x: String,
    width: String,
    said: String,
}

struct Window {
    name: String,
    kind: Badge,
    stretches: Vec<Stretch>,
    next: String,
    y: u32,
}

struct Connector {
    name: String,
    kind: &'static str,
    state: Badge,
    probe: String,
}

struct Receiver {
    name: String,
    host: String,
    state: Badge,
    why: String,
    disabled: bool,
}

struct Dead {
    id: OutboxId,
    ticket: Option<TicketId>,
    destination: String,
    why: String,
    attempts: u32,
}

struct Letter {
    id: DeadLetterId,
    source: String,
    reason: String,
    at: String,
}

#[derive(Template)]
#[template(path = "automation.html")]
struct AutomationPage {
    frame: Frame,
    revision: u64,
    switch: Option<KillSwitch>,
    switched: String,
    may_stop: bool,
    may_release: bool,
    may_set: bool,
    may_ask: bool,
    modes: Vec<ModeRow>,
    sources: Vec<String>,
    runbooks: Vec<(RunbookId, String)>,
    waiting: Vec<Waiting>,
    approvals: Vec<Approved>,
    used: Vec<Used>,
    chart: String,
    judged: u64,
    windows: Vec<Window>,
    days: Vec<(String, String)>,
    height: u32,
    connectors: Vec<Connector>,
    receivers: Vec<Receiver>,
    dead: Vec<Dead>,
    letters: Vec<Letter>,
    watches: bool,
    operates: bool,
    senders: Vec<String>,
    limit: String,
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let (caller, store) = (visitor.principal(), &app.service.store);
    let tenant = &caller.tenant;
    let frame = Frame::load(&app, &visitor, "Automation").await?;
    let now = frame.now;
    let stored = store.modes(tenant).await?;
    let decider = app.service.decider();
    let mut runbooks: Vec<_> = decider
        .library()
        .iter()
        .filter(|runbook| runbook.is_executable())
        .map(|runbook| (runbook.id.clone(), runbook.title.clone()))
        .collect();
    runbooks.sort_by(|a, b| a.1.cmp(&b.1));
    let in_force = |id: &RunbookId| decider.library().get(id).map(|runbook| runbook.digest);
    let records = store.pre_approvals(tenant, None).await?;
    let approvals: Vec<Approved> =
        records.iter().rev().map(|record| Approved::of(record, in_force(&record.runbook).as_ref(), now)).collect();
    let mut used = Vec::new();
    for record in records.iter().filter(|record| record.stands() && record.expires_at > now) {
        let usage = store.cap_use(tenant, &record.runbook, &Digest::from_bytes([0; 32]), None, now).await?;
        used.push(Used {
            id: record.id,
            hour: format!("{} of {}", usage.runbook_hour, record.caps.per_hour),
            now: format!("{} of {}", usage.running, record.caps.concurrent),
            full: usage.runbook_hour >= u64::from(record.caps.per_hour) || usage.running >= u64::from(record.caps.concurrent),
        });
    }
    let report = shadow_report::shadow_report(&app.service, tenant, now.minus(shadow_report::USUAL), None).await?;
    let (windows, days, height) = calendar(decider.calendar().windows(), now);
    let watches = frame.may_any(&[Operator, Auditor]);
    let (mut receivers, mut dead, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    if watches {
        receivers = endpoint::list(&app.service, tenant)
            .await?
            .into_iter()
            .map(|(webhook, state)| receiver(webhook.name, webhook.host, &state, now))
            .collect();
        let found = store.messages(tenant, Some(OutboxState::Dead), Page { before: None, limit: 20 }).await?;
        dead = found
            .into_iter()
            .map(|message| Dead {
                id: message.id,
                ticket: message.ticket,
                destination: message.destination.key(),
                why: message.last_error.unwrap_or_default(),
                attempts: message.attempts,
            })
            .collect();
        let found = store.dead_letters(tenant, Page { before: None, limit: 20 }).await?;
        letters = found
            .into_iter()
            .map(|letter| Letter {
                id: letter.id,
                source: letter.source.to_string(),
                reason: letter.reason,
                at: words::ago(now, letter.received_at),
            })
            .collect();
    }
    let connectors = app.service.connectors.states(now).into_iter().map(|connector| {
        let state = match connector.breaker {
            BreakerState::Closed if connector.failures_in_a_row == 0 => Badge::new(Tone::Good, "works"),
            BreakerState::Closed => {
                Badge::new(Tone::Waits, counted(u64::from(connector.failures_in_a_row), "failure", "failures in a row"))
            }
            BreakerState::HalfOpen => Badge::new(Tone::Waits, "one try decides"),
            BreakerState::Open => Badge::new(Tone::Bad, "rests after failures"),
        };
        let probe = match (&connector.last_probe, connector.last_probe_at) {
            (Some(probe), Some(at)) => {
                format!("{} {}: {}", probe.about, words::ago(now, at), probe.failure.as_deref().unwrap_or("all is well"))
            }
            _ => "not probed".to_owned(),
        };
        Connector { name: connector.name.to_string(), kind: connector.kind, state, probe }
    });
    let gate = &app.service.config.gate;
    let shown = AutomationPage {
        revision: stored.revision,
        switched: stored.kill_switch.as_ref().map_or(String::new(), |switch| frame.ago(&switch.at)),
        may_stop: frame.may_any(&[Responder, Approver, Operator]),
        may_release: frame.may(Operator),
        may_set: frame.may_any(&[Approver, Operator]),
        may_ask: frame.may(Approver),
        modes: mode_rows(&stored, now),
        sources: sources(&app, tenant),
        waiting: waiting(&app, &visitor, now).await?,
        judged: report.versions.iter().map(|version| version.judged).sum(),
        chart: chart::draw(&report, Place::OnAPage),
        connectors: connectors.collect(),
        operates: frame.may(Operator),
        senders: sources(&app, tenant),
        limit: format!("errors at most {} with {} confidence", percent(gate.error_limit), percent(gate.error_confidence)),
        switch: stored.kill_switch,
        runbooks,
        approvals,
        used,
        windows,
        days,
        height,
        receivers,
        dead,
        letters,
        watches,
        frame,
    };
    page::page(&shown)
}

fn mode_rows(modes: &crate::domain::approval::Modes, now: Timestamp) -> Vec<ModeRow> {
    let row = |scope: String, name: String, mode: Mode, since: String| ModeRow { scope, name, mode: words::mode(mode), since };
    let mut rows = vec![row("global".to_owned(), "everything".to_owned(), modes.global, String::new())];
    rows.extend(modes.sources.iter().map(|(id, mode)| row(format!("source/{id}"), format!("source {id}"), *mode, String::new())));
    rows.extend(modes.runbooks.iter().map(|(id, mode)| {
        let since = modes.auto_since.get(id).filter(|_| *mode == Mode::Auto).map_or(String::new(), |since| words::ago(now, *since));
        row(format!("runbook/{id}"), format!("runbook {id}"), *mode, since)
    }));
    rows
}

fn receiver(name: String, host: String, state: &EndpointState, now: Timestamp) -> Receiver {
    let (badge, why) = match state {
        EndpointState::Working => (Badge::new(Tone::Good, "works"), String::new()),
        EndpointState::Failing { since, why } => (Badge::new(Tone::Waits, "fails"), format!("since {}: {why}", words::ago(now, *since))),
        EndpointState::Disabled { at, why, .. } => (Badge::new(Tone::Bad, "disabled"), format!("{}: {why}", words::ago(now, *at))),
    };
    Receiver { name, host, state: badge, why, disabled: state.is_disabled() }
}

async fn waiting(app: &App, visitor: &Visitor, now: Timestamp) -> Result<Vec<Waiting>, Trouble> {
    let caller = visitor.principal();
    let found = app.service.store.dual_authorizations(&caller.tenant, Page { before: None, limit: 100 }).await?;
    let open = found.into_iter().filter(|record| record.standing == Standing::Open && record.expires_at > now);
    let shown = open.map(|record| {
        let mine = crate::gate::approval::same_person(&record.requested_by, &caller.person);
        let (what, ticket) = match &record.matter {
            Matter::AutoMode { scope } => (format!("let {scope} run by itself"), None),
            Matter::FreezeOverride { ticket, windows, .. } => {
                (format!("approve in spite of {}", windows.iter().cloned().collect::<Vec<_>>().join(", ")), Some(*ticket))
            }
        };
        Waiting {
            id: record.id,
            what,
            ticket,
            ends: words::ago(now, record.expires_at),
            until: record.expires_at,
            by: record.requested_by.to_string(),
            reason: record.reason,
            revision: record.revision,
            can_confirm: !mine && visitor.has(Approver),
            can_withdraw: mine || visitor.has(Approver) || visitor.has(Operator),
            mine,
        }
    });
    Ok(shown.collect())
}

/// The windows of the next days, drawn: 0 to 700 across.
fn calendar(windows: &[crate::gate::freeze::FreezeWindow], now: Timestamp) -> (Vec<Window>, Vec<(String, String)>, u32) {
    const WIDTH: f64 = 700.0;
    let until = now.plus(AHEAD);
    let across = |at: Timestamp| {
        let part = (at.as_millis() - now.as_millis()) as f64 / AHEAD.as_millis() as f64;
        part.clamp(0.0, 1.0) * WIDTH
    };
    let drawn: Vec<Window> = windows
        .iter()
        .enumerate()
        .map(|(number, window)| {
            let found = window.occurrences(now, until);
            let kind = match window.kind() {
                WindowKind::Freeze => Badge::new(Tone::Bad, "freeze"),
                WindowKind::Peak => Badge::new(Tone::Waits, "peak"),
                WindowKind::Hours => Badge::new(Tone::Plain, "hours"),
            };
            let next = match found.first() {
                None => format!("not in the next {} days", AHEAD.as_secs() / 86_400),
                Some((from, to)) if *from <= now => format!("in force until {}", words::minute(*to)),
                Some((from, to)) => format!("from {} to {}", words::minute(*from), words::minute(*to)),
            };
            let stretches = found.iter().map(|(from, to)| Stretch {
                x: format!("{:.1}", across(*from)),
                width: format!("{:.1}", (across(*to) - across(*from)).max(1.0)),
                said: format!("{} to {}", words::minute(*from), words::minute(*to)),
            });
            let y = u32::try_from(number).unwrap_or(0) * 24;
            Window { name: window.name().to_owned(), kind, stretches: stretches.collect(), next, y }
        })
        .collect();
    let days = (0..=14u64).step_by(2).map(|day| {
        let at = now.plus(Duration::from_secs(day * 86_400));
        (format!("{:.1}", across(at)), words::minute(at).chars().skip(5).take(5).collect())
    });
    let height = u32::try_from(drawn.len()).unwrap_or(0) * 24 + 24;
    (drawn, days.collect(), height)
}

fn scope(text: &str) -> Result<Scope, Trouble> {
    let refused = |why: String| Trouble(Problem::Body { pointer: "/scope".to_owned(), detail: why });
    match text.split_once('/') {
        None if text == "global" => Ok(Scope::Global),
        Some(("source", id)) => SourceId::new(id).map(Scope::Source).map_err(|why| refused(why.to_string())),
        Some(("runbook", id)) => RunbookId::new(id).map(Scope::Runbook).map_err(|why| refused(why.to_string())),
        _ => Err(refused(format!("`{text}` is no scope: global, source/… or runbook/…"))),
    }
}

pub async fn set_mode(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let (scope, mode): (Scope, Mode) = (scope(form.text("scope"))?, form.value("mode")?);
    if mode == Mode::Auto {
        let proof = Proof::of(visitor.session(), form.secret("password"));
        let asked = Asked::AutoMode { scope, reason: form.text("reason").to_owned(), proof };
        dual_authorization::request(&app.service, visitor.principal(), asked).await?;
        return Ok(done("/automation", "asked"));
    }
    modes::set_mode(&app.service, visitor.principal(), &scope, mode, form.value("revision")?).await?;
    Ok(done("/automation", "mode"))
}

pub async fn confirm(State(app): State<App>, visitor: Visitor, Id(id): Id<DualAuthorizationId>, form: Form) -> Result<Response, Trouble> {
    let proof = Proof::of(visitor.session(), form.secret("password"));
    dual_authorization::confirm(&app.service, visitor.principal(), id, form.value("revision")?, &proof).await?;
    Ok(done("/automation", "confirmed"))
}

pub async fn withdraw(State(app): State<App>, visitor: Visitor, Id(id): Id<DualAuthorizationId>, form: Form) -> Result<Response, Trouble> {
    dual_authorization::withdraw(&app.service, visitor.principal(), id, form.value("revision")?).await?;
    Ok(done("/automation", "withdrawn"))
}

pub async fn switch(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let reason = form.text("reason");
    if form.text("on") == "yes" {
        modes::stop(&app.service, visitor.principal(), reason).await?;
        return Ok(done("/automation", "stopped"));
    }
    modes::release(&app.service, visitor.principal(), reason, form.value("revision")?).await?;
    Ok(done("/automation", "going"))
}

pub async fn enable(State(app): State<App>, visitor: Visitor, Id(name): Id<String>) -> Result<Response, Trouble> {
    endpoint::enable(&app.service, visitor.principal(), &name).await?;
    Ok(done("/automation", "enabled"))
}

pub async fn send_again(State(app): State<App>, visitor: Visitor, Id(id): Id<OutboxId>) -> Result<Response, Trouble> {
    redeliver::redeliver(&app.service, visitor.principal(), id).await?;
    Ok(done("/automation", "sent-again"))
}

pub async fn replay(State(app): State<App>, visitor: Visitor, Id(id): Id<DeadLetterId>) -> Result<Response, Trouble> {
    dead_letter::replay(&app.service, visitor.principal(), id).await?;
    Ok(done("/automation", "replayed"))
}
