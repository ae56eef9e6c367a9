//! A person tells what was done with a proposal outside of Sluicegate, or that what was done turned out wrong.
//!
//! This is how shadow and suggest earn trust, so a good word is taken only from who does not profit from it: never
//! from the requester or the runbook's authors. Anybody who works tickets may say that a proposal was wrong.
// INVARIANT: a good word is for a ticket's newest proposal only: what was proposed for an older text is past.

use serde::Deserialize;

use crate::{
    domain::{
        entry::{Entry, Event},
        execution::Execution,
        id::RecommendationId,
        outcome::{Outcome, OutcomeKind},
        principal::{Actor, Principal, Role},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        ticket::Ticket,
    },
    gate::{
        Facts,
        approval::{identities, may_be},
    },
    pipeline::{
        actions::{
            approve::LONGEST_COMMENT,
            reject::{self, Rejection},
        },
        demotion,
        error::{ActionError, Result},
        feedback,
        outcome::{Correction, Word, record},
        service::Service,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::StoreError,
    },
};

/// Tries to commit while others change the modes.
const ATTEMPTS: usize = 8;

/// What a person did, or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// By hand, exactly what was proposed, and it helped.
    SameRunbook,
    /// Another runbook; `another_runbook` names it.
    AnotherRunbook,
    /// Nothing of what was proposed; `comment` says why.
    Rejected,
    /// The ticket is of another category; `category` names it.
    CategoryCorrected,
    /// Took back what ran or what was done.
    Undone,
}

impl Did {
    /// A refusal is of the kind that its correction says, as when a proposal is rejected.
    const fn kind(self, correction: &Correction) -> OutcomeKind {
        match self {
            Self::SameRunbook => OutcomeKind::SameRunbook,
            Self::Undone => OutcomeKind::Undone,
            Self::AnotherRunbook | Self::Rejected | Self::CategoryCorrected => correction.kind(),
        }
    }
}

/// A person's word on one proposal.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The recommendation's revision that the person saw.
    pub revision: u64,
    pub did: Did,
    pub correction: Correction,
    pub comment: Option<String>,
}

