//! A runbook whose automatic runs went wrong too often loses its automation: its mode goes to `suggest`.
//!
//! The gate refuses by itself from the same outcomes (`not_demoted`); this makes it lasting, logs it and tells who listens.
// INVARIANT: the test is over the stored outcomes of now and those the change writes, in the order of the decisions,
// so it says what the gate will say once the change is committed.

use crate::{
    domain::{
        approval::{Mode, Modes, Scope},
        digest::Digest,
        entry::{Entry, Event},
        name::{RunbookId, TenantId},
        outcome::Outcome,
        principal::Actor,
        time::Timestamp,
    },
    gate::{facts::PerMillion, sequential::Watch},
    pipeline::{
        error::{ActionError, Result},
        events, notices,
        service::Service,
        tell::{self, About},
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        interface::{AutomaticOutcome, StoreError},
    },
};

/// Others may change the modes at the same time; so many times in a row is the store's fault.
const ATTEMPTS: usize = 8;

/// The sequential test over a runbook version's automatic runs since it was last set to `auto`.
///
/// # Errors
/// The store failed.
pub(crate) async fn watch(
    service: &Service,
    tenant: &TenantId,
    runbook: &RunbookId,
    digest: &Digest,
    modes: &Modes,
) -> std::result::Result<Watch, StoreError> {
    let outcomes = service.store.automatic_outcomes(tenant, runbook, digest, since(modes, runbook)).await?;
    Ok(over(service, &outcomes))
}

fn since(modes: &Modes, runbook: &RunbookId) -> Timestamp {
    modes.auto_since.get(runbook).copied().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn over(service: &Service, outcomes: &[AutomaticOutcome]) -> Watch {
    let gate = &service.config.gate;
    // Both were checked when the configuration was; what is no probability would be the strictest one.
    let (limit, alpha) = (PerMillion::at_most(gate.error_limit), PerMillion::at_most(gate.demotion_alpha));
    Watch::over(limit, alpha, outcomes.iter().map(|outcome| outcome.wrong))
}

/// Adds the demotion to `change` when its outcomes and the stored ones cross together. True when it did.
///
/// # Errors
/// The store failed.
pub(crate) async fn demote(
    service: &Service,
    tenant: &TenantId,
    runbook: &RunbookId,
    digest: &Digest,
    now: Timestamp,
    change: &mut Change,
) -> std::result::Result<bool, StoreError> {
    // One delivery may reopen tickets of several runbooks: the change then sets all their modes at once.
    let pending = change.writes.iter().position(|write| matches!(write, Write::Modes { .. }));
    let mut modes = match pending.map(|place| &change.writes[place]) {
        Some(Write::Modes { modes, .. }) => modes.clone(),
        _ => service.store.modes(tenant).await?,
    };
    if modes.runbooks.get(runbook).is_some_and(|mode| *mode != Mode::Auto) {
        return Ok(false);
    }
    let since = since(&modes, runbook);
    let mut outcomes = service.store.automatic_outcomes(tenant, runbook, digest, since).await?;
    for write in &change.writes {
        if let Write::Outcome(outcome) = write
            && outcome.automatic
            && outcome.runbook == *runbook
            && outcome.runbook_digest == *digest
            && outcome.decided_at >= since
        {
            put(&mut outcomes, outcome);
        }
    }
    let report = over(service, &outcomes).report();
    if report.crossed_at.is_none() {
        return Ok(false);
    }
    let from = modes.runbooks.insert(runbook.clone(), Mode::Suggest).unwrap_or(modes.global);
    match pending {
        Some(place) => change.writes[place] = Write::Modes { tenant: tenant.clone(), modes },
        None => {
            change.expect.push(Expectation::ModesRevision { tenant: tenant.clone(), revision: modes.revision });
            modes.revision += 1;
            change.writes.push(Write::Modes { tenant: tenant.clone(), modes });
        }
    }
    let mut log = |event| change.entries.push(Entry::new(tenant.clone(), now, Actor::Engine, event));
    log(Event::RunbookDemoted { runbook: runbook.clone(), digest: *digest, outcomes: report.outcomes, wrong: report.wrong });
    log(Event::ModeChanged { scope: Scope::Runbook(runbook.clone()).to_string(), from, to: Mode::Suggest });
    let decider = service.decider();
    let owner = decider.library().get(runbook).map_or("", |runbook| runbook.owner.as_str());
    let limit = service.config.gate.error_limit;
    tell::listeners(service, About::Nothing(tenant), now, change, events::demoted(runbook, digest, owner, &report, limit));
    tell::chats(
        service,
        About::Nothing(tenant),
        now,
        change,
        notices::demoted(runbook, owner, &report, limit, service.senders.public_url()),
    );
    Ok(true)
}

/// The outcome at its place in the order of the decisions, which is that of the proposals' ids.
fn put(outcomes: &mut Vec<AutomaticOutcome>, outcome: &Outcome) {
    let one = AutomaticOutcome { recommendation: outcome.recommendation, wrong: outcome.kind.is_wrong() };
    match outcomes.binary_search_by_key(&one.recommendation, |known| known.recommendation) {
        Ok(place) => outcomes[place] = one,
        Err(place) => outcomes.insert(place, one),
    }
}

/// Looks again after an automatic run's outcome was committed: of outcomes committed at the same time none saw the
/// others, and only together they may cross.
///
/// # Errors
/// The store failed. The gate still refuses, because it reads the same outcomes.
pub(crate) async fn settle(service: &Service, tenant: &TenantId, runbook: &RunbookId, digest: &Digest) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut change = Change::default();
        if !demote(service, tenant, runbook, digest, service.ambient.now(), &mut change).await? {
            return Ok(());
        }
        match service.commit(change).await {
            Err(StoreError::Conflict(Conflict::Changed { .. })) => {}
            other => return other.map(|_| ()).map_err(Into::into),
        }
    }
    Err(ActionError::Internal(format!("the modes changed {ATTEMPTS} times while runbook `{runbook}` was demoted")))
}

