//! Triage of one ticket: signals and entities, then the model, then the rules for group, priority and risk.
//!
//! A pure function of the loaded files and the ticket.
// INVARIANT: risk is a maximum; nothing in here lowers it, the model least of all.

use std::{collections::BTreeMap, path::Path};

use super::{
    TriageError,
    catalogue::{Catalogue, Category},
    model::Model,
    registry,
    signals::SignalSet,
};
use crate::{
    domain::{
        classification::{Classification, Estimate, SignalHit},
        digest::Digest,
        name::SourceId,
        priority::{Level, Priority, Risk},
        ticket::Report,
    },
    text::CleanTicket,
};

/// The head that every triage model has.
const CATEGORY: &str = "category";
/// Heads with a place of their own in a [`Classification`].
const GROUP: &str = "assignment_group";
const PRIORITY: &str = "priority";
const RISK: &str = "risk";

/// Model, catalogue and signals, loaded and checked.
#[derive(Debug)]
pub struct Triage {
    model: Model,
    catalogue: Catalogue,
    signals: SignalSet,
    digest: Digest,
}

impl Triage {
    /// Loads the model folder, the catalogue and the signals file.
    ///
    /// # Errors
    /// A file is missing, malformed, of a future form, or not the one its digest names; the model has no head
    /// `category`.
    pub fn load(model: &Path, catalogue: &Path, signals: &Path) -> Result<Self, TriageError> {
        let signals = SignalSet::load(signals)?;
        let catalogue = Catalogue::load(catalogue)?;
        let (loaded, manifest, manifest_digest) = registry::load(model)?;
        if loaded.head(CATEGORY).is_none() {
            let heads: Vec<&str> = manifest.heads.keys().map(String::as_str).collect();
            let reason = format!("it has no head `{CATEGORY}`, only {}", heads.join(", "));
            return Err(TriageError::Form { path: model.to_owned(), reason });
        }
        let digest = Digest::of_parts([&manifest_digest.as_bytes()[..], &catalogue.digest().as_bytes()[..]]);
        Ok(Self { model: loaded, catalogue, signals, digest })
    }

    /// Names everything a classification depends on but signals: manifest, through it the weights, and catalogue.
    pub fn model_digest(&self) -> Digest {
        self.digest
    }

    pub fn signals_digest(&self) -> Digest {
        self.signals.digest()
    }

    /// The categories, for checking what runbooks name.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Everything triage says of one ticket.
    pub fn classify(&self, report: &Report, text: &CleanTicket, _source: &SourceId) -> Classification {
        let findings = self.signals.find(text);
        let features = self.model.features(text, &findings);
        let mut estimates: BTreeMap<String, Estimate> =
            self.model.heads.iter().map(|head| (head.target.clone(), self.model.estimate(head, text, &features))).collect();
        let category = estimates.remove(CATEGORY).unwrap_or_else(unknown);
        let assigned = category.label.as_deref().and_then(|id| self.catalogue.get(id));
        let likely = category.ranked.first().filter(|_| category.label.is_some() || category.probability() >= 0.2);
        let likely = likely.and_then(|(id, _)| self.catalogue.get(id));

        let learned_group = estimates.get(GROUP).and_then(|estimate| estimate.label.clone());
        let assignment_group = learned_group.or_else(|| assigned.map(|category| category.assignment_group.clone()));
        let (priority, priority_because) = priority(report, assigned, &findings.signals, estimates.get(PRIORITY));
        let (risk, risk_because) = risk(report, likely, &findings.signals, estimates.get(RISK));
        Classification {
            category,
            assignment_group,
            kind: report.kind,
            priority,
            priority_because,
            risk,
            risk_because,
            language: text.language.to_owned(),
            flags: text.flag_names(),
            signals: findings.signals,
            entities: findings.entities,
            model: self.digest,
            others: estimates,
        }
    }
}

fn unknown() -> Estimate {
    Estimate { label: None, ranked: Vec::new(), threshold: 1.0, because: Vec::new() }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Low => "low",
        Level::Medium => "medium",
        Level::High => "high",
    }
}

