//! Several proposals of one runbook and one verdict approved at once: listed first, each with what it is bound to.
//!
//! Each is approved by itself, under all the rules of one approval; what is refused is said, the others stand.

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    domain::{
        digest::Digest,
        id::{RecommendationId, TicketId},
        name::RunbookId,
        priority::Risk,
        recommendation::{Recommendation, RecommendationState},
        verdict::Decision,
    },
    pipeline::{actions::approve, error::ActionError},
    server::{
        app::App,
        console::{form::Form, frame::Frame, page, queue::MOST_TOGETHER, trouble::Trouble, visitor::Visitor, words},
        masked,
        problem::Problem,
    },
};

struct One {
    id: RecommendationId,
    ticket: TicketId,
    title: String,
    values: String,
    binding: Digest,
    revision: u64,
    /// What came of it, once approved.
    said: Option<Result<&'static str, String>>,
}

#[derive(Template)]
#[template(path = "together.html")]
struct TogetherPage {
    frame: Frame,
    runbook: RunbookId,
    decision: words::Badge,
    typed: bool,
    ones: Vec<One>,
    /// True after the approvals.
    over: bool,
}

fn refused(why: impl Into<String>) -> Trouble {
    Trouble(Problem::Refused(vec![why.into()]))
}

/// Open proposals of one runbook version and one verdict, as they stand now.
struct Alike {
    runbook: RunbookId,
    decision: Decision,
    risk: Risk,
    all: Vec<Recommendation>,
}

impl Alike {
    fn of(app: &App, all: Vec<Recommendation>) -> Result<Self, Trouble> {
        let first = all.first().ok_or_else(|| refused("choose the tickets in the queue first"))?;
        if all.len() > MOST_TOGETHER {
            return Err(refused(format!("at most {MOST_TOGETHER} are approved at once; {} were chosen", all.len())));
        }
        let runbook = first.runbook.clone().ok_or_else(|| refused("no runbook is proposed for one of them"))?;
        let same = |other: &Recommendation| {
            other.runbook_digest == first.runbook_digest
                && other.verdict.decision == first.verdict.decision
                && other.verdict.approvals_needed == first.verdict.approvals_needed
        };
        if let Some(other) = all.iter().find(|other| !same(other)) {
            let named = other.runbook.as_ref().map_or("none".to_owned(), ToString::to_string);
            return Err(refused(format!(
                "only proposals of one runbook and one verdict are approved together: here are {runbook} and {named}"
            )));
        }
        let decider = app.service.decider();
        let own = decider.library().get(&runbook).map_or(Risk::High, |runbook| runbook.risk);
        let risk = all.iter().map(|proposal| proposal.classification.risk).max().unwrap_or(Risk::High).max(own);
        Ok(Self { runbook, decision: first.verdict.decision, risk, all })
    }
}

async fn listed(app: &App, proposal: &Recommendation) -> Result<One, Trouble> {
    let ticket = app.service.ticket(&proposal.tenant, proposal.ticket).await?;
    let values: Vec<String> = proposal.parameters.iter().map(|parameter| format!("{} {}", parameter.name, parameter.value)).collect();
    Ok(One {
        id: proposal.id,
        ticket: proposal.ticket,
        title: masked::ticket(ticket).report.title.as_untrusted().to_owned(),
        values: values.join(", "),
        binding: proposal.binding().map_err(ActionError::from)?,
        revision: proposal.revision,
        said: None,
    })
}

pub async fn ask(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let query = visitor.uri().query().unwrap_or_default();
    let chosen =
        url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "ticket").map(|(_, value)| value.parse::<TicketId>());
    let chosen = chosen.collect::<Result<Vec<_>, _>>().map_err(|why| Problem::parameter("ticket", why.to_string()))?;
    let mut all = Vec::new();
    for ticket in chosen.into_iter().take(MOST_TOGETHER + 1) {
        let found = app.service.store.recommendation_for(&visitor.principal().tenant, ticket).await?;
        let open = found.filter(|proposal| proposal.state == RecommendationState::Open);
        all.push(open.ok_or_else(|| Trouble(Problem::Changed(format!("ticket `{ticket}` waits for no approval any more"))))?);
    }
    let alike = Alike::of(&app, all)?;
    let mut ones = Vec::with_capacity(alike.all.len());
    for proposal in &alike.all {
        ones.push(listed(&app, proposal).await?);
    }
    let frame = Frame::load(&app, &visitor, "Approve together").await?;
    let typed = alike.risk > Risk::Low;
    page::page(&TogetherPage { frame, runbook: alike.runbook, decision: words::decision(alike.decision), typed, ones, over: false })
}

pub async fn approve(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let caller = visitor.principal();
    let mut seen: Vec<(RecommendationId, u64, Digest)> = Vec::new();
    for text in form.all("one") {
        let parts: Vec<&str> = text.split(' ').collect();
        let read = || Some((parts.first()?.parse().ok()?, parts.get(1)?.parse().ok()?, parts.get(2)?.parse().ok()?));
        seen.push(
            read()
                .ok_or_else(|| Trouble(Problem::Body { pointer: "/one".to_owned(), detail: "this is no line of the page".to_owned() }))?,
        );
    }
    let mut all = Vec::new();
    for (id, ..) in seen.iter().take(MOST_TOGETHER + 1) {
        all.push(app.service.recommendation(&caller.tenant, *id).await?);
    }
    let alike = Alike::of(&app, all)?;
    if alike.risk > Risk::Low && form.text("typed") != alike.runbook.as_str() {
        let detail = format!("type the name of the runbook, `{}`, to approve at this risk", alike.runbook);
        return Err(Trouble(Problem::Body { pointer: "/typed".to_owned(), detail }));
    }
    let mut ones = Vec::with_capacity(alike.all.len());
    for (proposal, (_, revision, binding)) in alike.all.iter().zip(seen) {
        let mut one = listed(&app, proposal).await?;
        let what = approve::Approve { revision, binding, comment: form.some("comment").map(str::to_owned) };
        one.said = Some(match approve::approve(&app.service, caller, proposal.id, what).await {
            Ok(approved) if approved.state == RecommendationState::Approved => Ok("approved, it runs"),
            Ok(_) => Ok("approved, another person is needed"),
            Err(error) => Err(Problem::from(error).detail()),
        });
        ones.push(one);
    }
    let frame = Frame::load(&app, &visitor, "Approved together").await?;
    page::page(&TogetherPage { frame, runbook: alike.runbook, decision: words::decision(alike.decision), typed: false, ones, over: true })
}