/// Records the judgement; an open proposal is closed by it, so that nobody approves what was already done.
///
/// # Errors
/// Not found, wrong role, a field that cannot be, a good word from who may not give it, a run that has not ended, an
/// outcome that stands, or no longer as the caller saw it.
pub async fn judge(service: &Service, caller: &Principal, id: RecommendationId, judgement: Judgement) -> Result<Outcome> {
    service.require_any(caller, &[Role::Responder, Role::Approver])?;
    check_fields(&judgement)?;
    let proposal = service.recommendation(&caller.tenant, id).await?;
    if proposal.revision != judgement.revision {
        return Err(ActionError::Changed(format!("you saw revision {}, it is now at {}", judgement.revision, proposal.revision)));
    }
    if proposal.runbook.is_none() {
        return Err(invalid("/did", "no runbook was proposed, so there is nothing to judge".to_owned()));
    }
    judgement.correction.check(service, &proposal)?;
    let run = run_of(service, &proposal).await?;
    let known = service.store.outcome(&caller.tenant, id).await?;
    stands(known.as_ref(), judgement.did)?;
    let ticket = service.ticket(&caller.tenant, proposal.ticket).await?;
    match (judgement.did, proposal.state) {
        (Did::SameRunbook, _) => may_praise(service, caller, &ticket, &proposal).await?,
        (Did::Undone, _) => {}
        // What is still open is refused the one way there is.
        (_, RecommendationState::Open) => return refuse(service, caller, proposal, judgement).await,
        _ => {}
    }
    let automatic = run.is_some_and(|run| run.started_by == Actor::Engine);
    for _ in 0..ATTEMPTS {
        let (change, outcome) = recorded(service, caller, ticket.clone(), proposal.clone(), automatic, judgement.clone()).await?;
        match service.commit(change).await {
            Ok(_) => {
                demotion::settle_all(service, vec![outcome.clone()]).await;
                return Ok(outcome);
            }
            // Somebody else changed the modes that a demotion changes too; that is not what the caller looked at.
            Err(StoreError::Conflict(Conflict::Changed { what: "modes", .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ActionError::Changed("the modes change all the time; try again".to_owned()))
}

fn check_fields(judgement: &Judgement) -> Result<()> {
    let Judgement { did, correction, comment, .. } = judgement;
    let length = comment.as_deref().map_or(0, |comment| comment.trim().len());
    if length > LONGEST_COMMENT || (length == 0 && (*did == Did::Rejected || comment.is_some())) {
        return Err(invalid("/comment", format!("a comment has 1 to {LONGEST_COMMENT} bytes, got {length}; `rejected` needs one")));
    }
    if (*did == Did::AnotherRunbook) != correction.another_runbook.is_some() {
        return Err(invalid("/another_runbook", "name it with `another_runbook` and with nothing else".to_owned()));
    }
    if *did == Did::CategoryCorrected && correction.category.is_none() {
        return Err(invalid("/category", "name the right category".to_owned()));
    }
    if correction.category.is_some() && matches!(did, Did::SameRunbook | Did::Undone) {
        return Err(invalid("/category", "a corrected category says that the proposal was wrong: use `category_corrected`".to_owned()));
    }
    Ok(())
}

/// # Errors
/// The proposal's run has not ended: its end says more than anybody can now.
async fn run_of(service: &Service, proposal: &Recommendation) -> Result<Option<Execution>> {
    let runs = service.store.executions_for(&proposal.tenant, proposal.ticket).await?;
    let run = runs.into_iter().find(|run| run.recommendation == proposal.id);
    match &run {
        Some(run) if !run.state.is_final() => {
            Err(ActionError::Changed(format!("execution `{}` is `{}`; say it when it ended", run.id, run.state.as_str())))
        }
        _ => Ok(run),
    }
}

/// # Errors
/// What is recorded would not be changed by this.
fn stands(known: Option<&Outcome>, did: Did) -> Result<()> {
    match (known, did) {
        (Some(known), _) if known.kind.is_wrong() => {
            Err(ActionError::Changed(format!("`{}` was recorded at {}, and wrong never turns right", known.kind.as_str(), known.known_at)))
        }
        (Some(known), Did::SameRunbook) => {
            Err(ActionError::Changed(format!("`{}` was recorded at {} already", known.kind.as_str(), known.known_at)))
        }
        (None, Did::Undone) => Err(invalid("/did", "nothing is known to have been done, so there is nothing to undo".to_owned())),
        _ => Ok(()),
    }
}

/// # Errors
/// The caller asked for it or wrote the runbook, or a newer proposal stands.
async fn may_praise(service: &Service, caller: &Principal, ticket: &Ticket, proposal: &Recommendation) -> Result<()> {
    let is_me = |person: &crate::domain::name::PersonId| may_be(person, &caller.person);
    // The facts of the proposal have who asked then, who posted it, and the authors of that version.
    let facts = Facts::read(&proposal.receipt.facts).map_err(|why| ActionError::Internal(why.to_string()))?;
    let mut refusals = Vec::new();
    let asks_now = ticket.report.requester.as_ref().map(identities).unwrap_or_default();
    let benefits = facts.proposal.iter().flat_map(|proposal| &proposal.beneficiaries);
    if facts.requester.iter().flat_map(|requester| &requester.identities).chain(&asks_now).chain(benefits).any(is_me) {
        refusals.push(format!("`{}` asked for this, so another person must say that it was right", caller.person));
    }
    if facts.proposal.iter().flat_map(|proposal| &proposal.authors).any(is_me) {
        refusals.push(format!("`{}` wrote or edited the runbook, so another person must say that it was right", caller.person));
    }
    if !refusals.is_empty() {
        return Err(ActionError::Refused(refusals));
    }
    match service.store.recommendation_for(&proposal.tenant, proposal.ticket).await? {
        Some(newest) if newest.id != proposal.id => {
            Err(ActionError::Changed(format!("the ticket has a newer proposal, `{}`: judge that one", newest.id)))
        }
        _ => Ok(()),
    }
}

async fn refuse(service: &Service, caller: &Principal, proposal: Recommendation, judgement: Judgement) -> Result<Outcome> {
    let said = judgement.comment.unwrap_or_else(|| match (&judgement.correction.another_runbook, &judgement.correction.category) {
        (Some(runbook), _) => format!("runbook `{runbook}` was used"),
        (None, category) => format!("the category is `{}`", category.as_deref().unwrap_or("another")),
    });
    let rejection = Rejection { reason: said, correction: judgement.correction };
    reject::reject(service, caller, proposal.id, judgement.revision, rejection).await?;
    let recorded = service.store.outcome(&proposal.tenant, proposal.id).await?;
    recorded.ok_or_else(|| ActionError::Internal(format!("the outcome of `{}` is gone", proposal.id)))
}

/// The change with the outcome that it records.
async fn recorded(
    service: &Service,
    caller: &Principal,
    mut ticket: Ticket,
    mut proposal: Recommendation,
    automatic: bool,
    judgement: Judgement,
) -> Result<(Change, Outcome)> {
    let now = service.ambient.now();
    let actor = Actor::Person(caller.person.clone());
    let mut change = Change {
        expect: vec![Expectation::RecommendationRevision { recommendation: proposal.id, revision: judgement.revision }],
        ..Change::default()
    };
    if let Some(category) = &judgement.correction.category {
        feedback::given(service, caller, &ticket, &proposal, (feedback::CATEGORY, category), now, &mut change);
    }
    if proposal.state == RecommendationState::Open {
        change.expect.push(Expectation::TicketVersion { ticket: ticket.id, version: ticket.version });
        let reason = "a person did it outside of Sluicegate".to_owned();
        let mut log = |event| change.entries.push(Entry::new(caller.tenant.clone(), now, actor.clone(), event));
        log(Event::RecommendationSuperseded { recommendation: proposal.id, ticket: ticket.id, reason });
        proposal.state = RecommendationState::Superseded;
        proposal.revision += 1;
        if ticket.state == TicketState::AwaitingApproval {
            let from = ticket.state;
            ticket.state = from.transition(TicketState::Recommended).map_err(|illegal| ActionError::Changed(illegal.to_string()))?;
            ticket.version += 1;
            ticket.updated_at = now;
            log(Event::TicketMoved { ticket: ticket.id, from, to: ticket.state, version: ticket.version });
            change.writes.push(service.write_ticket(ticket));
        }
        change.writes.push(Write::Recommendation(Box::new(proposal.clone())));
    }
    let comment = judgement.comment.map(|comment| comment.trim().to_owned());
    let word = Word { kind: judgement.did.kind(&judgement.correction), correction: judgement.correction, comment, by: actor };
    let recorded = record(service, &proposal, automatic, word, now, &mut change).await?;
    let outcome = recorded.ok_or_else(|| ActionError::Changed("somebody else's word was recorded meanwhile".to_owned()))?;
    Ok((change, outcome))
}

fn invalid(pointer: &str, message: String) -> ActionError {
    ActionError::Invalid { pointer: pointer.to_owned(), message }
}
