//! The deciding rooms joined: ticket → classification → runbook → parameters → facts → verdict → receipt.
//!
//! Pure once loaded: the same ticket, circumstances and ids give the same recommendation on every machine.
//! `serve`, `triage` and `replay` all decide here and nowhere else.

mod facts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    circumstances::{Circumstances, target_of},
    error::Result,
    load::{self, Chosen, LoadError, Part},
};
use crate::{
    config::{Config, gate::Gate},
    domain::{
        canonical,
        classification::{Classification, Field},
        digest::Digest,
        id::RecommendationId,
        look_up::{Answer, LookUp, Question},
        model::ModelVersion,
        name::{ConnectorName, ParameterName, RunbookId},
        receipt::Receipt,
        recommendation::{Candidate, Edit, FilledParameter, MissingParameter, Origin, Recommendation, RecommendationState},
        runbook::Runbook,
        ticket::Ticket,
        verdict::{Decision, Verdict},
    },
    gate::{
        self, PolicySet,
        facts::{PerMillion, Phase},
        freeze::Calendar,
        standing::Requesters,
    },
    runbook::{Library, Query},
    text::{self, CleanTicket},
    triage::Triage,
};

/// Everything that decides, loaded and checked.
pub struct Decider {
    chosen: Chosen,
    triage: Arc<Triage>,
    /// Answers beside [`Self::triage`] and changes nothing.
    shadow: Option<Arc<Triage>>,
    library: Arc<Library>,
    policies: Arc<PolicySet>,
    calendar: Arc<Calendar>,
    requesters: Arc<Requesters>,
    settings: Gate,
    fit_limit: PerMillion,
    error_limit: PerMillion,
    error_confidence: PerMillion,
}

/// What the pure rooms say of a ticket before anybody asked the store.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub classification: Classification,
    pub proposed: Option<Candidate>,
    pub candidates: Vec<Candidate>,
    pub parameters: Vec<FilledParameter>,
    pub missing: Vec<MissingParameter>,
    /// What directory services have to be asked before the parameters are settled.
    pub questions: BTreeSet<Question>,
    /// What they said so far.
    pub look_ups: Vec<LookUp>,
    /// A person's change that it is made of.
    pub edit: Option<Edit>,
}

/// A value that a person typed in and that the slot does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    pub parameter: ParameterName,
    pub why: String,
}

impl Decider {
    /// Loads model, signals, runbooks and policies as the configuration names them.
    ///
    /// # Errors
    /// Any part is missing, malformed or not what its digest says.
    pub fn load(config: &Config) -> std::result::Result<Self, LoadError> {
        Self::load_chosen(config, Chosen::default())
    }

    /// As [`load`](Self::load), with the models that people chose.
    ///
    /// # Errors
    /// As [`load`](Self::load), and a folder that holds another version than the one promoted.
    pub fn load_chosen(config: &Config, chosen: Chosen) -> std::result::Result<Self, LoadError> {
        let limit = |key, value| PerMillion::configured(value).map_err(|why| LoadError::Limit { key, why: why.to_string() });
        let triage = load::triage(config, &chosen)?;
        let library = load::library(config, &triage, None)?;
        let (policies, calendar) = load::rules(config)?;
        Ok(Self {
            policies,
            calendar,
            requesters: load::requesters(config)?,
            fit_limit: limit("least_fit", config.gate.least_fit)?,
            error_limit: limit("error_limit", config.gate.error_limit)?,
            error_confidence: limit("error_confidence", config.gate.error_confidence)?,
            settings: config.gate.clone(),
            shadow: load::shadow(config, &chosen),
            chosen,
            triage,
            library,
        })
    }

