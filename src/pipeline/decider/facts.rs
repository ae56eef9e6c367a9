//! What the gate sees of a recommendation: every fact, from the ticket, the circumstances and what is loaded.
// INVARIANT: nothing a ticket says becomes a fact that allows more, but where a configured sender is asked for it.

use std::collections::BTreeSet;

use super::Decider;
use crate::{
    domain::{
        name::PersonId,
        recommendation::{FilledParameter, Recommendation},
        runbook::{ParameterType, Runbook, StepKind},
        ticket::Ticket,
        untrusted::Untrusted,
    },
    gate::{
        self,
        facts::{
            ApprovalFacts, CategoryFacts, ErrorRecord, Facts, KillSwitch, Modes, PerMillion, Phase, ProposalFacts, RequesterFacts,
            StormFacts, TicketFacts, Usage, WindowInForce,
        },
        freeze,
        standing::Wanted,
    },
    pipeline::{actions::submit::API_SOURCE, circumstances::Circumstances, error::Result, standing},
};

impl Decider {
    /// What the gate sees of this recommendation in these circumstances.
    ///
    /// # Errors
    /// Never for values this program makes.
    pub fn facts(&self, ticket: &Ticket, recommendation: &Recommendation, circumstances: &Circumstances, phase: Phase) -> Result<Facts> {
        let settings = &self.settings;
        let classification = &recommendation.classification;
        let environment = first_named(ticket, &settings.environment_from).and_then(|text| self.calendar.environment(text));
        let service = first_named(ticket, &settings.service_from).and_then(freeze::label);
        let windows: Vec<WindowInForce> = self.calendar.in_force(circumstances.now, environment.as_deref(), service.as_deref());
        let modes = &circumstances.modes;
        Ok(Facts {
            form: Facts::FORM,
            phase,
            tenant: ticket.tenant.clone(),
            now: circumstances.now,
            ticket: TicketFacts {
                id: ticket.id,
                version: ticket.version,
                source: ticket.source.clone(),
                kind: classification.kind,
                category: classification
                    .category
                    .label
                    .clone()
                    .map(|label| CategoryFacts { label, probability: PerMillion::at_most(classification.category.probability()) }),
                priority: classification.priority,
                risk: classification.risk,
                language: classification.language.clone(),
                flags: classification.flags.iter().cloned().collect(),
                environment,
                service,
            },
            requester: self.requester_facts(ticket, recommendation, circumstances),
            proposal: self.proposal_facts(ticket, recommendation, circumstances)?,
            modes: Modes {
                global: modes.global,
                source: modes.sources.get(&ticket.source).copied().unwrap_or(modes.global),
                runbook: recommendation.runbook.as_ref().and_then(|id| modes.runbooks.get(id).copied()).unwrap_or(modes.global),
            },
            kill_switch: modes.kill_switch.as_ref().map_or(KillSwitch::Off, |switch| KillSwitch::On { reason: switch.reason.clone() }),
            windows,
            storm: StormFacts { size: saturate(circumstances.storm_size), limit: saturate(settings.storm_size) },
            usage: Usage {
                runbook_hour: saturate(circumstances.usage.runbook_hour),
                target_hour: saturate(circumstances.usage.target_hour),
                requester_hour: saturate(circumstances.usage.requester_hour),
                running: saturate(circumstances.usage.running),
            },
            record: ErrorRecord {
                decisions: circumstances.outcomes.known,
                wrong: circumstances.outcomes.wrong,
                confidence: self.error_confidence,
                limit: self.error_limit,
                demoted: circumstances.demoted,
            },
            connectors: circumstances.connectors.clone(),
            approvals: recommendation
                .approvals
                .iter()
                .map(|approval| ApprovalFacts {
                    by: approval.by.clone(),
                    at: approval.at,
                    binding: approval.binding,
                    roles: circumstances.roles.get(&approval.by).cloned().unwrap_or_default(),
                })
                .collect(),
        })
    }