/// [`settle`] for the automatic outcomes of a change that was committed. A failure is logged: what was committed stands.
pub(crate) async fn settle_all(service: &Service, committed: Vec<Outcome>) {
    for outcome in committed.into_iter().filter(|outcome| outcome.automatic) {
        if let Err(error) = settle(service, &outcome.tenant, &outcome.runbook, &outcome.runbook_digest).await {
            tracing::error!(runbook = %outcome.runbook, %error, "the runbook's mode was not set to `suggest`; the gate refuses all the same");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::RecommendationId, id::TicketId, outcome::OutcomeKind};

    fn outcome(second: i64, kind: OutcomeKind) -> Outcome {
        let at = Timestamp::from_millis(second * 1000);
        Outcome {
            form: Outcome::FORM,
            recommendation: RecommendationId::new(at, 1),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, 1),
            runbook: RunbookId::new("r").unwrap(),
            runbook_digest: Digest::of(b"r"),
            would_act: true,
            automatic: true,
            kind,
            another_runbook: None,
            category: None,
            comment: None,
            by: Actor::Engine,
            decided_at: at,
            known_at: at,
            revision: 1,
        }
    }

    #[test]
    fn an_outcome_that_comes_late_stands_where_its_decision_was_made_and_a_turned_one_stays_there() {
        let mut outcomes = Vec::new();
        for second in [1, 5, 3] {
            put(&mut outcomes, &outcome(second, OutcomeKind::Verified));
        }
        put(&mut outcomes, &outcome(3, OutcomeKind::Undone));
        assert!(outcomes.is_sorted_by_key(|one| one.recommendation));
        assert_eq!(outcomes.iter().map(|one| one.wrong).collect::<Vec<_>>(), [false, true, false]);
    }
}
