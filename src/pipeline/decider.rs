//! The deciding rooms joined: ticket → classification → runbook → parameters → facts → verdict → receipt.
//!
//! Pure once loaded: the same ticket, circumstances and ids give the same recommendation on every machine.
//! `serve`, `triage` and `replay` all decide here and nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    circumstances::{Circumstances, target_of},
    error::Result,
    standing, vectors,
};
use crate::{
    config::{
        Config,
        gate::Gate,
        triage::{Embedding, Runbooks},
    },
    domain::{
        canonical,
        classification::{Classification, Field},
        digest::Digest,
        id::RecommendationId,
        look_up::{Answer, LookUp, Question},
        name::{ConnectorName, DirectoryName, PersonId, RunbookId},
        receipt::Receipt,
        recommendation::{Candidate, FilledParameter, MissingParameter, Recommendation, RecommendationState},
        runbook::{ParameterType, Runbook, StepKind},
        ticket::Ticket,
        untrusted::Untrusted,
        verdict::{Decision, Verdict},
    },
    gate::{
        self, GateError, PolicySet,
        facts::{
            ApprovalFacts, CategoryFacts, ErrorRecord, Facts, KillSwitch, Modes, PerMillion, Phase, ProposalFacts, RequesterFacts,
            StormFacts, TicketFacts, Usage, WindowInForce,
        },
        freeze::{self, Calendar},
        standing::{Requesters, Wanted},
    },
    runbook::{Finding, Known, Library, Meaning, Query},
    text::{
        self, CleanTicket,
        embedding::{CachedEmbedder, Embedder, EmbeddingError, EmbeddingKind},
    },
    triage::{Catalogue, Triage, TriageError},
};

/// Why the deciding rooms cannot be put in force. The ones in force stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Triage(#[from] TriageError),
    #[error("runbooks in `{folder}` are not in order:{}", listed(.findings))]
    Runbooks { folder: String, findings: Vec<Finding> },
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    #[error("`gate.{key}`: {why}")]
    Limit { key: &'static str, why: String },
}

/// The first findings, one a line; a broken library has hundreds of one cause.
fn listed(findings: &[Finding]) -> String {
    let mut text: String = findings.iter().take(FINDINGS_SHOWN).map(|finding| format!("\n  {finding}")).collect();
    if findings.len() > FINDINGS_SHOWN {
        text += &format!("\n  and {} more; `sluicegate runbook lint` shows all", findings.len() - FINDINGS_SHOWN);
    }
    text
}

const FINDINGS_SHOWN: usize = 20;

/// Everything that decides, loaded and checked.
pub struct Decider {
    triage: Arc<Triage>,
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
}

/// A part that is loaded by itself and stays in force when a newer version of it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Model, embedding, catalogue and signals.
    Model,
    /// Runbooks, their lists and alert rules.
    Runbooks,
    /// Policies and freeze calendar.
    Policies,
    /// The list of requesters. By itself, because an export of people goes wrong more often than a policy does.
    Requesters,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Model, Self::Runbooks, Self::Policies, Self::Requesters];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Runbooks => "runbooks",
            Self::Policies => "policies",
            Self::Requesters => "requesters",
        }
    }
}

type Rules = (Arc<PolicySet>, Arc<Calendar>);

impl Decider {
    /// Loads model, signals, runbooks and policies as the configuration names them.
    ///
    /// # Errors
    /// Any part is missing, malformed or not what its digest says.
    pub fn load(config: &Config) -> std::result::Result<Self, LoadError> {
        let limit = |key, value| PerMillion::configured(value).map_err(|why| LoadError::Limit { key, why: why.to_string() });
        let triage = load_triage(config)?;
        let library = load_library(config, &triage, None)?;
        let (policies, calendar) = load_rules(config)?;
        Ok(Self {
            policies,
            calendar,
            requesters: load_requesters(config)?,
            fit_limit: limit("least_fit", config.gate.least_fit)?,
            error_limit: limit("error_limit", config.gate.error_limit)?,
            error_confidence: limit("error_confidence", config.gate.error_confidence)?,
            settings: config.gate.clone(),
            triage,
            library,
        })
    }