    /// Loads each part anew; a part that is refused stays as it is, and the others do not wait for it.
    ///
    /// Without `chosen` the models are those chosen last.
    pub fn reloaded(&self, config: &Config, chosen: Option<Chosen>) -> (Self, BTreeMap<Part, LoadError>) {
        let mut refused = BTreeMap::new();
        let chosen = chosen.unwrap_or_else(|| self.chosen.clone());
        let shadow = load::shadow(config, &chosen);
        let triage = load::triage(config, &chosen).unwrap_or_else(|why| {
            refused.insert(Part::Model, why);
            Arc::clone(&self.triage)
        });
        let library = load::library(config, &triage, Some(&self.library)).unwrap_or_else(|why| {
            refused.insert(Part::Runbooks, why);
            Arc::clone(&self.library)
        });
        let (policies, calendar) = load::rules(config).unwrap_or_else(|why| {
            refused.insert(Part::Policies, why);
            (Arc::clone(&self.policies), Arc::clone(&self.calendar))
        });
        let requesters = load::requesters(config).unwrap_or_else(|why| {
            refused.insert(Part::Requesters, why);
            Arc::clone(&self.requesters)
        });
        let settings = self.settings.clone();
        let (fit_limit, error_limit, error_confidence) = (self.fit_limit, self.error_limit, self.error_confidence);
        (
            Self { chosen, triage, shadow, library, policies, calendar, requesters, settings, fit_limit, error_limit, error_confidence },
            refused,
        )
    }

    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Connectors that runbooks use and `config` does not have, each with the runbooks that cannot run for it.
    pub fn missing_connectors(&self, config: &Config) -> BTreeMap<ConnectorName, BTreeSet<RunbookId>> {
        let mut missing: BTreeMap<ConnectorName, BTreeSet<RunbookId>> = BTreeMap::new();
        for runbook in self.library.iter() {
            for step in
                runbook.steps.iter().filter(|step| config.connectors.iter().all(|connector| connector.name != step.connector.as_str()))
            {
                missing.entry(step.connector.clone()).or_default().insert(runbook.id.clone());
            }
        }
        missing
    }

    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    pub fn triage(&self) -> &Triage {
        &self.triage
    }

    /// The version that somebody promoted; `None`: what the configuration names.
    pub(super) fn chosen(&self) -> Option<&ModelVersion> {
        self.chosen.in_force.as_ref()
    }

    /// The model that answers beside the one in force.
    pub fn shadow(&self) -> Option<&Arc<Triage>> {
        self.shadow.as_ref()
    }

