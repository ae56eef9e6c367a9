//! The runbooks in force, with how each does.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    frame::{Frame, query},
    overview::Overviews,
    page,
    rows::risk,
    trouble::Trouble,
    visitor::Visitor,
    words::{self, Badge, Tone, counted, percent},
};
use crate::{
    domain::{
        approval::{Modes, PreApproval},
        name::{RunbookId, TenantId},
        runbook::Runbook,
        time::Timestamp,
    },
    gate::{error_bound, facts::PerMillion},
    server::app::App,
    store::interface::StoreError,
};

/// What is known of one version of a runbook.
pub struct Standing {
    /// Why it would not run by itself, and what is good about it.
    pub health: Vec<Badge>,
    pub mode: Badge,
    /// Judged proposals, in words.
    pub agreement: String,
    /// The error bound beside its limit, in words.
    pub bound: String,
    pub last: String,
}

/// What every row is made of, asked for once.
pub struct Known {
    modes: Modes,
    pre_approvals: Vec<PreApproval>,
    last: BTreeMap<RunbookId, (u64, u64, Timestamp)>,
    confidence: PerMillion,
    limit: PerMillion,
    pub now: Timestamp,
    today: jiff::civil::Date,
}

impl Known {
    /// # Errors
    /// The store failed.
    pub async fn gather(app: &App, tenant: &TenantId) -> Result<Self, StoreError> {
        let gate = &app.service.config.gate;
        let now = app.service.ambient.now();
        let overview = Overviews::get(app, tenant, 30).await?;
        let mut last: BTreeMap<RunbookId, (u64, u64, Timestamp)> = BTreeMap::new();
        for run in &overview.tally.runs {
            let (helped, other, at) = last.entry(run.runbook.clone()).or_insert((0, 0, run.last_at));
            *helped += run.succeeded;
            *other += run.other;
            *at = (*at).max(run.last_at);
        }
        Ok(Self {
            modes: app.service.store.modes(tenant).await?,
            pre_approvals: app.service.store.pre_approvals(tenant, None).await?,
            last,
            confidence: PerMillion::configured(gate.error_confidence).unwrap_or(PerMillion::ONE),
            limit: PerMillion::configured(gate.error_limit).unwrap_or(PerMillion::ZERO),
            now,
            today: jiff::tz::TimeZone::UTC.to_datetime(now.as_jiff()).date(),
        })
    }

    /// # Errors
    /// The store failed.
    pub async fn standing(&self, app: &App, tenant: &TenantId, runbook: &Runbook) -> Result<Standing, StoreError> {
        let record = app.service.store.outcome_record(tenant, &runbook.id, &runbook.digest).await?;
        let upper = error_bound::upper(record.known, record.wrong, self.confidence);
        let agreement = match record.known {
            0 => "nothing judged yet".to_owned(),
            known => format!("{} of {} right", known - record.wrong, counted(known, "judged", "judged")),
        };
        let bound = match record.known {
            0 => String::new(),
            _ => format!(
                "errors at most {} (with {} confidence), limit {}",
                percent(upper.as_f64()),
                percent(self.confidence.as_f64()),
                percent(self.limit.as_f64())
            ),
        };
        let last = match self.last.get(&runbook.id) {
            None => "not in 30 days".to_owned(),
            Some((helped, other, at)) => format!("{}: {helped} of {} helped", words::ago(self.now, *at), helped + other),
        };
        let mode = self.modes.runbooks.get(&runbook.id).copied().unwrap_or(self.modes.global);
        Ok(Standing { health: self.health(runbook, upper), mode: words::mode(mode), agreement, bound, last })
    }

    fn health(&self, runbook: &Runbook, upper: PerMillion) -> Vec<Badge> {
        let mut health = Vec::new();
        if !runbook.is_executable() {
            health.push(Badge::new(Tone::Plain, "for people"));
            return health;
        }
        if runbook.is_stale(self.today) {
            health.push(Badge::new(Tone::Waits, "review is overdue"));
        }
        let of_this = |record: &&PreApproval| record.runbook == runbook.id && record.digest == runbook.digest;
        let stands = self.pre_approvals.iter().filter(of_this).any(|record| record.stands() && record.expires_at > self.now);
        let void =
            self.pre_approvals.iter().any(|record| record.runbook == runbook.id && record.voided.is_some() && record.revoked.is_none());
        match (stands, void) {
            (true, _) => health.push(Badge::new(Tone::Good, "pre-approved")),
            (false, true) => health.push(Badge::new(Tone::Waits, "changed: pre-approval is void")),
            (false, false) => health.push(Badge::new(Tone::Plain, "not pre-approved")),
        }
        if stands && upper > self.limit {
            health.push(Badge::new(Tone::Waits, "too few right outcomes"));
        }
        health
    }
}

struct Row {
    id: RunbookId,
    title: String,
    owner: String,
    risk: Badge,
    standing: Standing,
}

struct Refused {
    part: String,
    message: String,
    findings: Vec<String>,
    at: String,
}

#[derive(Template)]
#[template(path = "runbooks.html")]
struct RunbooksPage {
    frame: Frame,
    rows: Vec<Row>,
    all: usize,
    q: String,
    refused: Vec<Refused>,
    warnings: Vec<String>,
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let tenant = &visitor.principal().tenant;
    let frame = Frame::load(&app, &visitor, "Runbooks").await?;
    let known = Known::gather(&app, tenant).await?;
    let q = query(&visitor, "q").unwrap_or_default().trim().to_lowercase();
    let decider = app.service.decider();
    let mut rows = Vec::new();
    for runbook in decider.library().iter() {
        let fits = [runbook.id.as_str(), &runbook.title, &runbook.owner].iter().any(|text| text.to_lowercase().contains(&q));
        if fits {
            let standing = known.standing(&app, tenant, runbook).await?;
            let (id, title, owner) = (runbook.id.clone(), runbook.title.clone(), runbook.owner.clone());
            rows.push(Row { id, title, owner, risk: risk(runbook.risk), standing });
        }
    }
    let refused = app.service.loads.all().into_iter().filter_map(|(part, load)| {
        let refused = load.refused?;
        Some(Refused {
            part: part.as_str().to_owned(),
            message: refused.message,
            findings: refused.findings.iter().map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.message)).collect(),
            at: words::ago(frame.now, refused.at),
        })
    });
    let refused = refused.collect();
    let warnings =
        decider.library().warnings().iter().map(|finding| format!("{}:{}: {}", finding.file, finding.line, finding.message)).collect();
    page::page(&RunbooksPage { rows, all: decider.library().len(), q, refused, warnings, frame })
}