    /// Loads each part anew; a part that is refused stays as it is, and the others do not wait for it.
    pub fn reloaded(&self, config: &Config) -> (Self, BTreeMap<Part, LoadError>) {
        let mut refused = BTreeMap::new();
        let triage = load_triage(config).unwrap_or_else(|why| {
            refused.insert(Part::Model, why);
            Arc::clone(&self.triage)
        });
        let library = load_library(config, &triage, Some(&self.library)).unwrap_or_else(|why| {
            refused.insert(Part::Runbooks, why);
            Arc::clone(&self.library)
        });
        let (policies, calendar) = load_rules(config).unwrap_or_else(|why| {
            refused.insert(Part::Policies, why);
            (Arc::clone(&self.policies), Arc::clone(&self.calendar))
        });
        let requesters = load_requesters(config).unwrap_or_else(|why| {
            refused.insert(Part::Requesters, why);
            Arc::clone(&self.requesters)
        });
        let settings = self.settings.clone();
        let (fit_limit, error_limit, error_confidence) = (self.fit_limit, self.error_limit, self.error_confidence);
        (Self { triage, library, policies, calendar, requesters, settings, fit_limit, error_limit, error_confidence }, refused)
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

/// The first of the named attributes or labels that the ticket has.
///
/// What a person posts through the API has neither environment nor service: whoever posts it may also approve, and must
/// not choose which freeze it is in. A ticket that does not say is in every one.
fn first_named<'a>(ticket: &'a Ticket, names: &[String]) -> Option<&'a Untrusted> {
    if ticket.source.as_str() == super::actions::submit::API_SOURCE {
        return None;
    }
    names.iter().find_map(|name| ticket.report.attributes.get(name).or_else(|| ticket.report.labels.get(name)))
}

fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Texts whose vectors are remembered: a storm of equal tickets costs one embedding.
const REMEMBERED: usize = 1_024;

fn load_meaning(config: &Runbooks) -> std::result::Result<Option<Meaning>, EmbeddingError> {
    let kind = match config.embedding {
        Embedding::None => return Ok(None),
        Embedding::Static => EmbeddingKind::Static,
        Embedding::Minilm => EmbeddingKind::Minilm,
    };
    let embedder = Embedder::load(&config.embedding_folder, kind)?;
    Ok(Some(Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, REMEMBERED)), kept_in: Some(config.vectors.clone()) }))
}

fn load_triage(config: &Config) -> std::result::Result<Arc<Triage>, LoadError> {
    let parts = &config.triage;
    Ok(Arc::new(Triage::load(&parts.model, &parts.embedding, &parts.catalogue, &parts.signals)?))
}

/// The names that runbooks may use; without a catalogue, categories and owners are not checked.
pub fn known_names(config: &Config, catalogue: Option<&Catalogue>) -> Known {
    let owners = |catalogue: &Catalogue| catalogue.groups().into_iter().chain(config.runbooks.owners.iter().cloned()).collect();
    Known {
        categories: catalogue.map(Catalogue::ids),
        owners: catalogue.map(owners),
        directories: Some(config.directories.iter().filter_map(|directory| DirectoryName::new(&directory.name).ok()).collect()),
        ..Known::default()
    }
}

/// Takes over what `before` has alike.
fn load_library(config: &Config, triage: &Triage, before: Option<&Library>) -> std::result::Result<Arc<Library>, LoadError> {
    // A connector that is not configured keeps no runbook from being recommended: the gate refuses to run it.
    let known = Known {
        alert_rules: config.runbooks.alert_rules.clone(),
        meaning: load_meaning(&config.runbooks)?,
        ..known_names(config, Some(triage.catalogue()))
    };
    let folder = &config.runbooks.folder;
    let refused = |findings| LoadError::Runbooks { folder: folder.display().to_string(), findings };
    let library = match before {
        Some(before) => before.load_again(folder, &known),
        None => Library::load(folder, &known),
    };
    let library = library.map_err(refused)?;
    vectors::keep(&library);
    Ok(Arc::new(library))
}

fn load_rules(config: &Config) -> std::result::Result<Rules, LoadError> {
    let folder = &config.gate.policies;
    Ok((Arc::new(PolicySet::load(folder)?), Arc::new(Calendar::load(&folder.join("freeze.toml"))?)))
}

fn load_requesters(config: &Config) -> std::result::Result<Arc<Requesters>, LoadError> {
    let Config { requesters, gate, .. } = config;
    Ok(Arc::new(Requesters::load(requesters.file(), requesters.directory().is_some(), &gate.vip, &gate.flagged)?))
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