    /// The digests of what is in force, by name.
    pub fn digests(&self) -> BTreeMap<&'static str, Digest> {
        [
            ("model", self.triage.model_digest()),
            ("signals", self.triage.signals_digest()),
            ("runbooks", self.library.digest()),
            ("policies", self.policies.digest()),
        ]
        .into()
    }

    /// Classifies, matches and fills; asks nothing but the ticket.
    ///
    /// `look_ups` are what directory services said; while the proposal has [`Proposal::questions`], ask them and
    /// [`refill`](Self::refill).
    pub fn propose(&self, ticket: &Ticket, look_ups: Vec<LookUp>) -> Proposal {
        let clean = text::clean_ticket(&ticket.report);
        let classification = self.triage.classify(&ticket.report, &clean, &ticket.source);
        let ranking = with_query(ticket, &clean, &classification, |query| self.library.rank(query));
        let proposal = Proposal {
            classification,
            proposed: ranking.proposed,
            candidates: ranking.candidates,
            parameters: Vec::new(),
            missing: Vec::new(),
            questions: BTreeSet::new(),
            look_ups,
            edit: None,
        };
        self.filled(ticket, &clean, proposal)
    }

    /// The same proposal with the slots filled anew, once more answers are there.
    pub fn refill(&self, ticket: &Ticket, mut proposal: Proposal, answered: Vec<LookUp>) -> Proposal {
        proposal.look_ups.extend(answered);
        self.filled(ticket, &text::clean_ticket(&ticket.report), proposal)
    }

    fn filled(&self, ticket: &Ticket, clean: &CleanTicket, proposal: Proposal) -> Proposal {
        let Some(runbook) = proposal.proposed.as_ref().and_then(|candidate| self.library.get(&candidate.runbook)) else { return proposal };
        let answers: BTreeMap<Question, Answer> =
            proposal.look_ups.iter().map(|look_up| (look_up.question.clone(), look_up.answer.clone())).collect();
        let filled = with_query(ticket, clean, &proposal.classification, |query| self.library.fill(runbook, query, &answers));
        Proposal { parameters: filled.parameters, missing: filled.missing, questions: filled.questions, ..proposal }
    }

    /// What a person makes of the ticket's proposal: another runbook, and values of their own where they typed some.
    ///
    /// The same edit of the same ticket with the same look-ups is the same proposal, so that `replay` can make it again.
    ///
    /// # Errors
    /// No such runbook in force, or each value that its slot does not take.
    pub fn edited(&self, ticket: &Ticket, edit: &Edit, look_ups: Vec<LookUp>) -> std::result::Result<Proposal, Vec<NotTaken>> {
        let Some(runbook) = self.library.get(&edit.runbook) else { return Err(Vec::new()) };
        let mut proposal = self.propose(ticket, look_ups);
        let known = proposal.candidates.iter().find(|candidate| candidate.runbook == edit.runbook).cloned();
        let chosen = known.unwrap_or_else(|| Candidate {
            runbook: runbook.id.clone(),
            title: runbook.title.clone(),
            digest: runbook.digest,
            score: 0.0,
            fit: 0.0,
            because: Vec::new(),
        });
        if !proposal.candidates.iter().any(|candidate| candidate.runbook == chosen.runbook) {
            proposal.candidates.truncate(MOST_CANDIDATES - 1);
            proposal.candidates.push(chosen.clone());
        }
        proposal.proposed = Some(chosen);
        let mut proposal = self.filled(ticket, &text::clean_ticket(&ticket.report), proposal);
        let mut refused = Vec::new();
        for (name, value) in &edit.parameters {
            let taken = match runbook.parameters.get(name) {
                None => Err(format!("runbook `{}` has no such parameter", runbook.id)),
                Some(parameter) => {
                    let answer = |question: &Question| {
                        proposal.look_ups.iter().find(|look_up| look_up.question == *question).map(|look_up| &look_up.answer)
                    };
                    crate::runbook::accept(parameter, value, answer)
                }
            };
            match taken {
                Ok(validated_by) => {
                    proposal.missing.retain(|missing| missing.name != *name);
                    proposal.parameters.retain(|filled| filled.name != *name);
                    let origin = Origin::Person { person: edit.by.clone() };
                    proposal.parameters.push(FilledParameter { name: name.clone(), value: value.clone(), origin, validated_by });
                }
                Err(why) => refused.push(NotTaken { parameter: name.clone(), why }),
            }
        }
        proposal.parameters.sort_by(|a, b| a.name.cmp(&b.name));
        proposal.edit = Some(edit.clone());
        if refused.is_empty() { Ok(proposal) } else { Err(refused) }
    }

    /// The runbook proposed with the target that caps count, when one is.
    ///
    /// # Errors
    /// Never for values this program makes.
    pub fn runbook_of(&self, proposal: &Proposal) -> Result<Option<(&Runbook, Digest)>> {
        let Some(runbook) = proposal.proposed.as_ref().and_then(|candidate| self.library.get(&candidate.runbook)) else { return Ok(None) };
        let values: BTreeMap<_, _> = proposal.parameters.iter().map(|parameter| (&parameter.name, &parameter.value)).collect();
        Ok(Some((runbook, target_of(runbook, &values)?)))
    }

    /// Puts the proposal before the gate and writes the receipt.
    ///
    /// # Errors
    /// Never for values this program makes.
    pub fn judge(
        &self,
        ticket: &Ticket,
        proposal: Proposal,
        circumstances: &Circumstances,
        id: RecommendationId,
    ) -> Result<Recommendation> {
        let runbook = proposal.proposed.as_ref().and_then(|candidate| self.library.get(&candidate.runbook));
        let mut recommendation = Recommendation {
            form: Recommendation::FORM,
            id,
            tenant: ticket.tenant.clone(),
            ticket: ticket.id,
            ticket_version: ticket.version,
            runbook: runbook.map(|runbook| runbook.id.clone()),
            runbook_digest: runbook.map(|runbook| runbook.digest),
            classification: proposal.classification,
            candidates: proposal.candidates,
            parameters: proposal.parameters,
            missing: proposal.missing,
            verdict: Verdict { decision: Decision::Escalate, reasons: Vec::new(), policies: self.policies.digest(), approvals_needed: 0 },
            allowed: None,
            would_act: false,
            receipt: Receipt {
                form: Receipt::FORM,
                engine: concat!("sluicegate ", env!("CARGO_PKG_VERSION")).to_owned(),
                decided_at: circumstances.now,
                input: ticket.input_digest()?,
                model: self.triage.model_digest(),
                signals: self.triage.signals_digest(),
                runbooks: self.library.digest(),
                policies: self.policies.digest(),
                facts: serde_json::Value::Null,
                look_ups: proposal.look_ups,
                outcome: Digest::of(b""),
            },
            freeze_override: None,
            edit: proposal.edit,
            state: RecommendationState::Open,
            approvals: Vec::new(),
            revision: 1,
            created_at: circumstances.now,
            expires_at: circumstances.now.plus(self.settings.approval_lifetime.get()),
        };
        let facts = self.facts(ticket, &recommendation, circumstances, Phase::Proposal)?;
        recommendation.verdict = gate::evaluate(&self.policies, &facts);
        recommendation.would_act = gate::shadow::would_act(&self.policies, &facts);
        recommendation.receipt.facts = serde_json::to_value(&facts)?;
        recommendation.receipt.outcome = outcome(&recommendation)?;
        Ok(recommendation)
    }

    /// What of the proposal is no longer as it was when it was made, in words; empty when all is.
    ///
    /// # Errors
    /// Never for values this program makes.
    pub fn changed_since(&self, ticket: &Ticket, recommendation: &Recommendation) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        if ticket.input_digest()? != recommendation.receipt.input {
            changed.push("the sender changed the ticket".to_owned());
        }
        if let (Some(id), Some(then)) = (&recommendation.runbook, recommendation.runbook_digest) {
            match self.library.get(id).map(|runbook| runbook.digest) {
                Some(now) if now == then => {}
                Some(now) => changed.push(format!("runbook `{id}` was at {then} and is at {now}")),
                None => changed.push(format!("runbook `{id}` was withdrawn")),
            }
        }
        let (then, now) = (recommendation.verdict.policies, self.policies.digest());
        if then != now {
            changed.push(format!("the policies were at {then} and are at {now}"));
        }
        Ok(changed)
    }
}