    fn requester_facts(&self, ticket: &Ticket, recommendation: &Recommendation, circumstances: &Circumstances) -> Option<RequesterFacts> {
        let requester = ticket.report.requester.as_ref()?;
        let runbook = recommendation.runbook.as_ref().and_then(|id| self.library.get(id));
        let category = recommendation.classification.category.label.as_deref();
        let wanted = runbook.map(|runbook| Wanted { runbook: &runbook.id, categories: &runbook.categories, category });
        let submitter = standing::submitter(ticket);
        let facts = self.requesters.facts(requester, submitter.as_ref(), circumstances.said_of_requester.as_ref(), wanted);
        Some(RequesterFacts { rate: circumstances.requester_rate, ..facts })
    }

    fn proposal_facts(
        &self,
        ticket: &Ticket,
        recommendation: &Recommendation,
        circumstances: &Circumstances,
    ) -> Result<Option<ProposalFacts>> {
        let (Some(id), Some(digest)) = (recommendation.runbook.clone(), recommendation.runbook_digest) else { return Ok(None) };
        let in_force = self.library.get(&id);
        let today = jiff::tz::TimeZone::UTC.to_datetime(circumstances.now.as_jiff()).date();
        let mut now = recommendation.clone();
        now.runbook_digest = in_force.map(|runbook| runbook.digest);
        now.verdict.policies = self.policies.digest();
        now.receipt.input = ticket.input_digest()?;
        let changes = || in_force.iter().flat_map(|runbook| &runbook.steps).filter(|step| step.kind == StepKind::Change);
        Ok(Some(ProposalFacts {
            digest,
            in_force: in_force.map(|runbook| runbook.digest),
            risk: in_force.map_or(crate::domain::priority::Risk::High, |runbook| runbook.risk),
            reversible: in_force.is_some_and(|runbook| runbook.reversible),
            idempotent: in_force.is_some() && changes().all(|step| step.idempotent),
            executable: in_force.is_some_and(Runbook::is_executable),
            stale: in_force.is_none_or(|runbook| runbook.is_stale(today)),
            authors: in_force.map(|runbook| runbook.authors.clone()).unwrap_or_default(),
            beneficiaries: in_force.map(|runbook| beneficiaries(runbook, recommendation)).unwrap_or_default(),
            fit: PerMillion::at_most(
                recommendation.candidates.iter().find(|candidate| candidate.runbook == id).map_or(0.0, |candidate| candidate.fit),
            ),
            fit_limit: self.fit_limit,
            missing: recommendation.missing.iter().map(|missing| missing.name.clone()).collect(),
            binding: recommendation.binding()?,
            binding_now: now.binding()?,
            expires_at: recommendation.expires_at,
            pre_approvals: circumstances.pre_approvals.clone(),
            freeze_override: circumstances.freeze_override.clone(),
            edited_by: recommendation.edit.as_ref().map(|edit| edit.by.clone()),
            runbook: id,
        }))
    }
}

/// Whom the run is for: the values of its parameters that name an account or an address.
fn beneficiaries(runbook: &Runbook, recommendation: &Recommendation) -> BTreeSet<PersonId> {
    let names_somebody = |parameter: &&FilledParameter| {
        let declared = runbook.parameters.get(&parameter.name).map(|declared| &declared.kind);
        matches!(declared, Some(ParameterType::Username | ParameterType::Email))
    };
    recommendation.parameters.iter().filter(names_somebody).flat_map(|parameter| gate::approval::spellings(&parameter.value)).collect()
}

/// The first of the named attributes or labels that the ticket has.
///
/// What a person posts through the API has neither environment nor service: whoever posts it may also approve, and must
/// not choose which freeze it is in. A ticket that does not say is in every one.
fn first_named<'a>(ticket: &'a Ticket, names: &[String]) -> Option<&'a Untrusted> {
    if ticket.source.as_str() == API_SOURCE {
        return None;
    }
    names.iter().find_map(|name| ticket.report.attributes.get(name).or_else(|| ticket.report.labels.get(name)))
}

fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