/// A label of the operator's own, when it is one of ours and the head is sure.
fn learned<T: Copy>(estimate: Option<&Estimate>, values: &[T], name: impl Fn(T) -> &'static str) -> Option<T> {
    let label = estimate?.label.as_deref()?;
    values.iter().copied().find(|value| name(*value).eq_ignore_ascii_case(label))
}

/// The matrix of impact × urgency; a head trained on the operator's labels may take its place; signals raise.
fn priority(report: &Report, category: Option<&Category>, signals: &[SignalHit], head: Option<&Estimate>) -> (Priority, Vec<String>) {
    let mut because = Vec::new();
    let mut side = |what: &str, stated: Option<Level>, usual: Option<Level>| {
        let (value, from) = match (stated, usual) {
            (Some(value), _) => (value, "as reported"),
            (None, Some(value)) => (value, "usual for the category"),
            (None, None) => (Level::Medium, "assumed: nothing is stated"),
        };
        because.push(format!("{what} is {}, {from}", level(value)));
        value
    };
    let impact = side("impact", report.impact, category.and_then(|category| category.impact));
    let urgency = side("urgency", report.urgency, category.and_then(|category| category.urgency));
    let mut priority = Priority::from_matrix(impact, urgency);
    because.push(format!("impact × urgency gives {}", priority.as_str()));
    let stated = report.impact.is_some() && report.urgency.is_some();
    if let Some(learned) = learned(head, &Priority::ALL, Priority::as_str).filter(|learned| *learned != priority && !stated) {
        because.push(format!("the model says {}, from the labels it was trained on", learned.as_str()));
        priority = learned;
    }
    for hit in signals {
        if let Some(raised) = hit.raises_priority.filter(|raised| *raised > priority) {
            because.push(format!("signal `{}` raises it to {}", hit.signal, raised.as_str()));
            priority = raised;
        }
    }
    (priority, because)
}

/// The highest of signals, likely category, classifier and requester's standing.
fn risk(report: &Report, category: Option<&Category>, signals: &[SignalHit], head: Option<&Estimate>) -> (Risk, Vec<String>) {
    let mut reasons: Vec<(Risk, String)> = Vec::new();
    for hit in signals {
        if let Some(raised) = hit.raises_risk {
            reasons.push((raised, format!("signal `{}` says {}", hit.signal, raised.as_str())));
        }
    }
    if let Some((risk, category)) = category.and_then(|category| Some((category.risk?, category))) {
        reasons.push((risk, format!("category `{}` says {}", category.id, risk.as_str())));
    }
    if let Some(learned) = learned(head, &[Risk::Low, Risk::Medium, Risk::High], Risk::as_str) {
        reasons.push((learned, format!("the model says {}", learned.as_str())));
    }
    if let Some(mark) = standing(report) {
        reasons.push((Risk::Medium, format!("the requester is marked `{mark}`: at least medium")));
    }
    let risk = reasons.iter().map(|(risk, _)| *risk).max().unwrap_or(Risk::Low);
    reasons.retain(|(reason, _)| *reason > Risk::Low);
    reasons.sort_by_key(|(risk, _)| std::cmp::Reverse(*risk));
    let mut because: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
    if because.is_empty() {
        because.push("no signal, category or mark of the requester raises it".to_owned());
    }
    (risk, because)
}

/// How help desks mark people whose tickets need care.
fn standing(report: &Report) -> Option<&'static str> {
    const MARKS: [&str; 3] = ["vip", "executive", "board"];
    let truthy = |text: &str| ["true", "yes", "1"].iter().any(|yes| text.eq_ignore_ascii_case(yes));
    MARKS.into_iter().find(|mark| {
        report.tags.iter().any(|tag| tag.as_untrusted().eq_ignore_ascii_case(mark))
            || report.attributes.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case(mark) && truthy(value.as_untrusted()) || value.as_untrusted().eq_ignore_ascii_case(mark)
            })
    })
}