/// As many candidates as a proposal has at most.
const MOST_CANDIDATES: usize = 5;

/// The digest of what was decided; `replay` compares it.
///
/// # Errors
/// Never for values this program makes.
pub fn outcome(recommendation: &Recommendation) -> Result<Digest> {
    Ok(canonical::digest(&(
        &recommendation.classification,
        &recommendation.runbook,
        &recommendation.candidates,
        &recommendation.parameters,
        &recommendation.missing,
        &recommendation.verdict,
    ))?)
}

/// The runbook with this id at exactly this digest, when it is in force.
pub fn exactly<'a>(library: &'a Library, id: &RunbookId, digest: &Digest) -> Option<&'a Runbook> {
    library.get(id).filter(|runbook| &runbook.digest == digest)
}

fn clean_field(clean: &CleanTicket, field: Field) -> &text::Cleaned {
    match field {
        Field::Title => &clean.title,
        Field::Body => &clean.body,
    }
}

/// What the matcher sees of a ticket.
fn with_query<R>(ticket: &Ticket, clean: &CleanTicket, classification: &Classification, with: impl FnOnce(&Query<'_>) -> R) -> R {
    let report = &ticket.report;
    let span_of = |field: Field, range: std::ops::Range<usize>| Some(clean_field(clean, field).span(range));
    with(&Query {
        title: clean.title.text(),
        body: clean.body.text(),
        labels: &report.labels,
        attributes: &report.attributes,
        requester: report.requester.as_ref(),
        category: classification.category.label.as_deref(),
        span_of: &span_of,
    })
}
